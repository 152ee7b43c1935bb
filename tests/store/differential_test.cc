// The store in memory beside PostgreSQL: the same questions and changes in the same order, drawn by chance, must be
// answered alike. What holds of the one in a simulation then holds of the other.
#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <sstream>

#include "audit/event.h"
#include "store/memory_engine_store.h"
#include "store/memory_store.h"
#include "tests/fakes/approved_messages.h"
#include "tests/fakes/postgres_server.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

constexpr int64_t kHourMs = 3'600'000;

// What both answer to everything, as words that can be compared: times are told only as past or to come.
class Pair {
 public:
  explicit Pair(uint64_t seed) : chance_(seed) {
    shared_postgres().clear();
    session_ = shared_postgres().session();
    messages_ = std::make_unique<ApprovedMessages>(*session_, keys_, clock_, random_);
    for (size_t i = 0; i < kLoops; i++) {
      const JournalOptions options{shared_postgres().options(), 1, ids_.next(), "loop-" + std::to_string(i)};
      real_[i] = make_pg_journal(loop_, clock_, random_, *log_, options);
      real_[i]->on_change([this](bool) { loop_.stop(); });
      while (!real_[i]->is_up()) loop_.run();
      real_[i]->on_change({});
      model_[i] = std::make_unique<MemoryJournal>(loop_, clock_, store_, options);
    }
    real_engine_ = make_pg_engine_store(shared_postgres().options(), clock_);
    for (int i = 0; i < 12; i++) insert();
  }

  void run(int steps) {
    for (int i = 0; i < steps; i++) {
      const uint64_t draw = chance_.below(100);
      if (draw < 40)
        permit();
      else if (draw < 65)
        record();
      else if (draw < 70)
        end();
      else if (draw < 75)
        move();
      else if (draw < 80)
        claim();
      else if (draw < 85)
        look();
      else if (draw < 94)
        change();
      else
        ask_engine();
      if (i % 20 == 0) compare_rows();
    }
    compare_rows();
  }

 private:
  static constexpr size_t kLoops = 2;

  void insert() {
    ApprovedOptions options{sms("+61491570006", "hello")};
    options.priority = kPriorities[chance_.below(4)];
    if (chance_.below(5) == 0)
      options.expires_at = WallTime{clock_.wall().us + (chance_.below(2) == 0 ? -1 : 1) * kHourMs * 1000};
    const Uuid id = messages_->insert(options);
    PgTransaction tx(*session_);
    MemoryStore::Message m;
    m.row = **read_message(tx, id);
    m.content = **read_content(tx, id);
    m.due = **read_due(tx, id);
    auto rows = tx.run("select envelope_commit, approval_mac, policy_id from approval where message_id = $1", {id});
    m.approvals.push_back({1, rows->text(0, 0), rows->text(0, 1), rows->text(0, 2), clock_.wall()});
    REQUIRE(tx.commit().ok());
    store_.messages[id] = std::move(m);
    all_.push_back(id);
  }

  Uuid any() { return all_[chance_.below(all_.size())]; }
  std::set<Uuid> some(uint64_t most) {
    std::set<Uuid> out;
    for (uint64_t i = 0; i <= chance_.below(most); i++) out.insert(any());
    return out;
  }

  template <class T>
  Result<T> wait(const std::function<void(std::function<void(Result<T>)>)>& start) {
    std::optional<Result<T>> got;
    start([&](Result<T> result) {
      got = std::move(result);
      loop_.stop();
    });
    while (!got) loop_.run();
    return std::move(*got);
  }
  // What one of the loops gets, from both; equal as `tell` has it.
  template <class T>
  std::pair<T, T> both(const std::string& what, size_t loop, const std::function<std::string(const T&)>& tell,
                       const std::function<void(Journal&, std::function<void(Result<T>)>)>& ask) {
    auto real = wait<T>([&](auto done) { ask(*real_[loop], done); });
    auto model = wait<T>([&](auto done) { ask(*model_[loop], done); });
    INFO(what);
    REQUIRE(real.ok());
    REQUIRE(model.ok());
    CHECK(tell(*real) == tell(*model));
    return {std::move(*real), std::move(*model)};
  }
  std::string name_of(const Uuid& id) {
    for (size_t i = 0; i < all_.size(); i++)
      if (all_[i] == id) return "#" + std::to_string(i);
    return "?";
  }
  std::string tell(const Permit& p) {
    std::ostringstream out;
    out << name_of(p.id) << " verdict " << static_cast<int>(p.verdict);
    if (p.verdict == PermitVerdict::nothing_due || p.verdict == PermitVerdict::taken) return out.str();
    out << " n " << p.attempt_no << " lane " << p.lane << " by " << p.provider << " why " << p.route_reason << " pin "
        << p.pinned_provider << " avoid " << p.avoid << " status " << static_cast<int>(p.status) << " head " << p.head.n
        << " attempts " << p.attempts << " version " << p.version << " priority " << static_cast<int>(p.priority)
        << " sealed " << p.sealed.size() << " mac " << p.approval_mac.size() << " expires " << p.expires_at.has_value()
        << " until " << p.send_until.has_value();
    return out.str();
  }
  std::string tell(const BatchReply& reply) {
    std::set<std::string> lines;
    for (const auto& p : reply.permits) lines.insert(tell(p));
    for (const auto& id : reply.stale) lines.insert("stale " + name_of(id));
    for (const auto& [id, at] : reply.next_due)
      lines.insert("next " + name_of(id) + (at > clock_.wall() ? " later" : " now"));
    std::string out;
    for (const auto& line : lines) out += line + "\n";
    return out;
  }
  void write(const std::string& what, size_t loop, const Batch& batch) {
    auto [real, model] = both<BatchReply>(
        what, loop, [this](const BatchReply& reply) { return tell(reply); },
        [&](Journal& journal, auto done) { journal.write(batch, done); });
    for (auto& p : real.permits)
      if (p.verdict == PermitVerdict::granted) held_[p.id] = p;
  }

  void permit() {
    static const std::string kProviders[]{"one", "two", ""};
    static const std::string kLanes[]{"sms", "sms", "sms", "sms-2"};
    Batch batch;
    for (const auto& id : some(4)) {
      PermitRequest request;
      request.id = id;
      request.lane = kLanes[chance_.below(4)];
      request.provider = kProviders[chance_.below(3)];
      request.route_reason = "weight";
      request.has_choice = chance_.below(2) == 0;
      batch.permits.push_back(std::move(request));
    }
    write("permits", chance_.below(kLoops), batch);
  }

  Entry entry(const Uuid& id) {
    Entry out{ids_.next(), id, "canon " + ids_.next().text(), {}};
    out.leaf = leaf_hash(out.canon);
    out.action = "sent";
    out.at = clock_.wall();
    return out;
  }

  void record() {
    static constexpr OutcomeKind kKinds[]{OutcomeKind::accepted, OutcomeKind::retryable, OutcomeKind::permanent,
                                          OutcomeKind::in_doubt, OutcomeKind::unsent};
    static constexpr Status kStatuses[]{Status::sent, Status::queued, Status::failed, Status::in_doubt, Status::queued};
    if (held_.empty()) return;
    auto at = held_.begin();
    std::advance(at, static_cast<ptrdiff_t>(chance_.below(held_.size())));
    const Permit p = at->second;
    if (chance_.below(5) > 0) held_.erase(at);  // else it is recorded twice, as after a lost COMMIT
    const size_t kind = chance_.below(5);
    ResultRow row;
    row.id = p.id;
    row.attempt_no = p.attempt_no;
    row.outcome.kind = kKinds[kind];
    row.outcome.reason = "tested";
    row.provider = p.provider;
    row.started_at = row.finished_at = clock_.wall();
    row.status = kStatuses[kind];
    row.is_counted = row.outcome.kind != OutcomeKind::unsent;
    if (row.status == Status::queued) {
      row.next_delay_ms = chance_.below(4) == 0 ? kHourMs : 0;
      if (chance_.below(2) == 0) row.next_avoid = p.provider;
    }
    row.head = p.head;
    row.entry = entry(p.id);
    Batch batch;
    batch.results.push_back(row);
    write("result", chance_.below(kLoops), batch);
  }

  void end() {
    const Uuid id = any();
    const auto& m = store_.messages.at(id);
    EndRow row;
    row.id = id;
    row.attempt_no = m.due ? m.due->attempt_no : 1;
    row.status = chance_.below(2) == 0 ? Status::failed : Status::cancelled;
    if (m.row.status != Status::queued) return;
    row.reason = "expired";
    row.head = m.row.head;
    row.entry = entry(id);
    Batch batch;
    batch.ends.push_back(row);
    write("end", chance_.below(kLoops), batch);
  }

  void move() {
    const Uuid id = any();
    const auto& m = store_.messages.at(id);
    MoveRow row;
    row.id = id;
    row.attempt_no = m.due && chance_.below(4) > 0 ? m.due->attempt_no : 1;
    row.lane = chance_.below(3) == 0 ? "sms-2" : "sms";
    row.due_at = WallTime{clock_.wall().us - 1000};
    if (chance_.below(4) == 0) row.send_until = WallTime{clock_.wall().us + kHourMs * 1000};
    Batch batch;
    batch.moves.push_back(row);
    write("move", chance_.below(kLoops), batch);
  }

  void claim() {
    DueQuery query;
    for (int i = 0; i < kShards; i++) query.shards.push_back(i);
    query.lanes = {"sms"};
    query.closed_priorities[chance_.below(4)] = true;
    for (const auto& id : some(2)) query.held.push_back(id);
    query.count_max = 100;
    both<std::vector<DueClaim>>(
        "claim", 0,
        [this](const std::vector<DueClaim>& claims) {
          std::set<std::string> lines;
          for (const auto& c : claims)
            lines.insert(name_of(c.id) + " " + std::to_string(static_cast<int>(c.priority)) + " " + c.lane + " " +
                         c.pinned_provider + " " + c.avoid);
          std::string out;
          for (const auto& line : lines) out += line + "\n";
          return out;
        },
        [&](Journal& journal, auto done) { journal.claim_due(query, done); });
  }

  void look() {
    const auto chosen = some(6);
    const std::vector<Uuid> ids(chosen.begin(), chosen.end());
    std::vector<std::pair<Uuid, int>> attempts;
    for (const auto& id : ids) attempts.emplace_back(id, 1 + static_cast<int>(chance_.below(2)));
    both<std::vector<Present>>(
        "heads", 0,
        [this](const std::vector<Present>& found) {
          std::set<std::string> lines;
          for (const auto& p : found)
            lines.insert(name_of(p.id) + " " + std::to_string(static_cast<int>(p.status)) + " " +
                         std::to_string(p.head.n) + " " + std::to_string(p.is_cancel_requested) +
                         std::to_string(p.has_result) + std::to_string(p.is_proven) + std::to_string(p.attempts));
          std::string out;
          for (const auto& line : lines) out += line + "\n";
          return out;
        },
        [&](Journal& journal, auto done) { journal.heads(attempts, done); });
    const bool only_mine = chance_.below(2) == 0;
    both<std::vector<Permit>>(
        "open permits", chance_.below(kLoops),
        [this](const std::vector<Permit>& found) {
          std::set<std::string> lines;
          for (const auto& p : found)
            lines.insert(name_of(p.id) + " " + std::to_string(p.attempt_no) + " " + p.provider + " " + p.instance +
                         " " + std::to_string(p.head.n));
          std::string out;
          for (const auto& line : lines) out += line + "\n";
          return out;
        },
        [&](Journal& journal, auto done) { journal.open_permits(ids, only_mine, done); });
  }

  // A change as people and the background work make them, of a message as it stands.
  void change() {
    const auto chosen = some(3);
    const std::vector<Uuid> ids(chosen.begin(), chosen.end());
    std::map<Uuid, MessageChange> planned;
    for (const auto& id : ids) {
      const auto& m = store_.messages.at(id);
      MessageChange change;
      StatusChange status;
      status.id = id;
      status.before = m.row.head;
      status.entry = entry(id);
      if (m.row.status == Status::queued && m.due) {
        if (chance_.below(2) == 0) {
          change.void_attempt = VoidRow{m.due->attempt_no, "test", clock_.wall()};
          status.status = Status::cancelled;
          change.ends_due = true;
        } else {
          status.status = Status::queued;
          status.cancel_requested = chance_.below(4) == 0;
        }
      } else if (m.row.status == Status::in_doubt || m.row.status == Status::failed) {
        const bool is_doubt = m.row.status == Status::in_doubt;
        const int newest = m.starts.empty() ? 0 : m.starts.rbegin()->first;
        status.status = Status::queued;
        change.decision =
            DecisionRow{ids_.next(), newest, is_doubt ? "resend" : "requeue", "test", "operator", clock_.wall()};
        change.due = DueRow{id,
                            newest + 1,
                            m.row.priority,
                            "sms",
                            "tester",
                            chance_.below(3) == 0 ? "one" : "",
                            WallTime{clock_.wall().us - 1000},
                            {}};
      } else {
        continue;
      }
      change.status = status;
      planned[id] = change;
    }
    auto decide = [&planned](const MessageView& view) -> std::optional<MessageChange> {
      const auto found = planned.find(view.message.id);
      return found == planned.end() ? std::nullopt : std::optional(found->second);
    };
    auto real = real_engine_->change(ids, decide);
    auto model = engine_.change(ids, decide);
    REQUIRE(real.ok());
    REQUIRE(model.ok());
    CHECK(*real == *model);
  }

  void ask_engine() {
    auto lanes = real_engine_->due_lanes(1000);
    auto model_lanes = engine_.due_lanes(1000);
    REQUIRE(lanes.ok());
    CHECK((*lanes == *model_lanes));
    for (const auto& lane : *lanes) {
      auto rows = real_engine_->scan_due(lane, {1000, {}}, {}, 3);
      auto model_rows = engine_.scan_due(lane, {1000, {}}, {}, 3);
      REQUIRE(rows.ok());
      REQUIRE(rows->size() == model_rows->size());
    }
    auto doubts = real_engine_->doubts(0, 100);
    auto model_doubts = engine_.doubts(0, 100);
    REQUIRE(doubts.ok());
    auto words = [this](const std::vector<Doubt>& found) {
      std::string out;
      for (const auto& d : found)
        out += name_of(d.message_id) + " " + std::to_string(d.attempt_no) + " " + d.provider + "\n";
      return out;
    };
    CHECK(words(*doubts) == words(*model_doubts));
    auto stale = real_engine_->stale_due({}, 100, {"sms"});
    auto model_stale = engine_.stale_due({}, 100, {"sms"});
    REQUIRE(stale.ok());
    std::set<Uuid> ids, model_ids;
    for (const auto& row : stale->rows) ids.insert(row.message_id);
    for (const auto& row : model_stale->rows) model_ids.insert(row.message_id);
    CHECK(ids == model_ids);
    Stamps stamps{};
    for (auto& stamp : stamps) stamp = static_cast<int64_t>(chance_.below(1000));
    REQUIRE(real_engine_->record_stamps(stamps).ok());
    REQUIRE(engine_.record_stamps(stamps).ok());
    CHECK(*real_engine_->stamps() == *engine_.stamps());
    ask_callbacks();
    auto slice = real_engine_->look_at_messages({}, 100);
    auto model_slice = engine_.look_at_messages({}, 100);
    REQUIRE(slice.ok());
    CHECK(slice->lost == model_slice->lost);
    CHECK(slice->repeated == model_slice->repeated);
  }

  void ask_callbacks() {
    CallbackRow row;
    row.id = ids_.next();
    row.provider = "one";
    row.event_id = "event-" + std::to_string(chance_.below(20));  // some come twice
    row.message_id = any();
    row.attempt_no = 1;
    row.kind = ReceiptKind::delivered;
    row.sealed_by = "message";
    row.sealed = "sealed";
    row.received_at = clock_.wall();
    auto kept = real_engine_->keep_callback(row);
    REQUIRE(kept.ok());
    CHECK(*kept == *engine_.keep_callback(row));
    auto taken = real_engine_->take_callbacks(100, 0);
    auto model_taken = engine_.take_callbacks(100, 0);
    REQUIRE(taken.ok());
    REQUIRE(taken->size() == model_taken->size());
    for (size_t i = 0; i < taken->size(); i++) {
      const Uuid id = (*taken)[i].id;
      CHECK(id == (*model_taken)[i].id);
      CHECK((*taken)[i].tries == (*model_taken)[i].tries);
      const uint64_t draw = chance_.below(3);
      if (draw == 0) {
        REQUIRE(real_engine_->end_callback(id).ok());
        REQUIRE(engine_.end_callback(id).ok());
      } else if (draw == 1) {
        REQUIRE(real_engine_->postpone_callbacks({{id, kHourMs}}).ok());
        REQUIRE(engine_.postpone_callbacks({{id, kHourMs}}).ok());
      }
    }
  }

  void compare_rows() {
    PgTransaction tx(*session_);
    for (const auto& id : all_) {
      const auto& m = store_.messages.at(id);
      const MessageRow row = **read_message(tx, id);
      INFO(name_of(id));
      CHECK(row.status == m.row.status);
      CHECK(row.head == m.row.head);
      CHECK(row.attempts == m.row.attempts);
      CHECK(row.is_proven == m.row.is_proven);
      CHECK(row.is_cancel_requested == m.row.is_cancel_requested);
      CHECK(row.provider == m.row.provider);
      CHECK(row.failure_reason == m.row.failure_reason);
      const auto due = *read_due(tx, id);
      REQUIRE(due.has_value() == m.due.has_value());
      if (due) {
        CHECK(due->attempt_no == m.due->attempt_no);
        CHECK(due->lane == m.due->lane);
        CHECK(due->provider == m.due->provider);
        CHECK(due->avoid == m.due->avoid);
      }
      const auto attempts = *list_attempts(tx, id);
      REQUIRE(attempts.size() == m.starts.size());
      for (const auto& attempt : attempts) {
        CHECK(attempt.is_void == m.starts.at(attempt.attempt_no).is_void);
        CHECK(attempt.outcome.has_value() == m.results.contains(attempt.attempt_no));
      }
    }
    REQUIRE(tx.commit().ok());
  }

  SystemClock clock_;
  SystemRandom random_;
  SeededRandom chance_;
  Keyring keys_ = test_keys(random_);
  IdSource ids_{clock_, random_};
  std::unique_ptr<Log> log_ = make_log(LogLevel::error, LogFormat::text);
  Loop loop_;
  std::unique_ptr<PgSession> session_;
  std::unique_ptr<ApprovedMessages> messages_;
  MemoryStore store_{clock_};
  MemoryEngineStore engine_{store_};
  std::unique_ptr<EngineStore> real_engine_;
  std::array<std::unique_ptr<Journal>, kLoops> real_;
  std::array<std::unique_ptr<MemoryJournal>, kLoops> model_;
  std::vector<Uuid> all_;
  std::map<Uuid, Permit> held_;
};

}  // namespace

TEST_CASE("the store in memory answers as PostgreSQL does, whatever is asked in whatever order") {
  for (uint64_t seed = 1; seed <= 4; seed++) {
    INFO("seed " << seed);
    Pair pair(seed);
    pair.run(400);
  }
}

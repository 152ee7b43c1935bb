#include <algorithm>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "store/journal.h"
#include "store/journal_statements.h"
#include "store/pg_array.h"
#include "store/pg_pipeline.h"

namespace signet {
namespace {

// A batch takes milliseconds; one that waits longer than this waits for a lock, or for a server that is not well.
constexpr int kStatementMs = 5000;

struct Span {  // of a batch's ids
  Uuid low, high;
};
template <class Rows, class Id>
Span span_of(const Rows& rows, Id id) {
  if (rows.empty()) return {};
  Span out{id(rows.front()), id(rows.front())};
  for (const auto& row : rows) {
    out.low = std::min(out.low, id(row));
    out.high = std::max(out.high, id(row));
  }
  return out;
}

class Row {  // a row's columns one after the other
 public:
  Row(const PgRows& rows, int row) : rows_(rows), row_(row) {}
  std::string text() { return rows_.text(row_, column_++); }
  int64_t number() { return rows_.number(row_, column_++); }
  int small() { return static_cast<int>(number()); }
  bool flag() { return rows_.flag(row_, column_++); }
  Uuid uuid() { return rows_.uuid(row_, column_++); }
  WallTime time() { return rows_.time(row_, column_++); }
  std::optional<WallTime> optional_time() { return rows_.optional_time(row_, column_++); }
  std::vector<std::string> texts() { return rows_.texts(row_, column_++); }
  Digest digest() { return digest_from(rows_.octets(row_, column_++)); }

 private:
  const PgRows& rows_;
  const int row_;
  int column_ = 0;
};

Permit permit_of(const PgRows& rows, int i) {
  Row row(rows, i);
  Permit p;
  p.id = row.uuid();
  p.verdict = static_cast<PermitVerdict>(row.number());
  if (p.verdict == PermitVerdict::nothing_due) return p;
  p.attempt_no = row.small();
  p.kind = static_cast<Kind>(row.number());
  p.priority = static_cast<Priority>(row.number());
  p.lane = row.text();
  p.sender = row.text();
  p.provider = row.text();
  p.route_reason = row.text();
  p.due_at = row.time();
  p.permitted_at = row.optional_time().value_or(WallTime{});
  p.send_until = row.optional_time();
  p.expires_at = row.optional_time();
  p.version = row.small();
  p.requeues = row.small();
  p.attempts = row.small();
  p.max_attempts = row.small();
  p.status = static_cast<Status>(row.number());
  p.head.n = row.number();
  p.head.leaf = row.digest();
  p.recipient_key = row.text();
  p.kek_id = row.text();
  p.wrapped_key = row.text();
  p.content_version = row.small();
  p.sealed = row.text();
  p.envelope_commit = row.text();
  p.approval_mac = row.text();
  p.policy_id = row.text();
  p.pinned_provider = row.text();
  p.avoid = row.text();
  p.destination = row.text();
  p.time_zone = row.text();
  p.tags = row.texts();
  p.is_urgent = row.flag();
  return p;
}

class PgJournal : public Journal {
 public:
  PgJournal(Loop& loop, const Clock& clock, Random& random, Log& log, JournalOptions options)
      : loop_(loop), clock_(clock), log_(log), options_(std::move(options)) {
    options_.postgres.statement_timeout_ms = kStatementMs;
    PgPipeline::Handlers handlers{[this] { changed(); }, [this](const std::string& why) { report(why); }};
    for (int i = 0; i < options_.connections; i++)
      connections_.push_back(
          std::make_unique<PgPipeline>(loop, random, options_.postgres, journal_statements(), handlers));
  }

  bool has_room() const override {
    return std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return c->is_free(); });
  }
  int connections() const override {
    return static_cast<int>(
        std::count_if(connections_.begin(), connections_.end(), [](const auto& c) { return c->is_ready(); }));
  }
  bool is_up() const override {
    return std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return c->is_ready(); });
  }
  void on_change(std::function<void(bool)> changed) override { changed_ = std::move(changed); }

  void write(Batch batch, std::function<void(Result<BatchReply>)> done) override;
  void heads(std::vector<std::pair<Uuid, int>> attempts,
             std::function<void(Result<std::vector<Present>>)> done) override;
  void open_permits(std::vector<Uuid> ids, bool only_mine,
                    std::function<void(Result<std::vector<Permit>>)> done) override;
  void claim_due(DueQuery query, std::function<void(Result<std::vector<DueClaim>>)> done) override;

 private:
  void changed() {
    const bool up = is_up();
    if (up == was_up_) return;
    was_up_ = up;
    if (up) log_.info("PostgreSQL is there");
    is_reported_ = false;
    if (changed_) changed_(up);
  }
  void report(const std::string& why) {
    if (!std::exchange(is_reported_, true))
      log_.warn("a connection to PostgreSQL failed; without one nothing is sent", {{"reason", why}});
  }
  // One question and its rows, read by `read`.
  template <class T>
  void ask(PgExchange::Call call, T (*read)(Row), std::function<void(Result<std::vector<T>>)> done) {
    auto exchange = std::make_unique<PgExchange>();
    exchange->calls.push_back(std::move(call));
    auto found = std::make_shared<std::vector<T>>();
    exchange->rows = [found, read](const char*, const PgRows& rows) {
      for (int i = 0; i < rows.size(); i++) found->push_back(read(Row(rows, i)));
    };
    exchange->done = [found, done = std::move(done)](const Error* error) {
      if (error) return done(*error);
      done(std::move(*found));
    };
    submit(std::move(exchange));
  }
  void submit(std::unique_ptr<PgExchange> exchange) {
    for (auto& connection : connections_)
      if (connection->is_free()) return connection->start(std::move(exchange));
    // Nobody is free: the answer comes later all the same, never inside the call.
    loop_.post([kept = std::shared_ptr<PgExchange>(std::move(exchange))] {
      const Error error{ErrorCode::unavailable, "no PostgreSQL connection is free"};
      kept->done(&error);
    });
  }

  Loop& loop_;
  const Clock& clock_;
  Log& log_;
  JournalOptions options_;
  std::function<void(bool)> changed_;
  bool was_up_ = false, is_reported_ = false;
  std::vector<std::unique_ptr<PgPipeline>> connections_;  // last: gone before what their handlers use
};

PgExchange::Call result_call(const std::vector<ResultRow>& rows) {
  PgArray id(PgType::uuid), no(PgType::int2), outcome(PgType::int2), reason(PgType::text), reference(PgType::text),
      code(PgType::text), status_code(PgType::int2), parts(PgType::int2), started(PgType::timestamptz),
      finished(PgType::timestamptz), status(PgType::int2), failure(PgType::text), counted(PgType::boolean),
      proven(PgType::boolean), delay(PgType::int8), head(PgType::bytea), event(PgType::uuid), canon(PgType::bytea),
      leaf(PgType::bytea), provider(PgType::text), action(PgType::text), avoid(PgType::text), named(PgType::boolean);
  for (const auto& r : rows) {
    id.add(r.id.view());
    no.add_short(r.attempt_no);
    outcome.add_short(static_cast<int>(r.outcome.kind));
    reason.add(r.outcome.reason);
    reference.add(r.outcome.provider_reference);
    code.add(r.outcome.provider_code);
    status_code.add_short(r.outcome.status_code);
    parts.add_short(r.outcome.parts);
    started.add_time(r.started_at);
    finished.add_time(r.finished_at);
    status.add_short(static_cast<int>(r.status));
    failure.add(r.failure_reason);
    counted.add_flag(r.is_counted);
    proven.add_flag(r.is_proven);
    delay.add_long(r.next_delay_ms.value_or(-1));
    head.add(view(r.head.leaf));
    event.add(r.entry.event_id.view());
    canon.add(r.entry.canon);
    leaf.add(view(r.entry.leaf));
    provider.add(r.provider);
    action.add(r.entry.action);
    avoid.add(r.next_avoid);
    named.add_flag(r.is_named);
  }
  PgExchange::Call call{"result", {}};
  for (auto* value : {&id,      &no,       &outcome, &reason,   &reference, &code,   &status_code, &parts,
                      &started, &finished, &status,  &failure,  &counted,   &proven, &delay,       &head,
                      &event,   &canon,    &leaf,    &provider, &action,    &avoid,  &named})
    call.values.push_back(value->bytes());
  return call;
}

PgExchange::Call opt_out_call(const std::vector<ResultRow>& rows) {
  PgArray id(PgType::uuid), head(PgType::bytea), suppression(PgType::uuid), channel(PgType::int2), reason(PgType::text),
      source(PgType::text), event(PgType::uuid), canon(PgType::bytea), leaf(PgType::bytea), at(PgType::timestamptz);
  for (const auto& r : rows) {
    if (!r.opt_out) continue;
    id.add(r.id.view());
    head.add(view(r.entry.leaf));
    suppression.add(r.opt_out->row.id.view());
    channel.add_short(static_cast<int>(r.opt_out->row.channel));
    reason.add(r.opt_out->row.reason);
    source.add(r.opt_out->row.source);
    event.add(r.opt_out->entry.event_id.view());
    canon.add(r.opt_out->entry.canon);
    leaf.add(view(r.opt_out->entry.leaf));
    at.add_time(r.opt_out->entry.at);
  }
  PgExchange::Call call{"opt_out", {}};
  for (auto* value : {&id, &head, &suppression, &channel, &reason, &source, &event, &canon, &leaf, &at})
    call.values.push_back(value->bytes());
  return call;
}

PgExchange::Call end_call(const std::vector<EndRow>& rows, const std::string& instance) {
  PgArray id(PgType::uuid), no(PgType::int2), status(PgType::int2), reason(PgType::text), proven(PgType::boolean),
      head(PgType::bytea), event(PgType::uuid), canon(PgType::bytea), leaf(PgType::bytea), action(PgType::text),
      at(PgType::timestamptz);
  for (const auto& r : rows) {
    id.add(r.id.view());
    no.add_short(r.attempt_no);
    status.add_short(static_cast<int>(r.status));
    reason.add(r.reason);
    proven.add_flag(r.is_proven);
    head.add(view(r.head.leaf));
    event.add(r.entry.event_id.view());
    canon.add(r.entry.canon);
    leaf.add(view(r.entry.leaf));
    action.add(r.entry.action);
    at.add_time(r.entry.at);
  }
  PgExchange::Call call{"end", {}};
  for (auto* value : {&id, &no, &status, &reason, &proven, &head, &event, &canon, &leaf})
    call.values.push_back(value->bytes());
  call.values.push_back(instance);
  call.values.push_back(action.bytes());
  call.values.push_back(at.bytes());
  return call;
}

PgExchange::Call move_call(const std::vector<MoveRow>& rows) {
  PgArray id(PgType::uuid), no(PgType::int2), lane(PgType::text), due_at(PgType::timestamptz),
      send_until(PgType::timestamptz);
  for (const auto& r : rows) {
    id.add(r.id.view());
    no.add_short(r.attempt_no);
    lane.add(r.lane);
    due_at.add_time(r.due_at);
    if (r.send_until)
      send_until.add_time(*r.send_until);
    else
      send_until.add_no_time();
  }
  const Span span = span_of(rows, [](const MoveRow& r) { return r.id; });
  return {"move",
          {id.bytes(), no.bytes(), lane.bytes(), due_at.bytes(), send_until.bytes(), std::string(span.low.view()),
           std::string(span.high.view())}};
}

PgExchange::Call permit_call(const std::vector<PermitRequest>& requests, const JournalOptions& options) {
  PgArray id(PgType::uuid), lane(PgType::text), provider(PgType::text), why(PgType::text), choice(PgType::boolean);
  for (const auto& r : requests) {
    id.add(r.id.view());
    lane.add(r.lane);
    provider.add(r.provider);
    why.add(r.route_reason);
    choice.add_flag(r.has_choice);
  }
  const Span span = span_of(requests, [](const PermitRequest& r) { return r.id; });
  return {"permit",
          {id.bytes(), lane.bytes(), provider.bytes(), why.bytes(), std::string(options.epoch.view()), options.instance,
           std::string(span.low.view()), std::string(span.high.view()), choice.bytes()}};
}

void PgJournal::write(Batch batch, std::function<void(Result<BatchReply>)> done) {
  // One order for all, or two batches deadlock.
  auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::sort(batch.results.begin(), batch.results.end(), by_id);
  std::sort(batch.ends.begin(), batch.ends.end(), by_id);
  std::sort(batch.moves.begin(), batch.moves.end(), by_id);
  std::sort(batch.permits.begin(), batch.permits.end(), by_id);
  auto exchange = std::make_unique<PgExchange>();
  if (!batch.results.empty()) exchange->calls.push_back(result_call(batch.results));
  if (std::any_of(batch.results.begin(), batch.results.end(), [](const ResultRow& r) { return r.opt_out.has_value(); }))
    exchange->calls.push_back(opt_out_call(batch.results));
  if (!batch.ends.empty()) exchange->calls.push_back(end_call(batch.ends, options_.instance));
  if (!batch.moves.empty()) exchange->calls.push_back(move_call(batch.moves));
  if (!batch.permits.empty()) exchange->calls.push_back(permit_call(batch.permits, options_));
  struct State {
    BatchReply reply;
    std::vector<Uuid> written, answered;
    Tick written_at;
  };
  auto state = std::make_shared<State>();
  state->written_at = clock_.tick();
  exchange->rows = [state, this](const char* statement, const PgRows& rows) {
    for (int i = 0; i < rows.size(); i++) {
      if (std::strcmp(statement, "permit") == 0) {
        state->reply.permits.push_back(permit_of(rows, i));
        state->reply.permits.back().written_at = state->written_at;
        state->reply.permits.back().instance = options_.instance;
        state->answered.push_back(state->reply.permits.back().id);
      } else {
        state->written.push_back(rows.uuid(i, 0));
        if (std::strcmp(statement, "result") != 0) continue;
        if (const auto next = rows.optional_time(i, 1)) state->reply.next_due.emplace_back(rows.uuid(i, 0), *next);
      }
    }
  };
  std::vector<Uuid> asked, permitted;
  for (const auto& r : batch.permits) permitted.push_back(r.id);
  for (const auto& r : batch.results) asked.push_back(r.id);
  for (const auto& r : batch.ends) asked.push_back(r.id);
  exchange->done = [state, asked = std::move(asked), permitted = std::move(permitted),
                    done = std::move(done)](const Error* error) {
    if (error) return done(*error);
    std::sort(state->answered.begin(), state->answered.end());
    for (const auto& id : permitted) {
      if (std::binary_search(state->answered.begin(), state->answered.end(), id)) continue;
      Permit taken;
      taken.id = id;
      taken.verdict = PermitVerdict::taken;
      state->reply.permits.push_back(std::move(taken));
    }
    std::sort(state->written.begin(), state->written.end());
    for (const auto& id : asked)
      if (!std::binary_search(state->written.begin(), state->written.end(), id)) state->reply.stale.push_back(id);
    done(std::move(state->reply));
  };
  submit(std::move(exchange));
}

void PgJournal::heads(std::vector<std::pair<Uuid, int>> attempts,
                      std::function<void(Result<std::vector<Present>>)> done) {
  const Span span = span_of(attempts, [](const auto& attempt) { return attempt.first; });
  PgArray id(PgType::uuid), no(PgType::int2);
  for (const auto& [message_id, attempt_no] : attempts) {
    id.add(message_id.view());
    no.add_short(attempt_no);
  }
  ask<Present>(
      {"heads", {id.bytes(), no.bytes(), std::string(span.low.view()), std::string(span.high.view())}},
      [](Row row) {
        Present p;
        p.id = row.uuid();
        p.status = static_cast<Status>(row.number());
        p.head.n = row.number();
        p.head.leaf = row.digest();
        p.is_cancel_requested = row.flag();
        p.is_proven = row.flag();
        p.attempts = row.small();
        p.has_result = row.flag();
        return p;
      },
      std::move(done));
}

void PgJournal::open_permits(std::vector<Uuid> ids, bool only_mine,
                             std::function<void(Result<std::vector<Permit>>)> done) {
  const Span span = span_of(ids, [](const Uuid& message_id) { return message_id; });
  PgArray id(PgType::uuid);
  for (const auto& message_id : ids) id.add(message_id.view());
  ask<Permit>(
      {"open",
       {id.bytes(), std::string((only_mine ? options_.epoch : Uuid{}).view()), std::string(span.low.view()),
        std::string(span.high.view())}},
      [](Row row) {
        Permit p;
        p.verdict = PermitVerdict::granted;
        p.id = row.uuid();
        p.attempt_no = row.small();
        p.provider = row.text();
        p.lane = row.text();
        p.route_reason = row.text();
        p.instance = row.text();
        p.permitted_at = row.time();
        p.head.n = row.number();
        p.head.leaf = row.digest();
        p.attempts = row.small();
        p.max_attempts = row.small();
        p.expires_at = row.optional_time();
        p.kind = static_cast<Kind>(row.number());
        p.priority = static_cast<Priority>(row.number());
        return p;
      },
      std::move(done));
}

void PgJournal::claim_due(DueQuery query, std::function<void(Result<std::vector<DueClaim>>)> done) {
  PgArray shards(PgType::int2), lanes(PgType::text), priorities(PgType::int2), held(PgType::uuid);
  for (const int shard : query.shards) shards.add_short(shard);
  for (const auto& lane : query.lanes) lanes.add(lane);
  for (size_t i = 0; i < kPriorities.size(); i++)
    if (!query.closed_priorities[i]) priorities.add_short(static_cast<int>(kPriorities[i]));
  for (const auto& id : query.held) held.add(id.view());
  std::string count;
  append_u64(count, static_cast<uint64_t>(query.count_max));
  ask<DueClaim>(
      {"claim", {shards.bytes(), lanes.bytes(), priorities.bytes(), held.bytes(), count}},
      [](Row row) {
        DueClaim r;
        r.id = row.uuid();
        r.priority = static_cast<Priority>(row.number());
        r.lane = row.text();
        r.pinned_provider = row.text();
        r.avoid = row.text();
        return r;
      },
      std::move(done));
}

}  // namespace

std::unique_ptr<Journal> make_pg_journal(Loop& loop, const Clock& clock, Random& random, Log& log,
                                         JournalOptions options) {
  return std::make_unique<PgJournal>(loop, clock, random, log, std::move(options));
}

}  // namespace signet

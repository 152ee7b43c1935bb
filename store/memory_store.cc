#include "store/memory_store.h"

#include <algorithm>

#include "base/check.h"

namespace signet {

// One transaction of a journal's.
struct MemoryStore::Exchange {
  std::function<void()> read, commit;      // on the server
  std::function<void(const Error*)> done;  // on the journal's loop
  MemoryJournal* journal = nullptr;        // none: nobody waits for the answer
  bool is_over = false;                    // committed, or never will be
  std::optional<Error> refusal;            // by the server: nothing took effect
};

namespace {

constexpr int64_t kLostUs = 50'000;

Error unavailable() { return {ErrorCode::unavailable, "the store in memory is away"}; }

bool allows_next(OutcomeKind kind) { return kind == OutcomeKind::retryable || kind == OutcomeKind::unsent; }

}  // namespace

MemoryStore::MemoryStore(const Clock& clock, After after) : clock_(clock), after_(std::move(after)) {}

void MemoryStore::at(int64_t us, std::function<void()> action) const {
  if (after_)
    after_(us, std::move(action));
  else
    action();
}

void MemoryStore::begin(const std::shared_ptr<Exchange>& exchange, const Fate& fate) {
  if (fate.end == Fate::End::answered || (fate.end == Fate::End::lost && fate.is_applied)) {
    under_way_.push_back(exchange);
    at(fate.read_us, [exchange] {
      if (!exchange->is_over) exchange->read();
    });
    at(std::max(fate.read_us, fate.commit_us), [this, exchange] { commit(*exchange); });
  }
  const int64_t reply_us = fate.end == Fate::End::lost ? fate.reply_us : std::max(fate.reply_us, fate.commit_us);
  at(reply_us, [exchange, end = fate.end] {
    if (!exchange->journal) return;
    if (end == Fate::End::lost) return exchange->journal->answer(exchange, unavailable());
    if (end == Fate::End::conflict)
      return exchange->journal->answer(exchange, Error{ErrorCode::conflict, "deadlock detected"});
    exchange->journal->answer(exchange, exchange->refusal);
  });
}

void MemoryStore::commit(Exchange& exchange) {
  if (std::exchange(exchange.is_over, true)) return;
  std::erase_if(under_way_, [&](const auto& one) { return one.get() == &exchange; });
  if (broken.durability) {
    before_.emplace_back(now(), messages);
    while (before_.front().first.us + kLostUs < now().us) before_.erase(before_.begin());
  }
  exchange.commit();
}

void MemoryStore::stop() {
  is_up_ = false;
  for (const auto& exchange : std::vector(under_way_)) {
    if (!exchange->refusal && survives()) {
      exchange->read();
      commit(*exchange);
    }
    exchange->is_over = true;
  }
  under_way_.clear();
  if (!before_.empty()) messages = std::move(before_.front().second);
  before_.clear();
  places.clear();
  for (MemoryJournal* journal : journals_) journal->connect(false);
}

void MemoryStore::start() {
  is_up_ = true;
  started_at = now();
  for (MemoryJournal* journal : journals_)
    if (journal->is_reachable_) journal->connect(true);
}

// As kPermitSql has it: the first that holds.
Permit MemoryStore::judge(const PermitRequest& request) const {
  Permit p;
  p.id = request.id;
  const auto found = messages.find(request.id);
  if (found == messages.end() || !found->second.due) return p;
  const Message& m = found->second;
  const DueRow& due = *m.due;
  p.permitted_at = now();
  p.attempt_no = due.attempt_no;
  p.kind = m.row.kind;
  p.priority = due.priority;
  p.lane = due.lane;
  p.sender = due.sender;
  p.provider = request.provider;
  p.route_reason = request.route_reason;
  p.due_at = due.due_at;
  p.send_until = due.send_until;
  p.expires_at = m.row.expires_at;
  p.version = m.row.version;
  p.requeues = m.row.requeues;
  p.attempts = m.row.attempts;
  p.max_attempts = m.row.max_attempts;
  p.status = m.row.status;
  p.head = m.row.head;
  p.recipient_key = m.row.recipient_key;
  p.pinned_provider = due.provider;
  p.avoid = due.avoid;
  if (m.row.status != Status::queued)
    p.verdict = PermitVerdict::not_queued;
  else if (m.row.is_cancel_requested)
    p.verdict = PermitVerdict::cancel_requested;
  else if (m.row.expires_at && *m.row.expires_at <= now())
    p.verdict = PermitVerdict::expired;
  else if (suppressed.contains(m.row.recipient_key))
    p.verdict = PermitVerdict::suppressed;
  else if (due.due_at > now())
    p.verdict = PermitVerdict::not_yet;
  else if (due.send_until && *due.send_until <= now())
    p.verdict = PermitVerdict::window_closed;
  else if (request.provider.empty())
    p.verdict = PermitVerdict::looked;
  else if (due.lane != request.lane)
    p.verdict = PermitVerdict::other_lane;
  else if (pauses.priorities[static_cast<size_t>(due.priority) - 1] || pauses.providers.contains(request.provider))
    p.verdict = PermitVerdict::paused;
  else if (!due.provider.empty() && due.provider != request.provider)
    p.verdict = PermitVerdict::other_provider;
  else if (due.avoid == request.provider && due.provider.empty() && request.has_choice)
    p.verdict = PermitVerdict::avoided_provider;
  else if (due.attempt_no > 1 && !broken.attempt_order && !is_in_order(m, due.attempt_no))
    p.verdict = PermitVerdict::out_of_order;
  else
    p.verdict = PermitVerdict::granted;
  if (p.verdict != PermitVerdict::granted) {
    p.destination = m.row.destination;
    p.time_zone = m.row.time_zone;
    p.tags = m.row.tags;
    p.is_urgent = m.row.is_urgent;
    return p;
  }
  p.kek_id = m.content.kek_id;
  p.wrapped_key = m.content.wrapped_key;
  p.content_version = m.content.version;
  p.sealed = m.content.sealed;
  const Approval* newest = nullptr;
  for (const auto& approval : m.approvals)
    if (approval.version == m.row.version && !approval.approval_mac.empty() && (!newest || newest->at <= approval.at))
      newest = &approval;
  if (newest) {
    p.envelope_commit = newest->envelope_commit;
    p.approval_mac = newest->approval_mac;
    p.policy_id = newest->policy_id;
  }
  return p;
}

bool MemoryStore::is_in_order(const Message& message, int attempt_no) const {
  const int before = attempt_no - 1;
  if (const auto result = message.results.find(before); result != message.results.end())
    if (allows_next(result->second.outcome.kind)) return true;
  for (const auto& decided : message.decisions)
    if (decided.attempt_no == before && (decided.decision == "resend" || decided.decision == "requeue")) return true;
  const auto start = message.starts.find(before);
  if (start == message.starts.end() || !start->second.is_void) return false;
  return std::any_of(message.approvals.begin(), message.approvals.end(), [&](const Approval& approval) {
    return approval.version == message.row.version && !approval.approval_mac.empty();
  });
}

bool MemoryStore::apply(const ResultRow& row) {
  const auto found = messages.find(row.id);
  if (found == messages.end()) return false;
  Message& m = found->second;
  if (m.row.head.leaf != row.head.leaf && !broken.head_gate) return false;
  const OutcomeKind kind = row.outcome.kind;
  m.row.status = row.status;
  m.row.head = {m.row.head.n + 1, row.entry.leaf};
  m.row.attempts += row.is_counted;
  m.row.last_attempt_at = row.finished_at;
  m.row.is_proven = row.is_proven;
  if (kind == OutcomeKind::accepted || kind == OutcomeKind::in_doubt) m.row.provider = row.provider;
  if (!row.outcome.provider_reference.empty()) m.row.provider_reference = row.outcome.provider_reference;
  if (kind == OutcomeKind::accepted)
    m.row.sent_at = row.finished_at;
  else
    m.row.failure_reason = row.failure_reason.empty() ? row.outcome.reason : row.failure_reason;
  m.results.emplace(row.attempt_no, row);
  if (row.is_named)
    for (const auto& reference : references_of(row.outcome.provider_reference))
      references.emplace(std::pair(row.provider, reference), std::pair(row.id, row.attempt_no));
  tell(name(kind), row.id, row.attempt_no);
  if (m.due && row.next_delay_ms && !broken.next_due) {
    m.due->attempt_no = row.attempt_no + 1;
    m.due->due_at = {now().us + *row.next_delay_ms * 1000};
    m.due->avoid = row.next_avoid;
  } else {
    m.due.reset();
  }
  m.entries.push_back(row.entry);
  if (row.opt_out && !m.row.recipient_key.empty() && suppressed.insert(m.row.recipient_key).second)
    m.entries.push_back(row.opt_out->entry);
  return true;
}

void MemoryStore::apply(const MoveRow& row) {
  const auto found = messages.find(row.id);
  if (found == messages.end() || !found->second.due) return;
  DueRow& due = *found->second.due;
  if (due.attempt_no != row.attempt_no || found->second.starts.contains(row.attempt_no)) return;
  tell("move", row.id, row.attempt_no);
  due.lane = row.lane;
  due.due_at = row.due_at;
  due.send_until = row.send_until;
}

bool MemoryStore::apply(const EndRow& row, const std::string& instance) {
  const auto found = messages.find(row.id);
  if (found == messages.end()) return false;
  Message& m = found->second;
  if (m.row.head.leaf != row.head.leaf || m.starts.contains(row.attempt_no)) return false;
  tell("void", row.id, row.attempt_no);
  m.starts[row.attempt_no] = {true, {}, instance, "", "", "", row.entry.at};
  m.row.status = row.status;
  m.row.head = {m.row.head.n + 1, row.entry.leaf};
  m.row.is_proven = row.is_proven;
  m.row.failure_reason = row.reason;
  m.due.reset();
  m.entries.push_back(row.entry);
  return true;
}

BatchReply MemoryStore::apply(const Batch& batch, std::vector<Permit> judged, const JournalOptions& options) {
  BatchReply reply;
  for (const auto& row : batch.results) {
    if (!apply(row))
      reply.stale.push_back(row.id);
    else if (row.next_delay_ms)
      reply.next_due.emplace_back(row.id, WallTime{now().us + *row.next_delay_ms * 1000});
  }
  for (const auto& row : batch.ends)
    if (!apply(row, options.instance)) reply.stale.push_back(row.id);
  for (const auto& row : batch.moves) apply(row);
  for (auto& permit : judged) {
    permit.instance = options.instance;
    if (permit.verdict == PermitVerdict::granted) {
      permit.permitted_at = now();
      const Start start{false,       options.epoch,       options.instance,   permit.provider,
                        permit.lane, permit.route_reason, permit.permitted_at};
      auto& starts = messages.at(permit.id).starts;
      if (!starts.emplace(permit.attempt_no, start).second && !broken.permit_key) {
        Permit taken;
        taken.id = permit.id;
        taken.verdict = PermitVerdict::taken;
        permit = std::move(taken);
      } else {
        tell("permit", permit.id, permit.attempt_no);
      }
    }
    reply.permits.push_back(std::move(permit));
  }
  return reply;
}

// the journal -----------------------------------------------------------------------------------------------------

MemoryJournal::MemoryJournal(Loop& loop, const Clock& clock, MemoryStore& store, JournalOptions options)
    : loop_(loop), clock_(clock), store_(store), options_(std::move(options)), is_connected_(store.is_up()) {
  store_.journals_.push_back(this);
}

MemoryJournal::~MemoryJournal() {
  for (auto& exchange : asked_) exchange->journal = nullptr;
  std::erase(store_.journals_, this);
}

void MemoryJournal::connect(bool is_connected) {
  if (!is_connected)
    for (const auto& exchange : std::vector(asked_)) answer(exchange, unavailable());
  if (is_connected == is_connected_) return;
  is_connected_ = is_connected;
  loop_.post([this, alive = std::weak_ptr(alive_), is_connected] {
    if (!alive.expired() && changed_) changed_(is_connected);
  });
}

void MemoryJournal::set_reachable(bool is_reachable, int64_t limit_us) {
  is_reachable_ = is_reachable;
  limit_us_ = limit_us;
  if (is_reachable) {
    if (store_.is_up()) connect(true);
    return;
  }
  for (const auto& exchange : asked_) {  // what the server has heard is its own affair, but its answer does not come
    exchange->journal = nullptr;
    give_up_later(exchange);
  }
}

void MemoryJournal::give_up_later(const std::shared_ptr<Exchange>& exchange) {
  store_.at(limit_us_, [this, alive = std::weak_ptr(alive_), exchange] {
    if (alive.expired() || std::find(asked_.begin(), asked_.end(), exchange) == asked_.end()) return;
    if (!is_reachable_) return connect(false);  // and answers all
    answer(exchange, unavailable());
  });
}

void MemoryJournal::answer(const std::shared_ptr<Exchange>& exchange, std::optional<Error> error) {
  exchange->journal = nullptr;
  if (std::erase(asked_, exchange) == 0) return;
  loop_.post([this, alive = std::weak_ptr(alive_), exchange, error = std::move(error)] {
    if (alive.expired()) return;
    busy_--;
    exchange->done(error ? &*error : nullptr);
  });
}

void MemoryJournal::begin(const std::shared_ptr<Exchange>& exchange, bool is_write) {
  busy_++;
  asked_.push_back(exchange);
  if (!is_connected_) return answer(exchange, unavailable());
  if (!is_reachable_) return give_up_later(exchange);
  exchange->journal = this;
  store_.begin(exchange, store_.fate ? store_.fate(is_write) : MemoryStore::Fate{});
}

template <class T>
void MemoryJournal::ask(std::function<T()> read, std::function<void(Result<T>)> done) {
  auto exchange = std::make_shared<Exchange>();
  auto found = std::make_shared<T>();
  exchange->read = [found, read = std::move(read)] { *found = read(); };
  exchange->commit = [] {};
  exchange->done = [found, done = std::move(done)](const Error* error) {
    if (error) return done(*error);
    done(std::move(*found));
  };
  begin(exchange, false);
}

void MemoryJournal::write(Batch batch, std::function<void(Result<BatchReply>)> done) {
  auto exchange = std::make_shared<Exchange>();
  struct State {
    Batch batch;
    JournalOptions options;  // of the journal, which may be gone when the server acts
    Tick written_at;
    std::vector<Permit> judged;
    BatchReply reply;
  };
  auto state = std::make_shared<State>();
  state->batch = std::move(batch);
  state->options = options_;
  state->written_at = clock_.tick();
  MemoryStore* store = &store_;
  exchange->read = [state, store] {
    state->judged.clear();
    for (const auto& request : state->batch.permits) {
      state->judged.push_back(store->judge(request));
      state->judged.back().written_at = state->written_at;
    }
  };
  exchange->commit = [state, store, asked = std::weak_ptr(exchange)] {
    auto is_bad = [&](const auto& row) { return store->refused.contains(row.id); };
    const Batch& rows = state->batch;
    if (std::any_of(rows.results.begin(), rows.results.end(), is_bad) ||
        std::any_of(rows.ends.begin(), rows.ends.end(), is_bad) ||
        std::any_of(rows.moves.begin(), rows.moves.end(), is_bad) ||
        std::any_of(rows.permits.begin(), rows.permits.end(), is_bad)) {
      asked.lock()->refusal = Error{ErrorCode::invalid, "a row is not what its column takes"};
      return;
    }
    state->reply = store->apply(rows, std::move(state->judged), state->options);
  };
  exchange->done = [state, done = std::move(done)](const Error* error) {
    if (error) return done(*error);
    done(std::move(state->reply));
  };
  begin(exchange, true);
}

void MemoryJournal::heads(std::vector<std::pair<Uuid, int>> attempts,
                          std::function<void(Result<std::vector<Present>>)> done) {
  ask<std::vector<Present>>(
      [store = &store_, attempts = std::move(attempts)] {
        std::vector<Present> out;
        for (const auto& [id, attempt_no] : attempts) {
          const auto found = store->messages.find(id);
          if (found == store->messages.end()) continue;
          const auto& [row, results] = std::tie(found->second.row, found->second.results);
          out.push_back({id, row.status, row.head, row.is_cancel_requested, results.contains(attempt_no), row.is_proven,
                         row.attempts});
        }
        return out;
      },
      std::move(done));
}

void MemoryJournal::open_permits(std::vector<Uuid> ids, bool only_mine,
                                 std::function<void(Result<std::vector<Permit>>)> done) {
  ask<std::vector<Permit>>(
      [store = &store_, ids = std::move(ids), only_mine = only_mine && !store_.broken.own_epoch,
       epoch = options_.epoch] {
        std::vector<Permit> out;
        for (const auto& id : ids) {
          const auto found = store->messages.find(id);
          if (found == store->messages.end()) continue;
          const MemoryStore::Message& m = found->second;
          for (const auto& [attempt_no, start] : m.starts) {
            if (start.is_void || m.results.contains(attempt_no) || (only_mine && start.epoch != epoch)) continue;
            Permit p;
            p.verdict = PermitVerdict::granted;
            p.id = id;
            p.attempt_no = attempt_no;
            p.provider = start.provider;
            p.lane = start.lane;
            p.route_reason = start.route_reason;
            p.instance = start.instance;
            p.permitted_at = start.permitted_at;
            p.head = m.row.head;
            p.attempts = m.row.attempts;
            p.max_attempts = m.row.max_attempts;
            p.expires_at = m.row.expires_at;
            p.kind = m.row.kind;
            p.priority = m.row.priority;
            out.push_back(std::move(p));
          }
        }
        return out;
      },
      std::move(done));
}

void MemoryJournal::claim_due(DueQuery query, std::function<void(Result<std::vector<DueClaim>>)> done) {
  ask<std::vector<DueClaim>>(
      [store = &store_, query = std::move(query)] {
        std::map<int, size_t> shards;  // and their places in the query
        for (size_t i = 0; i < query.shards.size(); i++) shards.emplace(query.shards[i], i);
        const std::set<std::string> lanes(query.lanes.begin(), query.lanes.end());
        const std::set<Uuid> held(query.held.begin(), query.held.end());
        std::vector<const DueRow*> due;
        for (const auto& [id, m] : store->messages)
          if (m.due && m.due->due_at <= store->now() && shards.contains(shard_of(id)) && lanes.contains(m.due->lane) &&
              !query.closed_priorities[static_cast<size_t>(m.due->priority) - 1] && !held.contains(id) &&
              !m.starts.contains(m.due->attempt_no))
            due.push_back(&*m.due);
        auto place = [&shards](const DueRow* row) {
          return std::make_tuple(row->priority, shards.at(shard_of(row->message_id)), row->lane, row->due_at);
        };
        std::stable_sort(due.begin(), due.end(), [&](const DueRow* a, const DueRow* b) { return place(a) < place(b); });
        due.resize(std::min(due.size(), static_cast<size_t>(query.count_max)));
        std::vector<DueClaim> out;
        for (const DueRow* row : due)
          out.push_back({row->message_id, row->priority, row->lane, row->provider, row->avoid});
        return out;
      },
      std::move(done));
}

}  // namespace signet

#include "store/memory_engine_store.h"

#include <algorithm>
#include <limits>

namespace signet {
namespace {

// As in pg_engine_store.cc.
constexpr int64_t kAliveUs = 7'000'000;
constexpr int64_t kIdleUs = 10'000'000;  // after which the server ends a session that holds a place and says nothing
constexpr int kOrphanTries = 6;

WallTime before(WallTime time, int64_t ms) { return {time.us - ms * 1000}; }
WallTime later(WallTime time, int64_t ms) { return {time.us + ms * 1000}; }

const MemoryStore::Start* newest_permit(const MemoryStore::Message& m, int& attempt_no) {
  for (auto at = m.starts.rbegin(); at != m.starts.rend(); ++at) {
    if (at->second.is_void) continue;
    attempt_no = at->first;
    return &at->second;
  }
  return nullptr;
}

MessageView view_of(const MemoryStore& store, const MemoryStore::Message& m) {
  MessageView view{store.now(), m.row, m.due, {}, {}};
  for (const auto& [attempt_no, start] : m.starts) {
    AttemptRow row;
    row.attempt_no = attempt_no;
    row.is_void = start.is_void;
    row.provider = start.provider;
    row.instance = start.instance;
    row.permitted_at = start.permitted_at;
    if (const auto result = m.results.find(attempt_no); result != m.results.end()) {
      const Outcome& outcome = result->second.outcome;
      row.outcome = outcome.kind;
      row.reason = outcome.reason;
      row.provider_reference = outcome.provider_reference;
      row.provider_code = outcome.provider_code;
      row.finished_at = result->second.finished_at;
    }
    view.attempts.push_back(std::move(row));
  }
  for (const auto& told : m.confirmations)
    if (const auto callback = store.callbacks.find(told.callback_id); callback != store.callbacks.end())
      view.part_receipts.push_back({told.attempt_no, callback->second.provider_reference, told.kind});
  return view;
}

void change_status(MemoryStore::Message& m, const StatusChange& change, WallTime) {
  MessageRow& row = m.row;
  row.status = change.status;
  row.head = {row.head.n + 1, change.entry.leaf};
  if (change.reviewer_id) row.reviewer_id = change.reviewer_id;
  if (change.submitted_at) row.submitted_at = change.submitted_at;
  if (change.approved_at) row.approved_at = change.approved_at;
  if (change.sent_at) row.sent_at = change.sent_at;
  if (change.confirmed_at) row.confirmed_at = change.confirmed_at;
  if (change.failure_reason) row.failure_reason = *change.failure_reason;
  if (change.is_proven) row.is_proven = *change.is_proven;
  if (change.is_requeue) {
    row.requeues++;
    row.attempts = 0;
    row.failure_reason.clear();
    row.is_proven = true;
    row.is_cancel_requested = false;
  }
  if (change.cancel_requested) row.is_cancel_requested = true;
  m.entries.push_back(change.entry);
}

}  // namespace

std::optional<Error> MemoryEngineStore::fault() {
  if (store_.is_up() && is_reachable_()) {
    if (!place_) return std::nullopt;
    // All calls go by the session that holds the place: who lost it has none.
    const auto held = store_.places.find(*place_);
    if (held != store_.places.end() && held->second.session == this &&
        held->second.seen_at.us + kIdleUs >= store_.now().us)
      return held->second.seen_at = store_.now(), std::nullopt;
    place_.reset();
  }
  return Error{ErrorCode::unavailable, "the store in memory is away"};
}

Result<bool> MemoryEngineStore::lead(Elected place) {
  if (place_ && *place_ != place) leave();
  if (auto error = fault()) return *error;
  auto& held = store_.places[place];
  if (held.session && held.session != this && held.seen_at.us + kIdleUs >= store_.now().us) return false;
  held = {this, store_.now()};
  place_ = place;
  return true;
}

void MemoryEngineStore::leave() {
  if (!place_) return;
  const auto held = store_.places.find(*place_);
  if (held != store_.places.end() && held->second.session == this) store_.places.erase(held);
  place_.reset();
}

bool MemoryEngineStore::is_alive(const Uuid& epoch) const {
  const auto beat = store_.beats.find(epoch);
  return beat != store_.beats.end() && beat->second.seen_at.us > store_.now().us - kAliveUs;
}

Result<Pulse> MemoryEngineStore::beat(const std::string& instance, const std::vector<Uuid>& epochs) {
  if (auto error = fault()) return *error;
  for (const auto& epoch : epochs) store_.beats[epoch] = {instance, store_.now()};
  std::set<std::string> others;
  for (const auto& [epoch, beat] : store_.beats)
    if (beat.instance != instance && is_alive(epoch)) others.insert(beat.instance);
  return Pulse{1 + static_cast<int>(others.size()), store_.now()};
}

Result<std::vector<DueLane>> MemoryEngineStore::due_lanes(int64_t ahead_ms) {
  if (auto error = fault()) return *error;
  std::set<DueLane> lanes;
  for (const auto& [id, m] : store_.messages)
    if (m.due && m.due->due_at < later(store_.now(), ahead_ms))
      lanes.insert({m.due->priority, shard_of(id), m.due->lane});
  return std::vector(lanes.begin(), lanes.end());
}

Result<std::vector<DueRow>> MemoryEngineStore::scan_due(const DueLane& lane, const DueSpan& span,
                                                        const std::optional<DueCursor>& after, int count_max) {
  if (auto error = fault()) return *error;
  std::vector<DueRow> out;
  auto place = [](const DueRow& row) { return std::pair(row.due_at, row.message_id); };
  for (const auto& [id, m] : store_.messages) {
    if (!m.due || shard_of(id) != lane.shard || m.due->priority != lane.priority || m.due->lane != lane.lane) continue;
    if (m.due->due_at >= later(store_.now(), span.ahead_ms)) continue;
    if (!after && span.behind_ms && m.due->due_at < later(store_.now(), -*span.behind_ms)) continue;
    if (!after || place(*m.due) > std::pair(after->due_at, after->id)) out.push_back(*m.due);
  }
  std::sort(out.begin(), out.end(), [&](const DueRow& a, const DueRow& b) { return place(a) < place(b); });
  if (out.size() > static_cast<size_t>(count_max)) out.resize(static_cast<size_t>(count_max));
  return out;
}

Result<Stamps> MemoryEngineStore::stamps() {
  if (auto error = fault()) return *error;
  return store_.stamps;
}

Result<void> MemoryEngineStore::record_stamps(const Stamps& stamps) {
  if (auto error = fault()) return *error;
  store_.stamps = stamps;
  return {};
}

Result<StaleDue> MemoryEngineStore::stale_due(const Uuid& after, int count_max, const std::vector<std::string>& lanes) {
  if (auto error = fault()) return *error;
  StaleDue out;
  int seen = 0;
  for (auto at = store_.messages.upper_bound(after); at != store_.messages.end() && seen < count_max; ++at) {
    if (!at->second.due) continue;
    const DueRow& due = *at->second.due;
    const bool is_known = std::find(lanes.begin(), lanes.end(), due.lane) != lanes.end();
    if (!is_known || (due.send_until && *due.send_until <= store_.now())) out.rows.push_back(due);
    if (++seen == count_max) out.last = at->first;
  }
  return out;
}

Result<OverduePermits> MemoryEngineStore::overdue_permits(const Uuid& after, int count_max, int64_t age_ms,
                                                          int64_t grace_ms) {
  if (auto error = fault()) return *error;
  OverduePermits out;
  const WallTime now = store_.now();
  const bool is_held_off = store_.started_at >= before(now, grace_ms);
  int seen = 0;
  for (auto at = store_.messages.upper_bound(after); at != store_.messages.end() && seen < count_max; ++at) {
    const auto& [id, m] = *at;
    if (!m.due) continue;
    if (++seen == count_max) out.last = id;
    if (is_held_off || m.due->due_at >= before(now, age_ms)) continue;
    const auto start = m.starts.find(m.due->attempt_no);
    if (start == m.starts.end() || start->second.is_void) continue;
    const WallTime permitted_at = start->second.permitted_at;
    if (permitted_at < before(now, 2 * age_ms) ||
        (permitted_at < before(now, age_ms) && !is_alive(start->second.epoch)))
      out.messages.push_back(id);
  }
  return out;
}

Result<std::vector<Doubt>> MemoryEngineStore::doubts(int64_t wait_ms, int count_max) {
  if (auto error = fault()) return *error;
  const WallTime now = store_.now();
  std::erase_if(store_.doubts,
                [&](const auto& noted) { return store_.messages.at(noted.first).row.status != Status::in_doubt; });
  std::vector<std::pair<WallTime, Uuid>> due;
  for (const auto& [id, m] : store_.messages) {
    int attempt_no = 0;
    if (m.row.status != Status::in_doubt || !newest_permit(m, attempt_no)) continue;
    auto& noted = store_.doubts[id];
    if (noted.attempt_no != attempt_no) noted = {attempt_no, later(now, wait_ms), 0};
    if (noted.due_at <= now) due.emplace_back(noted.due_at, id);
  }
  std::sort(due.begin(), due.end());
  if (due.size() > static_cast<size_t>(count_max)) due.resize(static_cast<size_t>(count_max));
  std::vector<Doubt> out;
  for (const auto& [at, id] : due) {
    const MemoryStore::Message& m = store_.messages.at(id);
    const auto& noted = store_.doubts.at(id);
    const auto& start = m.starts.at(noted.attempt_no);
    Doubt doubt{id, noted.attempt_no, start.provider, "", 0, noted.looks};
    if (const auto result = m.results.find(noted.attempt_no); result != m.results.end())
      doubt.provider_reference = result->second.outcome.provider_reference;
    WallTime first = start.permitted_at;
    for (const auto& [n, result] : m.results)
      if (result.outcome.kind == OutcomeKind::in_doubt && m.starts.at(n).provider == start.provider)
        first = std::min(first, m.starts.at(n).permitted_at);
    doubt.key_age_ms = (now.us - first.us) / 1000;
    out.push_back(std::move(doubt));
  }
  std::sort(out.begin(), out.end(), [](const Doubt& a, const Doubt& b) { return a.message_id < b.message_id; });
  return out;
}

Result<void> MemoryEngineStore::postpone_doubts(const std::vector<Postponed>& messages) {
  if (auto error = fault()) return *error;
  for (const auto& one : messages)
    if (const auto noted = store_.doubts.find(one.id); noted != store_.doubts.end()) {
      noted->second.looks++;
      noted->second.due_at = later(store_.now(), one.delay_ms);
    }
  return {};
}

Result<std::optional<std::pair<std::string, std::string>>> MemoryEngineStore::data_key(const Uuid& message_id) {
  if (auto error = fault()) return *error;
  using Key = std::optional<std::pair<std::string, std::string>>;
  const auto found = store_.messages.find(message_id);
  if (found == store_.messages.end() || found->second.content.wrapped_key.empty()) return Key();
  return Key(std::pair(found->second.content.kek_id, found->second.content.wrapped_key));
}

Result<bool> MemoryEngineStore::keep_callback(const CallbackRow& row) {
  if (auto error = fault()) return *error;
  for (const auto& [id, kept] : store_.callbacks)
    if (kept.provider == row.provider && kept.event_id == row.event_id) return false;
  store_.callbacks[row.id] = row;
  store_.due_callbacks[row.id] = {store_.now(), 0};
  return true;
}

Result<Slice> MemoryEngineStore::look_at_messages(const Uuid& after, int count_max) {
  if (auto error = fault()) return *error;
  Slice out;
  int seen = 0;
  for (auto at = store_.messages.upper_bound(after); at != store_.messages.end() && seen < count_max; ++at) {
    const MemoryStore::Message& m = at->second;
    if (m.row.status == Status::queued && !m.due) out.lost.push_back(at->first);
    const auto accepted = std::count_if(m.results.begin(), m.results.end(), [](const auto& result) {
      return result.second.outcome.kind == OutcomeKind::accepted;
    });
    const auto resent = std::count_if(m.decisions.begin(), m.decisions.end(), [](const auto& decided) {
      return decided.decision == "resend" || decided.decision == "requeue";
    });
    if (accepted > 1 + resent) out.repeated.push_back(at->first);
    if (++seen == count_max) out.last = at->first;
  }
  return out;
}

Result<std::vector<MessageCount>> MemoryEngineStore::count_messages(const Uuid& after, const Uuid& last,
                                                                    const std::vector<ReceiptLimit>& limits) {
  if (auto error = fault()) return *error;
  std::map<std::pair<Status, std::string>, MessageCount> counts;
  for (auto at = store_.messages.upper_bound(after); at != store_.messages.end(); ++at) {
    if (!last.is_nil() && last < at->first) break;
    const MessageRow& row = at->second.row;
    MessageCount& count = counts[{row.status, row.provider}];
    count.status = row.status;
    count.provider = row.provider;
    count.messages++;
    const bool is_late = std::any_of(limits.begin(), limits.end(), [&](const ReceiptLimit& limit) {
      return limit.provider == row.provider && row.sent_at && *row.sent_at < before(store_.now(), limit.wait_ms);
    });
    count.unconfirmed += row.status == Status::sent && is_late;
  }
  std::vector<MessageCount> out;
  for (auto& [key, count] : counts) out.push_back(std::move(count));
  return out;
}

Result<Totals> MemoryEngineStore::totals() {
  if (auto error = fault()) return *error;
  Totals out;
  for (const auto& [id, m] : store_.messages) {
    if (!m.due || m.due->due_at > store_.now()) continue;
    out.due++;
    out.oldest_due_ms = std::max(out.oldest_due_ms, (store_.now().us - m.due->due_at.us) / 1000);
  }
  out.orphans = std::count_if(store_.due_callbacks.begin(), store_.due_callbacks.end(),
                              [](const auto& due) { return due.second.tries >= kOrphanTries; });
  return out;
}

Result<std::vector<CallbackRow>> MemoryEngineStore::take_callbacks(int count_max, int64_t lease_ms) {
  if (auto error = fault()) return *error;
  std::vector<std::pair<WallTime, Uuid>> due;
  for (const auto& [id, one] : store_.due_callbacks)
    if (one.due_at <= store_.now()) due.emplace_back(one.due_at, id);
  std::sort(due.begin(), due.end());
  if (due.size() > static_cast<size_t>(count_max)) due.resize(static_cast<size_t>(count_max));
  std::vector<CallbackRow> out;
  for (const auto& [at, id] : due) {
    auto& one = store_.due_callbacks.at(id);
    one.due_at = later(store_.now(), lease_ms);
    out.push_back(store_.callbacks.at(id));
    out.back().tries = one.tries;
    out.back().age_ms = (store_.now().us - out.back().received_at.us) / 1000;
  }
  std::sort(out.begin(), out.end(), [](const CallbackRow& a, const CallbackRow& b) { return a.id < b.id; });
  return out;
}

Result<void> MemoryEngineStore::postpone_callbacks(const std::vector<Postponed>& callbacks) {
  if (auto error = fault()) return *error;
  for (const auto& one : callbacks)
    if (const auto due = store_.due_callbacks.find(one.id); due != store_.due_callbacks.end())
      due->second = {later(store_.now(), one.delay_ms), due->second.tries + 1};
  return {};
}

Result<void> MemoryEngineStore::end_callback(const Uuid& id) {
  if (auto error = fault()) return *error;
  store_.due_callbacks.erase(id);
  return {};
}

Result<std::map<EngineStore::Reference, std::pair<Uuid, int>>> MemoryEngineStore::find_references(
    const std::vector<Reference>& references) {
  std::map<Reference, std::pair<Uuid, int>> out;
  if (references.empty()) return out;
  if (auto error = fault()) return *error;
  for (const auto& reference : references)
    if (const auto found = store_.references.find(reference); found != store_.references.end()) out.insert(*found);
  return out;
}

Result<std::vector<Changed>> MemoryEngineStore::change(const std::vector<Uuid>& ids, const Decide& decide) {
  if (auto error = fault()) return *error;
  std::vector<Uuid> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  std::map<Uuid, MessageChange> changes;
  std::map<Uuid, Changed> outcomes;
  for (const auto& id : sorted) {
    const auto found = store_.messages.find(id);
    if (found == store_.messages.end()) continue;
    outcomes[id] = Changed::left;
    auto change = decide(view_of(store_, found->second));
    if (!change) continue;
    // All of a transaction or nothing, and so the faults first.
    if (store_.refused.contains(id)) return Error{ErrorCode::invalid, "a row is not what its column takes"};
    if (change->status && change->status->before != found->second.row.head)
      return Error{ErrorCode::conflict, "the message has moved"};
    changes[id] = std::move(*change);
  }
  for (const auto& [id, change] : changes) outcomes[id] = apply(store_.messages.at(id), change);
  if (loses_change && loses_change()) return Error{ErrorCode::unavailable, "the connection broke at the COMMIT"};
  std::vector<Changed> out;
  for (const auto& id : ids) {
    const auto outcome = outcomes.find(id);
    out.push_back(outcome == outcomes.end() ? Changed::absent : outcome->second);
  }
  return out;
}

Changed MemoryEngineStore::apply(MemoryStore::Message& m, const MessageChange& change) {
  if (const auto& row = change.void_attempt)
    if (!m.starts.emplace(row->attempt_no, MemoryStore::Start{true, {}, row->instance, "", "", "", row->at}).second)
      return Changed::taken;
  if (change.ends_callback && store_.due_callbacks.erase(*change.ends_callback) == 0) return Changed::left;
  if (change.status) change_status(m, *change.status, store_.now());
  for (const auto& entry : change.entries) m.entries.push_back(entry);
  if (const auto& row = change.decision) m.decisions.push_back({row->attempt_no, row->decision, row->actor, row->at});
  if (change.confirmation) m.confirmations.push_back(*change.confirmation);
  if (change.suppression) store_.suppressed.insert(change.suppression->row.recipient_key);
  if (change.ends_due || change.due) m.due.reset();
  if (change.due) m.due = change.due;
  return Changed::done;
}

}  // namespace signet

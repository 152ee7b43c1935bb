// Delivery, where something did not go its way: servers that are away or refuse, COMMITs that were lost, heads that
// moved, results that must wait, the end of the daemon.
#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "daemon/delivery/delivery.h"

namespace signet {
namespace {

constexpr int64_t kTroubleMs = 200;     // before a batch is tried again that the server could not take
constexpr int64_t kConflictMs = 20;     // or that was in another's way
constexpr int64_t kRefusedMs = 60000;   // before a row is tried again that it refused
constexpr int64_t kStopGraceMs = 2000;  // after the deadline: for the last results' COMMIT
constexpr size_t kAlarmedMax = 4096, kLooksMax = 4096;

template <class Queue>
auto take_front(Queue& queue, size_t count) {
  count = std::min(count, queue.size());
  const auto end = queue.begin() + static_cast<ptrdiff_t>(count);
  std::vector<typename Queue::value_type> out(queue.begin(), end);
  queue.erase(queue.begin(), end);
  return out;
}

template <class Queue, class Values>
void put_back(Queue& queue, const Values& values) {
  queue.insert(queue.begin(), values.begin(), values.end());
}

}  // namespace

void Delivery::listen() {
  const Tick now = parts_.clock.tick();
  if (parts_.journal.is_up() && batches_under_way_ + lookups_under_way_ == 0) heard_at_ = now;
  const Tick silent_at{heard_at_.us + settings_.silent_ms * 1000};
  const bool was_silent = std::exchange(is_silent_, now > silent_at);
  if (!is_silent_) {
    if (heard_at_ < now) wake_at({silent_at.us + 1000});
    return;
  }
  give_back_unpermitted();
  if (was_silent) return;
  give_back_asked();
  spool_results();
}

void Delivery::on_not_written(Batch batch, const Error& error) {
  auto hold_off = [this](int64_t delay_ms) {  // a full disk answers at once, again and again
    is_held_off_ = true;
    trouble_.start(delay_ms, [this] { is_held_off_ = false; });
  };
  if (error.code == ErrorCode::unavailable) {
    // Results may be written twice, their gate holds; a permit may have been granted and must not be asked for again.
    for (const auto& request : batch.permits) unknown_.push_back(request.id);
    batch.permits.clear();
    batches_.put_back(std::move(batch));
    return hold_off(kTroubleMs);
  }
  heard_at_ = parts_.clock.tick();
  if (error.code == ErrorCode::conflict) {  // a deadlock's victim
    batches_.put_back(std::move(batch));
    return hold_off(kConflictMs);
  }
  if (batch.size() > 1) return batches_.split(batch);
  on_refused_row(batch, error);
}

void Delivery::on_refused_row(const Batch& batch, const Error& error) {
  const Uuid id = !batch.results.empty() ? batch.results[0].id
                  : !batch.ends.empty()  ? batch.ends[0].id
                  : !batch.moves.empty() ? batch.moves[0].id
                                         : batch.permits[0].id;
  if (alarmed_.size() >= kAlarmedMax) alarmed_.clear();
  if (alarmed_.insert(id).second) {
    parts_.metrics.add("signet_alarm", "reason=\"row_refused\"");
    parts_.log.error(
        "ALARM: PostgreSQL refuses a delivery's row; it is tried again without a provider's words, and later",
        {{"message_id", id.text()}, {"reason", error.text}});
  }
  Flight* flight = find(id);
  if (!flight) return;
  if (!batch.results.empty() && !std::exchange(flight->is_bare, true)) {
    flight->outcome.provider_reference.clear();
    flight->outcome.provider_code.clear();
    return record(*flight);
  }
  // A result that is not recorded leaves its permit open: in doubt, after a while.
  finish(id, WallTime{server_now().us + kRefusedMs * 1000});
}

// One question at a time, so that batches find a connection.
void Delivery::look_up() {
  take_looks();
  settle_unknown();
  refresh_stale();
  fetch_overdue();
}

void Delivery::refresh_stale() {
  if (stale_.empty() || lookups_under_way_ > 0 || !parts_.journal.has_room()) return;
  auto asked = take_front(stale_, static_cast<size_t>(settings_.batch));
  lookups_under_way_++;
  parts_.journal.heads(asked, [this, asked, alive = std::weak_ptr(alive_)](Result<std::vector<Present>> found) {
    if (alive.expired()) return;
    lookups_under_way_--;
    if (!found) return put_back(stale_, asked);
    heard_at_ = parts_.clock.tick();
    std::vector<Uuid> known;
    for (const auto& present : *found) {
      known.push_back(present.id);
      Flight* flight = find(present.id);
      if (!flight) continue;
      if (present.has_result) {  // written before, by a COMMIT whose answer was lost, or by the reconciler
        finish(present.id, flight->next_due);
        continue;
      }
      queue_result(
          *flight, present.head, present.status,
          {present.attempts, flight->permit.max_attempts, present.is_cancel_requested, flight->permit.expires_at});
    }
    std::sort(known.begin(), known.end());
    for (const auto& [id, attempt_no] : asked)  // of a message that is no more: spooled before it was erased
      if (!std::binary_search(known.begin(), known.end(), id)) finish(id, std::nullopt);
  });
}

// After a lost COMMIT: what was granted to this loop and never sent is `unsent`, which grants the next attempt. What
// was not granted is asked for again: should that COMMIT still come, then before the answer, which says so.
void Delivery::settle_unknown() {
  if (unknown_.empty() || lookups_under_way_ > 0 || !parts_.journal.has_room()) return;
  auto asked = take_front(unknown_, static_cast<size_t>(settings_.batch));
  lookups_under_way_++;
  parts_.journal.open_permits(asked, true,
                              [this, asked, alive = std::weak_ptr(alive_)](Result<std::vector<Permit>> found) {
                                if (alive.expired()) return;
                                lookups_under_way_--;
                                if (!found) return put_back(unknown_, asked);
                                heard_at_ = parts_.clock.tick();
                                for (auto& permit : *found) {
                                  Flight* flight = find(permit.id);
                                  if (!flight) continue;
                                  flight->permit = std::move(permit);
                                  end_as(*flight, OutcomeKind::unsent, "commit_unknown");
                                }
                                for (const auto& id : asked) {
                                  Flight* flight = find(id);
                                  if (!flight || flight->has_outcome) continue;
                                  const bool is_anothers = flight->permit.verdict == PermitVerdict::taken;
                                  if (is_anothers || is_stopping_ || flight->is_look) {
                                    finish(id, is_anothers ? std::nullopt : std::optional(server_now()));
                                    continue;
                                  }
                                  flight->was_unknown = true;
                                  ask_permit(*flight);
                                }
                              });
}

void Delivery::settle_overdue(std::vector<Uuid> ids) {
  for (const auto& id : ids)
    if (!flights_.contains(id)) overdue_.push_back(id);
}

void Delivery::fetch_overdue() {
  if (overdue_.empty() || lookups_under_way_ > 0 || !parts_.journal.has_room()) return;
  lookups_under_way_++;
  parts_.journal.open_permits(take_front(overdue_, static_cast<size_t>(settings_.batch)), false,
                              [this, alive = std::weak_ptr(alive_)](Result<std::vector<Permit>> found) {
                                if (alive.expired()) return;
                                lookups_under_way_--;
                                if (!found) return;  // the reconciler finds them again
                                heard_at_ = parts_.clock.tick();
                                for (auto& permit : *found) {
                                  if (flights_.contains(permit.id)) continue;
                                  Flight& flight = add_flight(permit.id, permit.lane);
                                  flight.permit = std::move(permit);
                                  flight.started_at = flight.permit.permitted_at;
                                  parts_.log.warn(
                                      "a permit ended without a result: the message stands in doubt",
                                      {{"message_id", flight.id.text()}, {"provider", flight.permit.provider}});
                                  end_as(flight, OutcomeKind::in_doubt, "no_result");
                                }
                              });
}

void Delivery::look(std::vector<Uuid> ids) {
  if (looks_.size() < kLooksMax)
    looks_.insert(looks_.end(), ids.begin(), ids.end());  // else the relay finds them again
}

void Delivery::take_looks() {
  if (is_stopping_ || is_silent_) return looks_.clear();  // the relay finds them again
  const auto count = static_cast<size_t>(std::clamp(room_.for_urgent(), 0, settings_.batch));
  for (const auto& id : take_front(looks_, count)) {
    if (flights_.contains(id)) continue;
    Flight& flight = add_flight(id, "");
    flight.is_look = true;
    ask_permit(flight);
  }
}

void Delivery::take_over(std::vector<SpoolRow> rows) {
  for (auto& row : rows) {
    if (flights_.contains(row.permit.id)) {  // twice in it: the first one stands
      parts_.spool.recorded(1);
      continue;
    }
    Flight& flight = add_flight(row.permit.id, row.permit.lane);
    flight.permit = std::move(row.permit);
    flight.outcome = std::move(row.outcome);
    flight.started_at = row.started_at;
    flight.finished_at = row.finished_at;
    flight.has_outcome = flight.is_spooled = true;
    stale_.emplace_back(flight.id, flight.permit.attempt_no);
  }
}

void Delivery::end_as(Flight& flight, OutcomeKind kind, std::string reason) {
  flight.has_outcome = true;
  flight.finished_at = parts_.clock.wall();
  if (flight.started_at.us == 0) flight.started_at = flight.finished_at;
  flight.outcome = {};
  flight.outcome.kind = kind;
  flight.outcome.reason = std::move(reason);
  record(flight);
}

// In the order in which they came, so that they are replayed in it.
void Delivery::spool_results() {
  std::vector<Flight*> waiting;
  for (const auto& [id, flight] : flights_)
    if (flight->has_outcome && !flight->is_spooled) waiting.push_back(flight.get());
  if (waiting.empty()) return;
  std::sort(waiting.begin(), waiting.end(), [](const Flight* a, const Flight* b) {
    return std::pair(a->finished_at, a->id) < std::pair(b->finished_at, b->id);
  });
  std::vector<SpoolRow> rows;
  for (const Flight* flight : waiting) {
    SpoolRow row{flight->permit, flight->outcome, flight->started_at, flight->finished_at};
    rows.push_back(std::move(row));
  }
  const auto spooled = parts_.spool.append(rows);
  if (spooled)
    for (Flight* flight : waiting) flight->is_spooled = true;
  else if (!is_spool_told_)
    parts_.log.error("results cannot be spooled; they wait in memory, and nothing more is claimed",
                     {{"reason", spooled.error().text}});
  is_spool_told_ = !spooled.ok();
}

void Delivery::stop(int64_t deadline_ms, std::function<void()> done) {
  is_stopping_ = true;
  stopped_ = std::move(done);
  give_back_unpermitted();
  SIGNET_CRASH_POINT(draining);
  deadline_.start(deadline_ms, [this] { mark_all(); });
}

void Delivery::hurry() {
  if (is_hurried_) return;
  is_hurried_ = true;
  mark_all();
}

void Delivery::give_back_unpermitted() {
  const WallTime now = server_now();
  for (auto& ways : claimed_) {
    for (auto& [way, waiting] : ways)
      for (const auto& id : waiting) finish(id, now);
    ways.clear();
  }
  for (const auto& request : batches_.take_permits()) {
    if (const Flight* flight = find(request.id); flight && flight->was_unknown && !is_marked_)
      unknown_.push_back(request.id);
    else
      finish(request.id, now);
  }
}

// Whether they are granted is not known yet. Others may ask for them: only one gets the permit.
void Delivery::give_back_asked() {
  const WallTime now = server_now();
  for (const auto& id : sorted_ids([](const Flight& flight) {
         return !flight.is_look && !flight.has_outcome && flight.permit.verdict != PermitVerdict::granted;
       })) {
    find(id)->is_given_back = true;
    nacks_.emplace_back(id, now);
  }
}

// What was granted and not begun was certainly not sent; what is under way may have been.
void Delivery::mark_all() {
  is_marked_ = true;
  give_back_unpermitted();
  granted_.clear();
  for (const auto& id : sorted_ids([](const Flight& flight) {
         return !flight.has_outcome && flight.permit.verdict == PermitVerdict::granted;
       })) {
    Flight& flight = *find(id);
    end_as(flight, flight.is_sending ? OutcomeKind::in_doubt : OutcomeKind::unsent, "shutdown");
  }
  is_flushing_ = true;
  deadline_.start(kStopGraceMs, [this] { give_up(); });
}

void Delivery::give_up() {
  spool_results();
  const auto lost = sorted_ids([](const Flight& flight) { return flight.has_outcome && !flight.is_spooled; });
  if (!lost.empty())
    parts_.log.warn("stopped before every result was recorded: those messages will stand in doubt",
                    {{"messages", std::to_string(lost.size())}});
  if (auto done = std::exchange(stopped_, {})) done();
}

void Delivery::check_stopped() {
  parts_.metrics.set("signet_in_flight", settings_.loop_label, static_cast<int64_t>(flights_.size()));
  if (!is_stopping_ || !stopped_ || claims_under_way_ + express_under_way_ > 0) return;
  // What PostgreSQL does not take waits in the spool for the next run.
  const bool is_left_behind =
      is_silent_ && !flights_.empty() &&
      std::all_of(flights_.begin(), flights_.end(), [](const auto& entry) { return entry.second->is_spooled; });
  if (!is_left_behind && (!flights_.empty() || batches_under_way_ > 0)) return;
  auto done = std::exchange(stopped_, {});
  done();
}

}  // namespace signet

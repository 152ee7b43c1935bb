#include "daemon/delivery/delivery.h"

#include <algorithm>
#include <utility>

#include "daemon/delivery/opener.h"

namespace signet {
namespace {

constexpr int kClaimsMax = 4;           // under way at once: one fills the window while another travels
constexpr int64_t kHoldMs = 4;          // how long a half-full batch waits while sends are under way
constexpr int64_t kTroubleMs = 200;     // before a batch is tried again that the server could not take
constexpr int64_t kStopGraceMs = 2000;  // after the deadline: for the last results' COMMIT
constexpr size_t kAcksMax = 256;

template <class Queue>
auto take_front(Queue& queue, size_t count) {
  std::vector<typename Queue::value_type> out;
  count = std::min(count, queue.size());
  out.reserve(count);
  for (size_t i = 0; i < count; i++) {
    out.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  return out;
}

template <class Queue, class Items>
void put_back(Queue& queue, const Items& items) {
  queue.insert(queue.begin(), items.begin(), items.end());
}

Outcome outcome_of(OutcomeKind kind, std::string reason) {
  Outcome out;
  out.kind = kind;
  out.reason = std::move(reason);
  return out;
}

}  // namespace

Delivery::Delivery(DeliveryParts parts, DeliverySettings settings, Admit admit, Dispatcher dispatcher,
                   std::map<std::string, DeliveryProvider> providers)
    : parts_(parts),
      settings_(std::move(settings)),
      admit_(std::move(admit)),
      dispatcher_(std::move(dispatcher)),
      events_(parts.clock, parts.ids, settings_.instance),
      providers_(std::move(providers)),
      hold_(parts.loop),
      poll_(parts.loop),
      admission_(parts.loop),
      start_(parts.loop),
      renewal_(parts.loop),
      deadline_(parts.loop),
      trouble_(parts.loop) {
  parts_.queue.on_bell([this](int shard) { dispatcher_.wake(shard); });
  parts_.queue.on_change([this](bool is_up) {
    parts_.metrics.set("signet_redis_up", settings_.loop_label, is_up);
    if (!is_up) return;
    dispatcher_.wake_all();
    if (redis_up_) redis_up_();
  });
  parts_.metrics.set("signet_redis_up", settings_.loop_label, 0);
  parts_.metrics.set("signet_postgres_up", settings_.loop_label, 0);
  parts_.journal.on_change(
      [this](bool is_up) { parts_.metrics.set("signet_postgres_up", settings_.loop_label, is_up); });
  poll_.repeat(settings_.poll_ms, [this] { dispatcher_.wake_all(); });
  // A lease that lapses only brings the hint back, which costs a refused permit; a third leaves two tries to renew.
  renewal_.repeat(settings_.lease_ms / 3, [this] { renew(); });
  parts_.loop.on_round([this] { pump(); });
}

Delivery::~Delivery() {
  parts_.loop.on_round({});
  parts_.queue.on_bell({});
  parts_.queue.on_change({});
  parts_.journal.on_change({});
}

// Once a round of the loop, after all that came in. Batches form from what waits.
void Delivery::pump() {
  claim();          // hints out of Redis, or out of `due` while it is away
  admit_claimed();  // lane, slot, rate: what is refused goes back and has cost no attempt
  write_batch();    // permits and results in one transaction: only its COMMIT gives the right to send,
                    // and only a recorded result may be acknowledged, since a hint that is gone comes back by itself
                    // but a send that nobody recorded does not
  send_granted();   // open, check, send before the permit lapses
  ack();            // hints of recorded attempts go, or come back at the next attempt's time
  check_stopped();
}

void Delivery::claim() {
  settle_unknown();
  refresh_stale();
  fetch_overdue();
  if (is_stopping_ || !parts_.journal.is_up()) return;  // fail closed: no permits, so nothing to claim for
  if (!parts_.queue.is_up()) return claim_without_redis();
  const auto batch = static_cast<size_t>(settings_.batch);
  while (claims_under_way_ < kClaimsMax && flights_.size() + static_cast<size_t>(claims_under_way_ + 1) * batch <=
                                               static_cast<size_t>(settings_.window)) {
    const auto shard = dispatcher_.next();
    if (!shard) return;
    ClaimRequest request;
    request.shard = *shard;
    request.count_max = settings_.batch;
    request.closed_lanes = closed_lanes();
    request.lease_ms = settings_.lease_ms;
    claims_under_way_++;
    parts_.queue.claim(request,
                       [this, shard = *shard, alive = std::weak_ptr(alive_)](Result<std::vector<Claimed>> claimed) {
                         if (alive.expired()) return;
                         claims_under_way_--;
                         if (!claimed) return;  // on_change says that it is away
                         dispatcher_.claimed(shard, static_cast<int>(claimed->size()));
                         parts_.metrics.add("signet_claimed_total", "", static_cast<int64_t>(claimed->size()));
                         for (auto& hint : *claimed) take_claimed(std::move(hint.lane), hint.id);
                       });
  }
}

void Delivery::claim_without_redis() {
  if (claims_under_way_ > 0 || !parts_.journal.has_room() || !dispatcher_.next()) return;
  if (flights_.size() + static_cast<size_t>(settings_.batch) > static_cast<size_t>(settings_.window)) return;
  claims_under_way_++;
  DueQuery query;
  for (int shard = 0; shard < kShards; shard++) query.shards.push_back(shard);
  const auto closed = closed_lanes();
  for (auto& lane : parts_.routes.lanes())
    if (std::find(closed.begin(), closed.end(), lane) == closed.end()) query.lanes.push_back(std::move(lane));
  query.count_max = settings_.batch;
  parts_.journal.claim_due(std::move(query), [this, alive = std::weak_ptr(alive_)](Result<std::vector<DueClaim>> due) {
    if (alive.expired()) return;
    claims_under_way_--;
    if (!due) return;
    for (auto& row : *due) take_claimed(std::move(row.lane), row.id);
    if (static_cast<int>(due->size()) == settings_.batch) dispatcher_.wake(0);
  });
}

void Delivery::take_claimed(std::string lane, const Uuid& id) {
  if (flights_.contains(id)) return;  // a lapsed lease brought our own message back
  auto flight = std::make_unique<Flight>();
  flight->id = id;
  flight->lane = std::move(lane);
  flights_.emplace(id, std::move(flight));
  if (is_stopping_) return finish(id, parts_.clock.wall());
  claimed_[flights_[id]->lane].push_back(id);
}

// A lane that is paused, or that holds half the window already while another may want it.
std::vector<std::string> Delivery::closed_lanes() const {
  auto out = admit_.closed_lanes(parts_.clock.tick());
  for (const auto& [lane, waiting] : claimed_)
    if (waiting.size() >= static_cast<size_t>(settings_.window) / 2) out.push_back(lane);
  return out;
}

void Delivery::admit_claimed() {
  if (is_marked_) return give_back_unpermitted();
  const Tick now = parts_.clock.tick();
  std::optional<Tick> again_at;
  for (auto& [lane, waiting] : claimed_) {
    while (!waiting.empty()) {
      Flight* flight = find(waiting.front());
      if (!flight) {
        waiting.pop_front();
        continue;
      }
      const Admission admission = admit_.ask({lane, Priority::normal, {}, {}}, now);
      if (admission.answer == Admission::Answer::busy) {
        if (!again_at || admission.again_at < *again_at) again_at = admission.again_at;
        break;
      }
      waiting.pop_front();
      if (admission.answer != Admission::Answer::admitted) {
        finish(flight->id, WallTime{parts_.clock.wall().us + (admission.again_at.us - now.us)});
        continue;
      }
      flight->provider = admission.provider;
      flight->is_admitted = true;
      admitted_.push_back({flight->id, lane, admission.provider, admission.reason});
    }
  }
  if (again_at && !admission_.is_active())
    admission_.start(std::max<int64_t>(1, (again_at->us - now.us) / 1000), [] {});  // only wakes the loop
}

bool Delivery::is_worth_a_batch() const {
  const size_t waiting = results_.size() + ends_.size() + admitted_.size();
  if (waiting == 0) return false;
  return is_flushing_ || careful_ > 0 || waiting >= static_cast<size_t>(settings_.hold) || sends_under_way_ == 0;
}

void Delivery::write_batch() {
  while (!is_held_off_ && parts_.journal.has_room() && is_worth_a_batch()) {
    const size_t cap = careful_ > 0 ? 1 : static_cast<size_t>(settings_.batch);
    Batch batch;
    batch.results = take_front(results_, cap);
    if (careful_ == 0 || batch.results.empty()) batch.ends = take_front(ends_, cap);
    if (careful_ == 0 || batch.results.size() + batch.ends.size() == 0) batch.permits = take_front(admitted_, cap);
    if (careful_ > 0) careful_--;
    batches_under_way_++;
    auto kept = std::make_shared<Batch>(batch);
    parts_.journal.write(std::move(batch), [this, kept, alive = std::weak_ptr(alive_)](Result<BatchReply> reply) {
      if (alive.expired()) return;
      batches_under_way_--;
      if (reply)
        on_written(*kept, std::move(reply));
      else
        on_not_written(*kept, reply.error());
    });
  }
  is_flushing_ = false;
  if (results_.size() + ends_.size() + admitted_.size() > 0 && parts_.journal.has_room() && !hold_.is_active())
    hold_.start(kHoldMs, [this] { is_flushing_ = true; });
}

void Delivery::on_written(const Batch& batch, Result<BatchReply> reply) {
  std::vector<Uuid> stale = std::move(reply->stale);
  std::sort(stale.begin(), stale.end());
  auto is_stale = [&stale](const Uuid& id) { return std::binary_search(stale.begin(), stale.end(), id); };
  for (const auto& [id, due_at] : reply->next_due)
    if (Flight* flight = find(id)) flight->next_due = due_at;
  for (const auto& row : batch.results) {
    if (is_stale(row.id))
      stale_.emplace_back(row.id, row.attempt_no);
    else
      recorded(row.id);
  }
  // A stale end means that somebody changed the message meanwhile: the relay looks again.
  for (const auto& row : batch.ends) finish(row.id, std::nullopt);
  for (auto& permit : reply->permits) on_permit(std::move(permit));
}

void Delivery::on_not_written(const Batch& batch, const Error& error) {
  const int rows = static_cast<int>(batch.results.size() + batch.ends.size() + batch.permits.size());
  if (error.code == ErrorCode::unavailable) {
    // Results may be written twice, their gate holds; a permit may have been granted and must not be asked for again.
    put_back(results_, batch.results);
    put_back(ends_, batch.ends);
    for (const auto& request : batch.permits) unknown_.push_back(request.id);
    is_held_off_ = true;  // a full disk answers at once, again and again
    trouble_.start(kTroubleMs, [this] { is_held_off_ = false; });
    return;
  }
  if (error.code == ErrorCode::conflict || rows > 1) {  // a deadlock's victim; or one bad row among good ones
    if (error.code != ErrorCode::conflict) careful_ = rows;
    put_back(results_, batch.results);
    put_back(ends_, batch.ends);
    put_back(admitted_, batch.permits);
    return;
  }
  const Uuid id = !batch.results.empty() ? batch.results[0].id
                  : !batch.ends.empty()  ? batch.ends[0].id
                                         : batch.permits[0].id;
  parts_.metrics.add("signet_alarm", "reason=\"row_refused\"");
  parts_.log.error("PostgreSQL refuses a delivery's row; its attempt will stand in doubt",
                   {{"message_id", id.text()}, {"reason", error.text}});
  finish(id, std::nullopt);
}

void Delivery::on_permit(Permit permit) {
  Flight* flight = find(permit.id);
  if (!flight) return;
  flight->permit = std::move(permit);
  if (flight->permit.verdict != PermitVerdict::granted) return refuse(*flight);
  parts_.metrics.add("signet_permits_total", "verdict=\"granted\"");
  if (is_marked_) {
    flight->has_outcome = true;
    flight->started_at = flight->finished_at = parts_.clock.wall();
    flight->outcome = outcome_of(OutcomeKind::unsent, "shutdown");
    return record(*flight);
  }
  granted_[flight->provider].push_back(flight->id);
}

void Delivery::refuse(Flight& flight) {
  parts_.metrics.add("signet_permits_total", "verdict=\"refused\"");
  admit_.release(flight.provider, false);
  flight.is_admitted = false;
  switch (flight.permit.verdict) {
    case PermitVerdict::cancel_requested:
      return end(flight, Status::cancelled, "cancelled");
    case PermitVerdict::expired:
      return end(flight, Status::failed, "expired");
    case PermitVerdict::suppressed:
      return end(flight, Status::suppressed, "opted_out");
    case PermitVerdict::not_yet:
      return finish(flight.id, flight.permit.due_at);
    case PermitVerdict::other_lane:
      flight.lane = flight.permit.lane;
      claimed_[flight.lane].push_back(flight.id);
      return;
    case PermitVerdict::out_of_order:
      parts_.log.warn("a due message's attempt may not follow the one before; it waits for a person",
                      {{"message_id", flight.id.text()}, {"attempt", std::to_string(flight.permit.attempt_no)}});
      return finish(flight.id, std::nullopt);
    default:
      return finish(flight.id, std::nullopt);  // somebody else's by now; what is due is offered again
  }
}

void Delivery::end(Flight& flight, Status status, const std::string& reason) {
  EndRow row;
  row.id = flight.id;
  row.attempt_no = flight.permit.attempt_no;
  row.status = status;
  row.reason = reason;
  row.is_proven = false;
  row.head = flight.permit.head;
  row.entry = events_.of_end(flight.permit, status, reason);
  ends_.push_back(std::move(row));
}

void Delivery::send_granted() {
  const Tick now = parts_.clock.tick();
  std::optional<Tick> again_at;
  for (auto& [name, waiting] : granted_) {
    const auto provider = providers_.find(name);
    SIGNET_CHECK(provider != providers_.end());  // admit knows only configured providers
    Transport& transport = *provider->second.transport;
    while (!waiting.empty() && transport.has_room()) {
      Flight* flight = find(waiting.front());
      Tick token_at{};
      const bool is_lapsed = flight && now.us >= flight->permit.written_at.us + settings_.permit_start_ms * 1000;
      if (flight && !is_lapsed && !admit_.may_start(name, now, token_at)) {
        again_at = std::min(again_at.value_or(token_at), token_at);
        break;
      }
      waiting.pop_front();
      if (!flight) continue;
      flight->has_started = !is_lapsed;
      send(*flight, transport);
    }
    transport.round();
  }
  if (again_at && !start_.is_active())
    start_.start(std::max<int64_t>(1, (again_at->us - now.us) / 1000), [] {});  // only wakes the loop
}

void Delivery::send(Flight& flight, Transport& transport) {
  const Tick deadline{flight.permit.written_at.us + settings_.permit_start_ms * 1000};
  flight.started_at = parts_.clock.wall();
  sends_under_way_++;
  flight.is_sending = true;
  if (parts_.clock.tick() >= deadline) return on_outcome(flight.id, outcome_of(OutcomeKind::unsent, "permit_lapsed"));
  if (!open(flight)) return on_outcome(flight.id, outcome_of(OutcomeKind::permanent, "content_mismatch"));
  transport.send(flight.outbound, deadline,
                 [this, id = flight.id](Outcome outcome) { on_outcome(id, std::move(outcome)); });
}

bool Delivery::open(Flight& flight) {
  auto envelope = open_and_check(parts_.keys, flight.permit, settings_.system_recipients);
  if (!envelope) {
    parts_.metrics.add("signet_alarm", "reason=\"content_mismatch\"");
    parts_.log.error("ALARM: a stored message is not what was approved; nothing was sent",
                     {{"message_id", flight.id.text()}, {"reason", envelope.error().text}});
    return false;
  }
  const Permit& permit = flight.permit;
  Outbound& out = flight.outbound;
  out.message_id = flight.id;
  out.attempt_no = permit.attempt_no;
  out.kind = envelope->kind;
  out.recipient = Phi(std::move(envelope->recipient));
  out.subject = Phi(std::move(envelope->subject));
  out.body = Phi(std::move(envelope->body));
  out.idempotency_key = flight.id.text() + "." + std::to_string(permit.version) + "." + std::to_string(permit.requeues);
  out.callback_url = settings_.callback_base + flight.provider + "?m=" + out.echo();
  return true;
}

void Delivery::on_outcome(const Uuid& id, Outcome outcome) {
  sends_under_way_--;
  Flight* flight = find(id);
  if (!flight || flight->has_outcome) return;  // marked at the deadline of a stop
  flight->has_outcome = true;
  flight->is_sending = false;
  flight->finished_at = parts_.clock.wall();
  flight->outcome = std::move(outcome);
  admit_.learn(flight->lane, flight->provider, flight->outcome, parts_.clock.tick());
  // The slot is freed by finish(), when the result is recorded: until then a crash would leave it in doubt.
  record(*flight);
}

void Delivery::record(Flight& flight) {
  parts_.metrics.add("signet_attempts_total", "outcome=\"" + std::string(name(flight.outcome.kind)) + "\",provider=\"" +
                                                  flight.permit.provider + "\"");
  queue_result(flight, flight.permit.head, Status::queued,
               {flight.permit.attempts, flight.permit.max_attempts, false, flight.permit.expires_at});
}

void Delivery::queue_result(Flight& flight, const Head& head, Status status, const AttemptState& state) {
  const Decision decision = decide(flight.outcome, state, settings_.retry, parts_.clock.wall(), parts_.random);
  ResultRow row;
  row.id = flight.id;
  row.attempt_no = flight.permit.attempt_no;
  row.outcome = flight.outcome;
  row.provider = flight.permit.provider;
  row.started_at = flight.started_at;
  row.finished_at = flight.finished_at;
  // Where a receipt was faster, its higher rank stays and the result is only recorded.
  row.status = after(status, decision.step).value_or(status);
  row.failure_reason = row.status == Status::queued ? "" : decision.reason;
  row.is_counted = decision.is_counted;
  row.is_proven = decision.is_proven;
  if (const auto used = providers_.find(row.provider); used != providers_.end())
    row.is_named = used->second.provider->has_receipts() && !used->second.provider->has_echo() &&
                   row.outcome.kind == OutcomeKind::accepted && !row.outcome.provider_reference.empty();
  if (row.status == Status::queued) row.next_delay_ms = decision.next_delay_ms;
  row.head = head;
  row.entry =
      events_.of_result(flight.permit, flight.outcome, decision, row.status, head, row.started_at, row.finished_at);
  if (row.next_delay_ms) flight.next_due = WallTime{parts_.clock.wall().us + *row.next_delay_ms * 1000};
  results_.push_back(std::move(row));
}

void Delivery::refresh_stale() {
  if (stale_.empty() || lookups_under_way_ > 0 || !parts_.journal.has_room()) return;
  auto asked = take_front(stale_, static_cast<size_t>(settings_.batch));
  lookups_under_way_++;
  parts_.journal.heads(asked, [this, asked, alive = std::weak_ptr(alive_)](Result<std::vector<Present>> found) {
    if (alive.expired()) return;
    lookups_under_way_--;
    if (!found) {
      put_back(stale_, asked);
      return;
    }
    for (const auto& present : *found) {
      Flight* flight = find(present.id);
      if (!flight) continue;
      if (present.has_result) {  // written before, by a COMMIT whose answer was lost, or by the reconciler
        recorded(present.id);
        continue;
      }
      queue_result(
          *flight, present.head, present.status,
          {present.attempts, flight->permit.max_attempts, present.is_cancel_requested, flight->permit.expires_at});
    }
  });
}

// After a lost COMMIT: what was granted to this run and never sent is `unsent`, which grants the next attempt.
void Delivery::settle_unknown() {
  if (unknown_.empty() || lookups_under_way_ > 0 || !parts_.journal.has_room()) return;
  auto asked = take_front(unknown_, static_cast<size_t>(settings_.batch));
  lookups_under_way_++;
  parts_.journal.open_permits(asked, true,
                              [this, asked, alive = std::weak_ptr(alive_)](Result<std::vector<Permit>> found) {
                                if (alive.expired()) return;
                                lookups_under_way_--;
                                if (!found) {
                                  put_back(unknown_, asked);
                                  return;
                                }
                                for (auto& permit : *found) {
                                  Flight* flight = find(permit.id);
                                  if (!flight) continue;
                                  flight->permit = std::move(permit);
                                  flight->started_at = flight->finished_at = parts_.clock.wall();
                                  flight->outcome = outcome_of(OutcomeKind::unsent, "commit_unknown");
                                  flight->has_outcome = true;
                                  record(*flight);
                                }
                                for (const auto& id : asked) {
                                  Flight* flight = find(id);
                                  if (!flight) continue;
                                  if (std::exchange(flight->is_admitted, false))
                                    admit_.release(flight->provider, false);
                                  if (!flight->has_outcome) finish(id, parts_.clock.wall());
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
                                for (auto& permit : *found) {
                                  if (flights_.contains(permit.id)) continue;
                                  auto flight = std::make_unique<Flight>();
                                  flight->id = permit.id;
                                  flight->permit = std::move(permit);
                                  flight->started_at = flight->permit.permitted_at;
                                  flight->finished_at = parts_.clock.wall();
                                  flight->outcome = outcome_of(OutcomeKind::in_doubt, "no_result");
                                  flight->has_outcome = true;
                                  parts_.log.warn(
                                      "a permit ended without a result: the message stands in doubt",
                                      {{"message_id", flight->id.text()}, {"provider", flight->permit.provider}});
                                  Flight& kept = *flights_.emplace(flight->id, std::move(flight)).first->second;
                                  record(kept);
                                }
                              });
}

void Delivery::recorded(const Uuid& id) {
  Flight* flight = find(id);
  if (!flight) return;
  finish(id, flight->next_due);
}

// The message leaves the window; its hint goes, or comes back at `again_at`.
void Delivery::finish(const Uuid& id, std::optional<WallTime> again_at) {
  if (Flight* flight = find(id); flight && flight->is_admitted) admit_.release(flight->provider, flight->has_started);
  if (again_at)
    nacks_.emplace_back(id, *again_at);
  else
    acks_.push_back(id);
  flights_.erase(id);
}

void Delivery::ack() {
  auto ignore = [](Result<int64_t>) {};  // a hint that stays brings a permit that is refused
  for (size_t at = 0; at < acks_.size(); at += kAcksMax)
    parts_.queue.ack({acks_.begin() + static_cast<ptrdiff_t>(at),
                      acks_.begin() + static_cast<ptrdiff_t>(std::min(acks_.size(), at + kAcksMax))},
                     ignore);
  for (size_t at = 0; at < nacks_.size(); at += kAcksMax)
    parts_.queue.nack_at({nacks_.begin() + static_cast<ptrdiff_t>(at),
                          nacks_.begin() + static_cast<ptrdiff_t>(std::min(nacks_.size(), at + kAcksMax))},
                         ignore);
  acks_.clear();
  nacks_.clear();
}

void Delivery::renew() {
  std::vector<Uuid> ids;
  for (const auto& [id, flight] : flights_) ids.push_back(id);
  if (!ids.empty() && parts_.queue.is_up()) parts_.queue.renew(ids, settings_.lease_ms, [](Result<int64_t>) {});
}

Delivery::Flight* Delivery::find(const Uuid& id) {
  const auto found = flights_.find(id);
  return found == flights_.end() ? nullptr : found->second.get();
}

void Delivery::stop(int64_t deadline_ms, std::function<void()> done) {
  is_stopping_ = true;
  stopped_ = std::move(done);
  give_back_unpermitted();
  deadline_.start(deadline_ms, [this] { mark_all(); });
}

void Delivery::hurry() {
  if (is_hurried_) return;
  is_hurried_ = true;
  mark_all();
}

void Delivery::give_back_unpermitted() {
  const WallTime now = parts_.clock.wall();
  for (auto& [lane, waiting] : claimed_)
    for (const auto& id : take_front(waiting, waiting.size())) finish(id, now);
  for (const auto& request : take_front(admitted_, admitted_.size())) finish(request.id, now);
}

// What was granted and not begun was certainly not sent; what is under way may have been.
void Delivery::mark_all() {
  is_marked_ = true;
  give_back_unpermitted();
  granted_.clear();
  const WallTime now = parts_.clock.wall();
  for (auto& [id, flight] : flights_) {
    if (flight->has_outcome || flight->permit.verdict != PermitVerdict::granted) continue;
    flight->has_outcome = true;
    flight->finished_at = now;
    if (!flight->is_sending) flight->started_at = now;
    flight->outcome = outcome_of(flight->is_sending ? OutcomeKind::in_doubt : OutcomeKind::unsent, "shutdown");
    record(*flight);
  }
  is_flushing_ = true;
  deadline_.start(kStopGraceMs, [this] {
    if (!flights_.empty())
      parts_.log.warn("stopped before every result was recorded: those messages will stand in doubt",
                      {{"messages", std::to_string(flights_.size())}});
    if (auto done = std::exchange(stopped_, {})) done();
  });
}

void Delivery::check_stopped() {
  parts_.metrics.set("signet_in_flight", settings_.loop_label, static_cast<int64_t>(flights_.size()));
  if (!is_stopping_ || !stopped_) return;
  if (!flights_.empty() || batches_under_way_ > 0 || claims_under_way_ > 0) return;
  auto done = std::exchange(stopped_, {});
  done();
}

}  // namespace signet

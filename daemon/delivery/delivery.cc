#include "daemon/delivery/delivery.h"

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "daemon/delivery/letter_pdf.h"
#include "daemon/delivery/opener.h"

namespace signet {
namespace {

constexpr int64_t kHoldMs = 4;  // how long a half-full batch waits while sends are under way
constexpr size_t kAcksMax = 256;
constexpr int64_t kSoonUs = 120'000'000;  // hints of what is due later are not kept in Redis
// Of a provider, begun in one round of the loop: then its answers are read, and what is urgent is seen, before the
// next.
constexpr int kSendsMax = 64;

}  // namespace

Delivery::Delivery(DeliveryParts parts, DeliverySettings settings, Admit admit, Dispatcher dispatcher,
                   std::map<std::string, DeliveryProvider> providers)
    : parts_(parts),
      settings_(std::move(settings)),
      admit_(std::move(admit)),
      dispatcher_(std::move(dispatcher)),
      events_(parts.clock, parts.ids, settings_.instance),
      providers_(std::move(providers)),
      refusals_{parts.routes, parts.plan, [this](const std::string& name) { return providers_.contains(name); }},
      room_(settings_.window),
      first_shard_(static_cast<int>(parts.random.below(kShards))),
      heard_at_(parts.clock.tick()),
      hold_(parts.loop),
      poll_(parts.loop),
      wake_(parts.loop),
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
  poll_.repeat(settings_.poll_ms, [this] {
    dispatcher_.wake_all();
    if (room_.for_all() < settings_.batch) dispatcher_.wake_all_express();
    is_table_wanted_ = true;
    if (is_silent_) spool_results();
    parts_.metrics.set("signet_result_spool_rows", "", parts_.spool.waiting());
  });
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

// Once a round of the loop, after all that came in. Batches form from what waits; in each line critical goes first.
void Delivery::pump() {
  listen();         // while PostgreSQL does not answer, what has no permit is left to others
  look_up();        // what was lost, moved or left behind is settled
  claim();          // hints out of Redis, or out of `due` while it is away
  admit_claimed();  // lane, breaker, slot, rate: what is refused goes back and has cost no attempt
  write_batches();  // permits and results in one transaction: only its COMMIT gives the right to send,
                    // and only a recorded result may be acknowledged, since a hint that is gone comes back by itself
                    // but a send that nobody recorded does not
  send_granted();   // open, check, send before the permit lapses
  ack();            // hints of recorded attempts go, or come back at the next attempt's time
  check_stopped();
}

Flight& Delivery::add_flight(const Uuid& id, std::string lane) {
  auto flight = std::make_unique<Flight>();
  flight->id = id;
  flight->lane = std::move(lane);
  room_.enter(flight->lane);
  return *flights_.emplace(id, std::move(flight)).first->second;
}

void Delivery::wait_for_admission(Flight& flight) {
  claimed_[static_cast<size_t>(flight.priority) - 1][{flight.lane, flight.pinned_provider}].push_back(flight.id);
}

void Delivery::admit_claimed() {
  if (is_stopping_ || is_silent_) return give_back_unpermitted();
  const Tick now = parts_.clock.tick();
  for (auto& ways : claimed_)
    for (auto way = ways.begin(); way != ways.end();) {
      admit_waiting(way->second, now);
      way = way->second.empty() ? ways.erase(way) : std::next(way);
    }
}

void Delivery::admit_waiting(Waiting& waiting, Tick now) {
  while (!waiting.empty()) {
    Flight& flight = *flights_.at(waiting.front());
    const Admission admission = admit_.ask({flight.lane, flight.priority, flight.pinned_provider, flight.avoid}, now);
    if (admission.answer == Admission::Answer::busy) return wake_at(admission.again_at);
    waiting.pop_front();
    if (admission.answer == Admission::Answer::closed) {
      finish(flight.id, WallTime{server_now().us + (admission.again_at.us - now.us)});
      continue;
    }
    // Of what is gone without a provider, which is only a look: at what is to become of it.
    flight.provider = admission.provider;
    flight.route_reason = admission.reason;
    flight.has_choice = admission.has_choice;
    flight.is_admitted = admission.answer == Admission::Answer::admitted;
    SIGNET_CRASH_POINT(admitted);
    ask_permit(flight);
  }
}

void Delivery::ask_permit(Flight& flight) {
  batches_.add({flight.id, flight.lane, flight.provider, flight.provider.empty() ? "" : flight.route_reason,
                flight.has_choice, flight.priority});
}

void Delivery::write_batches() {
  const auto rows = static_cast<size_t>(settings_.rows);
  const auto is_worth_it = [this] {
    return batches_.is_worth_writing(is_flushing_ ? 1 : static_cast<size_t>(settings_.hold), sends_under_way_ > 0);
  };
  // Of several connections one is left to what is urgent, which so does not wait behind large batches.
  const auto is_one_left = [this] {
    return large_under_way_ == 0 || large_under_way_ < parts_.journal.connections() - 1;
  };
  const auto has_room = [this] { return !is_held_off_ && parts_.journal.has_room(); };
  while (has_room() && batches_.has_urgent()) write(batches_.take_urgent(rows), false);
  while (has_room() && is_one_left() && is_worth_it()) write(batches_.take(rows), true);
  is_flushing_ = false;
  if (batches_.size() > 0 && parts_.journal.has_room() && !hold_.is_active())
    hold_.start(kHoldMs, [this] { is_flushing_ = true; });
}

void Delivery::write(Batch batch, bool is_large) {
  auto kept = std::make_shared<Batch>(std::move(batch));
  if (!kept->permits.empty()) SIGNET_CRASH_POINT(permit_unwritten);
  if (!kept->results.empty()) SIGNET_CRASH_POINT(result_unwritten);
  batches_under_way_++;
  large_under_way_ += is_large;
  parts_.journal.write(*kept, [this, kept, is_large, alive = std::weak_ptr(alive_)](Result<BatchReply> reply) {
    if (alive.expired()) return;
    batches_under_way_--;
    large_under_way_ -= is_large;
    if (reply)
      on_written(*kept, std::move(reply));
    else
      on_not_written(std::move(*kept), reply.error());
  });
}

void Delivery::on_written(const Batch& batch, Result<BatchReply> reply) {
  if (!reply->permits.empty()) SIGNET_CRASH_POINT(permit_committed);
  if (!batch.results.empty()) SIGNET_CRASH_POINT(result_committed);
  if (!batch.ends.empty()) SIGNET_CRASH_POINT(end_committed);
  heard_at_ = parts_.clock.tick();
  std::vector<Uuid> stale = std::move(reply->stale);
  std::sort(stale.begin(), stale.end());
  auto is_stale = [&stale](const Uuid& id) { return std::binary_search(stale.begin(), stale.end(), id); };
  for (const auto& [id, due_at] : reply->next_due)
    if (Flight* flight = find(id)) flight->next_due = due_at;
  auto leave = [this](const Uuid& id) {
    if (Flight* flight = find(id)) finish(id, flight->next_due);
  };
  for (const auto& row : batch.results) {
    if (is_stale(row.id))
      stale_.emplace_back(row.id, row.attempt_no);
    else
      leave(row.id);
  }
  // A stale end means that somebody changed the message meanwhile: the relay looks again.
  for (const auto& row : batch.ends) leave(row.id);
  for (const auto& row : batch.moves) leave(row.id);
  for (auto& permit : reply->permits) on_permit(std::move(permit));
}

void Delivery::on_permit(Permit permit) {
  Flight* flight = find(permit.id);
  if (!flight) return;
  flight->permit = std::move(permit);
  const Permit& got = flight->permit;
  if (got.permitted_at.us != 0) server_time_ = {got.written_at, got.permitted_at};
  if (got.verdict != PermitVerdict::granted) return refuse(*flight);
  parts_.metrics.add("signet_permits_total", "verdict=\"granted\"");
  flight->was_unknown = false;
  flight->deadline = {got.written_at.us + settings_.permit_start_ms * 1000};
  // The statement was written before it was permitted: so both lie within the limits by the database's clock too.
  for (const auto& limit : {got.expires_at, got.send_until})
    if (limit)
      flight->deadline = std::min(flight->deadline, Tick{got.written_at.us + (limit->us - got.permitted_at.us)});
  if (is_marked_) return end_as(*flight, OutcomeKind::unsent, "shutdown");
  granted_[flight->provider][static_cast<size_t>(got.priority) - 1].push_back(flight->id);
}

void Delivery::refuse(Flight& flight) {
  parts_.metrics.add("signet_permits_total", "verdict=\"refused\"");
  release(flight);
  const Permit& permit = flight.permit;
  const PermitRefusal refusal = refusal_of(permit, flight.is_look, flight.was_unknown, refusals_, server_now());
  switch (refusal.step) {
    case PermitRefusal::Step::drop:
      return finish(flight.id, std::nullopt);
    case PermitRefusal::Step::wait:
      return finish(flight.id, refusal.again_at);
    case PermitRefusal::Step::ask:
      room_.leave(flight.lane);
      flight.lane = permit.lane;
      room_.enter(flight.lane);
      flight.priority = permit.priority;
      flight.pinned_provider = permit.pinned_provider;
      flight.avoid = permit.avoid;
      return wait_for_admission(flight);
    case PermitRefusal::Step::end:
      return end(flight, refusal);
    case PermitRefusal::Step::move:
      return move(flight, refusal);
    case PermitRefusal::Step::prove:
      return unknown_.push_back(flight.id);
  }
}

void Delivery::end(Flight& flight, const PermitRefusal& refusal) {
  if (refusal.is_alarm) {
    parts_.metrics.add("signet_alarm", "reason=\"" + refusal.reason + '"');
    parts_.log.error("ALARM: a message can never be sent as things stand: it failed; mend the cause and requeue it",
                     {{"message_id", flight.id.text()}, {"reason", refusal.reason}});
  }
  EndRow row;
  row.id = flight.id;
  row.attempt_no = flight.permit.attempt_no;
  row.status = refusal.status;
  row.reason = refusal.reason;
  row.is_proven = false;
  row.head = flight.permit.head;
  row.entry = events_.of_end(flight.permit, refusal.status, refusal.reason);
  batches_.add(std::move(row));
}

void Delivery::move(Flight& flight, const PermitRefusal& refusal) {
  batches_.add(MoveRow{flight.id, flight.permit.attempt_no, refusal.lane, refusal.again_at, refusal.send_until});
  const bool is_soon = refusal.again_at.us - server_now().us <= kSoonUs;
  if (is_soon && refusal.lane == flight.lane) flight.next_due = refusal.again_at;  // else the relay offers it anew
}

void Delivery::send_granted() {
  const Tick now = parts_.clock.tick();
  for (auto& [name, lines] : granted_) {
    Transport& transport = *providers_.at(name).transport;
    bool is_blocked = false;
    int sends_left = kSendsMax;
    for (auto& waiting : lines)
      while (!waiting.empty() && sends_left > 0) {
        Flight* flight = find(waiting.front());
        const bool is_over = !flight || flight->has_outcome;
        const bool is_lapsed = !is_over && now >= flight->deadline;
        Tick again_at = now;
        if (!is_over && !is_lapsed) {
          if (is_blocked || !transport.has_room()) break;
          is_blocked = !admit_.may_start(name, now, again_at);
          if (is_blocked) {
            wake_at(again_at);
            break;
          }
        }
        waiting.pop_front();
        if (is_lapsed) {
          end_as(*flight, OutcomeKind::unsent, "permit_lapsed");
        } else if (!is_over) {
          send(*flight, transport);
          sends_left--;
        }
      }
    if (sends_left == 0) parts_.loop.post([] {});  // only turns the loop
    transport.round();
  }
}

void Delivery::send(Flight& flight, Transport& transport) {
  flight.started_at = parts_.clock.wall();
  flight.has_started = flight.is_sending = true;
  sends_under_way_++;
  Outcome refused;
  refused.kind = OutcomeKind::permanent;
  if (!open(flight, refused.reason) || !add_pdf(flight, refused)) return on_outcome(flight.id, std::move(refused));
  SIGNET_CRASH_POINT(opened);
  transport.send(flight.outbound, flight.deadline,
                 [this, id = flight.id](Outcome outcome) { on_outcome(id, std::move(outcome)); });
}

bool Delivery::open(Flight& flight, std::string& reason) {
  auto envelope = open_and_check(parts_.keys, flight.permit, settings_.own_writing);
  if (!envelope) {
    reason = envelope.error().code == ErrorCode::not_found ? "key_missing" : "content_mismatch";
    parts_.metrics.add("signet_alarm", "reason=\"" + reason + '"');
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
  out.at = flight.started_at;
  return true;
}

bool Delivery::add_pdf(Flight& flight, Outcome& refused) {
  Outbound& out = flight.outbound;
  if (!providers_.at(flight.provider).provider->wants_pdf(out.kind)) return true;
  auto pdf = letter_pdf(out.subject.reveal(), out.body.reveal(), flight.started_at);
  if (!pdf) {  // this machine's fault: the letter waits until it is mended
    refused.kind = OutcomeKind::retryable;
    refused.reason = "pdf_failed";
    parts_.log.error("a letter's PDF cannot be made; the letter waits",
                     {{"message_id", flight.id.text()}, {"reason", pdf.error().text}});
    return false;
  }
  out.pdf = Phi(std::move(*pdf));
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
  SIGNET_CRASH_POINT(outcome_known);
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
  const WallTime now = server_now();
  const Decision decision = decide(flight.outcome, state, settings_.retry, now, parts_.random);
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
  flight.next_due.reset();
  if (row.status == Status::queued && decision.next_delay_ms) {
    row.next_delay_ms = decision.next_delay_ms;
    row.next_avoid = flight.outcome.kind == OutcomeKind::retryable ? row.provider : flight.permit.avoid;
    flight.next_due = WallTime{now.us + *row.next_delay_ms * 1000};  // until the database says it exactly
  }
  row.head = head;
  row.entry =
      events_.of_result(flight.permit, flight.outcome, decision, row.status, head, row.started_at, row.finished_at);
  if (flight.outcome.is_opted_out || flight.outcome.is_bounced)
    row.opt_out = events_.of_opt_out(flight.permit, flight.outcome, row.finished_at);
  batches_.add(std::move(row));
}

// The message leaves the window; its hint goes, or comes back at `again_at`.
void Delivery::finish(const Uuid& id, std::optional<WallTime> again_at) {
  Flight* flight = find(id);
  if (!flight) return;
  release(*flight);
  if (flight->is_spooled) parts_.spool.recorded(1);
  if (!flight->is_look && !flight->is_given_back) {
    if (again_at)
      nacks_.emplace_back(id, *again_at);
    else
      acks_.push_back(id);
  }
  room_.leave(flight->lane);
  flights_.erase(id);
}

void Delivery::release(Flight& flight) {
  if (std::exchange(flight.is_admitted, false)) admit_.release(flight.provider, flight.has_started);
}

void Delivery::ack() {
  auto ignore = [](Result<int64_t>) {};  // a hint that stays brings a permit that is refused
  if (!acks_.empty()) SIGNET_CRASH_POINT(before_ack);
  for (size_t at = 0; at < acks_.size(); at += kAcksMax)
    parts_.queue.ack({acks_.begin() + static_cast<ptrdiff_t>(at),
                      acks_.begin() + static_cast<ptrdiff_t>(std::min(acks_.size(), at + kAcksMax))},
                     ignore);
  for (size_t at = 0; at < nacks_.size(); at += kAcksMax)
    parts_.queue.nack_at({nacks_.begin() + static_cast<ptrdiff_t>(at),
                          nacks_.begin() + static_cast<ptrdiff_t>(std::min(nacks_.size(), at + kAcksMax))},
                         ignore);
  if (!acks_.empty()) SIGNET_CRASH_POINT(after_ack);
  if (!nacks_.empty()) SIGNET_CRASH_POINT(nacked);
  acks_.clear();
  nacks_.clear();
}

void Delivery::renew() {
  if (!parts_.queue.is_up()) return;
  const auto ids = sorted_ids([](const Flight& flight) { return !flight.is_look && !flight.is_given_back; });
  if (!ids.empty()) parts_.queue.renew(ids, settings_.lease_ms, [](Result<int64_t>) {});
}

Flight* Delivery::find(const Uuid& id) {
  const auto found = flights_.find(id);
  return found == flights_.end() ? nullptr : found->second.get();
}

// What is done to many is done in one order everywhere, or the same seed would not make the same trace.
std::vector<Uuid> Delivery::sorted_ids(const std::function<bool(const Flight&)>& is_wanted) const {
  std::vector<Uuid> out;
  for (const auto& [id, flight] : flights_)
    if (is_wanted(*flight)) out.push_back(id);
  std::sort(out.begin(), out.end());
  return out;
}

void Delivery::wake_at(Tick at) {
  if (wake_.is_active() && wake_due_ <= at) return;
  wake_due_ = at;
  wake_.start(std::max<int64_t>(1, (at.us - parts_.clock.tick().us + 999) / 1000), [] {});  // only wakes the loop
}

// The database's clock, as of the last permit: this machine's may be stepped, and due times are not its own.
WallTime Delivery::server_now() const {
  if (!server_time_) return parts_.clock.wall();
  return {server_time_->second.us + (parts_.clock.tick().us - server_time_->first.us)};
}

}  // namespace signet

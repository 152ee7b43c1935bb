#include "tests/simulation/sim_provider.h"

#include <algorithm>

namespace signet::test {
namespace {

Outcome outcome(OutcomeKind kind, const char* reason, int status_code = 0) {
  Outcome out;
  out.kind = kind;
  out.reason = reason;
  out.status_code = status_code;
  if (kind == OutcomeKind::retryable) out.scope = FaultScope::provider;
  return out;
}

}  // namespace

// the judge -------------------------------------------------------------------------------------------------------

int Judge::index_of(const Uuid& id) { return index_.emplace(id, static_cast<int>(index_.size())).first->second; }

void Judge::fail(const std::string& invariant, const Uuid& id, const std::string& text) {
  trace_.note("FAULT " + invariant + " " + text, index_of(id));
  faults_.push_back({invariant, "message " + std::to_string(index_of(id)) + ": " + text});
}

void Judge::request(const Outbound& message, const std::string& provider) {
  const Uuid& id = message.message_id;
  const int n = message.attempt_no;
  trace_.note("request " + provider, index_of(id), n);
  requests_++;
  times_[provider].push_back(time_.now_us());
  Seen& seen = seen_[id];
  if (!seen.attempts.insert(n).second) fail("I3", id, "attempt " + std::to_string(n) + " is sent twice");

  const auto found = store_.messages.find(id);
  if (found == store_.messages.end()) return fail("I2", id, "nobody accepted it");
  const MemoryStore::Message& m = found->second;
  const auto start = m.starts.find(n);
  if (start == m.starts.end()) return fail("I2", id, "sent without a permit");
  if (start->second.is_void) return fail("I10", id, "sent though its attempt was void");
  if (start->second.provider != provider) fail("I2", id, "sent by another provider than was permitted");
  const int64_t now_us = store_.now().us;
  if (now_us > start->second.permitted_at.us + permit_start_ms_ * 1000) fail("I10", id, "sent past its deadline");
  if (m.results.contains(n)) fail("I15", id, "sent after its result was recorded");
  if (m.row.expires_at && now_us > m.row.expires_at->us) fail("I10", id, "sent after it expired");
  if (n == 1) return;
  const auto before = m.results.find(n - 1);
  bool is_allowed = before != m.results.end() && (before->second.outcome.kind == OutcomeKind::retryable ||
                                                  before->second.outcome.kind == OutcomeKind::unsent);
  for (const auto& decided : m.decisions) is_allowed = is_allowed || decided.attempt_no == n - 1;
  if (const auto voided = m.starts.find(n - 1); voided != m.starts.end())
    is_allowed = is_allowed || voided->second.is_void;
  if (!is_allowed) fail("I4", id, "attempt " + std::to_string(n) + " without leave of the one before");
}

void Judge::effect(const Uuid& id, const std::string& provider) {
  trace_.note("effect " + provider, index_of(id));
  seen_[id].effects[provider]++;
}

// the provider ----------------------------------------------------------------------------------------------------

bool SimProvider::is_chosen(int& draw, int chance) const {
  if (draw < 0) return false;
  draw -= chance;
  return draw < 0;
}

int64_t SimProvider::connect_us() {
  auto draw = static_cast<int>(chance_.below(100));
  if (is_chosen(draw, manners.connect)) return -1;
  if (is_chosen(draw, manners.slow_connect)) return static_cast<int64_t>(chance_.below(2'000'000));
  return static_cast<int64_t>(chance_.below(3'000));
}

HttpRequest SimProvider::build_look_up(const Sent& sent) const {
  HttpRequest request;
  request.url = traits_.name + "/" + sent.echo();
  return request;
}

HttpReply SimProvider::known_of(const std::string& echo) const {
  return {200, {}, taken_.contains(echo) && !denies ? "accepted" : "nothing"};
}

LookUp SimProvider::parse_look_up(const HttpReply& reply) const {
  return {reply.body == "accepted" ? Found::accepted : Found::nothing, "", ""};
}

bool SimProvider::knows(const Outbound& message) const {
  if (traits_.doubt_class != DoubtClass::idempotent || forgets_keys) return false;
  const auto first = keys_.find(message.idempotency_key);
  return first != keys_.end() && time_.now_us() - first->second < traits_.key_life_ms * 1000;
}

void SimProvider::act(const Outbound& message, int64_t after_us) {
  if (knows(message)) return;
  keys_[message.idempotency_key] = time_.now_us();
  taken_.insert(message.echo());
  judge_.effect(message.message_id, traits_.name);
  if (traits_.has_receipts) plan_receipts(message, after_us);
}

void SimProvider::plan_receipts(const Outbound& message, int64_t after_us) {
  const uint64_t draw = chance_.below(10);
  if (draw == 0) return;  // none ever comes
  SimReceipt receipt{traits_.name, traits_.name + "-" + std::to_string(receipts_++), message.message_id,
                     message.attempt_no, draw == 1 ? ReceiptKind::failed : ReceiptKind::delivered};
  const bool is_early = chance_.below(4) == 0;
  const int64_t us = (is_early ? 0 : after_us) + static_cast<int64_t>(chance_.below(3'000'000));
  Judge::Seen& seen = judge_.of(message.message_id);
  (draw == 1 ? seen.is_undelivered : seen.is_delivered) = true;
  time_.after(us, [this, receipt] { tell_(receipt); });
  if (chance_.below(4) == 0)
    time_.after(us + static_cast<int64_t>(chance_.below(500'000)), [this, receipt] { tell_(receipt); });
}

SimProvider::Reply SimProvider::take(const Outbound& message) {
  judge_.request(message, traits_.name);
  const int64_t after_us = static_cast<int64_t>(chance_.below(static_cast<uint64_t>(manners.reply_us_max))) + 500;
  const int64_t never_us = 1'000'000'000;
  auto draw = static_cast<int>(chance_.below(100));
  if (is_chosen(draw, manners.throttle)) {
    Outcome throttled = outcome(OutcomeKind::retryable, "throttled", 429);
    throttled.is_throttled = true;
    if (chance_.below(2) == 0) throttled.retry_after_ms = static_cast<int64_t>(chance_.below(500));
    return {throttled, after_us};
  }
  if (is_chosen(draw, manners.fail)) return {outcome(OutcomeKind::retryable, "server_error", 503), after_us};
  if (is_chosen(draw, manners.refuse) && !knows(message)) {
    judge_.of(message.message_id).refused[message.attempt_no] = true;
    return {outcome(OutcomeKind::permanent, "unknown_recipient", 400), after_us};
  }
  if (is_chosen(draw, manners.reset_lost)) return {outcome(OutcomeKind::in_doubt, "connection_reset"), after_us};
  if (is_chosen(draw, manners.hang_lost)) return {outcome(OutcomeKind::in_doubt, "timeout"), never_us};
  if (is_chosen(draw, manners.garbage_lost)) return {outcome(OutcomeKind::in_doubt, "unreadable_reply"), after_us};
  act(message, after_us);
  if (is_chosen(draw, manners.reset_taken)) return {outcome(OutcomeKind::in_doubt, "connection_reset"), after_us};
  if (is_chosen(draw, manners.hang_taken)) return {outcome(OutcomeKind::in_doubt, "timeout"), never_us};
  if (is_chosen(draw, manners.garbage_taken)) return {outcome(OutcomeKind::in_doubt, "unreadable_reply"), after_us};
  Outcome accepted = outcome(OutcomeKind::accepted, "", 202);
  accepted.provider_reference = traits_.name + "-" + message.message_id.text();
  return {accepted, after_us};
}

// the transport ---------------------------------------------------------------------------------------------------

void SimTransport::later(int64_t us, std::function<void()> action) {
  time_.after(us, [this, alive = std::weak_ptr(alive_), action = std::move(action)] {
    if (alive.expired()) return;
    loop_.post([alive, action] {
      if (!alive.expired()) action();
    });
  });
}

void SimTransport::end(int64_t after_us, Outcome outcome, std::shared_ptr<Done> done) {
  later(after_us, [this, outcome = std::move(outcome), done] {
    if (!*done) return;
    in_flight_--;
    std::exchange(*done, nullptr)(outcome);
  });
}

void SimTransport::send(const Outbound& message, Tick deadline, Done done) {
  in_flight_++;
  auto shared = std::make_shared<Done>(std::move(done));
  const int64_t timeout_us = request_timeout_ms_ * 1000;
  const int64_t connect_us = provider_.connect_us();
  if (connect_us < 0) return end(1000, outcome(OutcomeKind::retryable, "connect_refused"), shared);
  later(connect_us, [this, message, deadline, shared, timeout_us] {
    if (clock_.tick() >= deadline && !ignores_deadline)
      return end(0, outcome(OutcomeKind::unsent, "permit_lapsed"), shared);
    Outbound sent = message;
    if (has_key_of_attempt) sent.idempotency_key += "." + std::to_string(message.attempt_no);
    const SimProvider::Reply reply = provider_.take(sent);
    if (reply.after_us < timeout_us)
      end(reply.after_us, reply.outcome, shared);
    else
      end(timeout_us, outcome(OutcomeKind::in_doubt, "timeout"), shared);
  });
}

}  // namespace signet::test

#include "daemon/sandbox/http_sandbox.h"

namespace signet::sandbox {

namespace {

constexpr int kThrottledTimes = 2;

std::vector<ReceiptKind> statuses_of(Behaviour behaviour, bool is_mail) {
  using enum ReceiptKind;
  switch (behaviour) {
    case Behaviour::fail_later:
      return {sent, is_mail ? bounced : failed};
    case Behaviour::reset:
      return {delivered};
    case Behaviour::twice:
      return {sent, sent, delivered, delivered};
    case Behaviour::out_of_order:
      return {delivered, sent};
    case Behaviour::silent:
      return {};
    case Behaviour::opted_out:
      return {opted_out};
    default:
      return {sent, delivered};
  }
}

const char* verdict_of(Refusal why) { return why == Refusal::throttled ? "throttled" : "refused"; }

}  // namespace

// The statuses of one message: each is called back when the one before was taken or given up.
struct HttpSandbox::Chain {
  const Dialect& dialect;
  Submission submission;
  std::shared_ptr<Arrival> arrival;
  std::vector<ReceiptKind> statuses;
  bool has_answer = false;  // of the recipient, when all have been called back
  size_t next = 0;
};

HttpSandbox::HttpSandbox(const Clock& clock, Random& random, Log& log, Journal& journal, CallbackClient& callbacks,
                         HttpOptions options)
    : clock_(clock), random_(random), log_(log), journal_(journal), callbacks_(callbacks), options_(options) {}

std::optional<http::Response> HttpSandbox::handle(const http::Request& request) {
  for (const auto& dialect : dialects_) {
    if (auto served = dialect->serve(request)) return served;
    if (!dialect->is_mine(request)) continue;
    if (!dialect->is_authorized(request)) return dialect->refuse(Refusal::unauthorized, clock_.wall());
    if (const auto echo = dialect->asked_about(request)) {
      const auto found = by_echo_.find({dialect.get(), *echo});
      return dialect->answer_about(found == by_echo_.end() ? "" : found->second);
    }
    Reading read = dialect->read(request);
    read.submission.origin = "http://" + std::string(request.header("host").value_or(""));
    if (!read.refusal) return take(*dialect, std::move(read.submission));
    if (!read.submission.arrival.channel.empty()) {
      read.submission.arrival.verdict = "refused";
      read.submission.arrival.answer = std::to_string(read.refusal->status);
      journal_.record(std::move(read.submission.arrival));
    }
    return *read.refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> HttpSandbox::refusal_of(const Dialect& dialect, Behaviour behaviour,
                                               const std::string& recipient) {
  if (behaviour == Behaviour::fail_at_once) return Refusal::unknown_recipient;
  if (behaviour == Behaviour::opted_out) return Refusal::opted_out;
  int& seen = seen_[{&dialect, recipient}];
  if (behaviour == Behaviour::throttle && ++seen <= kThrottledTimes) return Refusal::throttled;
  if (behaviour == Behaviour::fail_first && ++seen == 1) return Refusal::broken;
  return std::nullopt;
}

http::Response HttpSandbox::take(const Dialect& dialect, Submission submission) {
  Arrival arrival = submission.arrival;
  if (const auto known = by_key_.find({&dialect, submission.key}); known != by_key_.end() && !submission.key.empty()) {
    arrival.verdict = "repeated";
    arrival.answer = "200";
    arrival.reference = known->second;
    journal_.record(std::move(arrival));
    return dialect.accept(submission, known->second, clock_.wall());
  }
  const Behaviour behaviour = behaviour_of(arrival.recipient);
  const auto why = refusal_of(dialect, behaviour, arrival.recipient);
  if (auto refusal = why ? dialect.refuse(*why, clock_.wall()) : std::nullopt) {
    arrival.verdict = verdict_of(*why);
    arrival.answer = std::to_string(refusal->status);
    journal_.record(std::move(arrival));
    return *refusal;
  }
  if (behaviour == Behaviour::hang) {
    arrival.verdict = "hung";
    arrival.answer = "none";
    journal_.record(std::move(arrival));
    http::Response hang;
    hang.delivery = http::Response::Delivery::hang;
    return hang;
  }
  arrival.reference = dialect.new_reference(random_);
  http::Response answer = dialect.accept(submission, arrival.reference, clock_.wall());
  arrival.verdict = "accepted";
  arrival.answer = behaviour == Behaviour::reset ? "reset" : std::to_string(answer.status);
  if (!submission.key.empty()) by_key_[{&dialect, submission.key}] = arrival.reference;
  if (!arrival.echo.empty()) by_echo_[{&dialect, arrival.echo}] = arrival.reference;
  call_back(dialect, std::move(submission), journal_.record(std::move(arrival)), behaviour);
  if (behaviour == Behaviour::reset) answer.delivery = http::Response::Delivery::reset;
  return answer;
}

void HttpSandbox::call_back(const Dialect& dialect, Submission submission, std::shared_ptr<Arrival> arrival,
                            Behaviour behaviour) {
  const bool is_mail = arrival->channel == "email";
  auto chain =
      std::make_shared<Chain>(Chain{dialect, std::move(submission), std::move(arrival), statuses_of(behaviour, is_mail),
                                    behaviour == Behaviour::write_stop && !is_mail});
  const bool is_late = behaviour == Behaviour::late || behaviour == Behaviour::reset;
  const int64_t delay_ms = is_late ? options_.late_ms : options_.callback_ms;
  const auto first =
      introduced_.insert(&dialect).second ? dialect.introduce(chain->submission, clock_.wall()) : std::nullopt;
  const auto url = first ? parse_callback_url(first->url) : Result<CallbackUrl>(CallbackUrl());
  if (!first || !url) return next_status(std::move(chain), delay_ms);
  callbacks_.post(*url, first->headers, first->body, 0,
                  [this, chain, delay_ms](bool) { next_status(chain, delay_ms); });
}

void HttpSandbox::next_status(std::shared_ptr<Chain> chain, int64_t delay_ms) {
  if (chain->next == chain->statuses.size()) return write_back(*chain);
  const ReceiptKind kind = chain->statuses[chain->next++];
  const std::string& reference = chain->arrival->reference;
  const auto call = chain->dialect.call_back(
      {chain->submission, reference, kind, reference + "-" + std::string(name(kind)), clock_.wall()});
  if (!call) return next_status(std::move(chain), delay_ms);
  const auto url = parse_callback_url(call->url);
  if (!url) return;
  callbacks_.post(*url, call->headers, call->body, delay_ms, [this, chain, kind](bool is_taken) {
    chain->arrival->statuses.push_back(std::string(name(kind)) + (is_taken ? "" : " (not taken)"));
    if (!is_taken) log_.warn("a status callback was given up", {{"reference", chain->arrival->reference}});
    next_status(chain, options_.callback_ms);
  });
}

void HttpSandbox::write_back(const Chain& chain) {
  if (!chain.has_answer) return;
  const std::string reference = chain.dialect.new_reference(random_);
  const auto call = chain.dialect.write_back({chain.submission, reference, kStop, clock_.wall()});
  const auto url = call ? parse_callback_url(call->url) : Result<CallbackUrl>(CallbackUrl());
  if (!call || !url) return;
  callbacks_.post(*url, call->headers, call->body, options_.callback_ms, [arrival = chain.arrival](bool is_taken) {
    arrival->statuses.push_back("wrote " + std::string(kStop) + (is_taken ? "" : " (not taken)"));
  });
}

}  // namespace signet::sandbox

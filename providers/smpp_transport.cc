#include "providers/smpp_transport.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/check.h"
#include "providers/failure_log.h"
#include "providers/smpp_session.h"

namespace signet {
namespace {

constexpr int64_t kSweepMs = 100;
constexpr int64_t kAgainMs = 1000, kAgainMsMax = 30000;  // from one try to bind to the next
constexpr int64_t kRefusedMs = 10000;                    // at least, after a refusal: accounts get locked
constexpr int64_t kThrottledMs = 1000;                   // a part's, whose message has parts that were taken

Outcome failure(OutcomeKind kind, const char* reason, FaultScope scope = FaultScope::provider) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.reason = reason;
  outcome.scope = scope;
  return outcome;
}

class SmppTransport : public Transport {
 public:
  SmppTransport(Loop& loop, const Clock& clock, Log& log, std::shared_ptr<const Provider> provider, std::string name,
                SmppOptions smpp, TransportOptions options)
      : loop_(loop),
        clock_(clock),
        provider_(std::move(provider)),
        options_(std::move(options)),
        failures_(log, std::move(name)),
        sweep_(loop) {
    smpp.user_timeout_ms = options_.request_timeout_ms;
    if (smpp.is_tls) {
      auto context = TlsContext::client(smpp.ca_file);
      if (context)
        tls_ = *context;
      else
        tls_error_ = context.error().text;
    }
    smpp_ = std::make_shared<const SmppOptions>(std::move(smpp));
    for (int i = 0; i < smpp_->binds; i++) binds_.push_back(std::make_unique<Bind>(loop));
    for (auto& bind : binds_) connect(*bind);
  }
  ~SmppTransport() override { *is_alive_ = false; }

  bool has_room() const override { return in_flight_ < options_.in_flight_max; }

  void send(const Outbound& message, Tick deadline, Done done) override {
    SIGNET_CHECK(has_room());
    if (in_flight_++ == 0) sweep_.repeat(kSweepMs, [this] { sweep(); });
    auto sending = std::make_shared<Sending>();
    sending->deadline = deadline;
    sending->ends_at = {clock_.tick().us + options_.request_timeout_ms * 1000};
    sending->done = std::move(done);
    auto request = provider_->build_link(message);
    if (!request) {
      auto outcome = failure(OutcomeKind::permanent, "bad_message", FaultScope::message);
      failures_.tell(outcome, request.error().text);
      return end(sending, std::move(outcome));
    }
    sending->parts = std::move(request->parts);
    waiting_.push_back(std::move(sending));
  }

  void round() override { pump(); }

 private:
  // One message; its parts go one after the other, so that a refusal of the first leaves nothing half sent.
  struct Sending {
    std::vector<std::string> parts;
    std::vector<std::string> references;  // of the parts that the SMSC has
    Tick deadline, ends_at, rests_until{};
    Done done;
    bool has_begun = false;
    bool is_partial() const { return !references.empty(); }
  };
  using Message = std::shared_ptr<Sending>;
  struct Bind {
    explicit Bind(Loop& loop) : again(loop) {}
    std::unique_ptr<SmppSession> session;
    Timer again;
    bool is_up = false;
    Tick up_since{};
    int failures = 0;  // since it last was of use
    Tick may_try_at{};
  };

  void connect(Bind& bind) {
    bind.again.stop();
    if (!tls_error_.empty()) return lost(bind, {{}, "tls_failed", tls_error_});
    SmppSession::Handlers handlers;
    handlers.on_ready = [this, &bind] {
      if (!std::exchange(bind.is_up, true)) bind.up_since = clock_.tick();
      pump();
    };
    handlers.on_unasked = options_.on_unasked;
    handlers.on_lost = [this, &bind](const SmppLoss& loss) { lost(bind, loss); };
    bind.session = std::make_unique<SmppSession>(loop_, clock_, smpp_, tls_, std::move(handlers));
  }

  void lost(Bind& bind, const SmppLoss& loss) {
    const bool is_refused = loss.refusal.has_value();
    last_failure_ = is_refused ? provider_->parse_link(*loss.refusal) : failure(OutcomeKind::retryable, loss.reason);
    failures_.tell(last_failure_, loss.detail);
    bind.session.reset();
    const Tick now = clock_.tick();
    const bool was_up = std::exchange(bind.is_up, false);
    if (was_up && now.us - bind.up_since.us > kAgainMsMax * 1000) bind.failures = 0;
    // The first time at once: most SMSCs end links now and then.
    auto wait_ms = was_up && bind.failures == 0 ? 0 : std::min(kAgainMs << std::min(bind.failures, 10), kAgainMsMax);
    bind.failures++;
    if (is_refused) wait_ms = std::max(wait_ms, kRefusedMs);
    bind.may_try_at = {now.us + (is_refused ? wait_ms : std::min(wait_ms, kAgainMs)) * 1000};
    bind.again.start(wait_ms, [this, &bind] { connect(bind); });
    pump();
  }

  void pump() {
    const Tick now = clock_.tick();
    while (!waiting_.empty()) {
      if (has_lapsed(*waiting_.front(), now)) {
        end(take_first(), lapse());
        continue;
      }
      Bind* bind = free_bind();
      if (!bind) break;
      submit(take_first(), *bind);
    }
    if (!waiting_.empty() && !is_hopeful(now)) fail_waiting();
  }

  static bool has_lapsed(const Sending& sending, Tick now) { return !sending.has_begun && now > sending.deadline; }

  // Without a bind it is the SMSC's fault, and counts as that.
  Outcome lapse() const {
    const bool is_bound = std::any_of(binds_.begin(), binds_.end(),
                                      [](const auto& bind) { return bind->session && bind->session->is_bound(); });
    return is_bound ? failure(OutcomeKind::unsent, "permit_lapsed", FaultScope::message)
                    : failure(OutcomeKind::retryable, "connect_timed_out");
  }

  Message take_first() {
    auto first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  }

  // The bind with the fewest submits under way.
  Bind* free_bind() const {
    Bind* best = nullptr;
    for (const auto& bind : binds_)
      if (bind->session && bind->session->has_room() &&
          (!best || bind->session->under_way() < best->session->under_way()))
        best = bind.get();
    return best;
  }

  void submit(const Message& sending, Bind& bind) {
    sending->has_begun = true;
    bind.session->submit(sending->parts[sending->references.size()], sending->ends_at,
                         [this, sending, &bind](const SmppEnd& ended) {
                           if (ended.reply) bind.failures = 0;
                           on_end(sending, ended);
                         });
  }

  void on_end(const Message& sending, const SmppEnd& ended) {
    if (!ended.reply) return end(sending, failure(OutcomeKind::in_doubt, ended.reason));
    auto outcome = provider_->parse_link(*ended.reply);
    if (outcome.kind == OutcomeKind::accepted) {
      sending->references.push_back(outcome.provider_reference);
      if (sending->references.size() == sending->parts.size()) return end(sending, std::move(outcome));
      waiting_.push_front(sending);
      return;  // the session has a place again, and says so
    }
    const Tick now = clock_.tick();
    if (sending->is_partial() && outcome.is_throttled && now.us + kThrottledMs * 1000 < sending->ends_at.us) {
      sending->rests_until = {now.us + kThrottledMs * 1000};
      resting_.push_back(sending);
      return;
    }
    if (sending->is_partial() && outcome.kind != OutcomeKind::in_doubt) {
      outcome.kind = OutcomeKind::in_doubt;  // the recipient may see a part of it, and nobody can take that back
      outcome.reason = "partial";
    }
    end(sending, std::move(outcome));
  }

  // Whether a bind is up or on its way. What waits asks for one sooner than the timer would.
  bool is_hopeful(Tick now) {
    bool is_up = false;
    for (auto& bind : binds_) {
      if (!bind->session && now >= bind->may_try_at && tls_error_.empty()) connect(*bind);
      is_up = is_up || bind->session;
    }
    return is_up;
  }

  // Of what has begun nothing is told before its time is over: the rest of it may still go.
  void fail_waiting() {
    std::deque<Message> begun;
    for (auto& sending : waiting_)
      if (sending->has_begun)
        begun.push_back(std::move(sending));
      else
        end(sending, last_failure_);
    waiting_ = std::move(begun);
  }

  void sweep() {
    const Tick now = clock_.tick();
    for (auto& bind : binds_)
      if (bind->session) bind->session->expire(now);
    const auto is_rested = [now](const Message& sending) { return now >= sending->rests_until; };
    for (const auto& sending : resting_)
      if (is_rested(sending)) waiting_.push_front(sending);
    std::erase_if(resting_, is_rested);
    std::erase_if(waiting_, [&](const Message& sending) {
      if (now <= sending->ends_at && !has_lapsed(*sending, now)) return false;
      end(sending, sending->has_begun ? failure(OutcomeKind::in_doubt, "partial") : lapse());
      return true;
    });
    pump();
  }

  // `done` may send again, or end this transport: never from within a loop over what is under way.
  void end(const Message& sending, Outcome outcome) {
    outcome.has_begun = sending->has_begun;
    outcome.parts = std::max<int>(static_cast<int>(sending->parts.size()), 1);
    outcome.provider_reference.clear();
    for (const auto& reference : sending->references)
      outcome.provider_reference += (outcome.provider_reference.empty() ? "" : " ") + reference;
    failures_.tell(outcome, "");
    loop_.post([this, sending, outcome = std::move(outcome), is_alive = is_alive_] {
      if (!*is_alive) return;
      if (--in_flight_ == 0) sweep_.stop();
      sending->done(outcome);
    });
  }

  Loop& loop_;
  const Clock& clock_;
  std::shared_ptr<const Provider> provider_;
  TransportOptions options_;
  FailureLog failures_;
  std::shared_ptr<const SmppOptions> smpp_;
  std::shared_ptr<TlsContext> tls_;
  std::string tls_error_;
  Outcome last_failure_ = failure(OutcomeKind::retryable, "connect_failed");  // of the binds
  int in_flight_ = 0;
  std::deque<Message> waiting_;
  std::vector<Message> resting_;
  Timer sweep_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  std::vector<std::unique_ptr<Bind>> binds_;  // last: gone before what their handlers use
};

}  // namespace

std::unique_ptr<Transport> make_smpp_transport(Loop& loop, const Clock& clock, Log& log,
                                               std::shared_ptr<const Provider> provider,
                                               const ProviderSettings& settings, TransportOptions options) {
  auto smpp = smpp_options(settings);
  SIGNET_CHECK(smpp.ok());  // make_provider() has checked the same settings
  return std::make_unique<SmppTransport>(loop, clock, log, std::move(provider), settings.name, std::move(*smpp),
                                         std::move(options));
}

}  // namespace signet

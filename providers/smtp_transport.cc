#include "providers/smtp_transport.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "providers/failure_log.h"
#include "providers/smtp_session.h"

namespace signet {
namespace {

class SmtpTransport : public Transport {
 public:
  SmtpTransport(Loop& loop, const Clock& clock, Log& log, std::shared_ptr<const Provider> provider, std::string name,
                SmtpOptions smtp, TransportOptions options)
      : loop_(loop),
        clock_(clock),
        provider_(std::move(provider)),
        options_(std::move(options)),
        failures_(log, std::move(name)) {
    smtp.user_timeout_ms = options_.request_timeout_ms;
    if (smtp.tls != SmtpTls::off) {
      auto context = TlsContext::client(smtp.ca_file, smtp.tls != SmtpTls::opportunistic);
      if (context)
        tls_ = *context;
      else
        tls_error_ = context.error().text;
    }
    smtp_ = std::make_shared<const SmtpOptions>(std::move(smtp));
  }
  ~SmtpTransport() override { *is_alive_ = false; }

  bool has_room() const override { return in_flight_ < options_.in_flight_max; }

  void send(const Outbound& message, Tick deadline, Done done) override {
    SIGNET_CHECK(has_room());
    in_flight_++;
    auto job = std::make_shared<Job>();
    job->deadline = deadline;
    job->ends_at = {clock_.tick().us + options_.request_timeout_ms * 1000};
    job->done = std::move(done);
    auto mail = provider_->build_mail(message, clock_.wall());
    if (!mail) return refuse(job, OutcomeKind::permanent, "bad_message", FaultScope::message, mail.error().text);
    if (!tls_error_.empty()) return refuse(job, OutcomeKind::retryable, "tls_failed", FaultScope::provider, tls_error_);
    job->mail = std::move(*mail);
    begin(job, kept_session());
  }

 private:
  struct Job {
    MailRequest mail;
    Tick deadline, ends_at;
    Done done;
    bool is_second = false;
  };

  // The one used last, so that those not needed grow idle and close.
  SmtpSession* kept_session() {
    for (auto at = sessions_.rbegin(); at != sessions_.rend(); ++at)
      if ((*at)->is_ready()) return at->get();
    for (auto& session : sessions_)
      if (session->is_free()) return session.get();
    return nullptr;
  }

  void begin(const std::shared_ptr<Job>& job, SmtpSession* session) {
    if (!session) {
      auto sweep = [this] { std::erase_if(sessions_, [](auto& s) { return s->is_dead(); }); };
      sessions_.push_back(std::make_unique<SmtpSession>(loop_, clock_, smtp_, tls_, sweep));
      session = sessions_.back().get();
    }
    auto left_ms = std::max<int64_t>((job->ends_at.us - clock_.tick().us) / 1000, 1);
    session->send(job->mail, job->deadline, left_ms, [this, job](SmtpResult result) { ended(job, std::move(result)); });
  }

  void ended(const std::shared_ptr<Job>& job, SmtpResult result) {
    // A kept connection may have been closed by the other end meanwhile. Nothing was sent, so a new one is tried.
    if (result.is_stale && !std::exchange(job->is_second, true)) return begin(job, nullptr);
    auto outcome = result.reply ? provider_->parse_mail(*result.reply) : std::move(result.outcome);
    outcome.has_begun = result.has_begun;
    failures_.tell(outcome, result.detail);
    in_flight_--;
    job->done(std::move(outcome));  // may send again, or end this transport
  }

  void refuse(const std::shared_ptr<Job>& job, OutcomeKind kind, const char* reason, FaultScope scope,
              const std::string& detail) {
    Outcome outcome;
    outcome.kind = kind;
    outcome.reason = reason;
    outcome.scope = scope;
    failures_.tell(outcome, detail);
    loop_.post([this, job, outcome, is_alive = is_alive_] {
      if (!*is_alive) return;
      in_flight_--;
      job->done(outcome);
    });
  }

  Loop& loop_;
  const Clock& clock_;
  std::shared_ptr<const Provider> provider_;
  TransportOptions options_;
  FailureLog failures_;
  std::shared_ptr<const SmtpOptions> smtp_;
  std::shared_ptr<TlsContext> tls_;
  std::string tls_error_;
  int in_flight_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  std::vector<std::unique_ptr<SmtpSession>> sessions_;
};

}  // namespace

std::unique_ptr<Transport> make_smtp_transport(Loop& loop, const Clock& clock, Log& log,
                                               std::shared_ptr<const Provider> provider,
                                               const ProviderSettings& settings, TransportOptions options) {
  auto smtp = smtp_options(settings);
  SIGNET_CHECK(smtp.ok());  // make_provider() has checked the same settings
  return std::make_unique<SmtpTransport>(loop, clock, log, std::move(provider), settings.name, std::move(*smtp),
                                         options);
}

}  // namespace signet

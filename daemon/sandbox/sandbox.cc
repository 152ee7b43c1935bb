#include "daemon/sandbox/sandbox.h"

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "daemon/http/server.h"
#include "daemon/sandbox/callback_client.h"
#include "daemon/sandbox/endings.h"
#include "daemon/sandbox/http_sandbox.h"
#include "daemon/sandbox/journal.h"
#include "daemon/sandbox/page.h"
#include "daemon/sandbox/smpp_sandbox.h"
#include "daemon/sandbox/smtp_sandbox.h"
#include "providers/settings.h"

namespace signet::sandbox {

namespace {

std::string endings_json() {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const Ending& ending : kEndings)
    rows.push_back({{"digits", ending.digits}, {"sms", ending.sms}, {"email", ending.email}});
  return Json{{"endings", rows}, {"otherwise", kOtherwise}}.dump();
}

http::Response page() {
  http::Response response = http::text(200, std::string(kPage));
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  return response;
}

std::string webhook_of(const Options& options, const std::string& account) {
  return options.webhooks_url.empty() ? "" : options.webhooks_url + "/webhooks/" + account;
}

}  // namespace

struct Sandbox::Impl {
  Impl(Loop& loop, const Clock& clock, Random& random, Log& log, Options& options, std::unique_ptr<Journal> opened)
      : journal(std::move(opened)),
        ids(clock, random),
        callbacks(loop, clock, CallbackOptions{.tries = options.callback_tries, .retry_ms = options.callback_retry_ms}),
        http(clock, random, log, *journal, callbacks, HttpOptions{options.callback_ms, options.late_ms}),
        server(loop, nullptr, clock, ids, log) {
    for (const Account& account : options.accounts)
      if (auto dialect = make_dialect(account, webhook_of(options, account.settings.name)))
        http.add(std::move(dialect));
  }

  http::Response handle(const http::Request& request) {
    if (auto answer = http.handle(request)) return *std::move(answer);
    if (request.method != "GET" && request.method != "HEAD")
      return http::problem(405, "METHOD_NOT_ALLOWED", "Only GET is answered here", "Use GET.", request.request_id);
    if (request.path == "/") return page();
    if (request.path == "/sandbox/messages") return http::json(200, journal->latest_json());
    if (request.path == "/sandbox/endings") return http::json(200, endings_json());
    if (request.path == "/sandbox/journal/summary") return http::json(200, journal->summary_json());
    return http::problem(404, "NOT_FOUND", "There is nothing here",
                         "See / for the page, or send to a path of a provider that has an account here.",
                         request.request_id);
  }

  std::unique_ptr<Journal> journal;
  IdSource ids;
  CallbackClient callbacks;
  HttpSandbox http;
  http::Server server;
  std::unique_ptr<SmtpSandbox> smtp;
  std::unique_ptr<SmppSandbox> smpp;
  int http_port = 0;
};

Result<std::unique_ptr<Sandbox>> Sandbox::start(Loop& loop, const Clock& clock, Random& random, Log& log,
                                                Options options) {
  if (options.accounts.empty())
    return Error{ErrorCode::invalid,
                 "the sandbox needs an account: a folder for its own (--state), or an account SID and a token of "
                 "Twilio's"};
  auto journal = Journal::open(clock, options.journal_path, options.fsync_journal);
  if (!journal) return journal.error();
  auto impl = std::make_unique<Impl>(loop, clock, random, log, options, std::move(*journal));
  http::ListenerOptions listener;
  listener.name = "sandbox";
  listener.inline_handler = true;
  listener.limits.connections = 4096;
  listener.handler = [at = impl.get()](const http::Request& request, const http::Reply& reply) {
    reply(at->handle(request));
  };
  const auto http_port = impl->server.listen(options.http_listen, std::move(listener));
  if (!http_port) return http_port.error();
  impl->http_port = *http_port;
  SmtpOptions smtp_options;
  smtp_options.listen = options.smtp_listen;
  smtp_options.tls = options.smtp_tls;
  smtp_options.report_ms = options.callback_ms;
  smtp_options.late_ms = options.late_ms;
  if (!options.mail_account.empty() && !options.webhooks_url.empty()) {
    const auto url = parse_callback_url(webhook_of(options, options.mail_account));
    if (!url) return url.error();
    smtp_options.report = [at = impl.get(), url = *url](const std::string& report, int64_t delay_ms,
                                                        std::function<void(bool)> done) {
      at->callbacks.post(url, {{"Content-Type", "message/rfc822"}}, report, delay_ms, std::move(done));
    };
  }
  auto smtp = SmtpSandbox::start(loop, clock, random, *impl->journal, std::move(smtp_options));
  if (!smtp) return smtp.error();
  impl->smtp = std::move(*smtp);
  for (const Account& account : options.accounts) {
    if (account.settings.adapter != "smpp") continue;
    SmppOptions smpp_options;
    smpp_options.listen = options.smpp_listen;
    smpp_options.system_id = setting_of(account.settings, "system_id");
    smpp_options.password = Secret(std::string(secret_of(account.settings, "password")));
    smpp_options.receipt_ms = options.callback_ms;
    smpp_options.late_ms = options.late_ms;
    smpp_options.again_ms = options.callback_retry_ms;
    auto after = [at = impl.get()](int64_t delay_ms, std::function<void()> action) {
      at->callbacks.after(delay_ms, std::move(action));
    };
    auto smpp = SmppSandbox::start(loop, clock, random, *impl->journal, after, std::move(smpp_options));
    if (!smpp) return smpp.error();
    impl->smpp = std::move(*smpp);
  }
  return std::unique_ptr<Sandbox>(new Sandbox(std::move(impl)));
}

Sandbox::Sandbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sandbox::~Sandbox() = default;
int Sandbox::http_port() const { return impl_->http_port; }
int Sandbox::smtp_port() const { return impl_->smtp->port(); }
int Sandbox::smpp_port() const { return impl_->smpp ? impl_->smpp->port() : 0; }
std::string Sandbox::summary_json() const { return impl_->journal->summary_json(); }

}  // namespace signet::sandbox

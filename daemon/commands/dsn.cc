// `signetd dsn`: a report on a mail, as a relay pipes it in (docs/operations.md), goes to the running daemon's webhook
// listener. It holds no secret: the report proves itself by the token in it. The exit status is what a relay's pipe
// takes (sysexits.h).
#include <cstdio>

#include "daemon/commands/admin_api.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/operator.h"
#include "providers/http_call.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr int kRefused = 65;   // EX_DATAERR: the relay gives it up
constexpr int kTryLater = 75;  // EX_TEMPFAIL: the relay keeps it and comes again
constexpr int64_t kTimeoutMs = 30000;
constexpr size_t kOctetsMax = 1 << 20;  // what the listener takes

// What programs read in a report stands before the mail that it gives back, so a cut costs nothing.
std::string read_input() {
  std::string text(kOctetsMax, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), stdin));
  // All of it: a relay would take a broken pipe for a failure.
  for (char rest[4096]; std::fread(rest, 1, sizeof rest, stdin) > 0;) continue;
  return text;
}

}  // namespace

int take_report(const std::string& config_file, const Environment& environment, const DsnOptions& options) {
  HttpCall call;
  if (options.url.empty()) {
    const auto config = read_config(config_file, environment);
    if (!config) return kTryLater;
    const auto& webhooks = config->http.webhooks;
    call.url = listener_url(webhooks.address, webhooks.port, webhooks.tls) + "/webhooks/" + options.provider;
  } else {
    auto url = checked_url(options.url);
    if (!url) {
      failed("--url: " + url.error().text);
      return kTryLater;
    }
    call.url = *url;
  }
  call.headers = {{"Content-Type", "message/rfc822"}};
  call.timeout_ms = kTimeoutMs;
  call.ca_file = options.ca_file;
  call.body = read_input();
  const auto reply = http_call(call);
  if (!reply) {
    failed(reply.error().text + ": is `signetd run` up, at http.webhooks.listen?");
    return kTryLater;
  }
  if (reply->status >= 200 && reply->status < 300) return 0;
  const bool is_strange = reply->status == 403, is_unreadable = reply->status == 400;
  failed("the daemon answered " + std::to_string(reply->status) + ": " +
         (is_strange             ? "no token of a mail of ours is in it"
          : is_unreadable        ? "it is no report that can be read"
          : reply->status == 404 ? "it has no provider of this name"
                                 : "its log says why"));
  return is_strange || is_unreadable ? kRefused : kTryLater;
}

}  // namespace signet

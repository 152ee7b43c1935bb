#include "providers/provider.h"

#include <charconv>

#include "base/check.h"

namespace signet {

std::optional<Echo> parse_echo(std::string_view text) {
  auto dot = text.rfind('.');
  if (dot == text.npos) return std::nullopt;
  auto id = parse_uuid(text.substr(0, dot));
  auto digits = text.substr(dot + 1);
  int attempt = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), attempt);
  if (!id || error != std::errc() || end != digits.data() + digits.size() || attempt < 1 || attempt > 32767)
    return std::nullopt;
  return Echo{*id, attempt};
}

// A transport that asks an adapter of the other protocol is a bug.
HttpRequest Provider::build(const Outbound&) const {
  SIGNET_CHECK(protocol() == Protocol::http);
  return {};
}

Outcome Provider::parse(const HttpReply& reply) const {
  Outcome outcome;
  outcome.reason = "unreadable_reply";
  outcome.status_code = reply.status;
  return outcome;
}

Result<MailRequest> Provider::build_mail(const Outbound&, WallTime) const {
  return Error{ErrorCode::invalid, "this provider does not speak SMTP"};
}

Outcome Provider::parse_mail(const MailReply& reply) const {
  Outcome outcome;
  outcome.reason = "unreadable_reply";
  outcome.status_code = reply.code;
  return outcome;
}

Verdict Provider::verify(const CallbackRequest&) const { return {false, "this provider sends no callbacks"}; }

Result<std::vector<Receipt>> Provider::receipts(const CallbackRequest&) const {
  return Error{ErrorCode::invalid, "this provider sends no callbacks"};
}

}  // namespace signet

#include "providers/provider.h"

#include <charconv>

#include "base/check.h"
#include "providers/settings.h"

namespace signet {

std::string echo_of(const Uuid& message_id, int attempt_no) {
  return message_id.text() + "." + std::to_string(attempt_no);
}

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

std::string_view name(CallbackWay way) {
  switch (way) {
    case CallbackWay::none:
      return "none";
    case CallbackWay::message:
      return "message";
    case CallbackWay::account:
      return "account";
    case CallbackWay::subscription:
      return "subscription";
    case CallbackWay::link:
      return "link";
    case CallbackWay::mail:
      return "mail";
  }
  return "unknown";
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

Result<LinkRequest> Provider::build_link(const Outbound&) const {
  return Error{ErrorCode::invalid, "this provider does not speak SMPP"};
}

Outcome Provider::parse_link(const LinkReply&) const {
  Outcome outcome;
  outcome.reason = "unreadable_reply";
  return outcome;
}

Verdict Provider::verify(const CallbackRequest&) const { return {false, "this provider sends no callbacks"}; }

Result<std::vector<Receipt>> Provider::receipts(const CallbackRequest&) const {
  return Error{ErrorCode::invalid, "this provider sends no callbacks"};
}

std::vector<std::string> Provider::wants(const CallbackRequest&) const { return {}; }
Result<std::vector<Inbound>> Provider::inbounds(const CallbackRequest&) const { return std::vector<Inbound>(); }
std::optional<HttpRequest> Provider::follow_up(const CallbackRequest&) const { return std::nullopt; }

CallbackReply Provider::reply_to(CallbackEnd end) const {
  switch (end) {
    case CallbackEnd::kept:
      return {};
    case CallbackEnd::unreadable:
      return {400, {}, ""};
    case CallbackEnd::unsigned_:
    case CallbackEnd::forged:
      break;
  }
  return {403, {}, ""};
}

std::optional<CallbackReply> Provider::answer(const std::string&) const { return std::nullopt; }

Verdict Provider::verify_status(const CallbackRequest&) const {
  return {false, "messages of this provider are confirmed by its callbacks alone"};
}

// Who asks an adapter that cannot answer is a bug.
HttpRequest Provider::build_look_up(const Sent&) const {
  SIGNET_CHECK(has_look_up());
  return {};
}

LookUp Provider::parse_look_up(const HttpReply&) const { return {}; }

Result<DoubtRules> doubt_rules(const Provider& provider, const ProviderSettings& settings) {
  const std::string& asked = settings.in_doubt;
  DoubtRules out;
  out.key_life_ms = settings.key_life_ms > 0 ? settings.key_life_ms : provider.key_life_ms();
  if (asked == "idempotent" || (asked.empty() && provider.has_key() && out.key_life_ms > 0)) {
    if (!provider.has_key())
      return setting_error(settings, "in_doubt", "this adapter sends no key that would make a repeat harmless");
    if (out.key_life_ms == 0)
      return setting_error(settings, "key_life_s", "is missing: how long the provider remembers a key");
    out.provider_class = DoubtClass::idempotent;
  } else if (asked == "queryable" || (asked.empty() && provider.has_look_up())) {
    if (!provider.has_look_up())
      return setting_error(settings, "in_doubt", "this adapter, as it is set, cannot ask the provider");
    out.provider_class = DoubtClass::queryable;
  } else if (!asked.empty() && asked != "blind") {
    return setting_error(settings, "in_doubt", "write idempotent, queryable or blind");
  }
  return out;
}

}  // namespace signet

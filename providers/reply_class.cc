#include "providers/reply_class.h"

#include <algorithm>

#include "providers/retry_after.h"

namespace signet {

ReplyClass class_of_http(int status) {
  using namespace reply_class;
  switch (status) {
    case 429:
      return kThrottled;
    case 401:
    case 403:
      return kAuth;
    case 402:
      return kAccount;
    case 408:
    case 425:
      return kProviderError;
    case 502:
    case 504:
      return kGateway;
    default:
      break;
  }
  if (status >= 300 && status < 400) return {OutcomeKind::retryable, FaultScope::account, "unexpected_redirect"};
  if (status >= 400 && status < 500) return kMessage;
  if (status >= 500 && status < 600) return kProviderError;
  return kUnreadable;
}

Outcome outcome_of(const ReplyClass& what, const HttpReply& reply) {
  Outcome outcome;
  outcome.kind = what.kind;
  outcome.reason = what.reason;
  outcome.scope = what.scope;
  outcome.is_throttled = what.is_throttled;
  outcome.is_opted_out = what.is_opted_out;
  outcome.status_code = reply.status;
  if (what.kind == OutcomeKind::retryable) outcome.retry_after_ms = retry_after_ms(reply);
  return outcome;
}

Outcome accepted_as(std::string reference, const HttpReply& reply) {
  Outcome outcome;
  outcome.kind = OutcomeKind::accepted;
  outcome.status_code = reply.status;
  outcome.provider_reference = std::move(reference);
  return outcome;
}

const ReplyClass* find_code(std::span<const CodeClass> table, std::string_view code) {
  for (const auto& row : table)
    if (code == std::to_string(row.code)) return &row.what;
  return nullptr;
}

bool is_reference(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
           c == '.' || c == ':';
  });
}

}  // namespace signet

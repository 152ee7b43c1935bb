// What a reply comes to: a row of an adapter's table of codes, or else the class of its HTTP status.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "message/outcome.h"
#include "providers/provider.h"

namespace signet {

struct ReplyClass {
  OutcomeKind kind;
  FaultScope scope;
  const char* reason;
  bool is_throttled = false;
  bool is_opted_out = false;
};
namespace reply_class {
inline constexpr ReplyClass kThrottled{OutcomeKind::retryable, FaultScope::account, "throttled", true};
inline constexpr ReplyClass kSenderThrottled{OutcomeKind::retryable, FaultScope::sender, "throttled", true};
inline constexpr ReplyClass kProviderError{OutcomeKind::retryable, FaultScope::provider, "provider_error"};
inline constexpr ReplyClass kUnreachable{OutcomeKind::retryable, FaultScope::recipient, "recipient_unreachable"};
// The message is not at fault: it waits, and what is at fault pauses, until somebody mends the settings.
inline constexpr ReplyClass kAuth{OutcomeKind::retryable, FaultScope::credential, "auth_failed"};
inline constexpr ReplyClass kAccount{OutcomeKind::retryable, FaultScope::account, "account_refused"};
inline constexpr ReplyClass kSender{OutcomeKind::retryable, FaultScope::sender, "sender_refused"};
inline constexpr ReplyClass kNoRecipient{OutcomeKind::permanent, FaultScope::recipient, "unknown_recipient"};
inline constexpr ReplyClass kRecipient{OutcomeKind::permanent, FaultScope::recipient, "recipient_refused"};
inline constexpr ReplyClass kMessage{OutcomeKind::permanent, FaultScope::message, "message_refused"};
inline constexpr ReplyClass kOptedOut{OutcomeKind::permanent, FaultScope::recipient, "opted_out", false, true};
inline constexpr ReplyClass kDoubt{OutcomeKind::in_doubt, FaultScope::provider, "provider_timed_out"};
inline constexpr ReplyClass kGateway{OutcomeKind::in_doubt, FaultScope::provider, "gateway_error"};
inline constexpr ReplyClass kUnreadable{OutcomeKind::in_doubt, FaultScope::provider, "unreadable_reply"};
}  // namespace reply_class

// 429 throttled; 408, 425, 500, 503 provider_error; 502, 504 in doubt: a gateway's word that it lost the server behind
// it proves nothing; 401, 403 auth_failed; 402 account_refused; 3xx unexpected_redirect; other 4xx message_refused;
// what is none of these, 2xx too, unreadable_reply.
ReplyClass class_of_http(int status);
// The outcome of that class, with the reply's status and, if it may be tried again, its Retry-After.
Outcome outcome_of(const ReplyClass& what, const HttpReply& reply);

// The outcome of a message that the provider has, under this id.
Outcome accepted_as(std::string reference, const HttpReply& reply);

struct CodeClass {  // a row of an adapter's table
  int code;
  ReplyClass what;
};
const ReplyClass* find_code(std::span<const CodeClass> table, std::string_view code);  // nullptr: it has no such row

// 1 to 128 letters, digits and "_-.:", which providers' ids and codes are made of.
bool is_reference(std::string_view text);

}  // namespace signet

#include "providers/smtp_status.h"

namespace signet {
namespace {

// iana.org/assignments/smtp-enhanced-status-codes. The first that fits.
constexpr SmtpStatus kStatuses[] = {
    {"1.1", "unknown_recipient", FaultScope::recipient, true},   // no such mailbox
    {"1.2", "unknown_recipient", FaultScope::recipient, true},   // no such domain
    {"1.3", "bad_address", FaultScope::recipient, true},         //
    {"1.6", "unknown_recipient", FaultScope::recipient, true},   // moved, no forwarding
    {"1.7", "sender_refused", FaultScope::sender},               // bad sender syntax
    {"1.8", "sender_refused", FaultScope::sender},               // bad sender domain
    {"1.10", "unknown_recipient", FaultScope::recipient, true},  // the domain takes no mail (null MX)
    {"2.1", "mailbox_disabled", FaultScope::recipient, true},
    {"2.2", "mailbox_full", FaultScope::recipient},
    {"2.3", "too_large", FaultScope::message},
    {"2.", "mailbox_error", FaultScope::recipient},
    {"3.4", "too_large", FaultScope::message},
    {"3.", "server_error", FaultScope::provider},
    {"4.", "network_error", FaultScope::provider},
    {"5.3", "too_many_recipients", FaultScope::message},
    {"6.", "content_refused", FaultScope::message},
    {"7.8", "auth_failed", FaultScope::credential},
    {"7.9", "auth_failed", FaultScope::credential},
    {"7.", "policy_refused", FaultScope::message},
};

}  // namespace

const SmtpStatus* find_smtp_status(std::string_view enhanced) {
  if (enhanced.size() < 3) return nullptr;
  const auto rest = enhanced.substr(2);
  for (const auto& row : kStatuses) {
    const std::string_view code = row.code;
    if (code.ends_with('.') ? rest.starts_with(code) : rest == code) return &row;
  }
  return nullptr;
}

}  // namespace signet

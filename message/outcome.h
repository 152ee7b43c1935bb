// A delivery answer is data. Adapters make it, message/retry decides on it, nobody else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace signet {

enum class OutcomeKind : int16_t {
  accepted = 1,   // the provider has it
  retryable = 2,  // certainly not taken; try again
  permanent = 3,  // certainly not taken; trying again will not help
  in_doubt = 4,   // bytes of the committing part may have left, no definite reply came
  unsent = 5,     // permitted, never tried: deadline, shutdown; does not count as an attempt
};

// What the fault is about, and so what should pause.
enum class FaultScope : int16_t { message = 1, recipient = 2, sender = 3, account = 4, provider = 5, credential = 6 };

struct Outcome {
  OutcomeKind kind = OutcomeKind::in_doubt;
  std::string reason;  // snake_case, from docs/states.md: connect_refused, throttled, unknown_recipient, ...
  std::string provider_reference;         // the provider's id, if accepted; of each part, if it has one, blanks between
  std::string provider_code;              // its own code: "21211", "550 5.1.1"
  int status_code = 0;                    // HTTP status or SMTP reply; 0 if none came
  bool is_throttled = false;              // retryable and the lane should pause
  bool is_opted_out = false;              // permanent; ends as suppressed, and the recipient is suppressed
  bool is_bounced = false;                // permanent; no mail will ever reach the recipient, who is suppressed
  std::optional<int64_t> retry_after_ms;  // as the provider asked; clamped by message/retry
  FaultScope scope = FaultScope::message;
  bool has_begun = false;  // octets of the request had left when it ended; the transport says so
  int parts = 1;
};

// What a receipt says: an adapter's event, before rank decides.
enum class ReceiptKind : int16_t {
  queued = 1,
  sent = 2,
  delivered = 3,
  failed = 4,
  bounced = 5,
  complained = 6,
  opted_out = 7,
};

std::string_view name(OutcomeKind kind);
std::string_view name(ReceiptKind kind);

}  // namespace signet

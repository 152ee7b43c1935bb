#include "message/outcome.h"

namespace signet {

std::string_view name(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::accepted:
      return "accepted";
    case OutcomeKind::retryable:
      return "retryable";
    case OutcomeKind::permanent:
      return "permanent";
    case OutcomeKind::in_doubt:
      return "in_doubt";
    case OutcomeKind::unsent:
      return "unsent";
  }
  return "unknown";
}

std::string_view name(ReceiptKind kind) {
  switch (kind) {
    case ReceiptKind::queued:
      return "queued";
    case ReceiptKind::sent:
      return "sent";
    case ReceiptKind::delivered:
      return "delivered";
    case ReceiptKind::failed:
      return "failed";
    case ReceiptKind::bounced:
      return "bounced";
    case ReceiptKind::complained:
      return "complained";
    case ReceiptKind::opted_out:
      return "opted_out";
  }
  return "unknown";
}

}  // namespace signet

#include "message/lifecycle.h"

namespace signet {

std::string_view name(Step step) {
  switch (step) {
    case Step::submit:
      return "submit";
    case Step::approve:
      return "approve";
    case Step::file:
      return "file";
    case Step::reject:
      return "reject";
    case Step::edit:
      return "edit";
    case Step::cancel:
      return "cancel";
    case Step::accepted:
      return "accepted";
    case Step::retry:
      return "retry";
    case Step::fail:
      return "fail";
    case Step::doubt:
      return "doubt";
    case Step::suppress:
      return "suppress";
    case Step::expire:
      return "expire";
    case Step::resend:
      return "resend";
    case Step::confirm_sent:
      return "confirm_sent";
    case Step::confirm_delivered:
      return "confirm_delivered";
    case Step::confirm_failed:
      return "confirm_failed";
    case Step::bounce:
      return "bounce";
  }
  return "unknown";
}

const std::vector<Change>& all_changes() {
  using enum Status;
  static const std::vector<Change> changes{
      {pending, Step::submit, pending_review},
      {rejected, Step::submit, pending_review},
      {pending, Step::edit, pending},
      {rejected, Step::edit, pending},
      {pending_review, Step::edit, pending},
      {queued, Step::edit, pending},
      {pending_review, Step::approve, queued},
      {pending, Step::approve, queued},   // send-directly
      {rejected, Step::approve, queued},  // send-directly after an edit
      {pending_review, Step::file, approved},
      {pending, Step::file, approved},
      {rejected, Step::file, approved},
      {pending_review, Step::reject, rejected},
      {pending, Step::cancel, cancelled},
      {rejected, Step::cancel, cancelled},
      {pending_review, Step::cancel, cancelled},
      {queued, Step::cancel, cancelled},
      {queued, Step::accepted, sent},
      {in_doubt, Step::accepted, sent},
      {queued, Step::retry, queued},
      {queued, Step::fail, failed},
      {in_doubt, Step::fail, failed},
      {queued, Step::doubt, in_doubt},
      {queued, Step::suppress, suppressed},
      {queued, Step::expire, failed},
      {in_doubt, Step::resend, queued},
      {failed, Step::resend, queued},
      {queued, Step::confirm_sent, sent},
      {in_doubt, Step::confirm_sent, sent},
      {queued, Step::confirm_delivered, delivered},
      {in_doubt, Step::confirm_delivered, delivered},
      {sent, Step::confirm_delivered, delivered},
      {failed, Step::confirm_delivered, delivered},  // only where the failure was not proven
      {queued, Step::confirm_failed, failed},
      {in_doubt, Step::confirm_failed, failed},
      {sent, Step::confirm_failed, failed},
      {delivered, Step::bounce, failed},
  };
  return changes;
}

std::optional<Status> after(Status from, Step step) {
  for (const auto& change : all_changes())
    if (change.from == from && change.step == step) return change.to;
  return std::nullopt;
}

bool is_final(Status status) {
  switch (status) {
    case Status::delivered:
    case Status::failed:
    case Status::cancelled:
    case Status::suppressed:
      return true;
    default:
      return false;
  }
}

std::optional<Step> step_of(Status from, bool is_proven, Kind kind, ReceiptKind receipt) {
  switch (receipt) {
    case ReceiptKind::queued:
    case ReceiptKind::complained:
    case ReceiptKind::opted_out:
      return std::nullopt;  // they suppress, they change no status
    case ReceiptKind::sent:
      // From `queued` the attempt's own result says so; a receipt only settles a doubt.
      return from == Status::in_doubt ? std::optional(Step::confirm_sent) : std::nullopt;
    case ReceiptKind::delivered:
      if (from == Status::sent || from == Status::in_doubt || from == Status::queued) return Step::confirm_delivered;
      if (from == Status::failed && !is_proven) return Step::confirm_delivered;
      return std::nullopt;
    case ReceiptKind::failed:
    case ReceiptKind::bounced:
      if (from == Status::sent || from == Status::in_doubt || from == Status::queued) return Step::confirm_failed;
      if (receipt == ReceiptKind::bounced && from == Status::delivered && kind != Kind::sms) return Step::bounce;
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace signet

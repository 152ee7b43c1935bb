// The one table of legal changes of a message's status (docs/states.md draws it; store/migrations/0001 checks the same
// table in the database, and a test holds the two equal).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message/message.h"
#include "message/outcome.h"

namespace signet {

// What makes a status change.
enum class Step {
  submit,   // submit-for-review
  approve,  // review, send-directly: queued at once
  file,     // approve with deliveryMethod none
  reject,
  edit,          // recall for an edit
  cancel,        // by a void
  accepted,      // the provider took it
  retry,         // stays queued
  fail,          // permanent, or attempts used up
  doubt,         // the provider may or may not have it
  suppress,      // opted out
  expire,        // past expiresAt
  resend,        // a recorded decision on one in doubt, or a requeue
  confirm_sent,  // a receipt: the provider passed it on
  confirm_delivered,
  confirm_failed,
  bounce,  // e-mail only: evidence after a delivery
};

std::string_view name(Step step);

// The status after `step`, or none if the step is not legal in `from`.
std::optional<Status> after(Status from, Step step);
bool is_final(Status status);  // nothing more is sent by itself

struct Change {
  Status from;
  Step step;
  Status to;
};
const std::vector<Change>& all_changes();

// What a receipt does to a message: a late or repeated one never goes down in rank (product: "A message's life").
// `is_proven`: the present `failed` rests on the provider's word; an unproven one may still become delivered.
std::optional<Step> step_of(Status from, bool is_proven, Kind kind, ReceiptKind receipt);

}  // namespace signet

// A decision on a message, from right to record (design: product, "Approval"): validate, diff, sign, and one
// transaction that writes the verified values, the dismissed flags, the status, the approval with its signature and
// MAC, the provenance, the events and the due row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/content.h"
#include "daemon/api/review.h"
#include "message/approval.h"
#include "message/diff.h"
#include "message/quorum.h"
#include "message/statement.h"

namespace signet::api {

struct Prepared {  // a review that nothing stands in the way of, not recorded yet
  MessageRow row;
  Content content;         // as approved: edited, values verified, flags dismissed
  bool is_edited = false;  // by this review
  TextDiff edit;           // what this review changed
  TextDiff diff;           // from the first text to the final one
  Validation validation;
  QuorumState quorum;   // of an approval
  Statement statement;  // but nonce and time
};

// The message is locked. Refuses whatever stands in the way; `salt`: of the statement that the caller signed, which an
// edited text takes, else a new one.
Prepared prepare(Context& context, const Review& review, MessageRow row, const std::optional<std::string>& salt);

// Refuses a draft that could not be approved whoever reviews it: no text, no recipient, opted out, no route, expired.
void check_deliverable(Context& context, const MessageRow& row, const Content& content);

struct Decided {
  MessageRow row;
  Status status = Status::pending;
  bool is_complete = true;  // false: the first of several signatures
  bool is_edited = false;
  int signatures = 1, required = 1;
  WallTime at;
  Uuid provenance_id;  // nil until complete
  std::vector<std::string> warnings;
};

// Records it and commits; offers the hint of what is due.
Decided decide(Context& context, const Review& review, MessageRow row);

}  // namespace signet::api

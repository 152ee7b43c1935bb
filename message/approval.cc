#include "message/approval.h"

#include "message/lifecycle.h"

namespace signet {

std::vector<Obstacle> obstacles(const ApprovalFacts& f) {
  std::vector<Obstacle> found;
  const bool is_reviewable =
      f.is_direct ? f.status == Status::pending || f.status == Status::rejected || f.status == Status::pending_review
                  : f.status == Status::pending_review;
  if (!is_reviewable)
    found.push_back({"NOT_REVIEWABLE",
                     "The message is " + std::string(name(f.status)) +
                         (f.is_direct ? "; only a draft can be sent directly." : "; submit it for review first."),
                     false});
  if (!f.is_direct && (f.reviewer_id == f.author_id || f.reviewer_id == f.last_editor_id))
    found.push_back({"SELF_REVIEW", "You wrote or last edited this message: somebody else has to review it.", true});
  if (f.is_direct && f.risk == RiskLevel::high)
    found.push_back({"HIGH_RISK", "A high-risk message cannot be sent directly: submit it for review.", false});
  if (!f.has_content) found.push_back({"CONTENT_EMPTY", "The message has no text: write contentDraft.", false});
  if (f.method != DeliveryMethod::none) {
    if (!f.has_recipient)
      found.push_back({"RECIPIENT_MISSING", "Give recipientPhone for an SMS or recipientEmail for an e-mail.", false});
    if (f.is_suppressed)
      found.push_back({"RECIPIENT_SUPPRESSED", "The recipient has opted out; nothing is sent to this address.", false});
    if (!f.has_route)
      found.push_back({"NO_ROUTE", "No route is configured for this kind of message: add one under `routes`.", false});
    if (f.is_expired) found.push_back({"EXPIRED", "expiresAt has passed: the message would be useless now.", false});
  }
  return found;
}

}  // namespace signet

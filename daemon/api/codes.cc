#include "daemon/api/codes.h"

#include "base/check.h"

namespace signet::api {

const std::vector<CodeInfo>& all_codes() {
  static const std::vector<CodeInfo> codes{
      {Code::validation_error, "2001", 400, "The request is not valid",
       "Mend what details.errors names and try again."},
      {Code::not_found, "NOT_FOUND", 404, "There is no such thing", "Check the address and the id."},
      {Code::unauthorized, "UNAUTHORIZED", 401, "Nobody is known by this",
       "Send a valid token as `Authorization: Bearer sgn_...`, or log in at /api/session."},
      {Code::wrong_password, "WRONG_PASSWORD", 403, "That is not your password, or the account is locked for a while",
       "Try again in a moment; after ten misses in a row it takes 15 minutes, or an administrator who unlocks it."},
      // The origin gives it the code of a validation error, and both titles.
      {Code::letter_not_found, "2001", 404, "Letter not found", "The id is what POST /api/messages gave for a letter."},
      {Code::foreign_letter, "FORBIDDEN", 403, "Cannot approve another user's letter",
       "Its physician or a named delegate approves it; of high risk, somebody else after them."},
      {Code::bad_approval, "BAD_SIGNATURE", 403, "The signature does not stand for this review",
       "Ask POST /api/messages/{id}/approval-statement for a new statement and sign that."},
      {Code::forbidden, "FORBIDDEN", 403, "Your role does not allow this", "GET /api/policy says which role may."},
      {Code::method_not_allowed, "METHOD_NOT_ALLOWED", 405, "This address does not take that method",
       "Use one of those that the header Allow names."},
      {Code::status_conflict, "STATUS_CONFLICT", 409, "The message's status does not allow this",
       "Read the message to see where it stands."},
      // The word of the delivery engine's design.
      {Code::being_sent, "being_sent", 409, "The message is being sent",
       "A cancel was noted: if this attempt fails, no other is made. Watch its status."},
      {Code::high_risk, "HIGH_RISK", 409, "The message is of high risk", "Have it reviewed as it is, or reject it."},
      {Code::changed_meanwhile, "CHANGED_MEANWHILE", 409, "Somebody else changed this at the same moment",
       "Read it again and repeat what still applies."},
      {Code::claimed, "CLAIMED", 409, "Somebody else is reviewing this message",
       "Wait until the claim is released or lapses, or review another one."},
      {Code::precondition_required, "PRECONDITION_REQUIRED", 428, "The request does not say which version it is about",
       "Send the header If-Match with the ETag of the message as you read it."},
      {Code::stale, "STALE", 412, "The message has changed since you read it",
       "Read it again, and decide on what it says now."},
      {Code::step_up_required, "STEP_UP_REQUIRED", 403, "Signing needs proof that it is you",
       "POST your password to /api/session/step-up and repeat within five minutes, or use a token of scope approve."},
      {Code::rate_limited, "RATE_LIMITED", 429, "Too many requests of this kind",
       "Wait as long as the header Retry-After says."},
      {Code::spool_full, "SPOOL_FULL", 507, "There is no room for another export",
       "Fetch or delete files of earlier ones, wait until they lapse, or raise exports.spool_mb_max."},
      {Code::too_large, "TOO_LARGE", 413, "This is too much for that format", "Narrow the filters, or ask for csv."},
      {Code::key_reused, "IDEMPOTENCY_KEY_REUSED", 422, "This Idempotency-Key came with another request before",
       "Make a new key for each new request; repeat a key only with the same body."},
      {Code::bad_signature, "BAD_SIGNATURE", 403, "The callback's signature does not verify",
       "Check the provider's signing secret, and that http.webhooks.public_url is the address the provider calls."},
      {Code::unreadable_callback, "UNREADABLE_CALLBACK", 400, "The callback is genuine, but cannot be read",
       "The daemon's log says why; the provider may have changed its format."},
      {Code::unsupported_media_type, "UNSUPPORTED_MEDIA_TYPE", 415, "The body is not said to be JSON",
       "Send the header Content-Type: application/json."},
      {Code::evidence_faulty, "EVIDENCE_FAULTY", 409, "Approvals are stopped: evidence does not verify",
       "An administrator finds out why and acknowledges each fault that GET /api/integrity shows; then approve again."},
      {Code::unavailable, "UNAVAILABLE", 503, "The database is not there",
       "Nothing was done. Try again in a moment; if it stays so, see /readyz."},
      {Code::content_unreadable, "CONTENT_UNREADABLE", 500, "The message's content does not open",
       "Its sealed content or key was changed, or signetd runs with other keys. Nothing was sent: tell operations."},
      {Code::internal, "INTERNAL", 500, "Something went wrong here",
       "Nothing was done. The daemon's log has the reason under this requestId: tell operations."},
  };
  return codes;
}

const CodeInfo& info(Code code) {
  for (const auto& row : all_codes())
    if (row.code == code) return row;
  check_failed("a code without a row in the table", __FILE__, __LINE__);
}

http::Response answer(const http::Request& request, const Refused& refused) {
  const CodeInfo& row = info(refused.code);
  http::Problem problem;
  problem.status = refused.status != 0 ? refused.status : row.status;
  problem.code = row.text;
  problem.title = refused.title.empty() ? std::string(row.title) : refused.title;
  problem.detail = refused.detail.empty() ? std::string(row.remedy) : refused.detail;
  problem.request_id = request.request_id;
  problem.errors = refused.errors;
  problem.warnings = refused.warnings;
  problem.members = refused.members;
  http::Response response = http::problem(problem);
  if (problem.status == 503) response.headers.emplace_back("Retry-After", "2");
  return response;
}

}  // namespace signet::api

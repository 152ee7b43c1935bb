// Letters under the origin's names and bodies (design: product, "Approval"); the ids are those of messages.
#include <nlohmann/json.hpp>

#include "daemon/api/body.h"
#include "daemon/api/decision.h"
#include "daemon/api/edits.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/letter_answer.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"

namespace signet::api {

http::Response letter_answer(const Decided& decided) {
  const std::string id = decided.row.id.text();
  if (!decided.is_complete)
    return http::json(202, "{\"letterId\":\"" + id +
                               "\",\"status\":\"IN_REVIEW\",\"signatures\":" + std::to_string(decided.signatures) +
                               ",\"required\":" + std::to_string(decided.required) + '}');
  if (decided.status == Status::rejected) return http::json(200, "{\"letterId\":\"" + id + "\",\"status\":\"DRAFT\"}");
  return http::json(200, "{\"letterId\":\"" + id + "\",\"status\":\"APPROVED\",\"approvedAt\":\"" +
                             rfc3339_ms(decided.at) + "\",\"provenanceId\":\"" + decided.provenance_id.text() + "\"}");
}

http::Response get_letter(Context& context) {
  context.only_query({});
  const MessageRow row = visible_letter(context);
  return show_message(context, row, true);
}

http::Response post_letter_approve(Context& context) {
  context.only_query({});
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  Review review;
  read_review(members, review);
  members.finish();
  context.refuse_faults(body.faults);
  MessageRow row = locked_letter(context);
  review.message_id = row.id;
  context.check_version(row.version, false);
  return letter_answer(decide(context, review, std::move(row)));
}

}  // namespace signet::api

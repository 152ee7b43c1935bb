#include "daemon/api/review.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace signet::api {
namespace {

constexpr size_t kNotesOctetsMax = 16 * 1024;
constexpr size_t kTextOctetsMax = 256 * 1024;
constexpr size_t kIdsMax = 500;
constexpr size_t kIdOctetsMax = 128;
constexpr size_t kReasonOctetsMax = 4096;
constexpr int64_t kReviewMsMax = 7LL * 24 * 3600 * 1000;

}  // namespace

void read_review(Members& members, Review& review) {
  review.notes = members.text("reviewNotes", kNotesOctetsMax, true).value_or("");
  if (!review.is_approved && review.notes.empty())
    members.refuse("reviewNotes", "is missing", "tell the author why it is rejected");
  review.final_content = members.text("finalContent", kTextOctetsMax, true);
  review.review_ms = members.integer("reviewDurationMs", 0, kReviewMsMax);
  review.verified_value_ids = members.labels("verifiedValueIds", kIdsMax, kIdOctetsMax);
  review.dismissed_flag_ids = members.labels("dismissedFlagIds", kIdsMax, kIdOctetsMax);
  review.dismissed_reasons = members.texts("dismissedReasons", kIdsMax, kReasonOctetsMax);
  if (const JsonValue* signature = members.object("signature")) review.signature = write_json(*signature);
  for (const auto& [flag, reason] : review.dismissed_reasons)
    if (std::find(review.dismissed_flag_ids.begin(), review.dismissed_flag_ids.end(), flag) ==
        review.dismissed_flag_ids.end())
      members.refuse("dismissedReasons", "names a flag that dismissedFlagIds does not", "name it there too");
  if (review.is_approved) return;
  const bool decides = review.final_content || !review.verified_value_ids.empty() ||
                       !review.dismissed_flag_ids.empty() || !review.signature.empty();
  if (decides)
    members.refuse("finalContent, verifiedValueIds, dismissedFlagIds, signature", "do not belong to a rejection",
                   "leave them out");
}

std::string intent_of(const Review& review) {
  using Json = nlohmann::json;  // sorts members, which is RFC 8785's order for these names
  auto ids = [](std::vector<std::string> list) {
    std::sort(list.begin(), list.end());
    return list;
  };
  Json reasons = Json::object();
  for (const auto& [flag, reason] : review.dismissed_reasons) reasons[flag] = reason;
  return Json{{"decision", review.is_approved ? "approved" : "rejected"},
              {"direct", review.is_direct},
              {"dismissedFlagIds", ids(review.dismissed_flag_ids)},
              {"dismissedReasons", reasons},
              {"finalContent", review.final_content ? Json(*review.final_content) : Json(nullptr)},
              {"messageId", review.message_id.text()},
              {"reviewNotes", review.notes},
              {"verifiedValueIds", ids(review.verified_value_ids)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace signet::api

#include "daemon/evidence/export_columns.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace signet {
namespace {

using Json = nlohmann::json;

// In the order of the columns; a pointer into the event's JSON for each.
constexpr std::pair<const char*, const char*> kEventColumns[] = {{"id", "/id"},
                                                                 {"at", "/at"},
                                                                 {"action", "/action"},
                                                                 {"actorId", "/actor/id"},
                                                                 {"actorRole", "/actor/role"},
                                                                 {"actorSession", "/actor/session"},
                                                                 {"actorIp", "/actor/ip"},
                                                                 {"actorUaHash", "/actor/uaHash"},
                                                                 {"objectType", "/object/type"},
                                                                 {"objectId", "/object/id"},
                                                                 {"objectN", "/object/n"},
                                                                 {"objectPrev", "/object/prev"},
                                                                 {"status", "/status"},
                                                                 {"reasonCode", "/reasonCode"},
                                                                 {"attemptNo", "/attempt/no"},
                                                                 {"attemptProvider", "/attempt/provider"},
                                                                 {"permitAt", "/attempt/permitAt"},
                                                                 {"envelopeCommit", "/envelopeCommit"},
                                                                 {"provenanceSha256", "/provenanceSha256"},
                                                                 {"attemptSha256", "/attemptSha256"},
                                                                 {"callbackSha256", "/callbackSha256"},
                                                                 {"requestId", "/requestId"},
                                                                 {"detail", "/detail"}};
constexpr const char* kMetadataColumns[] = {"messageId",     "channel",     "reviewerId",
                                            "reviewedAt",    "retryCount",  "lastRetryAt",
                                            "failureReason", "aiModelUsed", "tokensConsumed"};
constexpr const char* kContentColumns[] = {"patientId",   "recipient",   "subject", "body",
                                           "contentHash", "reviewNotes", "note"};

std::string text_of(const Json& value) {
  if (value.is_null()) return {};
  return value.is_string() ? value.get<std::string>() : value.dump();
}
std::string text_of(const std::optional<WallTime>& time) { return time ? rfc3339(*time) : std::string(); }
std::string text_of(const std::optional<Uuid>& id) { return id ? id->text() : std::string(); }

}  // namespace

std::vector<std::string> export_columns(const ExportParameters& what) {
  std::vector<std::string> out{"seq", "leaf"};
  for (const auto& column : kEventColumns) out.emplace_back(column.first);
  if (what.has_metadata) out.insert(out.end(), std::begin(kMetadataColumns), std::end(kMetadataColumns));
  if (what.is_about_content()) out.emplace_back("erased");
  if (what.has_content) out.insert(out.end(), std::begin(kContentColumns), std::end(kContentColumns));
  if (what.has_edit_history) out.emplace_back("editHistory");
  return out;
}

std::vector<std::string> export_cells(const ExportParameters& what, const ExportEntry& entry) {
  const EntryRow& row = entry.row;
  const Json event = Json::parse(row.canon, nullptr, false);
  std::vector<std::string> out{row.seq ? std::to_string(*row.seq) : "", to_hex(view(row.leaf))};
  for (const auto& column : kEventColumns) {
    const Json::json_pointer at(column.second);
    out.push_back(event.contains(at) ? text_of(event[at]) : std::string());
  }
  const bool is_of_message = row.message_id.has_value();
  if (what.has_metadata)
    for (std::string cell :
         {text_of(row.message_id), row.kind ? std::string(name(*row.kind)) : std::string(), text_of(row.reviewer_id),
          text_of(row.reviewed_at), is_of_message ? std::to_string(row.retry_count) : std::string(),
          text_of(row.last_retry_at), row.failure_reason, row.primary_model,
          is_of_message ? std::to_string(row.tokens_consumed) : std::string()})
      out.push_back(std::move(cell));
  const ExportContent content = entry.content.value_or(ExportContent{});
  if (what.is_about_content()) out.push_back(entry.is_erased ? "true" : is_of_message ? "false" : "");
  if (what.has_content)
    for (const auto& cell : {content.patient_id, content.recipient, content.subject, content.body, content.content_hash,
                             content.review_notes, entry.note})
      out.push_back(cell);
  if (what.has_edit_history) out.push_back(content.edit_history);
  return out;
}

}  // namespace signet

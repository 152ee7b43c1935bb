#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/evidence/export_entries.h"

namespace signet {
namespace {

using Json = nlohmann::ordered_json;

Json time_of(const std::optional<WallTime>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }
Json text_of(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// The members before `entries`, with the list's beginning.
std::string head(const ExportSource& source) {
  const ExportParameters& what = source.what;
  Json filters = Json::object();
  for (const auto& [name, value] : shown_filters(what)) filters[name] = value;
  const Json out{
      {"exportedAt", rfc3339(source.task.asked_at)},
      {"askedBy", source.task.asked_by.text()},
      {"purpose", what.purpose},
      {"filters", std::move(filters)},
      {"include",
       {{"content", what.has_content}, {"editHistory", what.has_edit_history}, {"metadata", what.has_metadata}}},
      {"checkpoint", what.root ? Json{{"size", what.size}, {"root", to_hex(view(*what.root))}} : Json(nullptr)}};
  std::string text = dump(out);
  text.pop_back();
  return text + ",\"entries\":[";
}

// What stands beside the event, each member with a comma in front.
std::string beside_event(const ExportParameters& what, const ExportEntry& entry) {
  const EntryRow& row = entry.row;
  std::string out;
  if (what.has_metadata && row.message_id)
    out += ",\"message\":" + dump(Json{{"messageId", row.message_id->text()},
                                       {"channel", row.kind ? Json(name(*row.kind)) : Json(nullptr)},
                                       {"reviewerId", row.reviewer_id ? Json(row.reviewer_id->text()) : Json(nullptr)},
                                       {"reviewedAt", time_of(row.reviewed_at)},
                                       {"retryCount", row.retry_count},
                                       {"lastRetryAt", time_of(row.last_retry_at)},
                                       {"failureReason", text_of(row.failure_reason)},
                                       {"aiModelUsed", text_of(row.primary_model)},
                                       {"tokensConsumed", row.tokens_consumed}});
  if (!what.is_about_content()) return out;
  const auto& content = entry.content;
  if (row.message_id || !entry.note.empty() || entry.is_erased)
    out += std::string(",\"erased\":") + (entry.is_erased ? "true" : "false");
  if (what.has_content && row.message_id)
    out += ",\"content\":" + (content ? dump(Json{{"patientId", text_of(content->patient_id)},
                                                  {"recipient", text_of(content->recipient)},
                                                  {"subject", text_of(content->subject)},
                                                  {"body", text_of(content->body)},
                                                  {"contentHash", content->content_hash},
                                                  {"reviewNotes", text_of(content->review_notes)}})
                                      : "null");
  if (what.has_content && row.action == "external_note") out += ",\"note\":" + dump(text_of(entry.note));
  if (what.has_edit_history && row.message_id) out += ",\"editHistory\":" + (content ? content->edit_history : "null");
  return out;
}

}  // namespace

Result<ExportTotals> write_json(const ExportSource& source, Sink& to) {
  if (auto begun = to.write(head(source)); !begun) return begun.error();
  bool is_first = true;
  auto totals = each_entry(source, [&](const ExportEntry& entry) {
    std::string line = is_first ? "\n" : ",\n";
    is_first = false;
    line += "{\"seq\":" + std::to_string(*entry.row.seq) + ",\"leaf\":\"" + to_hex(view(entry.row.leaf)) +
            "\",\"event\":" + entry.row.canon + beside_event(source.what, entry) + '}';
    return to.write(line);
  });
  if (!totals) return totals;
  auto ended = to.write("\n],\"rows\":" + std::to_string(totals->rows) + ",\"dataSha256\":\"" +
                        to_hex(view(totals->sha256)) + "\"}\n");
  if (!ended) return ended.error();
  return totals;
}

}  // namespace signet

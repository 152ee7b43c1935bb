// An accounting of disclosures (45 CFR 164.528): each message about a patient, or to a recipient, and to whom what it
// says was shown or sent. People are asked for in the body, and found by keyed hashes, also after an erasure.
#include "store/disclosures.h"

#include <nlohmann/json.hpp>

#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "store/retention.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kWideMax = 1000;

Json text_of(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// Who, when, by what; of a delivery the channel and the provider, never the address.
Json disclosure_json(const DisclosureEntry& entry) {
  const Json event = Json::parse(entry.canon, nullptr, false);
  const Json none = Json::object();
  const Json& actor = event.contains("actor") ? event["actor"] : none;
  const Json& detail = event.contains("detail") ? event["detail"] : none;
  return Json{{"eventId", entry.event_id.text()},
              {"at", event.value("at", "")},
              {"action", event.value("action", "")},
              {"actorId", text_of(actor.value("id", ""))},
              {"actorRole", text_of(actor.value("role", ""))},
              {"provider", text_of(detail.value("provider", ""))},
              {"breakGlass", entry.is_break_glass},
              {"purpose", text_of(detail.value("purpose", ""))}};
}

}  // namespace

http::Response post_disclosures(Context& context) {
  context.only_query({});
  if (grant(context.role(), Action::read_audit) != Grant::yes)
    context.refuse({.code = Code::forbidden,
                    .title = "Your role does not read the whole audit log",
                    .detail = "An administrator or an auditor accounts for disclosures.",
                    .reason = "ROLE"});
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  auto fields = Fields::of_body(context, members);
  const auto from = fields.time("from"), before = fields.time("to");
  MessageFilter filter;
  fields.page(filter.after_id, filter.count_max);
  const People people = read_people(context, members, fields);
  members.finish();
  if (!people.patient_key && !people.recipient_key && body.faults.empty())
    body.faults.push_back({"", "Nobody is named", "write patientId, recipientPhone or recipientEmail"});
  context.refuse_faults(body.faults);
  fields.finish();
  filter.patient_key = people.patient_key;
  filter.recipient_key = people.recipient_key;
  filter.created_before = before;  // what came later was not disclosed by then
  filter.is_oldest_first = true;

  const bool is_first = !filter.after_id;
  auto rows = context.must(list_messages(context.tx(), filter));
  std::string next;
  if (static_cast<int>(rows.size()) == filter.count_max) {  // the row beyond the page
    rows.pop_back();
    next = rows.back().id.text();
  }
  std::vector<Uuid> ids;
  for (const auto& row : rows) ids.push_back(row.id);
  std::map<Uuid, Json> disclosures;
  for (const auto& entry : context.must(list_disclosures(context.tx(), ids, from, before))) {
    auto& list = disclosures.try_emplace(entry.message_id, Json::array()).first->second;
    list.push_back(disclosure_json(entry));
  }
  Json items = Json::array();
  for (const auto& row : rows) {
    const auto found = disclosures.find(row.id);
    items.push_back({{"messageId", row.id.text()},
                     {"kind", name(row.kind)},
                     {"channel", name(row.delivery_method)},
                     {"status", name(row.status)},
                     {"createdAt", rfc3339(row.created_at)},
                     {"purpose", text_of(row.purpose)},
                     {"provider", text_of(row.provider)},
                     {"contentErased", context.must(read_retention(context.tx(), row.id)).erased_at.has_value()},
                     {"disclosures", found == disclosures.end() ? Json::array() : std::move(found->second)}});
  }
  // They name filters, not messages: whether this patient was among them only their files say. With the first page.
  Json wide = Json::array();
  if (is_first)
    for (const auto& entry : context.must(list_wide_disclosures(context.tx(), from, before, kWideMax)))
      wide.push_back(disclosure_json(entry));
  Event event = new_event(context, "disclosures_searched");
  event.detail = {{"filters", fields.used()}, {"rows", static_cast<int64_t>(rows.size())}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(
      200, Json{{"items", std::move(items)}, {"mayInclude", std::move(wide)}, {"nextCursor", text_of(next)}}.dump(
               -1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace signet::api

// Who is not to be written to: the list, by whom and why, and its changes by a person. Numbers and addresses are in
// none of the answers: the list knows their HMAC only, and is searched with them.
#include "store/suppressions.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "daemon/delivery/suppression.h"
#include "message/envelope.h"
#include "message/phone.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;
using Word = std::string_view;

constexpr char kByPerson[] = "person";
// Closed, since the audit log takes no text that somebody typed.
constexpr Word kAddReasons[] = {"asked", "bounced", "complained", "deceased", "wrong_person"};
constexpr Word kRemoveReasons[] = {"address_works", "asked", "mistake"};

std::optional<Word> parse_add_reason(Word text) {
  const auto found = std::find(std::begin(kAddReasons), std::end(kAddReasons), text);
  return found == std::end(kAddReasons) ? std::nullopt : std::optional(*found);
}
std::optional<Word> parse_remove_reason(Word text) {
  const auto found = std::find(std::begin(kRemoveReasons), std::end(kRemoveReasons), text);
  return found == std::end(kRemoveReasons) ? std::nullopt : std::optional(*found);
}
std::optional<DeliveryMethod> parse_channel(Word text) {
  const auto method = parse_delivery_method(text);
  return method == DeliveryMethod::none ? std::nullopt : method;
}

std::string suppression_json(const SuppressionRow& row) {
  return Json{{"id", row.id.text()},
              {"channel", name(row.channel)},
              {"reason", row.reason},
              {"source", row.source},
              {"addedBy", row.added_by ? Json(row.added_by->text()) : Json(nullptr)},
              {"addedAt", rfc3339(row.created_at)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

http::Response list(Context& context, const SuppressionFilter& filter, const std::string& used) {
  auto rows = context.must(list_suppressions(context.tx(), filter));
  std::string next;
  if (static_cast<int>(rows.size()) == filter.count_max) {  // the row beyond the page
    rows.pop_back();
    next = rows.back().id.text();
  }
  std::vector<std::string> items;
  for (const auto& row : rows) items.push_back(suppression_json(row));
  Event event = new_event(context, "suppressions_listed");
  event.detail = {{"filters", used}, {"rows", static_cast<int64_t>(rows.size())}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(200, list_json(items, next));
}

struct Recipient {
  std::string key;
  DeliveryMethod channel = DeliveryMethod::sms;
};

// Of recipientPhone or recipientEmail, one of which has to be there.
Recipient read_recipient(const Context& context, Members& members) {
  Recipient out;
  const auto index_key = context.services.keyring.index_key();
  const auto phone = members.text("recipientPhone", 64);
  const auto mail = members.text("recipientEmail", 320);
  if (phone && mail) members.refuse("recipientEmail", "stands beside recipientPhone", "write one of them");
  if (!phone && !mail) members.refuse("recipientPhone", "is missing, and so is recipientEmail", "write one of them");
  if (phone) {
    const auto parsed = parse_phone(*phone);
    if (!parsed)
      members.refuse("recipientPhone", "is not a valid phone number",
                     "write it in E.164 form, with + and country code");
    else
      out.key = view(recipient_key(index_key, parsed->e164));
  } else if (mail) {
    out.channel = DeliveryMethod::email;
    const auto parsed = parse_mail_address(*mail);
    if (!parsed)
      members.refuse("recipientEmail", "is not a valid e-mail address", "write it as name@domain");
    else
      out.key = view(recipient_key(index_key, parsed->address));
  }
  return out;
}

}  // namespace

http::Response get_suppressions(Context& context) {
  context.only_query({"channel", "reason", "source", "cursor", "limit"});
  must_be_allowed(context, Action::operate);
  Fields fields = Fields::of_query(context);
  SuppressionFilter filter;
  filter.channel = fields.word<DeliveryMethod>("channel", parse_channel);
  filter.reason = fields.text("reason");
  filter.source = fields.text("source");
  fields.page(filter.before_id, filter.count_max);
  fields.finish();
  return list(context, filter, fields.used());
}

http::Response post_suppression_search(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  const Recipient recipient = read_recipient(context, members);
  members.finish();
  context.refuse_faults(body.faults);
  SuppressionFilter filter;
  filter.recipient_key = recipient.key;
  return list(context, filter, recipient.channel == DeliveryMethod::sms ? "recipientPhone" : "recipientEmail");
}

http::Response post_suppressions(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::operate);
  const auto& services = context.services;
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  const Recipient recipient = read_recipient(context, members);
  members.require("reason", "write why: asked, bounced, complained, deceased or wrong_person");
  const auto reason =
      members.word<Word>("reason", parse_add_reason, {"asked", "bounced", "complained", "deceased", "wrong_person"});
  members.finish();
  context.refuse_faults(body.faults);
  SuppressionRow row;
  row.recipient_key = recipient.key;
  row.channel = recipient.channel;
  row.reason = *reason;
  row.source = kByPerson;
  row.added_by = context.user_id();
  const NewSuppression added = new_suppression(std::move(row), actor_of(context.request, &context.principal()),
                                               services.ids, services.clock.wall(), context.request.request_id);
  const bool is_new = context.must(add_suppression(context.tx(), added));
  const auto found = context.must(lock_suppression_of(context.tx(), recipient.key));
  if (!found) throw Again{{ErrorCode::conflict, "it was removed meanwhile"}};
  if (!is_new) {
    context.concerns(found->id, "suppression");
    context.refuse({.code = Code::status_conflict,
                    .title = "This recipient is suppressed already",
                    .detail = "POST /api/suppressions/search shows why.",
                    .reason = "SUPPRESSED"});
  }
  return context.commit(http::json(201, suppression_json(*found)));
}

http::Response delete_suppression(Context& context) {
  context.only_query({"reason"});
  const Uuid id = context.path_id();
  context.concerns(id, "suppression");
  must_be_allowed(context, Action::operate);
  const auto& services = context.services;
  Fields fields = Fields::of_query(context);
  const auto reason = fields.word<Word>("reason", parse_remove_reason);
  fields.finish();
  if (!reason)
    context.refuse({.code = Code::validation_error,
                    .errors = {"reason is missing: write ?reason= and address_works, asked or mistake"}});
  const auto row = context.must(lock_suppression(context.tx(), id));
  if (!row) context.refuse({.code = Code::not_found, .title = "There is no suppression with this id"});
  context.must(remove_suppression(context.tx(), id));
  context.must(insert_entry(
      context.tx(), suppression_removed(*row, std::string(*reason), actor_of(context.request, &context.principal()),
                                        services.ids, services.clock.wall(), context.request.request_id)));
  context.commit();
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace signet::api

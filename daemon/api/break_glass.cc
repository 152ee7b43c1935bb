// Break-glass: an administrator who has to read what his role does not show says why, is seen doing it, and is looked
// at afterwards by another person.
#include "store/break_glass.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "store/day_key.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kReasonOctetsMax = 2000;
constexpr int kMinutesMax = 240;
constexpr int kRowsMax = 1000;

std::string binding(const Uuid& id) {
  return "{\"field\":\"reason\",\"id\":\"" + id.text() + "\",\"table\":\"break_glass\"}";
}

void write(Context& context, std::string action, const Uuid& id,
           std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event = new_event(context, std::move(action));
  event.object.type = "break_glass";
  event.detail = std::move(detail);
  context.must(insert_entry(context.tx(), beside(std::move(event), id)));
}

bool is_overseer(const Context& context) { return context.role() == Role::admin || context.role() == Role::auditor; }

// Who opened it and when, without why.
Json row_json(const BreakGlassRow& row, WallTime now) {
  return Json{{"id", row.id.text()},
              {"userId", row.user_id.text()},
              {"openedAt", rfc3339(row.opened_at)},
              {"until", rfc3339(row.until)},
              {"open", now < row.until},
              {"reviewedBy", row.reviewed_by ? Json(row.reviewed_by->text()) : Json(nullptr)},
              {"reviewedAt", row.reviewed_at ? Json(rfc3339(*row.reviewed_at)) : Json(nullptr)}};
}

// Null where its day key was erased under the retention policy.
Json reason_of(Context& context, const BreakGlassRow& row) {
  const auto day = day_key(context.tx(), context.services.keyring, row.sealed_by);
  if (!day && day.error().code == ErrorCode::not_found) return nullptr;
  auto reason = day ? unseal(day->key.octets(), binding(row.id), row.reason) : Result<std::string>(day.error());
  if (reason) return *reason;
  context.services.log.error("a break-glass reason does not open", {{"alarm", "key"}, {"reason", reason.error().text}});
  return nullptr;
}

}  // namespace

http::Response post_break_glass(Context& context) {
  context.only_query({});
  if (context.role() != Role::admin)
    context.refuse({.code = Code::forbidden,
                    .title = "Your role has no break-glass",
                    .detail = "It is for administrators: ask one, or ask for the role that reads what you need.",
                    .reason = "ROLE"});
  const auto& services = context.services;
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("reason", "write why you have to read what your role does not show");
  members.require("minutes", "write for how long, 1 to 240");
  const auto reason = members.text("reason", kReasonOctetsMax, true);
  if (reason && reason->find_first_not_of(" \t\r\n") == std::string::npos)
    members.refuse("reason", "is empty", "write why you have to read what your role does not show");
  const auto minutes = members.integer("minutes", 1, kMinutesMax);
  members.finish();
  context.refuse_faults(body.faults);
  BreakGlassRow row;
  row.id = services.ids.next();
  row.user_id = context.user_id();
  row.opened_at = services.clock.wall();
  row.until = {row.opened_at.us + *minutes * 60'000'000};
  const DayKey day = context.must(day_key(context.tx(), services.keyring, row.opened_at));
  row.sealed_by = day.day;
  row.reason = services.keyring.seal_with(day.key, binding(row.id), *reason);
  context.must(insert_break_glass(context.tx(), row));
  // By a key, since a short reason could be guessed from a plain hash.
  const Digest commit = hmac_sha256(day.key.octets(), binding(row.id) + *reason);
  write(context, "break_glass_opened", row.id,
        {{"minutes", *minutes}, {"reasonCommit", to_hex(view(commit))}, {"until", rfc3339(row.until)}});
  http::Response response = context.commit(http::json(201, row_json(row, row.opened_at).dump()));
  services.log.error("break-glass was opened: somebody reads beyond their role", {{"alarm", "break_glass"},
                                                                                  {"user_id", row.user_id.text()},
                                                                                  {"break_glass_id", row.id.text()},
                                                                                  {"until", rfc3339(row.until)}});
  if (services.alarm) services.alarm("break_glass");
  return response;
}

http::Response get_break_glass(Context& context) {
  context.only_query({});
  if (!is_overseer(context)) context.refuse({.code = Code::forbidden, .reason = "ROLE"});
  const WallTime now = context.services.clock.wall();
  const auto rows = context.must(list_break_glass(context.tx(), kRowsMax));
  std::vector<std::string> items;
  for (const auto& row : rows) {
    Json item = row_json(row, now);
    item["reason"] = reason_of(context, row);
    items.push_back(item.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  write(context, "break_glass_listed", {}, {{"rows", static_cast<int64_t>(rows.size())}});
  context.commit();
  return http::json(200, list_json(items, ""));
}

http::Response post_review_break_glass(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  context.concerns(id, "break_glass");
  if (!is_overseer(context)) context.refuse({.code = Code::forbidden, .reason = "ROLE"});
  context.no_members();
  auto row = context.must(lock_break_glass(context.tx(), id));
  if (!row) context.refuse({.code = Code::not_found, .title = "There is no break-glass with this id"});
  if (row->user_id == context.user_id())
    context.refuse({.code = Code::forbidden,
                    .title = "You may not review your own break-glass",
                    .detail = "Another administrator or an auditor has to look at it.",
                    .reason = "SELF_REVIEW"});
  if (row->reviewed_at)
    context.refuse(
        {.code = Code::status_conflict, .title = "This break-glass is reviewed already", .reason = "REVIEWED"});
  row->reviewed_by = context.user_id();
  row->reviewed_at = context.services.clock.wall();
  context.must(review_break_glass(context.tx(), id, *row->reviewed_by, *row->reviewed_at));
  write(context, "break_glass_reviewed", id, {{"openedBy", row->user_id.text()}});
  context.commit();
  return http::json(200, row_json(*row, *row->reviewed_at).dump());
}

}  // namespace signet::api

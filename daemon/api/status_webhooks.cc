// What services were not told of their messages yet, or not at all (daemon/delivery/notifier.h).
#include <nlohmann/json.hpp>

#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "store/status_notices.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

enum class NoticeState { waiting, dead };
std::optional<NoticeState> parse_notice_state(std::string_view text) {
  if (text == "waiting") return NoticeState::waiting;
  if (text == "dead") return NoticeState::dead;
  return std::nullopt;
}

Json notice_json(const StatusNotice& notice) {
  return {{"id", notice.id.text()},
          {"service", notice.service},
          {"state", notice.due_at ? "waiting" : "dead"},
          {"seq", notice.seq},
          {"messageId", notice.message_id.text()},
          {"madeAt", rfc3339(notice.made_at)},
          {"dueAt", notice.due_at ? Json(rfc3339(*notice.due_at)) : Json(nullptr)},
          {"tries", notice.tries},
          {"failure", notice.failure.empty() ? Json(nullptr) : Json(notice.failure)}};
}

}  // namespace

http::Response get_status_webhooks(Context& context) {
  context.only_query({"state", "service", "cursor", "limit"});
  must_be_allowed(context, Action::operate);
  Fields fields = Fields::of_query(context);
  const auto state = fields.word<NoticeState>("state", parse_notice_state);
  const auto service = fields.text("service");
  std::optional<Uuid> before;
  int count_max = 0;
  fields.page(before, count_max);
  fields.finish();
  const bool is_dead = state.value_or(NoticeState::dead) == NoticeState::dead;
  auto rows = context.must(list_status_notices(context.tx(), is_dead, service, before, count_max));
  Json next = nullptr;
  if (static_cast<int>(rows.size()) == count_max) {  // the row beyond the page
    rows.pop_back();
    next = rows.back().id.text();
  }
  Json services = Json::array(), items = Json::array();
  for (const auto& one : context.must(read_status_backlogs(context.tx())))
    services.push_back(
        {{"service", one.service}, {"waiting", one.waiting}, {"dead", one.dead}, {"behind", one.behind}});
  for (const auto& row : rows) items.push_back(notice_json(row));
  Event event = new_event(context, "status_webhooks_listed");
  event.detail = {{"filters", fields.used()}, {"rows", static_cast<int64_t>(rows.size())}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(
      200, Json{{"services", std::move(services)}, {"items", std::move(items)}, {"nextCursor", std::move(next)}}.dump(
               -1, ' ', false, Json::error_handler_t::replace));
}

http::Response post_retry_status_notice(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  context.concerns(id, "status_notice");
  must_be_allowed(context, Action::operate);
  context.no_members();
  auto notice = context.must(lock_status_notice(context.tx(), id));
  if (!notice)
    context.refuse({.code = Code::not_found,
                    .title = "There is no notice with this id",
                    .detail = "One that arrived is there no more."});
  if (notice->due_at)
    context.refuse({.code = Code::status_conflict,
                    .title = "The notice is not given up yet",
                    .detail = "It is due at " + rfc3339(*notice->due_at) + ".",
                    .reason = "NOT_DEAD"});
  context.must(retry_status_notice(context.tx(), id));
  Event event = new_event(context, "status_notice_retried");
  event.object.type = "status_notice";
  event.detail = {{"service", notice->service}};
  context.must(insert_entry(context.tx(), beside(std::move(event), id)));
  notice = context.must(lock_status_notice(context.tx(), id));
  context.commit();
  return http::json(200, notice_json(*notice).dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace signet::api

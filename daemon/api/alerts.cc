// Alerts: what is open, that somebody has seen it, and whether a receiver would hear.
#include "store/alerts.h"

#include <nlohmann/json.hpp>

#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "daemon/evidence/alert_rules.h"
#include "daemon/evidence/receivers.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kTestRule[] = "test";

Json time_json(const std::optional<WallTime>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }

std::string alert_json(const AlertRow& alert) {
  const AlertRule& rule = find_rule(alert.rule);
  return Json{{"id", alert.id.text()},
              {"rule", alert.rule},
              {"subject", alert.subject.empty() ? Json(nullptr) : Json(alert.subject)},
              {"state", name(state_of(alert))},
              {"count", alert.count},
              {"title", rule.title},
              {"remedy", rule.remedy},
              {"firstAt", rfc3339(alert.first_at)},
              {"lastAt", rfc3339(alert.last_at)},
              {"notices", alert.notices},
              {"notifiedAt", time_json(alert.notified_at)},
              {"acknowledgedBy", alert.acknowledged_by ? Json(alert.acknowledged_by->text()) : Json(nullptr)},
              {"acknowledgedAt", time_json(alert.acknowledged_at)},
              {"resolvedAt", time_json(alert.resolved_at)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

void write(Context& context, std::string action, const Uuid& id,
           std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event = new_event(context, std::move(action));
  event.object.type = "alert";
  event.detail = std::move(detail);
  context.must(insert_entry(context.tx(), beside(std::move(event), id)));
}

}  // namespace

http::Response get_alerts(Context& context) {
  context.only_query({"state", "cursor", "limit"});
  must_be_allowed(context, Action::administer);
  Fields fields = Fields::of_query(context);
  const auto state = fields.word<AlertState>("state", parse_alert_state);
  std::optional<Uuid> after;
  int count_max = 0;
  fields.page(after, count_max);
  fields.finish();
  auto rows = context.must(list_alerts(context.tx(), state, after, count_max));
  std::string next;
  if (static_cast<int>(rows.size()) == count_max) {  // the row beyond the page
    rows.pop_back();
    next = rows.back().id.text();
  }
  std::vector<std::string> items;
  for (const auto& row : rows) items.push_back(alert_json(row));
  write(context, "alerts_listed", {}, {{"filters", fields.used()}, {"rows", static_cast<int64_t>(rows.size())}});
  context.commit();
  return http::json(200, list_json(items, next));
}

// A test: one notice to one receiver, of an alert that is over already.
http::Response post_alerts(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("receiver", "name one of alerts.receivers");
  const std::string receiver = members.text("receiver", 256).value_or("");
  const Receivers* receivers = context.services.receivers;
  if (!receiver.empty() && (receivers == nullptr || receivers->find(receiver) == nullptr))
    members.refuse("receiver", "is none of alerts.receivers in the configuration", "name one that is");
  members.finish();
  context.refuse_faults(body.faults);
  const WallTime now = context.services.clock.wall();
  AlertRow alert;
  alert.id = context.services.ids.next();
  alert.rule = kTestRule;
  alert.subject = receiver;
  alert.first_at = alert.last_at = now;
  context.must(insert_alert(context.tx(), alert));
  context.must(resolve_alert(context.tx(), alert.id, now));
  context.must(note_round(context.tx(), alert.id, now));
  context.must(
      insert_notice(context.tx(), {context.services.ids.next(), alert.id, receiver, now, now, 0, "", std::nullopt}));
  write(context, "alert_tested", alert.id, {{"receiver", receiver}});
  alert = *context.must(read_alert(context.tx(), alert.id));
  return context.commit(http::json(201, alert_json(alert)));
}

http::Response post_acknowledge_alert(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  context.concerns(id, "alert");
  must_be_allowed(context, Action::administer);
  context.no_members();
  auto alert = context.must(lock_alert(context.tx(), id));
  if (!alert) context.refuse({.code = Code::not_found, .title = "There is no alert with this id"});
  if (state_of(*alert) != AlertState::open)
    context.refuse({.code = Code::status_conflict,
                    .title = "This alert is " + std::string(name(state_of(*alert))) + " already",
                    .reason = "NOT_OPEN"});
  alert->acknowledged_by = context.user_id();
  alert->acknowledged_at = context.services.clock.wall();
  context.must(acknowledge_alert(context.tx(), id, context.user_id(), *alert->acknowledged_at));
  write(context, "alert_acknowledged", id, {{"rule", alert->rule}});
  context.commit();
  return http::json(200, alert_json(*alert));
}

}  // namespace signet::api

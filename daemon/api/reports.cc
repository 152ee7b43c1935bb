// Compliance reports: asked for now, or on a schedule.
#include <nlohmann/json.hpp>

#include "config/due_time.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/tasks.h"
#include "daemon/api/views.h"
#include "daemon/evidence/receivers.h"
#include "daemon/evidence/schedules.h"
#include "message/phone.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kHourUs = 3'600'000'000;
constexpr char kFormatRemedy[] = "write json, pdf or csv";

std::optional<std::string> parse_format(std::string_view text) {
  for (const char* format : {"json", "pdf", "csv"})
    if (text == format) return std::string(text);
  return std::nullopt;
}

std::optional<std::string> read_format(Members& members) {
  return members.word<std::string>("format", parse_format, {"json", "pdf", "csv"});
}

void write(Context& context, std::string action, const ReportSchedule& schedule,
           std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event = new_event(context, std::move(action));
  event.object.type = "report_schedule";
  event.detail = std::move(detail);
  context.must(insert_entry(context.tx(), beside(std::move(event), schedule.id)));
}

Json run_json(const ReportRun& run) {
  return Json{{"from", rfc3339(run.period_from)},
              {"to", rfc3339(run.period_to)},
              {"state", run.state},
              {"failure", run.failure.empty() ? Json(nullptr) : Json(run.failure)},
              {"taskId", run.id.text()},
              {"messageId", run.message_id ? Json(run.message_id->text()) : Json(nullptr)}};
}

std::string schedule_json(const ReportSchedule& row, const std::optional<ReportRun>& last) {
  const auto cron = parse_cron(row.cron);
  const auto due = cron && !row.is_paused ? next_due(*cron, row.covered_until) : std::nullopt;
  return Json{{"id", row.id.text()},
              {"name", row.name},
              {"source", row.source},
              {"cron", row.cron},
              {"format", row.format},
              {"deliverTo", row.deliver_to.empty() ? Json(nullptr) : Json(row.deliver_to)},
              {"paused", row.is_paused},
              {"version", row.version},
              {"createdAt", rfc3339(row.created_at)},
              {"coveredUntil", rfc3339(row.covered_until)},
              {"nextDueAt", due ? Json(rfc3339(*due)) : Json(nullptr)},
              {"lastRun", last ? run_json(*last) : Json(nullptr)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

http::Response with_tag(http::Response response, const ReportSchedule& row) {
  response.headers.emplace_back("ETag", '"' + std::to_string(row.version) + '"');
  return response;
}

std::optional<std::string> read_cron(Members& members) {
  auto line = members.text("cron", 128);
  if (!line) return line;
  const auto cron = parse_cron(*line);
  if (!cron || !is_ever(*cron)) {
    members.refuse("cron", "is no cron line that comes due", "write five fields, as 0 6 1 * *; times are UTC");
    return line;
  }
  const auto first = next_due(*cron, {0});
  const auto second = first ? next_due(*cron, *first) : std::nullopt;
  if (!second || second->us - first->us < kHourUs)
    members.refuse("cron", "comes due more often than every hour", "name one minute, as in 0 * * * *");
  return line;
}

// Whom the configuration names, so that no report leaves for an address that only the API knows.
std::optional<std::string> read_deliver_to(Context& context, Members& members) {
  auto given = members.text("deliverTo", 1024);
  if (!given || given->empty()) return given;
  const Receivers* receivers = context.services.receivers;
  const auto address = parse_mail_address(*given);
  const bool is_known = receivers != nullptr && (receivers->report_folders.contains(*given) ||
                                                 (address && receivers->mails().contains(address->address)));
  if (!is_known)
    members.refuse("deliverTo", "is no mail address or folder that the configuration names",
                   "write one of alerts.receivers or reports, or leave it out: the file waits to be fetched");
  if (address) return address->address;
  return given;
}

ReportSchedule find(Context& context) {
  const Uuid id = context.path_id();
  context.concerns(id, "report_schedule");
  auto row = context.must(lock_schedule(context.tx(), id));
  if (!row) context.refuse({.code = Code::not_found, .title = "There is no report schedule with this id"});
  return std::move(*row);
}

void refuse_configured(Context& context, const ReportSchedule& row) {
  if (row.source == "api") return;
  context.refuse({.code = Code::status_conflict,
                  .title = "This schedule stands in the configuration",
                  .detail = "Change it there, under reports, and restart signetd.",
                  .reason = "CONFIGURED"});
}

void note(std::string& members, const char* name, bool is_changed) {
  if (is_changed) members += (members.empty() ? "" : ",") + std::string(name);
}

}  // namespace

http::Response post_compliance_report(Context& context) {
  context.only_query({"wait"});
  must_be_allowed(context, Action::export_evidence);
  const WallTime now = context.services.clock.wall();
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("from", "write when the period begins");
  members.require("format", kFormatRemedy);
  const auto from = members.time("from");
  const WallTime to = members.time("to").value_or(now);
  const auto format = read_format(members);
  if (from && to <= *from)
    members.refuse("to", "is not after from", "write when the period ends, or leave it out: now");
  if (to > now) members.refuse("to", "lies ahead", "write a time that has passed, or leave it out: now");
  members.finish();
  context.refuse_faults(body.faults);
  const Task task = new_task(context, "report", report_parameters(*format, *from, to, {}, ""), true);
  Event event = new_event(context, "report_requested");
  event.object.type = "report";
  event.detail = {{"format", *format}, {"from", rfc3339(*from)}, {"to", rfc3339(to)}};
  context.must(insert_entry(context.tx(), beside(std::move(event), task.id)));
  return accept(context, task);
}

http::Response get_report_schedules(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  std::vector<std::string> items;
  for (const auto& row : context.must(list_schedules(context.tx())))
    items.push_back(schedule_json(row, context.must(last_run(context.tx(), row.id))));
  write(context, "report_schedules_listed", {}, {{"rows", static_cast<int64_t>(items.size())}});
  context.commit();
  return http::json(200, list_json(items, ""));
}

http::Response post_report_schedules(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("name", "write a name, as monthly");
  members.require("cron", "write five fields: minute hour day month weekday");
  members.require("format", kFormatRemedy);
  ReportSchedule row;
  row.name = members.label("name", 64).value_or("");
  row.cron = read_cron(members).value_or("");
  row.format = read_format(members).value_or("");
  row.deliver_to = read_deliver_to(context, members).value_or("");
  members.finish();
  context.refuse_faults(body.faults);
  for (const auto& other : context.must(list_schedules(context.tx())))
    if (other.name == row.name)
      context.refuse({.code = Code::status_conflict,
                      .title = "There is a report schedule with this name already",
                      .detail = "GET /api/report-schedules lists them.",
                      .reason = "NAME_TAKEN"});
  row.id = context.services.ids.next();
  row.source = "api";
  row.created_by = context.user_id();
  row.created_at = row.covered_until = context.services.clock.wall();
  context.must(insert_schedule(context.tx(), row));
  write(context, "report_schedule_created", row, {{"format", row.format}, {"source", row.source}});
  http::Response response = with_tag(http::json(201, schedule_json(row, std::nullopt)), row);
  return context.commit(std::move(response));
}

http::Response patch_report_schedule(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const ReportSchedule before = find(context);
  context.check_version(before.version, true);
  refuse_configured(context, before);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  ReportSchedule row = before;
  if (auto cron = read_cron(members)) row.cron = *cron;
  if (auto format = read_format(members)) row.format = *format;
  if (auto to = read_deliver_to(context, members)) row.deliver_to = *to;
  if (auto paused = members.flag("paused")) row.is_paused = *paused;
  members.finish();
  context.refuse_faults(body.faults);
  context.must(update_schedule(context.tx(), row, true));
  row.version++;
  std::string changed;
  note(changed, "cron", row.cron != before.cron);
  note(changed, "format", row.format != before.format);
  note(changed, "deliverTo", row.deliver_to != before.deliver_to);
  note(changed, "paused", row.is_paused != before.is_paused);
  write(context, "report_schedule_changed", row, {{"members", changed}, {"source", row.source}});
  http::Response response =
      with_tag(http::json(200, schedule_json(row, context.must(last_run(context.tx(), row.id)))), row);
  context.commit();
  return response;
}

http::Response delete_report_schedule(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::administer);
  const ReportSchedule row = find(context);
  refuse_configured(context, row);
  context.must(end_schedule(context.tx(), row.id, context.services.clock.wall()));
  write(context, "report_schedule_ended", row, {{"source", row.source}});
  context.commit();
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace signet::api

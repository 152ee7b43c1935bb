#include "daemon/api/tasks.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/api/events.h"
#include "daemon/api/fields.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "daemon/evidence/tasks.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kWaitMs = 30'000;

Json time_json(const std::optional<WallTime>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }

Json task_json(const Task& task) {
  Json out{{"id", task.id.text()},
           {"kind", task.kind},
           {"state", to_string(task.state)},
           {"askedBy", task.asked_by == Uuid{} ? Json(nullptr) : Json(task.asked_by.text())},
           {"askedAt", rfc3339(task.asked_at)},
           {"startedAt", time_json(task.started_at)},
           {"finishedAt", time_json(task.finished_at)},
           {"done", task.done},
           {"total", task.total},
           {"failure", task.failure.empty() ? Json(nullptr) : Json(task.failure)},
           {"result", Json::parse(task.result)},
           {"file", nullptr}};
  if (!task.file_name.empty() && !task.is_file_gone)
    out["file"] = {{"name", task.file_name},
                   {"mediaType", task.media_type},
                   {"size", task.size},
                   {"sha256", to_hex(view(*task.sha256))},
                   {"url", "/api/tasks/" + task.id.text() + "/file"}};
  return out;
}

void write(Context& context, std::string action, const Task& task,
           std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event = new_event(context, std::move(action));
  event.object.type = "task";
  event.detail = std::move(detail);
  context.must(insert_entry(context.tx(), beside(std::move(event), task.id)));
}

Task the_task(Context& context) {
  const Uuid id = context.path_id();
  context.concerns(id, "task");
  must_be_allowed(context, Action::export_evidence);
  auto task = context.must(read_task(context.tx(), id));
  if (!task) context.refuse({.code = Code::not_found, .title = "There is no task with this id"});
  return std::move(*task);
}

bool is_wait_asked(const Context& context) {
  const auto given = context.request.query("wait");
  if (!given || *given == "false") return false;
  if (given->empty() || *given == "true") return true;
  context.refuse({.code = Code::validation_error, .errors = {"wait is neither true nor false"}});
}

// Writes who fetched it, and commits.
http::Response file_answer(Context& context, const Task& task) {
  if (!context.services.tasks || task.instance != context.services.tasks->instance())
    context.refuse({.code = Code::status_conflict,
                    .title = "The file lies at another instance",
                    .detail = "Fetch it from the signetd that is called " + task.instance + ".",
                    .reason = "OTHER_INSTANCE"});
  auto body = http::file_body(context.services.tasks->path_of(task.id));
  if (!body && body.error().code == ErrorCode::not_found)
    context.refuse({.code = Code::not_found,
                    .title = "The file is gone",
                    .detail = "Ask for the export again.",
                    .reason = "FILE_GONE"});
  http::Response response;
  response.long_body = context.must(std::move(body));
  response.content_type = task.media_type;
  response.headers = {{"Content-Disposition", "attachment; filename=\"" + task.file_name + '"'},
                      {"X-Content-SHA256", to_hex(view(*task.sha256))}};
  write(context, "task_file_read", task,
        {{"fileSha256", to_hex(view(*task.sha256))}, {"kind", task.kind}, {"size", task.size}});
  context.commit();
  return response;
}

}  // namespace

Task new_task(Context& context, const std::string& kind, std::string parameters, bool has_file) {
  const auto& services = context.services;
  if (!services.tasks)
    context.refuse({.code = Code::unavailable, .title = "signetd is starting", .detail = "Try again in a moment."});
  if (has_file && !services.tasks->check_room()) context.refuse({.code = Code::spool_full});
  Task task;
  task.id = services.ids.next();
  task.kind = kind;
  task.asked_by = context.user_id();
  task.asked_role = context.role();
  task.parameters = std::move(parameters);
  task.instance = services.tasks->instance();
  task.asked_at = services.clock.wall();
  context.must(insert_task(context.tx(), task));
  return task;
}

http::Response accept(Context& context, const Task& task) {
  Tasks& tasks = *context.services.tasks;
  const bool is_waiting = is_wait_asked(context);
  http::Response response = http::json(202, task_json(task).dump());
  response.headers.emplace_back("Location", "/api/tasks/" + task.id.text());
  response = context.commit(std::move(response));
  tasks.came(task.id);
  if (!is_waiting || !tasks.wait(task.id, kWaitMs)) return response;
  const auto ended = context.must(read_task(context.tx(), task.id));
  if (!ended || ended->state != TaskState::done || ended->file_name.empty())
    return ended ? http::json(200, task_json(*ended).dump()) : response;
  return file_answer(context, *ended);
}

http::Response get_tasks(Context& context) {
  context.only_query({"cursor", "limit"});
  must_be_allowed(context, Action::export_evidence);
  Fields fields = Fields::of_query(context);
  std::optional<Uuid> before;
  int count_max = 0;
  fields.page(before, count_max);
  fields.finish();
  auto rows = context.must(list_tasks(context.tx(), std::nullopt, before, count_max));
  std::string next;
  if (static_cast<int>(rows.size()) == count_max) {  // the row beyond the page
    rows.pop_back();
    next = rows.back().id.text();
  }
  std::vector<std::string> items;
  for (const auto& task : rows) items.push_back(task_json(task).dump());
  Event event = new_event(context, "tasks_listed");
  event.detail = {{"rows", static_cast<int64_t>(rows.size())}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(200, list_json(items, next));
}

http::Response get_task(Context& context) {
  context.only_query({});
  return http::json(200, task_json(the_task(context)).dump());
}

// What was asked for with the content of messages is for who asked, whatever others may do.
http::Response get_task_file(Context& context) {
  context.only_query({});
  const Task task = the_task(context);
  if (task.asked_by != Uuid{} && task.asked_by != context.user_id())
    context.refuse({.code = Code::forbidden,
                    .title = "Somebody else asked for this file",
                    .detail = "Ask for an export of your own.",
                    .reason = "NOT_YOURS"});
  if (task.state != TaskState::done)
    context.refuse({.code = Code::status_conflict,
                    .title = "The task is " + std::string(to_string(task.state)),
                    .detail = "GET /api/tasks/" + task.id.text() + " says how far it is, or why it ended.",
                    .reason = "NOT_DONE"});
  if (task.file_name.empty() || task.is_file_gone)
    context.refuse({.code = Code::not_found,
                    .title = task.file_name.empty() ? "The task has no file" : "The file is gone",
                    .detail = task.file_name.empty() ? "Its `result` says all." : "Ask for the export again.",
                    .reason = "FILE_GONE"});
  return file_answer(context, task);
}

http::Response delete_task(Context& context) {
  context.only_query({});
  Task task = the_task(context);
  if (task.asked_by != context.user_id() && context.role() != Role::admin)
    context.refuse({.code = Code::forbidden,
                    .title = "Somebody else asked for this task",
                    .detail = "They or an administrator may end it.",
                    .reason = "NOT_YOURS"});
  const WallTime now = context.services.clock.wall();
  const bool is_dropped = context.must(drop_file(context.tx(), task.id, now));
  if (!is_dropped && !context.must(ask_to_cancel(context.tx(), task.id, now)))
    context.refuse({.code = Code::status_conflict,
                    .title = "The task has ended and has no file",
                    .detail = "There is nothing left to end.",
                    .reason = "ENDED"});
  write(context, is_dropped ? "task_file_removed" : "task_cancelled", task, {{"kind", task.kind}});
  auto after = context.must(read_task(context.tx(), task.id));
  context.commit();
  if (context.services.tasks) {
    if (is_dropped && task.instance == context.services.tasks->instance()) context.services.tasks->remove_file(task.id);
    if (after->state == TaskState::cancelled) context.services.tasks->gone(task.id);
  }
  return http::json(200, task_json(*after).dump());
}

}  // namespace signet::api

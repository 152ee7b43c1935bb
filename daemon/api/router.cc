#include "daemon/api/router.h"

#include <algorithm>

#include "daemon/access/sessions.h"
#include "daemon/api/callback_ledger.h"
#include "daemon/api/events.h"
#include "daemon/api/gate.h"
#include "daemon/api/handlers.h"
#include "daemon/api/replay.h"
#include "daemon/api/user_agents.h"
#include "store/messages.h"

namespace signet::api {
namespace {

// More than a pool holds, since after a restart of PostgreSQL each of its connections is dead.
constexpr int kDeadConnectionsMax = 300;
constexpr int kConflictsMax = 3;
// Of every reply, whatever it is: browsers keep it to pages of ours, and tell nobody where they came from.
constexpr std::pair<const char*, const char*> kAlways[] = {{"Referrer-Policy", "no-referrer"},
                                                           {"Cross-Origin-Resource-Policy", "same-origin"},
                                                           {"Cross-Origin-Opener-Policy", "same-origin"}};

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const size_t end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

bool is_match(std::string_view pattern, std::string_view path, std::map<std::string, std::string>& values) {
  const auto wanted = segments(pattern);
  const auto have = segments(path);
  if (wanted.size() != have.size()) return false;
  values.clear();
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (have[i].empty()) return false;
      values[std::string(wanted[i].substr(1, wanted[i].size() - 2))] = have[i];
    } else if (wanted[i] != have[i]) {
      return false;
    }
  }
  return true;
}

bool is_method(std::string_view asked, std::string_view offered) {
  return asked == offered || (asked == "HEAD" && offered == "GET");
}

}  // namespace

Uuid Context::path_id() const {
  auto id = parse_uuid(path("id"));
  if (!id) refuse({.code = Code::not_found, .detail = "The id in the address is no UUID."});
  return *id;
}

void Context::only_query(std::initializer_list<std::string_view> names) const {
  std::vector<std::string> errors;
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  for (const auto& [name, value] : request.query_pairs) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      errors.push_back("A query parameter is unknown: known here: " + (all.empty() ? "none" : all));
    else if (std::count_if(request.query_pairs.begin(), request.query_pairs.end(),
                           [&](const auto& pair) { return pair.first == name; }) > 1)
      errors.push_back(name + " is there twice: write it once");
  }
  if (!errors.empty()) refuse({.code = Code::validation_error, .errors = errors});
}

ReadBody Context::body() const {
  constexpr std::string_view kJson = "application/json";
  if (const auto type = request.header("content-type")) {
    const std::string_view media = type->substr(0, type->find_first_of("; "));
    const bool is_json =
        media.size() == kJson.size() && std::equal(media.begin(), media.end(), kJson.begin(), [](char have, char want) {
          return (have >= 'A' && have <= 'Z' ? have + 32 : have) == want;
        });
    if (!is_json) refuse({.code = Code::unsupported_media_type});
  }
  ReadBody body = read_json(request.body);
  refuse_faults(body.faults);
  return body;
}

void Context::no_members() const {
  if (request.body.empty()) return;
  ReadBody read = body();
  Members(read.root, "", read.faults).finish();
  refuse_faults(read.faults);
}

void Context::refuse_faults(const std::vector<Fault>& faults) const {
  if (faults.empty()) return;
  std::vector<std::string> errors;
  for (const auto& fault : faults) errors.push_back(describe(fault));
  refuse({.code = Code::validation_error, .errors = std::move(errors)});
}

PgTransaction& Context::tx() {
  if (!session_) {
    auto lease = services.pool.take();
    // Not Again: no new connection can be had, which trying at once will not change.
    if (!lease) {
      services.log.warn("the database cannot be asked", {{"reason", lease.error().text}});
      refuse({.code = Code::unavailable,
              .title = lease.error().code == ErrorCode::limit ? "All database connections are busy" : ""});
    }
    session_.emplace(std::move(*lease));
  }
  if (!tx_) tx_.emplace(**session_);
  return *tx_;
}

void Context::commit() {
  auto done = tx().commit();
  tx_.reset();
  if (done) return;
  if (done.error().code == ErrorCode::conflict) throw Again{done.error()};
  services.log.warn("a commit was not confirmed", {{"reason", done.error().text}, {"request_id", request.request_id}});
  refuse({.code = Code::unavailable,
          .title = "The database went away while this was being written",
          .detail = "Whether it took effect is not known: read it again before you repeat it."});
}

http::Response Context::commit(http::Response response) { return commit(response, response); }

http::Response Context::commit(http::Response response, const http::Response& kept) {
  if (keep_) seal_reply(*this, std::move(*keep_), kept);
  keep_.reset();
  commit();
  return response;
}

void Context::refuse(Refused refused) const {
  std::string reason = refused.reason.empty() ? std::string(info(refused.code).text) : refused.reason;
  throw Left{answer(request, refused), std::move(reason)};
}

void Context::check_version(int version, bool is_required) const {
  const auto given = request.header("if-match");
  if (!given) {
    if (is_required) refuse({.code = Code::precondition_required});
    return;
  }
  if (*given == '"' + std::to_string(version) + '"' || *given == "*") return;
  refuse({.code = Code::stale, .members = "{\"version\":" + std::to_string(version) + "}"});
}

bool Context::may_sign() const {
  if (principal_->session) {
    const auto& stepped_up_at = principal_->session->stepped_up_at;
    return stepped_up_at && services.clock.wall().us - stepped_up_at->us < kStepUpUs;
  }
  const auto& scopes = principal_->token.scopes;
  return std::find(scopes.begin(), scopes.end(), "approve") != scopes.end();
}

void Context::fail(const Error& error) const {
  switch (error.code) {
    case ErrorCode::conflict:
    case ErrorCode::unavailable:
      throw Again{error};
    case ErrorCode::timeout:
    case ErrorCode::limit:
      services.log.warn("the database is too slow", {{"reason", error.text}, {"request_id", request.request_id}});
      refuse({.code = Code::unavailable, .title = "The database took too long"});
    default:
      services.log.error("a request failed", {{"reason", error.text}, {"request_id", request.request_id}});
      refuse({.code = Code::internal});
  }
}

Router::Router(const ApiServices& services, std::vector<RouteRow> rows)
    : services_(services),
      rows_(std::move(rows)),
      throttled_(std::make_unique<Throttled>()),
      callback_ledger_(std::make_unique<CallbackLedger>(services.pool, services.keyring)),
      agents_(std::make_unique<UserAgents>()) {}

Router::~Router() = default;

http::Response Router::run(const http::Request& request, const RouteRow& row,
                           const std::map<std::string, std::string>& values, Passage& passage) const {
  for (int dead = 0, conflicts = 0;;) {
    Context context(request, services_);
    context.values_ = values;
    context.throttled_ = throttled_.get();
    context.callback_ledger_ = callback_ledger_.get();
    try {
      identify(context, row, passage);
      try {
        check_right(context);
        if (row.access == Access::caller) agents_->write(context);
        if (row.creates)
          if (auto first = first_reply(context, row.name)) return std::move(*first);
        http::Response response = row.handle(context);
        if (row.access == Access::caller) agents_->remember(request);
        return response;
      } catch (Left& left) {
        return record_refusal(context, row, std::move(left));
      }
    } catch (Left& left) {
      return std::move(left.response);
    } catch (const Again& again) {
      if (again.error.code == ErrorCode::conflict && ++conflicts < kConflictsMax) continue;
      if (again.error.code == ErrorCode::conflict) return answer(request, {.code = Code::changed_meanwhile});
      if (++dead < kDeadConnectionsMax) continue;
      services_.log.warn("the database went away", {{"reason", again.error.text}});
      return answer(request, {.code = Code::unavailable});
    }
  }
}

http::Response Router::record_refusal(Context& context, const RouteRow& row, Left left) const {
  const int status = left.response.status;
  if (status < 400 || status > 499 || context.is_anonymous()) return std::move(left.response);
  context.roll_back();
  agents_->write(context);
  Event event = new_event(context, "refused");
  event.reason_code = left.reason;
  event.detail.emplace_back("attempted", std::string(row.name));
  event.detail.emplace_back("status", int64_t{status});
  event.object.type = context.object_type_;
  context.must(insert_entry(context.tx(), beside(std::move(event), context.object_id_)));
  context.commit();
  agents_->remember(context.request);
  return std::move(left.response);
}

http::Response Router::handle(const http::Request& request) const {
  http::Response response = route(request);
  for (const auto& [name, value] : kAlways) response.headers.emplace_back(name, value);
  return response;
}

void Router::record_throttled() const {
  auto events = throttled_->overdue(services_.clock.tick());
  if (events.empty()) return;
  http::Request nobody;
  Context context(nobody, services_);
  try {
    for (auto& event : events) {
      event.id = services_.ids.next();
      context.must(insert_entry(context.tx(), beside(std::move(event), {})));
    }
    context.commit();
  } catch (const Left&) {  // the log says why
  } catch (const Again& again) {
    services_.log.warn("refusals over a limit are not in the log", {{"reason", again.error.text}});
  }
}

http::Response Router::route(const http::Request& request) const {
  std::string allow;
  for (const auto& row : rows_) {
    std::map<std::string, std::string> values;
    if (!is_match(row.pattern, request.path, values)) continue;
    if (is_method(request.method, row.method)) {
      Passage passage;
      http::Response response = run(request, row, values, passage);
      passage.rate.tell(response);
      return response;
    }
    allow += (allow.empty() ? "" : ", ") + std::string(row.method) + (row.method == "GET" ? ", HEAD" : "");
  }
  if (allow.empty())
    return answer(request, {.code = Code::not_found,
                            .title = "There is nothing at this address",
                            .detail = "docs/api.md lists the addresses; mind that providers call the other listener."});
  http::Response response = answer(request, {.code = Code::method_not_allowed});
  if (request.method == "OPTIONS") {
    response = {};
    response.status = 204;
  }
  response.headers.emplace_back("Allow", allow);
  return response;
}

std::vector<RouteRow> admin_routes() {
  using enum Access;
  using enum RateClass;
  return {
      {"GET", "/healthz", "health", open, none, {}, get_health},
      {"GET", "/readyz", "readiness", open, none, {}, get_readiness},
      {"GET", "/openapi.json", "openapi", open, none, {}, get_openapi},
      {"GET", "/metrics", "metrics", caller, read, {}, get_metrics},
      {"GET", "/api/me", "me", caller, read, {}, get_me},
      {"GET", "/api/policy", "policy", caller, read, {}, get_policy},
      // Access: who calls, and with what.
      {"POST", "/api/session", "log_in", open, log_in, {"login"}, post_session},
      {"GET", "/api/session", "session", caller, read, {}, get_session},
      {"DELETE", "/api/session", "log_out", caller, write, {"logout"}, delete_session},
      {"POST", "/api/session/step-up", "step_up", caller, log_in, {"step_up"}, post_step_up},
      {"GET", "/api/sessions", "list_sessions", caller, read, {"sessions_listed"}, get_sessions},
      {"DELETE", "/api/sessions/{id}", "end_session", caller, write, {"session_revoked"}, delete_one_session},
      {"POST", "/api/me/password", "change_password", caller, log_in, {"password_changed"}, post_password},
      {"GET", "/api/users", "list_users", caller, read, {"users_listed"}, get_users},
      {"POST", "/api/users", "create_user", caller, write, {"user_created"}, post_users, true},
      {"GET", "/api/users/{id}", "read_user", caller, read, {"users_listed"}, get_user},
      {"PATCH",
       "/api/users/{id}",
       "change_user",
       caller,
       write,
       {"user_changed", "role_changed", "password_changed"},
       patch_user},
      {"POST", "/api/users/{id}/unlock", "unlock_user", caller, write, {"unlocked"}, post_unlock},
      {"GET", "/api/tokens", "list_tokens", caller, read, {"tokens_listed"}, get_tokens},
      {"POST", "/api/tokens", "create_token", caller, write, {"token_created"}, post_tokens, true},
      {"DELETE", "/api/tokens/{id}", "revoke_token", caller, write, {"token_revoked"}, delete_token},
      {"GET", "/api/keys", "list_keys", caller, read, {"keys_listed"}, get_keys},
      {"POST", "/api/keys", "enrol_key", caller, write, {"key_enrolled", "key_rotated"}, post_keys, true},
      {"POST", "/api/keys/{id}/revoke", "revoke_key", caller, write, {"key_revoked"}, post_revoke_key},
      {"GET", "/api/break-glass", "list_break_glass", caller, read, {"break_glass_listed"}, get_break_glass},
      {"POST", "/api/break-glass", "break_glass", caller, write, {"break_glass_opened"}, post_break_glass, true},
      {"POST",
       "/api/break-glass/{id}/review",
       "review_break_glass",
       caller,
       write,
       {"break_glass_reviewed"},
       post_review_break_glass},
      {"POST",
       "/api/messages",
       "draft",
       caller,
       write,
       {"draft_generated", "metadata_read", "signed", "reviewed", "queued"},
       post_messages,
       true},
      {"POST",
       "/api/audit-export/verify-integrity",
       "verify_integrity",
       caller,
       export_evidence,
       {"integrity_check_asked"},
       post_verify_integrity,
       true},
      {"GET", "/api/integrity", "read_integrity", caller, read, {"integrity_read"}, get_integrity},
      {"POST",
       "/api/integrity/faults/{id}/acknowledge",
       "acknowledge_fault",
       caller,
       write,
       {"integrity_fault_acknowledged"},
       post_acknowledge_fault},
      {"GET", "/api/tasks", "list_tasks", caller, read, {"tasks_listed"}, get_tasks},
      {"GET", "/api/tasks/{id}", "read_task", caller, read, {}, get_task},
      {"GET", "/api/tasks/{id}/file", "fetch_file", caller, export_evidence, {"task_file_read"}, get_task_file},
      {"DELETE", "/api/tasks/{id}", "end_task", caller, write, {"task_cancelled", "task_file_removed"}, delete_task},
      {"GET", "/api/messages", "list_messages", caller, read, {"messages_listed"}, get_messages},
      {"POST", "/api/messages/search", "search_messages", caller, read, {"messages_searched"}, post_search},
      {"GET", "/api/messages/{id}", "read", caller, read, {"content_read", "metadata_read"}, get_message},
      {"PATCH", "/api/messages/{id}", "edit", caller, write, {"draft_edited"}, patch_message},
      {"GET", "/api/messages/{id}/timeline", "read_timeline", caller, read, {"timeline_read"}, get_timeline},
      {"GET", "/api/messages/{id}/diff", "read_diff", caller, read, {"diff_read"}, get_diff},
      {"GET", "/api/messages/{id}/provenance", "read_provenance", caller, read, {"provenance_read"}, get_provenance},
      {"GET", "/api/messages/{id}/evidence", "read_evidence", caller, export_evidence, {"evidence_read"}, get_evidence},
      {"POST", "/api/messages/{id}/claim", "claim", caller, write, {"claimed"}, post_claim},
      {"POST", "/api/messages/{id}/release", "release", caller, write, {"released"}, post_release},
      {"POST",
       "/api/messages/{id}/approval-statement",
       "approval_statement",
       caller,
       approve,
       {"statement_issued"},
       post_approval_statement,
       true},
      {"POST", "/api/messages/{id}/cancel", "cancel", caller, write, {"cancelled", "cancel_requested"}, post_cancel},
      {"POST",
       "/api/messages/cancel",
       "cancel_many",
       caller,
       write,
       {"cancelled", "cancel_requested", "bulk_cancelled"},
       post_cancel_many},
      {"POST", "/api/messages/{id}/requeue", "requeue", caller, write, {"requeue"}, post_requeue},
      {"POST", "/api/messages/{id}/resolve", "resolve", caller, write, {"resolve"}, post_resolve},
      {"GET", "/api/queues", "read_queues", caller, read, {}, get_queues},
      {"POST", "/api/queues/{priority}/pause", "pause_queue", caller, write, {"paused"}, post_pause_queue},
      {"POST", "/api/queues/{priority}/resume", "resume_queue", caller, write, {"resumed"}, post_resume_queue},
      {"GET", "/api/providers", "read_providers", caller, read, {}, get_providers},
      {"POST", "/api/providers/{name}/pause", "pause_provider", caller, write, {"paused"}, post_pause_provider},
      {"POST", "/api/providers/{name}/resume", "resume_provider", caller, write, {"resumed"}, post_resume_provider},
      {"GET", "/api/dead-letters", "list_dead_letters", caller, read, {"messages_listed"}, get_dead_letters},
      {"POST",
       "/api/dead-letters/requeue",
       "requeue_dead_letters",
       caller,
       write,
       {"requeue_requested"},
       post_requeue_dead_letters,
       true},
      {"POST",
       "/api/message-workflow/submit-for-review",
       "submit_for_review",
       caller,
       write,
       {"submitted_for_review"},
       post_submit_for_review},
      {"POST",
       "/api/message-workflow/review",
       "review",
       caller,
       approve,
       {"reviewed", "signed", "queued"},
       post_review},
      {"POST",
       "/api/message-workflow/send-directly",
       "send_directly",
       caller,
       approve,
       {"reviewed", "queued"},
       post_send_directly},
      {"GET",
       "/api/message-workflow/pending-review",
       "list_pending_review",
       caller,
       read,
       {"messages_listed"},
       get_pending_review},
      {"GET", "/api/letters/{id}", "read_letter", caller, read, {"content_read", "metadata_read"}, get_letter},
      {"POST",
       "/api/letters/{id}/approve",
       "approve_letter",
       caller,
       approve,
       {"reviewed", "signed", "queued"},
       post_letter_approve},
      {"GET",
       "/api/letters/{id}/provenance",
       "read_provenance",
       caller,
       read,
       {"provenance_read"},
       get_letter_provenance},
      {"GET", "/api/retention", "read_retention", caller, read, {}, get_retention},
      {"POST", "/api/retention/purge", "purge", caller, export_evidence, {"purge_requested"}, post_purge, true},
      {"POST", "/api/messages/{id}/legal-hold", "set_legal_hold", caller, write, {"legal_hold_set"}, post_legal_hold},
      {"DELETE",
       "/api/messages/{id}/legal-hold",
       "end_legal_hold",
       caller,
       write,
       {"legal_hold_ended"},
       delete_legal_hold},
      {"POST",
       "/api/disclosures",
       "search_disclosures",
       caller,
       export_evidence,
       {"disclosures_searched"},
       post_disclosures},
      {"GET", "/api/audit-logs", "read_audit", caller, read, {"audit_read"}, get_audit_logs},
      {"POST", "/api/audit-logs", "note", caller, write, {"external_note"}, post_audit_logs, true},
      {"POST", "/api/audit-logs/search", "search_audit", caller, read, {"audit_searched"}, post_audit_search},
      {"POST",
       "/api/audit-export/compliance-report",
       "report",
       caller,
       export_evidence,
       {"report_requested", "task_file_read"},
       post_compliance_report,
       true},
      {"GET",
       "/api/report-schedules",
       "list_report_schedules",
       caller,
       read,
       {"report_schedules_listed"},
       get_report_schedules},
      {"POST",
       "/api/report-schedules",
       "create_report_schedule",
       caller,
       write,
       {"report_schedule_created"},
       post_report_schedules,
       true},
      {"PATCH",
       "/api/report-schedules/{id}",
       "change_report_schedule",
       caller,
       write,
       {"report_schedule_changed"},
       patch_report_schedule},
      {"DELETE",
       "/api/report-schedules/{id}",
       "end_report_schedule",
       caller,
       write,
       {"report_schedule_ended"},
       delete_report_schedule},
      {"GET",
       "/api/status-webhooks",
       "list_status_webhooks",
       caller,
       read,
       {"status_webhooks_listed"},
       get_status_webhooks},
      {"POST",
       "/api/status-webhooks/{id}/retry",
       "retry_status_notice",
       caller,
       write,
       {"status_notice_retried"},
       post_retry_status_notice},
      {"GET", "/api/alerts", "list_alerts", caller, read, {"alerts_listed"}, get_alerts},
      {"POST", "/api/alerts", "test_alert", caller, write, {"alert_tested"}, post_alerts, true},
      {"POST",
       "/api/alerts/{id}/acknowledge",
       "acknowledge_alert",
       caller,
       write,
       {"alert_acknowledged"},
       post_acknowledge_alert},
      {"POST",
       "/api/audit-export/export",
       "export",
       caller,
       export_evidence,
       {"export_requested", "task_file_read"},
       post_export,
       true},
  };
}

std::vector<RouteRow> webhook_routes() {
  using enum Access;
  using enum RateClass;
  return {
      {"GET", "/healthz", "health", open, none, {}, get_health},
      {"POST", "/webhooks/{provider}", "callback", open, none, {}, post_webhook},
  };
}

}  // namespace signet::api

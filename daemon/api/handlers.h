// The API's handlers, one a row of the route table. Any thread.
#pragma once

#include "daemon/api/router.h"

namespace signet::api {

// drafts.cc
http::Response post_messages(Context& context);
http::Response patch_message(Context& context);
// messages.cc
http::Response get_messages(Context& context);
http::Response post_search(Context& context);
http::Response get_message(Context& context);
http::Response get_timeline(Context& context);
http::Response get_diff(Context& context);
// workflow.cc
http::Response post_submit_for_review(Context& context);
http::Response post_review(Context& context);
http::Response post_send_directly(Context& context);
http::Response get_pending_review(Context& context);
// claims.cc
http::Response post_claim(Context& context);
http::Response post_release(Context& context);
// statement.cc
http::Response post_approval_statement(Context& context);
// letters.cc
http::Response get_letter(Context& context);
http::Response post_letter_approve(Context& context);
// provenance.cc
http::Response get_provenance(Context& context);
http::Response get_letter_provenance(Context& context);
// cancel.cc
http::Response post_cancel(Context& context);
http::Response post_cancel_many(Context& context);
// audit_logs.cc
http::Response get_audit_logs(Context& context);
http::Response post_audit_logs(Context& context);
http::Response post_audit_search(Context& context);
// webhooks.cc
http::Response take_webhook(Context& context);
// delivery_status.cc
http::Response post_delivery_status(Context& context);
// suppressions.cc
http::Response get_suppressions(Context& context);
http::Response post_suppressions(Context& context);
http::Response post_suppression_search(Context& context);
http::Response delete_suppression(Context& context);
// session.cc
http::Response post_session(Context& context);
http::Response get_session(Context& context);
http::Response delete_session(Context& context);
http::Response post_step_up(Context& context);
http::Response get_sessions(Context& context);
http::Response delete_one_session(Context& context);
http::Response post_password(Context& context);
// users.cc
http::Response get_users(Context& context);
http::Response post_users(Context& context);
http::Response get_user(Context& context);
http::Response patch_user(Context& context);
http::Response post_unlock(Context& context);
// tokens.cc
http::Response get_tokens(Context& context);
http::Response post_tokens(Context& context);
http::Response delete_token(Context& context);
// keys.cc
http::Response get_keys(Context& context);
http::Response post_keys(Context& context);
http::Response post_revoke_key(Context& context);
// break_glass.cc
http::Response get_break_glass(Context& context);
http::Response post_break_glass(Context& context);
http::Response post_review_break_glass(Context& context);
// tasks.cc
http::Response get_tasks(Context& context);
http::Response get_task(Context& context);
http::Response get_task_file(Context& context);
http::Response delete_task(Context& context);
// exports.cc
http::Response post_export(Context& context);
// reports.cc
http::Response post_compliance_report(Context& context);
http::Response get_report_schedules(Context& context);
http::Response post_report_schedules(Context& context);
http::Response patch_report_schedule(Context& context);
http::Response delete_report_schedule(Context& context);
// alerts.cc
http::Response get_alerts(Context& context);
http::Response post_alerts(Context& context);
http::Response post_acknowledge_alert(Context& context);
// integrity.cc
http::Response post_verify_integrity(Context& context);
http::Response get_integrity(Context& context);
http::Response post_acknowledge_fault(Context& context);
// evidence.cc
http::Response get_evidence(Context& context);
// retention.cc
http::Response get_retention(Context& context);
http::Response post_legal_hold(Context& context);
http::Response delete_legal_hold(Context& context);
http::Response post_purge(Context& context);
http::Response post_disclosures(Context& context);
// queues.cc
http::Response get_queues(Context& context);
http::Response post_pause_queue(Context& context);
http::Response post_resume_queue(Context& context);
// providers.cc
http::Response get_providers(Context& context);
http::Response post_pause_provider(Context& context);
http::Response post_resume_provider(Context& context);
// dead_letters.cc
http::Response get_dead_letters(Context& context);
http::Response post_requeue_dead_letters(Context& context);
http::Response post_requeue(Context& context);
// resolve.cc
http::Response post_resolve(Context& context);
// status_webhooks.cc
http::Response get_status_webhooks(Context& context);
http::Response post_retry_status_notice(Context& context);
// system.cc
http::Response get_health(Context& context);
http::Response get_readiness(Context& context);
http::Response get_openapi(Context& context);
http::Response get_metrics(Context& context);
http::Response get_me(Context& context);
http::Response get_policy(Context& context);

}  // namespace signet::api

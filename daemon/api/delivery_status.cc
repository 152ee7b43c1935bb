// POST /api/message-workflow/delivery-status: a gateway of generic_http, or who watches over it, says what became of a
// message. It is a Standard Webhook, signed by that provider's secret, and ends in the ledger like any callback.
#include <nlohmann/json.hpp>

#include "daemon/access/tokens.h"
#include "daemon/api/callback_ledger.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "providers/standard_webhook.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

std::optional<ReceiptKind> parse_receipt_kind(std::string_view text) {
  for (const auto kind : {ReceiptKind::sent, ReceiptKind::delivered, ReceiptKind::failed, ReceiptKind::bounced,
                          ReceiptKind::complained, ReceiptKind::opted_out})
    if (text == name(kind)) return kind;
  return std::nullopt;
}

struct Report {
  Uuid message_id;
  ReceiptKind kind = ReceiptKind::sent;
  std::string provider_message_id, failure_reason;
};

Report read_report(Context& context) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  Report out;
  members.require("messageId", "write the id that the message has here");
  members.require("status", "write sent, delivered, failed, bounced, complained or opted_out");
  members.require("providerMessageId", "write the id that the gateway gave it");
  members.require("occurredAt", "write when it happened, in RFC 3339");
  out.message_id = members.id("messageId").value_or(Uuid{});
  out.kind = members
                 .word<ReceiptKind>("status", parse_receipt_kind,
                                    {"sent", "delivered", "failed", "bounced", "complained", "opted_out"})
                 .value_or(ReceiptKind::sent);
  out.provider_message_id = members.label("providerMessageId", 128, ":@<>").value_or("");
  const auto occurred_at = members.time("occurredAt");
  if (occurred_at && *occurred_at > WallTime{context.services.clock.wall().us + 300 * 1'000'000LL})
    members.refuse("occurredAt", "lies ahead", "write a time that has passed");
  out.failure_reason = members.label("failureReason", 64).value_or("");
  members.finish();
  context.refuse_faults(body.faults);
  return out;
}

void must_have_scope(const Context& context) {
  const auto& scopes = context.principal().token.scopes;
  if (std::find(scopes.begin(), scopes.end(), kDeliveryScope) != scopes.end()) return;
  context.refuse({.code = Code::forbidden,
                  .title = "This token may not report deliveries",
                  .detail = "Use a token of scope delivery:write.",
                  .reason = "SCOPE"});
}

// That attempt of the message which the gateway knows by this id: by its reply, else the newest that was sent.
AttemptRow attempt_of(Context& context, const Report& report) {
  const auto attempts = context.must(list_attempts(context.tx(), report.message_id));
  const AttemptRow* newest = nullptr;
  for (const auto& attempt : attempts) {
    if (attempt.is_void) continue;
    if (attempt.provider_reference == report.provider_message_id) return attempt;
    newest = &attempt;
  }
  if (newest == nullptr)
    context.refuse({.code = Code::status_conflict, .title = "The message was not sent yet", .reason = "NOT_SENT"});
  if (!newest->provider_reference.empty())
    context.refuse({.code = Code::status_conflict,
                    .title = "The provider gave the message another id",
                    .detail = "providerMessageId is what its reply to the send named.",
                    .reason = "OTHER_ID"});
  return *newest;
}

CallbackRequest as_it_came(const Context& context) {
  CallbackRequest out;
  out.method = context.request.method;
  out.headers = context.request.headers;
  out.body = context.request.body;
  out.received_at = context.services.clock.wall();
  out.peer_address = context.request.peer_address;
  return out;
}

}  // namespace

http::Response post_delivery_status(Context& context) {
  context.only_query({});
  must_have_scope(context);
  const Report report = read_report(context);
  context.concerns(report.message_id);
  if (!context.must(read_message(context.tx(), report.message_id)))
    context.refuse({.code = Code::not_found, .title = "There is no message with this id"});
  const AttemptRow attempt = attempt_of(context, report);
  const auto provider = context.services.providers.find(attempt.provider);
  const CallbackRequest callback = as_it_came(context);
  const Verdict verdict = provider == context.services.providers.end()
                              ? Verdict{false, "the message's provider is not in the configuration any more"}
                              : provider->second->verify_status(callback);
  if (!verdict.is_genuine)
    context.refuse({.code = Code::bad_signature,
                    .title = "The report is not signed as the message's provider would",
                    .detail = verdict.reason});
  Receipt receipt;
  receipt.message_id = report.message_id;
  receipt.attempt_no = attempt.attempt_no;
  receipt.provider_reference = report.provider_message_id;
  receipt.kind = report.kind;
  receipt.provider_code = report.failure_reason;
  receipt.event_id = webhook_id(callback);
  Event event = new_event(context, "delivery_reported");
  event.object.type = "message";
  event.detail = {{"attempt", static_cast<int64_t>(attempt.attempt_no)}, {"status", std::string(name(report.kind))}};
  context.must(insert_entry(context.tx(), beside(std::move(event), report.message_id)));
  context.commit();
  context.let_go();
  std::vector<ToldCallback> told{
      told_by(context.services.ids, attempt.provider, receipt, callback.body, callback.received_at)};
  const int added = context.must(context.callback_ledger().keep(std::move(told)));
  if (added > 0 && context.services.callbacks_came) context.services.callbacks_came();
  return http::json(202, Json{{"messageId", report.message_id.text()}, {"status", name(report.kind)}}.dump());
}

}  // namespace signet::api

// One in doubt is resolved by a person: sent once more, given up, or said to be delivered. Proven is only what a
// provider's callback in the ledger says; the person's words are sealed beside the event.
#include <nlohmann/json.hpp>

#include "daemon/api/decision.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/note.h"
#include "daemon/api/resending.h"
#include "daemon/evidence/callback_hash.h"
#include "message/lifecycle.h"
#include "message/policy.h"
#include "store/callbacks.h"

namespace signet::api {
namespace {

constexpr size_t kReasonOctetsMax = 2000;
constexpr size_t kReferenceOctetsMax = 128;

enum class Resolution { resend, fail, delivered };
std::string_view name(Resolution resolution) {
  return resolution == Resolution::resend ? "resend" : resolution == Resolution::fail ? "fail" : "delivered";
}
std::optional<Resolution> parse_resolution(std::string_view text) {
  for (const auto one : {Resolution::resend, Resolution::fail, Resolution::delivered})
    if (text == name(one)) return one;
  return std::nullopt;
}

struct Wanted {
  Resolution resolution = Resolution::fail;
  std::string reason;
  std::optional<Uuid> callback_id;
  std::string provider_reference;
  bool has_evidence() const { return callback_id || !provider_reference.empty(); }
};

Wanted read_wanted(Context& context) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  Wanted out;
  members.require("decision", "write resend, fail or delivered");
  members.require("reason", "write why you decide so");
  out.resolution = members.word<Resolution>("decision", parse_resolution, {"resend", "fail", "delivered"})
                       .value_or(Resolution::fail);
  out.reason = members.text("reason", kReasonOctetsMax, true).value_or("");
  if (members.has("reason") && out.reason.find_first_not_of(" \t\r\n") == std::string::npos)
    members.refuse("reason", "is empty", "write why you decide so");
  if (const JsonValue* evidence = members.object("evidence")) {
    Members parts(*evidence, members.place("evidence"), body.faults);
    out.callback_id = parts.id("callbackId");
    out.provider_reference = parts.label("providerReference", kReferenceOctetsMax, ":@<>").value_or("");
    if (out.callback_id && !out.provider_reference.empty())
      parts.refuse("providerReference", "stands beside callbackId", "name one of them");
    parts.finish();
  }
  if (out.resolution == Resolution::delivered && !out.has_evidence())
    members.refuse("evidence", "is missing",
                   "name the provider's callback, or its reference: without either nobody "
                   "knows that it arrived");
  if (out.resolution == Resolution::resend && out.has_evidence())
    members.refuse("evidence", "stands beside resend", "leave it out: what has arrived is not sent again");
  members.finish();
  context.refuse_faults(body.faults);
  return out;
}

void check_right(Context& context, const MessageRow& row) {
  const Grant right = grant(context.role(), Action::resolve);
  if (right == Grant::letters || (right == Grant::yes && row.kind != Kind::letter)) return;
  context.refuse({.code = Code::forbidden,
                  .title = "You may not resolve this letter",
                  .detail = "A doctor has to.",
                  .reason = "LETTERS"});
}

// Of this message's provider, saying what is decided, and nobody's evidence yet: it is ours from here on.
CallbackRow take_evidence(Context& context, const Wanted& wanted, const MessageRow& row) {
  auto callback = context.must(read_callback(context.tx(), *wanted.callback_id));
  // Before it is looked whether it was used: whoever applies it at this moment deletes the same row.
  context.must(finish_callback(context.tx(), *wanted.callback_id));
  const bool is_failure = callback && (callback->kind == ReceiptKind::failed || callback->kind == ReceiptKind::bounced);
  const bool is_said =
      callback && !callback->is_partial &&
      (wanted.resolution == Resolution::delivered ? callback->kind == ReceiptKind::delivered : is_failure);
  const bool is_of_it =
      callback && (callback->message_id ? *callback->message_id == row.id : callback->provider == row.provider);
  if (!is_said || !is_of_it || context.must(is_confirmation(context.tx(), *wanted.callback_id)))
    context.refuse({.code = Code::validation_error,
                    .reason = "NO_EVIDENCE",
                    .errors = {"evidence.callbackId is no evidence of this: name a callback of the message's provider "
                               "that says so and is not used yet"}});
  return std::move(*callback);
}

// A provider that can be asked, or acts once on a key, settles the doubt without a person: sent again by a person's
// word it could arrive twice. What it does not settle in time can be failed and requeued, on record.
void check_class(Context& context, const MessageRow& row) {
  const auto& services = context.services;
  const auto found = services.doubt_rules.find(row.provider);
  if (found == services.doubt_rules.end()) return;
  const DoubtRules& rules = found->second;
  const bool is_key_known = rules.provider_class == DoubtClass::idempotent && row.last_attempt_at &&
                            services.clock.wall().us < row.last_attempt_at->us + rules.key_life_ms * 1000;
  if (rules.provider_class != DoubtClass::queryable && !is_key_known) return;
  context.refuse(
      {.code = Code::status_conflict,
       .title = "The provider settles this doubt by itself",
       .detail = rules.provider_class == DoubtClass::queryable
                     ? "It is asked what became of the message. If it does not say: decide `fail` and requeue."
                     : "It gets the same key again. If that does not end it: decide `fail` and requeue.",
       .reason = "BEING_SETTLED"});
}

// `fail` and `delivered`.
MessageChange settle(const MessageView& view, const Wanted& wanted, const std::optional<CallbackRow>& evidence,
                     Event event, IdSource& ids) {
  const MessageRow& row = view.message;
  const bool is_delivered = wanted.resolution == Resolution::delivered;
  const int attempt_no = view.newest_attempt_no();
  MessageChange out;
  out.decision = {ids.next(), attempt_no, std::string(name(wanted.resolution)), event.actor.id, "operator", event.at};
  StatusChange& change = out.status.emplace();
  change.id = row.id;
  change.status = *after(row.status, is_delivered ? Step::confirm_delivered : Step::fail);
  change.before = row.head;
  change.is_proven = evidence.has_value();
  event.detail.emplace_back("attempt", int64_t{attempt_no});
  event.detail.emplace_back("evidence", wanted.has_evidence());
  event.detail.emplace_back("proven", evidence.has_value());
  if (!wanted.provider_reference.empty()) event.detail.emplace_back("providerReference", wanted.provider_reference);
  if (evidence) {
    event.callback_sha256 = callback_hash(*evidence);
    event.detail.emplace_back("callbackId", evidence->id.text());
    event.detail.emplace_back("provider", evidence->provider);
    out.confirmation = {
        ids.next(), row.id,  attempt_no, evidence->kind, evidence->id, evidence->provider, evidence->provider_code,
        true,       event.at};
  }
  if (is_delivered)
    change.confirmed_at = change.sent_at = evidence ? evidence->received_at : event.at;
  else
    change.failure_reason = !evidence ? "in_doubt" : evidence->kind == ReceiptKind::bounced ? "bounced" : "undelivered";
  Head head = row.head;
  change.entry = chain(std::move(event), row.id, change.status, head);
  return out;
}

}  // namespace

http::Response post_resolve(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  context.concerns(id);
  if (grant(context.role(), Action::resolve) == Grant::no)
    context.refuse({.code = Code::forbidden,
                    .title = "Your role may not resolve what is in doubt",
                    .detail = "A reviewer or a doctor has to.",
                    .reason = "ROLE"});
  const Wanted wanted = read_wanted(context);
  const MessageRow row = locked_message(context, id);
  check_right(context, row);
  if (row.status != Status::in_doubt)
    context.refuse({.code = Code::status_conflict,
                    .title = "The message is " + std::string(name(row.status)) + ": there is no doubt to resolve",
                    .reason = "NOT_IN_DOUBT"});
  Event event = new_event(context, "resolve");
  event.reason_code = "operator";
  event.detail = {{"decision", std::string(name(wanted.resolution))}};
  add_note(context, event, id, wanted.reason);
  Status status = Status::queued;
  std::vector<Hint> hints;
  if (wanted.resolution == Resolution::resend) {
    if (row.is_cancel_requested)
      context.refuse({.code = Code::status_conflict,
                      .title = "A cancel was asked for while it was being sent",
                      .detail = "It is not sent again: decide `fail`, or `delivered` if the provider says so.",
                      .reason = "CANCEL_REQUESTED"});
    check_class(context, row);
    hints.push_back(hint_of(send_again(context, row, ResendKind::resend, std::move(event))));
  } else {
    std::optional<CallbackRow> evidence;
    if (wanted.callback_id) evidence = take_evidence(context, wanted, row);
    const auto changed = context.must(change_messages(context.tx(), {id}, [&](const MessageView& view) {
      auto change = settle(view, wanted, evidence, event, context.services.ids);
      status = change.status->status;
      return std::optional(std::move(change));
    }));
    if (changed.front() != Changed::done) context.refuse({.code = Code::changed_meanwhile});
  }
  context.commit();
  offer(context, std::move(hints));
  return http::json(200, nlohmann::ordered_json{{"id", id.text()},
                                                {"status", name(status)},
                                                {"decision", name(wanted.resolution)},
                                                {"proven", status == Status::queued || wanted.callback_id.has_value()}}
                             .dump());
}

}  // namespace signet::api

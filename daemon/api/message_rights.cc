#include "daemon/api/message_rights.h"

#include "daemon/api/views.h"
#include "message/approval.h"
#include "message/policy.h"

namespace signet::api {
namespace {

[[noreturn]] void refuse_unknown(Context& context, Kind kind) {
  // The origin's word and code for a letter.
  if (kind == Kind::letter) context.refuse({.code = Code::letter_not_found});
  context.refuse({.code = Code::not_found,
                  .title = "There is no message with this id",
                  .detail = "The id is what POST /api/messages gave."});
}

Uuid letter_id(Context& context) {
  const auto id = parse_uuid(context.path("id"));
  if (!id) refuse_unknown(context, Kind::letter);
  return *id;
}

void check_sight(Context& context, const MessageRow& row) {
  if (sight_of(context, row) != Sight::nothing) return;
  context.refuse({.code = Code::forbidden,
                  .title = "This message is not yours to read",
                  .detail = "Your role reads messages within its scope only: see GET /api/policy.",
                  .reason = "OUT_OF_SCOPE"});
}

}  // namespace

bool is_own(const Context& context, const MessageRow& message) {
  return message.author_id == context.user_id() ||
         (message.kind == Kind::letter && message.physician_id == context.user_id());
}

std::vector<Uuid> delegates_of(const Context& context, const MessageRow& message) {
  if (!message.physician_id) return {};
  const auto& delegates = context.services.approval.delegates;
  const auto named = delegates.find(*message.physician_id);
  return named == delegates.end() ? std::vector<Uuid>() : named->second;
}

bool answers_for(const Context& context, const MessageRow& message) {
  return message.kind == Kind::letter &&
         is_named(context.user_id(), context.role(), message.physician_id.value_or(Uuid{}),
                  delegates_of(context, message));
}

MessageRow locked_message(Context& context, const Uuid& id) {
  context.concerns(id);
  auto row = context.must(lock_message(context.tx(), id));
  if (!row) refuse_unknown(context, Kind::sms);
  return std::move(*row);
}

MessageRow locked_letter(Context& context) {
  const Uuid id = letter_id(context);
  context.concerns(id);
  auto row = context.must(lock_message(context.tx(), id));
  if (!row || row->kind != Kind::letter) refuse_unknown(context, Kind::letter);
  return std::move(*row);
}

MessageRow visible_message(Context& context, const Uuid& id) {
  context.concerns(id);
  auto row = context.must(read_message(context.tx(), id));
  if (!row) refuse_unknown(context, Kind::sms);
  check_sight(context, *row);
  return std::move(*row);
}

MessageRow visible_letter(Context& context) {
  const Uuid id = letter_id(context);
  context.concerns(id);
  auto row = context.must(read_message(context.tx(), id));
  if (!row || row->kind != Kind::letter) refuse_unknown(context, Kind::letter);
  check_sight(context, *row);
  return std::move(*row);
}

void check_claim(Context& context, const MessageRow& message) {
  if (!message.claimed_by || *message.claimed_by == context.user_id()) return;
  if (!message.claimed_until || *message.claimed_until <= context.services.clock.wall()) return;
  context.refuse({.code = Code::claimed,
                  .members = "{\"claimedBy\":\"" + message.claimed_by->text() + "\",\"claimedUntil\":\"" +
                             rfc3339(*message.claimed_until) + "\"}"});
}

}  // namespace signet::api

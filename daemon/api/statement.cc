#include "daemon/api/statement.h"

#include "audit/dsse.h"
#include "base/bytes.h"
#include "daemon/api/decision.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"

namespace signet::api {
namespace {

constexpr int64_t kLifeUs = 300'000'000;

// The nonce is the row's name; its first 16 octets serve as the row in the binding.
std::string binding_of(const StatementRow& row) {
  return seal_binding("approval_statement", Uuid::from_view(std::string_view(row.nonce).substr(0, 16)), 0, "sealed");
}

}  // namespace

std::string open_statement(Context& context, const StatementRow& row) {
  const Content content = content_of(context, row.message_id);
  auto opened = unseal(content.data_key.octets(), binding_of(row), row.sealed);
  return opened ? std::move(*opened) : std::string();
}

http::Response post_approval_statement(Context& context) {
  context.only_query({});
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  Review review;
  review.is_direct = members.flag("direct").value_or(false);
  read_review(members, review);
  if (!review.signature.empty()) members.refuse("signature", "comes after the statement", "leave it out here");
  members.finish();
  context.refuse_faults(body.faults);
  review.message_id = context.path_id();
  MessageRow found = locked_message(context, review.message_id);
  context.check_version(found.version, false);
  Prepared p = prepare(context, review, std::move(found), std::nullopt);

  const WallTime now = context.services.clock.wall();
  p.statement.at = now;
  p.statement.nonce = make_salt(context.services.random);
  StatementRow row;
  row.nonce = p.statement.nonce;
  row.message_id = p.row.id;
  row.user_id = context.user_id();
  row.payload = canonical(p.statement);
  row.expires_at = {now.us + kLifeUs};
  row.sealed =
      context.services.keyring.seal_with(p.content.data_key, binding_of(row), p.content.salt + intent_of(review));
  context.must(delete_statements(context.tx(), {now.us - 24 * 3600 * int64_t{1'000'000}}));
  context.must(insert_statement(context.tx(), row));
  Event event = new_event(context, "statement_issued");
  event.envelope_commit = p.statement.envelope_commit;
  event.detail = {{"version", int64_t{p.row.version}}};
  context.must(insert_entry(context.tx(), beside(std::move(event), p.row.id)));
  const std::string to_sign = pre_authentication_encoding(kApprovalPayloadType, row.payload);
  return context.commit(http::json(201, "{\"messageId\":\"" + p.row.id.text() +
                                            "\",\"version\":" + std::to_string(p.row.version) + ",\"payloadType\":\"" +
                                            std::string(kApprovalPayloadType) + "\",\"payload\":\"" +
                                            to_base64(row.payload) + "\",\"toSign\":\"" + to_base64(to_sign) +
                                            "\",\"expiresAt\":\"" + rfc3339(row.expires_at) + "\"}"));
}

}  // namespace signet::api

#include "daemon/api/own_signature.h"

#include <span>

#include "audit/dsse.h"
#include "daemon/api/statement.h"

namespace signet::api {

void refuse_signature(Context& context, std::string reason, std::string detail) {
  context.refuse({.code = Code::bad_approval, .detail = std::move(detail), .reason = std::move(reason)});
}

OwnSignature own_signature(Context& context, const Review& review) {
  auto envelope = DsseEnvelope::parse(review.signature);
  if (!envelope)
    refuse_signature(context, "SIGNATURE_UNREADABLE", "signature is no DSSE envelope: " + envelope.error().text);
  if (envelope->signatures().size() != 1)
    refuse_signature(context, "SIGNATURE_UNREADABLE", "signature has to hold one signature: yours.");
  const auto key = context.must(find_signing_key(context.tx(), envelope->signatures().front().key_id));
  if (!key || key->user_id != context.user_id() || key->custody != Custody::user)
    refuse_signature(context, "KEY_FOREIGN",
                     "The signature's keyid names no key of yours: enrol it with POST /api/keys, and name it.");
  const WallTime now = context.services.clock.wall();
  if (!key->is_valid_at(now))
    refuse_signature(context, "KEY_REVOKED", "The key was revoked or replaced: sign with a valid one.");
  auto verify_key = VerifyKey::from_spki(key->public_key);
  if (!verify_key) context.fail(verify_key.error());
  const auto verified = envelope->verify(kApprovalPayloadType, std::span(&*verify_key, 1));
  if (!verified)
    refuse_signature(context, "SIGNATURE_WRONG",
                     "The signature does not verify: sign the bytes that approval-statement returned as toSign.");
  auto statement = parse_statement(verified->payload);
  if (!statement) refuse_signature(context, "STATEMENT_UNKNOWN", "What was signed is no statement of this daemon.");
  auto row = context.must(lock_statement(context.tx(), statement->nonce));
  const bool is_ours = row && row->user_id == context.user_id() && row->message_id == review.message_id &&
                       row->payload == verified->payload;
  if (!is_ours)
    refuse_signature(context, "STATEMENT_UNKNOWN",
                     "The statement is not one that this daemon made for you and this message.");
  if (row->used_at)
    refuse_signature(context, "STATEMENT_REPLAYED", "The statement was used already: ask for another one.");
  if (row->expires_at <= now)
    refuse_signature(context, "STATEMENT_LAPSED",
                     "The statement has lapsed: ask for another one and sign within five minutes.");
  if (!key->is_valid_at(statement->at))
    refuse_signature(context, "KEY_NOT_VALID_THEN", "The key was not valid when the statement was made.");
  const std::string sealed_intent = open_statement(context, *row);
  if (sealed_intent.size() < 32 || sealed_intent.substr(32) != intent_of(review))
    refuse_signature(context, "STATEMENT_OTHER",
                     "The statement was made for another review: send what it was made for.");
  return {std::move(*row), std::move(*statement), *key, sealed_intent.substr(0, 32)};
}

}  // namespace signet::api

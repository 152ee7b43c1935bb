#include "daemon/api/handover.h"

#include "audit/dsse.h"
#include "base/bytes.h"
#include "daemon/api/decision.h"
#include "daemon/api/message_rights.h"
#include "message/statement.h"
#include "store/signing_keys.h"

namespace signet::api {
namespace {

constexpr size_t kApprovalsMax = 5;
constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kSkewUs = 300'000'000;  // of a back end's clock

[[noreturn]] void refuse(Context& context, std::string reason, std::string detail) {
  context.refuse({.code = Code::bad_approval, .detail = std::move(detail), .reason = std::move(reason)});
}

struct Signed {
  Statement statement;
  std::string payload;
  SignedStatement by;
};

Signed verified(Context& context, const std::string& approval, WallTime now) {
  auto envelope = DsseEnvelope::parse(approval);
  if (!envelope || envelope->signatures().size() != 1)
    refuse(context, "SIGNATURE_UNREADABLE", "Each of approvals is a DSSE envelope with one signature.");
  const auto key = context.must(find_signing_key(context.tx(), envelope->signatures().front().key_id));
  if (!key || key->custody != Custody::user)
    refuse(context, "KEY_FOREIGN", "A signature's keyid names no enrolled key: its owner enrols it at POST /api/keys.");
  auto verify_key = VerifyKey::from_spki(key->public_key);
  if (!verify_key) context.fail(verify_key.error());
  auto opened = envelope->verify(kApprovalPayloadType, std::span(&*verify_key, 1));
  if (!opened) refuse(context, "SIGNATURE_WRONG", "A signature does not verify over its payload.");
  auto statement = parse_statement(opened->payload);
  if (!statement || statement->signer != key->user_id)
    refuse(context, "STATEMENT_UNKNOWN", "What was signed is no approval by the key's owner: see docs/api.md.");
  if (statement->at.us < now.us - kDayUs || statement->at.us > now.us + kSkewUs)
    refuse(context, "STATEMENT_LAPSED", "An approval's `at` is not of the last 24 hours.");
  if (!key->is_valid_at(statement->at) || !key->is_valid_at(now))
    refuse(context, "KEY_REVOKED", "A key was revoked or replaced, or was not enrolled yet when it signed.");
  return {std::move(*statement), std::move(opened->payload), {approval, *key}};
}

}  // namespace

std::optional<Handover> read_handover(Members& members, WallTime now) {
  Handover out;
  out.approvals = members.json_objects("approvals", kApprovalsMax);
  const auto id = members.id("id");
  const auto salt = members.text("salt", 64);
  if (!members.has("approvals")) {
    for (const char* name : {"id", "salt"})
      if (members.has(name)) members.refuse(name, "comes with approvals only", "leave it out: the daemon makes it");
    return std::nullopt;
  }
  members.require("id", "write the UUIDv7 that the approvals name");
  members.require("salt", "write the 32 octets of the approvals' commitment, in base64");
  if (id && (id->version() != 7 || std::abs(id->unix_ms() * 1000 - now.us) > kDayUs))
    members.refuse("id", "is no UUIDv7 of the last 24 hours", "make it when the message is approved");
  out.id = id.value_or(Uuid{});
  if (salt) {
    auto octets = from_base64(*salt);
    if (octets && octets->size() == 32)
      out.salt = std::move(*octets);
    else
      members.refuse("salt", "is not 32 octets in base64", "write the salt of the approvals' commitment");
  }
  if (out.approvals.empty()) members.refuse("approvals", "is empty", "send a draft, or its approvals with it");
  return out;
}

MessageRow approve_handed_over(Context& context, const Uuid& id, const Handover& handover, std::vector<Hint>& hints) {
  const WallTime now = context.services.clock.wall();
  Decided decided;
  for (const auto& approval : handover.approvals) {
    Signed given = verified(context, approval, now);
    const auto signer = context.must(read_user(context.tx(), given.statement.signer));
    if (!signer || signer->is_disabled || signer->role != given.statement.role)
      refuse(context, "SIGNER_UNKNOWN", "A signer is not enabled, or has another role than the approval says.");
    Review review;
    review.reviewer = *signer;
    review.message_id = id;
    Prepared p = prepare(context, review, locked_message(context, id), std::nullopt);
    // What was signed elsewhere knows neither our diff nor our validation.
    p.statement.diff_commit.reset();
    p.statement.validation_sha256.reset();
    p.statement.at = given.statement.at;
    p.statement.nonce = given.statement.nonce;
    if (canonical(p.statement) != given.payload)
      refuse(context, "STATEMENT_OTHER",
             "An approval is of another message, version, policy or meaning than what is handed over.");
    decided = record(context, review, p, given.by, now, hints);
  }
  if (!decided.is_complete)
    context.refuse({.code = Code::high_risk,
                    .title = "The approvals do not make the quorum whole",
                    .detail = "Hand the message over with all its approvals, or as a draft.",
                    .reason = "QUORUM"});
  return *context.must(read_message(context.tx(), id));
}

}  // namespace signet::api

// What a signer signs (design: evidence, "What an approval covers"): the body of a DSSE envelope, one a signer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/result.h"
#include "message/message.h"

namespace signet {

constexpr std::string_view kApprovalPayloadType = "application/vnd.signet.approval+json";

enum class Decision { approved, rejected };
enum class Meaning { approved, approved_own_letter, second_signature, sent_directly };  // of the signature
std::string_view name(Decision decision);
std::string_view name(Meaning meaning);

struct Statement {
  Uuid message_id;
  int version = 0;
  Digest envelope_commit{};
  std::optional<Digest> diff_commit, validation_sha256;  // none where the approval came with the message
  Decision decision = Decision::approved;
  Meaning meaning = Meaning::approved;
  Uuid signer;
  Role role = Role::reviewer;
  WallTime at;  // RFC 3339 in UTC with six digits
  std::string policy_id;
  std::string nonce;  // 32 octets; in JSON as hex, like the digests
  bool operator==(const Statement&) const = default;
};

// RFC 8785 form of {at, decision, diffCommit, envelopeCommit, meaning, messageId, nonce, policyId, role, signer, v,
// validationSha256, version}; v is 1.
std::string canonical(const Statement& statement);

// Takes the canonical form alone, since that is what was signed: a member that is unknown, missing or named twice, a
// blank, another order, are refused (invalid).
Result<Statement> parse_statement(std::string_view json);

// HMAC-SHA-256 of diff.h's canonical form under the salt of the version: a plain hash of a small diff can be guessed.
Digest diff_commit(std::string_view salt, std::string_view canonical_diff);

}  // namespace signet

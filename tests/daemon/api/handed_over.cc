#include "tests/daemon/api/handed_over.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/dsse.h"
#include "base/bytes.h"
#include "message/envelope.h"
#include "store/signing_keys.h"

namespace signet::api {

SigningKey enrolled(PostgresServer& postgres, IdSource& ids, const Clock& clock, const Uuid& owner,
                    SignatureAlgorithm algorithm) {
  auto key = SigningKey::generate(algorithm);
  REQUIRE(key.ok());
  auto session = postgres.session();
  PgTransaction tx(*session);
  SigningKeyRow row;
  row.id = ids.next();
  row.user_id = owner;
  row.algorithm = algorithm;
  row.key_id = key->public_key().key_id();
  row.public_key = key->public_key().spki();
  row.valid_from = clock.wall();
  REQUIRE((insert_signing_key(tx, row).ok() && tx.commit().ok()));
  return *key;
}

std::string handed_over(IdSource& ids, const Clock& clock, const std::vector<HandedSigner>& signers) {
  const Uuid id = ids.next();
  const std::string salt(32, 's');
  auto approvals = nlohmann::json::array();
  for (const auto& signer : signers) {
    Statement statement;
    statement.message_id = id;
    statement.version = 1;
    statement.envelope_commit = envelope_commit(salt, {Kind::sms, "+61412345678", "", "Your result is fine.", {}});
    statement.meaning = signer.meaning;
    statement.signer = signer.id;
    statement.role = signer.role;
    statement.at = clock.wall();
    statement.policy_id = "signet-1";
    statement.nonce = std::string(32, 'n');
    DsseEnvelope envelope{std::string(kApprovalPayloadType), canonical(statement)};
    REQUIRE(envelope.sign(signer.key).ok());
    approvals.push_back(nlohmann::json::parse(envelope.json()));
  }
  return nlohmann::json{{"kind", "sms"},   {"recipientPhone", "+61412345678"}, {"contentDraft", "Your result is fine."},
                        {"id", id.text()}, {"salt", to_base64(salt)},          {"approvals", approvals}}
      .dump();
}

}  // namespace signet::api

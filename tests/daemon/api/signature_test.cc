// Signatures: by custody after a proof, or by one's own key over a statement that serves once.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/dsse.h"
#include "base/bytes.h"
#include "base/signature.h"
#include "daemon/api/content.h"
#include "message/statement.h"
#include "store/signing_keys.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;

SigningKey enrolled(ApiWorld& world, const Caller& owner, SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519) {
  auto key = SigningKey::generate(algorithm);
  REQUIRE(key.ok());
  auto session = world.postgres.session();
  PgTransaction tx(*session);
  SigningKeyRow row;
  row.id = world.ids.next();
  row.user_id = owner.id;
  row.algorithm = algorithm;
  row.key_id = key->public_key().key_id();
  row.public_key = key->public_key().spki();
  row.valid_from = world.clock.wall();
  REQUIRE((insert_signing_key(tx, row).ok() && tx.commit().ok()));
  return *key;
}

ApiWorld::Answer statement(ApiWorld& world, const Caller& signer, const std::string& id, Json body = Json::object()) {
  return world.call("POST", "/api/messages/" + id + "/approval-statement", signer, body.dump());
}

// What a client makes of a statement.
Json signature_over(const Json& statement, const SigningKey& key, const std::string& key_id = "") {
  const auto signature = key.sign(*from_base64(statement["toSign"].get<std::string>()));
  REQUIRE(signature.ok());
  return {{"payload", statement["payload"]},
          {"payloadType", statement["payloadType"]},
          {"signatures",
           {{{"keyid", key_id.empty() ? key.public_key().key_id() : key_id}, {"sig", to_base64(*signature)}}}}};
}

std::string reason(ApiWorld& world) { return world.last_event("refused")["reasonCode"]; }

TEST_CASE("a custodial key signs what is approved, and its envelope verifies") {
  ApiWorld world;
  const auto reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(world.user(Role::staff));
  REQUIRE(world.review(reviewer, id).status == 200);
  CHECK(world.last_event("key_enrolled")["detail"]["custody"] == "server");
  const auto shown = world.call("GET", "/api/messages/" + id + "/provenance", reviewer).body;
  const Json approval = shown["data"]["approvals"][0];
  CHECK(approval["custody"] == "server");
  auto envelope = DsseEnvelope::parse(approval["dsse"].dump());
  REQUIRE(envelope.ok());
  const auto spki = world.sql("select public_key from signing_keys");
  auto key = VerifyKey::from_spki(spki.octets(0, 0));
  REQUIRE(key.ok());
  const auto verified = envelope->verify(kApprovalPayloadType, std::span(&*key, 1));
  REQUIRE(verified.ok());
  const auto statement = parse_statement(verified->payload);
  REQUIRE(statement.ok());
  CHECK(statement->message_id.text() == id);
  CHECK(statement->signer == reviewer.id);
  CHECK(statement->meaning == Meaning::approved);
  CHECK(to_hex(view(statement->envelope_commit)) == world.last_event("reviewed")["envelopeCommit"]);
  CHECK(world.review(reviewer, world.submitted(world.user(Role::staff))).status == 200);
  CHECK(world.count("signing_keys") == 1);  // the second time the same key signs
}

TEST_CASE("nothing is signed by custody without a proof that it is you") {
  ApiWorld world;
  const auto reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(world.user(Role::staff));
  const auto bare = world.with_token(reviewer, {});
  const auto answer = world.review(bare, id);
  CHECK(answer.status == 403);
  CHECK(answer.body["code"] == "STEP_UP_REQUIRED");
  CHECK(world.status_of(id) == "pending_review");
  CHECK(world.count("signing_keys") == 0);
  // To reject is no signature.
  CHECK(world.review(bare, id, {{"decision", "rejected"}, {"reviewNotes", "no"}}).status == 200);
}

TEST_CASE("one's own key signs the statement that was made for this review, with other words too") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  for (const auto algorithm : {SignatureAlgorithm::ed25519, SignatureAlgorithm::p256}) {
    const auto doctor = world.with_token(world.user(Role::doctor), {});
    const auto key = enrolled(world, doctor, algorithm);
    const auto id = world.letter(staff, doctor);
    const Json review{{"finalContent", "Dear Dr. Smith,\n\nThe LVEF is 55 %." +
                                           std::string(algorithm == SignatureAlgorithm::p256 ? "!" : "")},
                      {"reviewNotes", "dictated 55"}};
    const auto made = statement(world, doctor, id, review);
    INFO(made.raw.body);
    REQUIRE(made.status == 201);
    CHECK(made.body["version"] == 2);
    CHECK(made.raw.body.find("LVEF") == std::string::npos);
    Json body = review;
    body["signature"] = signature_over(made.body, key);
    const auto answer = world.approve(doctor, id, body);
    INFO(answer.raw.body);
    CHECK(answer.status == 200);
    const auto detail = world.last_event("reviewed")["detail"];
    CHECK(detail["custody"] == "user");
    CHECK(detail["keyId"] == key.public_key().key_id());
    CHECK(detail["clinicalChanges"] == 1);
    CHECK(detail["warnings"] == "CLINICAL_CHANGE");
  }
}

TEST_CASE("a statement serves once, for five minutes, for its review, and while the message stays as it was") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor);
  const auto key = enrolled(world, doctor);
  const auto id = world.letter(staff, doctor);
  auto refused = [&](const Json& body, const char* why) {
    const auto answer = world.approve(doctor, id, body);
    INFO(answer.raw.body);
    CHECK(answer.status == 403);
    CHECK(answer.body["code"] == "BAD_SIGNATURE");
    CHECK(reason(world) == why);
    CHECK(world.status_of(id) == "pending");
  };
  const Json made = statement(world, doctor, id).body;
  const Json signature = signature_over(made, key);
  refused({{"signature", signature}, {"reviewNotes", "others"}}, "STATEMENT_OTHER");
  refused({{"signature",
            signature_over(made, *SigningKey::generate(SignatureAlgorithm::ed25519), key.public_key().key_id())}},
          "SIGNATURE_WRONG");
  Json changed = signature;
  changed["payload"] = to_base64(std::string(*from_base64(made["payload"].get<std::string>())) + " ");
  refused({{"signature", changed}}, "SIGNATURE_WRONG");
  refused({{"signature", {{"payload", "x"}}}}, "SIGNATURE_UNREADABLE");
  world.clock.advance_ms(5 * 60 * 1000);
  refused({{"signature", signature}}, "STATEMENT_LAPSED");

  const Json second = signature_over(statement(world, doctor, id).body, key);
  REQUIRE(world.call("PATCH", "/api/messages/" + id, staff, R"({"contentDraft":"New words."})", world.if_match(id))
              .status == 200);
  refused({{"signature", second}}, "STATEMENT_STALE");

  const Json third = signature_over(statement(world, doctor, id).body, key);
  CHECK(world.approve(doctor, id, {{"signature", third}}).status == 200);
  const auto replayed = world.approve(doctor, id, {{"signature", third}});
  CHECK(replayed.status == 403);
  CHECK(reason(world) == "STATEMENT_REPLAYED");
  const auto elsewhere = world.approve(doctor, world.letter(staff, doctor), {{"signature", third}});
  CHECK(elsewhere.status == 403);
  CHECK(reason(world) == "STATEMENT_UNKNOWN");
  CHECK(world.count("approval") == 1);
}

TEST_CASE("a revoked key, one not enrolled, and somebody else's sign nothing") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  const auto id = world.letter(staff, doctor);
  const auto key = enrolled(world, doctor), foreign = enrolled(world, other);
  const Json made = statement(world, doctor, id).body;
  CHECK(world.approve(doctor, id, {{"signature", signature_over(made, foreign)}}).status == 403);
  CHECK(reason(world) == "KEY_FOREIGN");
  CHECK(
      world.approve(doctor, id, {{"signature", signature_over(made, *SigningKey::generate(SignatureAlgorithm::p256))}})
          .status == 403);
  CHECK(reason(world) == "KEY_FOREIGN");
  world.sql("update signing_keys set revoked_at = '" + rfc3339(world.clock.wall()) + "' where key_id = '" +
            key.public_key().key_id() + "'");
  CHECK(world.approve(doctor, id, {{"signature", signature_over(made, key)}}).status == 403);
  CHECK(reason(world) == "KEY_REVOKED");
  CHECK(world.status_of(id) == "pending");
  CHECK(world.count("approval") == 0);
}

TEST_CASE("a statement is made for whoever may give the approval, and for no other") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff);
  CHECK(statement(world, staff, id).status == 403);
  CHECK(statement(world, world.user(Role::auditor), id).status == 403);
  CHECK(statement(world, reviewer, id, {{"signature", Json::object()}}).status == 400);
  CHECK(statement(world, reviewer, world.draft(staff)).status == 400);
  CHECK(statement(world, reviewer, id).status == 201);
}

}  // namespace
}  // namespace signet::api

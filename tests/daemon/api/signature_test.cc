// Signatures: by custody after a proof, or by one's own key over a statement that serves once.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/dsse.h"
#include "base/bytes.h"
#include "daemon/api/content.h"
#include "message/statement.h"
#include "tests/daemon/api/api_world.h"
#include "tests/daemon/api/handed_over.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;

SigningKey enrolled(ApiWorld& world, const Caller& owner, SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519) {
  return api::enrolled(world.postgres, world.ids, world.clock, owner.id, algorithm);
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

Json handed_over(ApiWorld& world, const Caller& signer, Role role, const SigningKey& key,
                 const Json& changes = Json::object()) {
  Json body = Json::parse(api::handed_over(world.ids, world.clock, {{signer.id, role, key}}));
  body.merge_patch(changes);
  return body;
}

TEST_CASE("a service hands over what an enrolled key has approved, and it is queued at once") {
  ApiWorld world;
  const auto service = world.user(Role::service), reviewer = world.user(Role::reviewer);
  const auto key = enrolled(world, reviewer);
  const auto given = handed_over(world, reviewer, Role::reviewer, key);
  const auto answer = world.call("POST", "/api/messages", service, given.dump());
  INFO(answer.raw.body);
  REQUIRE(answer.status == 201);
  CHECK(answer.body["status"] == "queued");
  CHECK(answer.body["reviewerId"] == reviewer.id.text());
  const std::string id = answer.body["id"];
  CHECK(world.offered.size() == 1);
  CHECK(world.actions(id) == std::vector<std::string>{"draft_generated", "reviewed", "queued"});
  const auto detail = world.last_event("reviewed")["detail"];
  CHECK(detail["signerId"] == reviewer.id.text());
  CHECK(detail["custody"] == "user");
  CHECK(world.last_event("reviewed")["actor"]["id"] == service.id.text());
  CHECK(world.count("provenance") == 1);
  world.check_chain(id);
  CHECK(world.call("POST", "/api/messages", service, given.dump()).status == 409);
}

TEST_CASE("what is handed over is refused whole unless it is exactly what was signed, by who may") {
  ApiWorld world;
  const auto service = world.user(Role::service), reviewer = world.user(Role::reviewer),
             staff = world.user(Role::staff);
  const auto key = enrolled(world, reviewer), clerk = enrolled(world, staff);
  struct Row {
    const char* what;
    Json given;
    int status;
  };
  const Row rows[] = {
      {"other words", handed_over(world, reviewer, Role::reviewer, key, {{"contentDraft", "Your result is bad."}}),
       403},
      {"another recipient", handed_over(world, reviewer, Role::reviewer, key, {{"recipientPhone", "+61491570156"}}),
       403},
      {"not in normal form", handed_over(world, reviewer, Role::reviewer, key, {{"recipientPhone", "+61 412 345 678"}}),
       400},
      {"another salt", handed_over(world, reviewer, Role::reviewer, key, {{"salt", to_base64(std::string(32, 'x'))}}),
       403},
      {"a key that is not enrolled",
       handed_over(world, reviewer, Role::reviewer, *SigningKey::generate(SignatureAlgorithm::p256)), 403},
      {"somebody's key for another", handed_over(world, reviewer, Role::reviewer, clerk), 403},
      {"who may not review", handed_over(world, staff, Role::staff, clerk), 403},
      {"a role that is not his", handed_over(world, reviewer, Role::doctor, key), 403},
      {"one signature on high risk", handed_over(world, reviewer, Role::reviewer, key, {{"riskLevel", "high"}}), 409},
      {"no approvals", handed_over(world, reviewer, Role::reviewer, key, {{"approvals", Json::array()}}), 400},
      {"an author who signs for himself",
       handed_over(world, reviewer, Role::reviewer, key, {{"authorId", reviewer.id.text()}}), 403}};
  for (const auto& row : rows) {
    INFO(row.what);
    const auto answer = world.call("POST", "/api/messages", service, row.given.dump());
    INFO(answer.raw.body);
    CHECK(answer.status == row.status);
    CHECK(world.count("message") == 0);
  }
  const auto good = handed_over(world, reviewer, Role::reviewer, key);
  CHECK(world.call("POST", "/api/messages", world.user(Role::admin), good.dump()).status == 403);
  world.clock.advance_ms(25LL * 3600 * 1000);
  CHECK(world.call("POST", "/api/messages", service, good.dump()).status == 400);
  world.sql("update signing_keys set revoked_at = '" + rfc3339(world.clock.wall()) + "'");
  CHECK(world.call("POST", "/api/messages", service, handed_over(world, reviewer, Role::reviewer, key).dump()).status ==
        403);
  CHECK(world.count("approval") == 0);
}

}  // namespace
}  // namespace signet::api

// Signing keys: enrolled with proof, rotated, revoked, one person's only; and those that the daemon keeps.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/dsse.h"
#include "base/bytes.h"
#include "daemon/access/custody.h"
#include "daemon/api/signing.h"
#include "message/statement.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;
using Actions = std::vector<std::string>;

Json enrolment(const Caller& user, const SigningKey& key) {
  const std::string challenge =
      "signet-enrol\n" + user.id.text() + '\n' + to_hex(view(sha256(key.public_key().spki())));
  return {{"publicKey", to_base64(key.public_key().spki())},
          {"algorithm", name(key.algorithm())},
          {"proof", to_base64(key.sign(challenge).value())}};
}

TEST_CASE("who proves to have a key enrols it, in either algorithm and either form") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  for (const auto algorithm : {SignatureAlgorithm::ed25519, SignatureAlgorithm::p256}) {
    const SigningKey key = SigningKey::generate(algorithm).value();
    (void)world.new_actions();
    Json body = enrolment(doctor, key);
    if (algorithm == SignatureAlgorithm::p256) body["publicKey"] = key.public_key().pem();
    const auto made = world.call("POST", "/api/keys", doctor, body.dump());
    INFO(made.raw.body);
    CHECK(made.status == 201);
    CHECK(made.body["keyId"] == key.public_key().key_id());
    CHECK(made.body["custody"] == "user");
    CHECK(world.new_actions() == Actions{"key_enrolled"});
  }
  CHECK(world.call("GET", "/api/keys", doctor).body["items"].size() == 2);
}

TEST_CASE("a key is not enrolled without proof, for another, twice, or by who may not sign") {
  World world;
  const Caller doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  const SigningKey key = SigningKey::generate(SignatureAlgorithm::ed25519).value();
  const Json good = enrolment(doctor, key);
  Json bad = good;
  bad["proof"] = to_base64(std::string(64, 'x'));
  CHECK(world.call("POST", "/api/keys", doctor, bad.dump()).status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "BAD_PROOF");
  // A proof is by one person: another cannot use it.
  CHECK(world.call("POST", "/api/keys", other, good.dump()).status == 403);
  CHECK(world.call("POST", "/api/keys", world.with_token(doctor, {}), good.dump()).status == 403);
  CHECK(world.last_event("refused")["reasonCode"] == "STEP_UP_REQUIRED");
  bad = good;
  bad["algorithm"] = "p256";
  CHECK(world.call("POST", "/api/keys", doctor, bad.dump()).status == 400);
  bad = good;
  bad["publicKey"] = "AAAA";
  CHECK(world.call("POST", "/api/keys", doctor, bad.dump()).status == 400);
  CHECK(world.count("signing_keys") == 0);
  CHECK(world.call("POST", "/api/keys", doctor, good.dump()).status == 201);
  CHECK(world.call("POST", "/api/keys", doctor, good.dump()).status == 409);
  CHECK(world.call("POST", "/api/keys", other, enrolment(other, key).dump()).status == 409);
  CHECK(world.last_event("refused")["reasonCode"] == "KEY_TAKEN");
}

TEST_CASE("a key that replaces another ends it, and old signatures are still held against it") {
  World world;
  const Caller doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  const auto first = world.call("POST", "/api/keys", doctor,
                                enrolment(doctor, SigningKey::generate(SignatureAlgorithm::p256).value()).dump());
  const WallTime before = world.clock.wall();
  world.clock.advance_ms(1000);
  Json next = enrolment(doctor, SigningKey::generate(SignatureAlgorithm::p256).value());
  next["replaces"] = first.body["id"];
  Json foreign = enrolment(other, SigningKey::generate(SignatureAlgorithm::p256).value());
  foreign["replaces"] = first.body["id"];
  CHECK(world.call("POST", "/api/keys", other, foreign.dump()).status == 404);
  (void)world.new_actions();
  CHECK(world.call("POST", "/api/keys", doctor, next.dump()).status == 201);
  CHECK(world.new_actions() == Actions{"key_rotated"});
  CHECK(world.last_event("key_rotated")["detail"]["previousKeyId"] == first.body["keyId"]);
  auto session = world.postgres.session();
  PgTransaction tx(*session);
  const auto row = find_signing_key(tx, first.body["keyId"]).value();
  REQUIRE(row);
  CHECK(row->is_valid_at(before));
  CHECK_FALSE(row->is_valid_at(world.clock.wall()));
  Json third = enrolment(doctor, SigningKey::generate(SignatureAlgorithm::p256).value());
  third["replaces"] = first.body["id"];
  CHECK(world.call("POST", "/api/keys", doctor, third.dump()).status == 409);
}

TEST_CASE("a key is revoked by its owner or an administrator, once, with a reason") {
  World world;
  const Caller admin = world.user(Role::admin), doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  const auto made = world.call("POST", "/api/keys", doctor,
                               enrolment(doctor, SigningKey::generate(SignatureAlgorithm::ed25519).value()).dump());
  const std::string path = "/api/keys/" + made.body["id"].get<std::string>() + "/revoke";
  CHECK(world.call("POST", path, other, R"({"reason":"lost"})").status == 404);
  CHECK(world.call("POST", path, doctor, R"({"reason":"Mrs Miller saw it"})").status == 400);
  CHECK(world.call("GET", "/api/keys?userId=" + doctor.id.text(), other).status == 403);
  (void)world.new_actions();
  const auto revoked = world.call("POST", path, admin, R"({"reason":"compromised"})");
  CHECK(revoked.status == 200);
  CHECK(revoked.body["revokedReason"] == "compromised");
  CHECK(world.new_actions() == Actions{"key_revoked"});
  CHECK(world.call("POST", path, doctor, R"({"reason":"lost"})").status == 409);
  auto session = world.postgres.session();
  PgTransaction tx(*session);
  CHECK_FALSE(find_signing_key(tx, made.body["keyId"]).value()->is_valid_at(world.clock.wall()));
}

TEST_CASE("the daemon keeps one key for who has none, wrapped, and knows a wrapping that was changed") {
  World world;
  const Caller doctor = world.user(Role::doctor), other = world.user(Role::doctor);
  auto session = world.postgres.session();
  std::string key_id;
  {
    PgTransaction tx(*session);
    const auto first = custodial_key(tx, world.keyring, world.ids, doctor.id, world.clock.wall());
    REQUIRE(first);
    CHECK(first.value().is_new);
    key_id = first.value().row.key_id;
    CHECK(first.value().row.is_valid_at(world.clock.wall()));
    CHECK(first.value().row.wrapped.find(first.value().key.der().value().octets()) == std::string::npos);
    REQUIRE(tx.commit());
  }
  {
    PgTransaction tx(*session);
    const auto again = custodial_key(tx, world.keyring, world.ids, doctor.id, world.clock.wall());
    REQUIRE(again);
    CHECK_FALSE(again.value().is_new);
    CHECK(again.value().row.key_id == key_id);
    const std::string signature = again.value().key.sign("x").value();
    CHECK(VerifyKey::from_spki(again.value().row.public_key).value().verify("x", signature));
    const auto others = custodial_key(tx, world.keyring, world.ids, other.id, world.clock.wall());
    CHECK(others.value().row.key_id != key_id);
    REQUIRE(tx.commit());
  }
  // One person's wrapped key under another's name opens nothing.
  world.sql("update signing_keys a set wrapped = b.wrapped from signing_keys b where a.user_id = '" + doctor.id.text() +
            "' and b.user_id = '" + other.id.text() + "'");
  PgTransaction tx(*session);
  const auto changed = custodial_key(tx, world.keyring, world.ids, doctor.id, world.clock.wall());
  REQUIRE_FALSE(changed.ok());
  CHECK(changed.error().code == ErrorCode::corrupt);
}

TEST_CASE("a kept key signs a statement for who may sign, and its enrolment is in the log") {
  World world;
  const Caller doctor = world.user(Role::doctor);
  auto pooled = world.postgres.session();
  PgTransaction find(*pooled);
  Principal principal;
  principal.user.id = doctor.id;
  principal.user.role = Role::doctor;
  principal.token.id = world.ids.next();
  http::Request request;
  {
    Context context(request, world.services);
    context.called_by(principal);
    CHECK_THROWS_AS(sign_for_caller(context, kApprovalPayloadType, world.clock.wall(), [](WallTime) { return "{}"; }),
                    Left);
  }
  principal.token.scopes = {"approve"};
  Context context(request, world.services);
  context.called_by(principal);
  const WallTime now = world.clock.wall();
  std::vector<WallTime> moments;
  const auto payload = [&moments](WallTime at) {
    moments.push_back(at);
    return R"({"a":1})";
  };
  const SignedStatement statement = sign_for_caller(context, kApprovalPayloadType, now, payload);
  // By another daemon's clock the key does not exist yet: then it is signed at the key's first moment.
  (void)sign_for_caller(context, kApprovalPayloadType, {now.us - 1000}, payload);
  CHECK(moments == std::vector{now, now});
  context.commit();
  CHECK(world.new_actions() == Actions{"key_enrolled"});
  CHECK(world.last_event("key_enrolled")["detail"]["custody"] == "server");
  const auto row = find_signing_key(find, statement.key.key_id).value();
  REQUIRE(row);
  CHECK(row->custody == Custody::server);
  const std::vector keys{VerifyKey::from_spki(row->public_key).value()};
  const auto verified = DsseEnvelope::parse(statement.envelope).value().verify(kApprovalPayloadType, keys);
  REQUIRE(verified);
  CHECK(verified.value().payload == R"({"a":1})");
  CHECK_THROWS_AS(context.refuse({.code = Code::internal}), Left);
}

}  // namespace
}  // namespace signet::api

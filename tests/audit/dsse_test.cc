#include "audit/dsse.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "message/statement.h"
#include "tests/audit/vectors.h"

namespace signet {
namespace {

const nlohmann::json& audit_vectors() {
  static const auto loaded = nlohmann::json::parse(audit_vectors_text());
  return loaded;
}

const nlohmann::json& vector() { return audit_vectors()["dsse_v1_0_2"]["spec_vector"]; }

SigningKey made(SignatureAlgorithm algorithm) { return SigningKey::generate(algorithm).value(); }

// The specification's key; its coordinates are decimal there.
VerifyKey published_key() {
  return VerifyKey::from_spki(from_hex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"
                                       "67cd390f77aa359cb08c2235f652270493a9ed832b0abcc01f70954c0390d238"
                                       "0c782bd54e269125a44f4433aff1432ce94e12bca73aa67ac80cea12608ddf74")
                                  .value())
      .value();
}

std::string envelope(const std::string& payload, const std::string& signatures) {
  return R"({"payload":")" + payload + R"(","payloadType":"t","signatures":)" + signatures + "}";
}

}  // namespace

TEST_CASE("type and payload are encoded before they are signed as DSSE says") {
  CHECK(pre_authentication_encoding(vector()["payloadType"].get<std::string>(), vector()["body"].get<std::string>()) ==
        vector()["pae"]);
  CHECK(pre_authentication_encoding("", "") == audit_vectors()["dsse_v1_0_2"]["pae_empty"]);
}

TEST_CASE("the specification's signature verifies") {
  const std::string type = vector()["payloadType"];
  const std::string json = nlohmann::json{{"payload", to_base64(vector()["body"].get<std::string>())},
                                          {"payloadType", type},
                                          {"signatures", {{{"sig", vector()["sig_b64_raw_r_s"]}}}}}
                               .dump();
  const auto read = DsseEnvelope::parse(json);
  REQUIRE(read.ok());
  const auto verified = read->verify(type, std::vector{published_key()});
  REQUIRE(verified.ok());
  CHECK(verified->payload == "hello world");
  CHECK(verified->keys == std::vector<size_t>{0});
}

TEST_CASE("each of several signers is found, whatever the hints say") {
  const SigningKey a = made(SignatureAlgorithm::ed25519), b = made(SignatureAlgorithm::p256),
                   c = made(SignatureAlgorithm::ed25519);
  DsseEnvelope made_here(std::string(kApprovalPayloadType), "{\"v\":1}");
  REQUIRE(made_here.sign(a).ok());
  REQUIRE(made_here.sign(b).ok());
  const auto read = DsseEnvelope::parse(made_here.json());
  REQUIRE(read.ok());
  CHECK(read->json() == made_here.json());
  CHECK(read->signatures()[1].key_id == b.public_key().key_id());
  const std::vector keys{c.public_key(), b.public_key(), a.public_key(), a.public_key()};
  const auto verified = read->verify(kApprovalPayloadType, keys);
  REQUIRE(verified.ok());
  CHECK(verified->payload == "{\"v\":1}");
  CHECK(verified->keys == std::vector<size_t>{1, 2});  // a key given twice counts once
  CHECK(read->verify(kApprovalPayloadType, std::vector{c.public_key()}).error().code == ErrorCode::corrupt);
  CHECK(read->verify(kApprovalPayloadType, {}).error().code == ErrorCode::corrupt);

  DsseEnvelope misleading(std::string(kApprovalPayloadType), "{\"v\":1}");
  for (const auto& signature : read->signatures()) misleading.add_signature({"nonsense", signature.octets});
  CHECK(misleading.verify(kApprovalPayloadType, keys)->keys == std::vector<size_t>{1, 2});
}

TEST_CASE("one signature twice is one signer") {
  const SigningKey a = made(SignatureAlgorithm::p256);
  DsseEnvelope twice(std::string(kApprovalPayloadType), "x");
  REQUIRE(twice.sign(a).ok());
  REQUIRE(twice.sign(a).ok());
  CHECK(twice.verify(kApprovalPayloadType, std::vector{a.public_key()})->keys.size() == 1);
}

TEST_CASE("a changed payload, type or signature is refused") {
  const SigningKey a = made(SignatureAlgorithm::ed25519);
  const std::vector keys{a.public_key()};
  DsseEnvelope good(std::string(kApprovalPayloadType), "payload");
  REQUIRE(good.sign(a).ok());
  const auto& signature = good.signatures()[0];

  DsseEnvelope other_payload(std::string(kApprovalPayloadType), "Payload");
  other_payload.add_signature(signature);
  CHECK(other_payload.verify(kApprovalPayloadType, keys).error().code == ErrorCode::corrupt);

  DsseEnvelope other_type(std::string(kManifestType), "payload");
  other_type.add_signature(signature);
  CHECK(other_type.verify(kManifestType, keys).error().code == ErrorCode::corrupt);
  CHECK(good.verify(kManifestType, keys).error().code == ErrorCode::invalid);

  for (size_t i = 0; i < signature.octets.size(); i++) {
    DsseEnvelope changed(std::string(kApprovalPayloadType), "payload");
    auto octets = signature.octets;
    octets[i] ^= 4;
    changed.add_signature({signature.key_id, octets});
    CHECK_FALSE(changed.verify(kApprovalPayloadType, keys).ok());
  }
}

TEST_CASE("base64 is read in both alphabets, padded or not in the second") {
  const std::string payload = "\xfb\xff\xfe?";  // +//+Pw== and -__-Pw
  for (const char* text : {"+//+Pw==", "-__-Pw", "-__-Pw=="}) {
    const auto read = DsseEnvelope::parse(envelope(text, R"([{"sig":"-__-"}])"));
    REQUIRE(read.ok());
    CHECK(read->json() == envelope("+//+Pw==", R"([{"keyid":"","sig":"+//+"}])"));
  }
  for (const char* bad : {"+__+Pw==", "+//+Pw", "+//+Pw=", "-__-Pw=", "+//+Px==", "-_=-Pw==", "a", "====", " AAAA"})
    CHECK_FALSE(DsseEnvelope::parse(envelope(bad, R"([{"sig":"AAAA"}])")).ok());
}

TEST_CASE("members that are not known are ignored, and those that are there twice refused") {
  CHECK(DsseEnvelope::parse(R"({"x":1,"payload":"","payloadType":"t","signatures":[{"sig":"AAAA","cert":"y"}]})").ok());
  CHECK_FALSE(
      DsseEnvelope::parse(R"({"payload":"","payload":"AAAA","payloadType":"t","signatures":[{"sig":"AAAA"}]})").ok());
}

TEST_CASE("what is no DSSE envelope is refused") {
  for (const char* bad : {"", "{}", "[]", "1", "\"x\"", R"({"payload":"AAAA","payloadType":"t"})",
                          R"({"payload":"AAAA","payloadType":"t","signatures":[]})",
                          R"({"payload":"AAAA","payloadType":"t","signatures":{}})",
                          R"({"payload":"AAAA","payloadType":"t","signatures":["AAAA"]})",
                          R"({"payload":"AAAA","payloadType":"t","signatures":[{"keyid":"k"}]})",
                          R"({"payload":"AAAA","payloadType":"t","signatures":[{"sig":""}]})",
                          R"({"payload":"AAAA","payloadType":"t","signatures":[{"sig":1}]})",
                          R"({"payload":"AAAA","payloadType":"t","signatures":[{"sig":"AAAA","keyid":1}]})",
                          R"({"payload":1,"payloadType":"t","signatures":[{"sig":"AAAA"}]})",
                          R"({"payload":"AAAA","payloadType":null,"signatures":[{"sig":"AAAA"}]})",
                          R"({"payloadType":"t","signatures":[{"sig":"AAAA"}]})"})
    CHECK(DsseEnvelope::parse(bad).error().code == ErrorCode::invalid);
  std::string many = "[";
  for (int i = 0; i < 17; i++) many += std::string(i == 0 ? "" : ",") + R"({"sig":"AAAA"})";
  CHECK(DsseEnvelope::parse(envelope("AAAA", many + "]")).error().code == ErrorCode::limit);
}

}  // namespace signet

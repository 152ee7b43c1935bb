#include "audit/note.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/checkpoint.h"
#include "audit/event.h"
#include "tests/audit/vectors.h"

namespace signet {
namespace {

const nlohmann::json& audit_vectors() {
  static const auto loaded = nlohmann::json::parse(audit_vectors_text());
  return loaded;
}

const nlohmann::json& notes() { return audit_vectors()["signed_note_checkpoint"]; }
std::string ours(const char* name) { return notes()["ours"][name]; }

SigningKey seeded(const char* name) {
  return SigningKey::from_ed25519_seed(Secret(octets_of_hex(notes()["ours"][name]))).value();
}
NoteKey log_key() { return NoteKey::parse(ours("log_vkey")).value(); }
NoteKey witness_key() { return NoteKey::parse(ours("witness_vkey")).value(); }

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("the example of the signed-note specification verifies") {
  const std::string vkey = notes()["spec_example"]["vkey"], octets = notes()["spec_example"]["note"];
  const auto key = NoteKey::parse(vkey);
  REQUIRE(key.ok());
  CHECK(key->vkey() == vkey);
  CHECK(key->name() == "example.com/foo");
  CHECK(key->id() == 0x530d903a);
  const auto note = parse_note(octets);
  REQUIRE(note.ok());
  CHECK(note->text == "This is an example message.\n");
  CHECK(print(*note) == octets);
  const auto signers = verify_note(*note, std::vector{*key});
  REQUIRE(signers.ok());
  CHECK(signers->size() == 1);
  auto changed = parse_note(replaced(octets, "example message", "Example message")).value();
  CHECK(verify_note(changed, std::vector{*key}).error().code == ErrorCode::corrupt);
}

TEST_CASE("keys of log and witness are written as published") {
  const auto log = NoteKey::make("signet.example/audit/1", NoteKeyType::ed25519, seeded("log_seed_hex").public_key());
  const auto witness =
      NoteKey::make("witness.example/w1", NoteKeyType::cosignature, seeded("witness_seed_hex").public_key());
  CHECK(log->vkey() == ours("log_vkey"));
  CHECK(witness->vkey() == ours("witness_vkey"));
}

TEST_CASE("a checkpoint is signed and cosigned to the byte") {
  const Checkpoint checkpoint{"signet.example/audit/1", 8,
                              digest_of_hex(audit_vectors()["merkle_rfc6962_rfc9162"]["roots_size_1_to_8"][7])};
  CHECK(text(checkpoint) == ours("checkpoint_body"));
  const auto note = sign_checkpoint(checkpoint, log_key(), seeded("log_seed_hex"));
  REQUIRE(note.ok());
  auto both = parse_note(*note).value();
  REQUIRE(sign_note(both, witness_key(), seeded("witness_seed_hex"), notes()["ours"]["witness_time"]).ok());
  CHECK(print(both) == ours("checkpoint"));
}

TEST_CASE("a checkpoint verifies under its log's name, with and without its witness") {
  const auto verified = verify_checkpoint(ours("checkpoint"), log_key(), std::vector{witness_key()});
  REQUIRE(verified.ok());
  CHECK(verified->checkpoint.size == 8);
  CHECK(verified->witnesses == std::vector<size_t>{0});
  const auto alone = verify_checkpoint(ours("checkpoint"), log_key());
  REQUIRE(alone.ok());
  CHECK(alone->witnesses.empty());
  CHECK_FALSE(verify_checkpoint(ours("checkpoint"), witness_key()).ok());
  const auto signers = verify_note(parse_note(ours("checkpoint")).value(), std::vector{witness_key()});
  REQUIRE(signers.ok());
  CHECK(signers->at(0).time_s == 1'767'225'600);
  CHECK_FALSE(sign_checkpoint({"another.example", 8, {}}, log_key(), seeded("log_seed_hex")).ok());
}

TEST_CASE("a checkpoint of another log signed by our key is refused") {
  Note note{"another.example\n8\n" + hash_text(sha256("x")) + "\n", {}};
  REQUIRE(sign_note(note, log_key(), seeded("log_seed_hex")).ok());
  CHECK(verify_checkpoint(print(note), log_key()).error().code == ErrorCode::corrupt);
}

TEST_CASE("each changed octet of a checkpoint is refused") {
  const std::string good = ours("checkpoint");
  for (size_t i = 0; i < good.size(); i++) {
    std::string changed = good;
    changed[i] ^= 1;
    INFO(i);
    const auto verified = verify_checkpoint(changed, log_key(), std::vector{witness_key()});
    // A name or key id changed makes that signature a stranger's: without the witness the checkpoint still stands.
    if (verified.ok()) CHECK(verified->witnesses.empty());
    const bool is_in_text = i < ours("checkpoint_body").size();
    if (is_in_text) CHECK_FALSE(verified.ok());
  }
}

TEST_CASE("unknown keys are ignored, but a known key's bad signature refuses the note") {
  auto note = parse_note(ours("checkpoint")).value();
  const auto stranger = SigningKey::generate(SignatureAlgorithm::ed25519).value();
  const auto other =
      NoteKey::make("signet.example/audit/1", NoteKeyType::ed25519, stranger.public_key()).value();  // same name
  REQUIRE(sign_note(note, other, stranger).ok());
  CHECK(verify_note(note, std::vector{log_key()}).ok());
  CHECK(verify_note(note, std::vector{log_key(), witness_key(), other})->size() == 3);
  note.signatures[1].octets[70] ^= 1;
  CHECK(verify_note(note, std::vector{log_key()}).ok());
  CHECK(verify_note(note, std::vector{log_key(), witness_key()}).error().code == ErrorCode::corrupt);
  note.signatures[1].octets.resize(3);
  CHECK_FALSE(verify_note(note, std::vector{witness_key()}).ok());
  note.signatures.clear();
  CHECK(verify_note(note, std::vector{log_key()}).error().code == ErrorCode::corrupt);
  CHECK_FALSE(sign_note(note, log_key(), stranger).ok());
}

TEST_CASE("sixteen signatures are read and more than 256 are not") {
  Note note{"text\n", {}};
  const auto key = SigningKey::generate(SignatureAlgorithm::ed25519).value();
  for (int i = 0; i < 16; i++)
    REQUIRE(sign_note(note, NoteKey::make("k" + std::to_string(i), NoteKeyType::ed25519, key.public_key()).value(), key)
                .ok());
  const auto known = NoteKey::make("k15", NoteKeyType::ed25519, key.public_key()).value();
  CHECK(verify_note(parse_note(print(note)).value(), std::vector{known}).ok());
  note.signatures.resize(256, note.signatures[0]);
  CHECK(parse_note(print(note)).ok());
  note.signatures.push_back(note.signatures[0]);
  CHECK(parse_note(print(note)).error().code == ErrorCode::limit);
}

TEST_CASE("a text may hold empty lines: the last one parts it from the signatures") {
  const auto key = SigningKey::generate(SignatureAlgorithm::ed25519).value();
  const auto name = NoteKey::make("k", NoteKeyType::ed25519, key.public_key()).value();
  Note note{"one\n\n\xe2\x80\x94 two three\n\n\n", {}};
  REQUIRE(sign_note(note, name, key).ok());
  const auto again = parse_note(print(note)).value();
  CHECK(again.text == note.text);
  CHECK(verify_note(again, std::vector{name}).ok());
}

TEST_CASE("what is no signed note is refused") {
  const std::string good = notes()["spec_example"]["note"];
  for (const std::string& bad :
       {std::string(), std::string("text"), std::string("text\n"), std::string("text\n\n"),
        good.substr(0, good.size() - 1), replaced(good, "This", "Th\tis"), replaced(good, "This", "Th\xff"),
        replaced(good, "\n\n", "\n"), replaced(good, "\xe2\x80\x94 ", "- "), replaced(good, "Uw2Q", "U!2Q"),
        replaced(good, "/foo Uw", "/foo\nUw"), replaced(good, "example.com/foo ", "example.com+foo "),
        replaced(good, "example.com/foo ", ""), std::string("text\n\n\xe2\x80\x94 k " + to_base64("1234") + "\n")})
    CHECK_FALSE(parse_note(bad).ok());
  CHECK(parse_note(std::string(kNoteSizeMax + 1, '\n')).error().code == ErrorCode::limit);
  const auto key = SigningKey::generate(SignatureAlgorithm::ed25519).value();
  Note no_newline{"text", {}};
  CHECK_FALSE(sign_note(no_newline, NoteKey::make("k", NoteKeyType::ed25519, key.public_key()).value(), key).ok());
}

TEST_CASE("what is no note's key is refused") {
  const std::string good = ours("log_vkey");
  for (const std::string& bad :
       {std::string(), std::string("name"), std::string("name+00000000"), good + "A", good.substr(1),
        replaced(good, "a1e336c1", "a1e336c2"), replaced(good, "a1e336c1", "A1E336C1"), replaced(good, "+Add", "+Atd"),
        replaced(good, "signet.example", "signet example"),
        replaced(good, "signet.example",
                 "signet\xc2\xa0"
                 "example")})
    CHECK_FALSE(NoteKey::parse(bad).ok());
  const auto p256 = SigningKey::generate(SignatureAlgorithm::p256).value();
  CHECK_FALSE(NoteKey::make("k", NoteKeyType::ed25519, p256.public_key()).ok());
  CHECK_FALSE(NoteKey::make("", NoteKeyType::ed25519, seeded("log_seed_hex").public_key()).ok());
}

TEST_CASE("checkpoints have one spelling, and extensions are not read") {
  const std::string good = ours("checkpoint_body");
  CHECK(parse_checkpoint(good).ok());
  CHECK(parse_checkpoint(good + "extension\n").value().size == 8);
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() - 1), good + "\n", good + "no newline", replaced(good, "\n8", "\n08"),
        replaced(good, "\n8", "\n-8"), replaced(good, "\n8", "\n8 "), replaced(good, "\n8", "\n18446744073709551616"),
        replaced(good, "Xcn", "Xc"), replaced(good, "signet.example/audit/1", "")})
    CHECK_FALSE(parse_checkpoint(bad).ok());
}

TEST_CASE("the published log proof is written, read and verified") {
  const std::string octets = ours("tlog_proof");
  const auto proof = parse_log_proof(octets);
  REQUIRE(proof.ok());
  CHECK(proof->index == 5);
  CHECK(proof->hashes.size() == 3);
  CHECK_FALSE(proof->extra);
  CHECK(print(*proof) == octets);
  const Digest leaf = leaf_hash(octets_of_hex(notes()["ours"]["tlog_proof_index5_leaf_hex"]));
  const auto verified = verify_log_proof(*proof, leaf, log_key(), std::vector{witness_key()});
  REQUIRE(verified.ok());
  CHECK(verified->checkpoint.size == 8);

  CHECK_FALSE(verify_log_proof(*proof, leaf_hash("other"), log_key()).ok());
  LogProof moved = *proof, longer = *proof, foreign = *proof;
  moved.index = 4;
  longer.hashes.push_back(sha256("x"));
  foreign.checkpoint = replaced(foreign.checkpoint, "\n8\n", "\n9\n");
  for (const auto& bad : {moved, longer, foreign}) CHECK_FALSE(verify_log_proof(bad, leaf, log_key()).ok());
}

TEST_CASE("a log proof keeps its extra data, and what is none is refused") {
  LogProof proof = parse_log_proof(ours("tlog_proof")).value();
  proof.extra = "any octets \xff";
  CHECK(parse_log_proof(print(proof)).value().extra == proof.extra);
  const std::string good = print(proof);
  for (const std::string& bad :
       {std::string(), replaced(good, "proof@v1", "proof@v2"), replaced(good, "index 5", "index 05"),
        replaced(good, "index 5\n", ""), replaced(good, "extra ", "extra !"), replaced(good, "\n\n", "\n"),
        replaced(good, "vBoG", "vBo")})
    CHECK_FALSE(parse_log_proof(bad).ok());
}

}  // namespace signet

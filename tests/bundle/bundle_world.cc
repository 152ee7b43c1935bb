#include "tests/bundle/bundle_world.h"

#include <nlohmann/json.hpp>

#include <catch2/catch.hpp>
#include <fstream>

#include "audit/bundle.h"
#include "base/bytes.h"
#include "tests/daemon/api/handed_over.h"
#include "tests/fakes/process.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

SigningKey ed25519_key() {
  auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  REQUIRE(key.ok());
  return *key;
}

NoteKey witness_of(const SigningKey& key) {
  auto made = NoteKey::make("witness.example/w1", NoteKeyType::cosignature, key.public_key());
  REQUIRE(made.ok());
  return *made;
}

// What a client makes of a statement, with its own key.
Json signed_by(const Json& statement, const SigningKey& key) {
  const auto signature = key.sign(*from_base64(statement["toSign"].get<std::string>()));
  REQUIRE(signature.ok());
  return {{"payload", statement["payload"]},
          {"payloadType", statement["payloadType"]},
          {"signatures", {{{"keyid", key.public_key().key_id()}, {"sig", to_base64(*signature)}}}}};
}

}  // namespace

template <class Json>
BasicBundleWorld<Json>::BasicBundleWorld()
    : witness_signer(ed25519_key()),
      witness(witness_of(witness_signer)),
      staff(world.user(Role::staff)),
      reviewer(world.user(Role::reviewer)),
      doctor(world.user(Role::doctor)),
      auditor(world.user(Role::auditor)),
      p256(enrolled(world.postgres, world.ids, world.clock, doctor.id, SignatureAlgorithm::p256)),
      ed25519(enrolled(world.postgres, world.ids, world.clock, doctor.id)) {
  world.bundles.witnesses.push_back(witness);
  approve_some();
  world.sign_log();
  older = newest_note();
  const auto newest = newest_checkpoint(*world.postgres.session("postgres"));
  stamp((*newest)->size);
  older_bundle = whole();
  approve_some();
  world.sign_log();
  cosign((*newest_checkpoint(*world.postgres.session("postgres")))->size);
}

template <class Json>
void BasicBundleWorld<Json>::approve_some() {
  world.queued(staff, reviewer);
  // Two people, the first with a P-256 key of his own.
  two_signed = world.submitted(staff, {{"riskLevel", "high"}});
  world.clock.advance_ms(5);
  const auto statement = world.call("POST", "/api/messages/" + two_signed + "/approval-statement", doctor, "{}");
  REQUIRE(statement.status == 201);
  REQUIRE(world.review(doctor, two_signed, {{"signature", signed_by(statement.body, p256)}}).status == 202);
  REQUIRE(world.review(reviewer, two_signed).status == 200);
  const auto letter = world.letter(staff, doctor);
  const auto of_letter = world.call("POST", "/api/messages/" + letter + "/approval-statement", doctor, "{}");
  REQUIRE(of_letter.status == 201);
  REQUIRE(world.approve(doctor, letter, {{"signature", signed_by(of_letter.body, ed25519)}}).status == 200);
  REQUIRE(world.review(reviewer, world.submitted(staff), {{"decision", "rejected"}, {"reviewNotes", "no"}}).status ==
          200);
  // A back end that had it approved in its own screens.
  REQUIRE(world
              .call("POST", "/api/messages", world.user(Role::service),
                    handed_over(world.ids, world.clock, {{doctor.id, Role::doctor, ed25519}}))
              .status == 201);
  REQUIRE(world.call("GET", "/api/messages/" + letter, doctor).status == 200);
}

template <class Json>
std::string BasicBundleWorld<Json>::newest_note() {
  const auto newest = newest_checkpoint(*world.postgres.session("postgres"));
  REQUIRE((newest.ok() && newest->has_value()));
  return (*newest)->note;
}

template <class Json>
void BasicBundleWorld<Json>::stamp(int64_t size) {
  const TestDir dir;
  const auto note = world.sql("select note from audit.checkpoint where size = " + std::to_string(size)).text(0, 0);
  dir.put("note", note);
  REQUIRE(
      std::system(("openssl ts -query -data " + dir / "note" + " -sha256 -cert -out " + dir / "query" + " 2>/dev/null")
                      .c_str()) == 0);
  std::string reply = authority.reply(signet::read_file(dir / "query"));
  // TimeStampResp: SEQUENCE {SEQUENCE {INTEGER 0}, token}
  const size_t head = reply[1] & 0x80 ? 2 + (reply[1] & 0x7f) : 2;
  REQUIRE(reply.substr(head, 5) == std::string("\x30\x03\x02\x01\x00", 5));
  world.sql("insert into audit.anchor (size, kind, token, status) values (" + std::to_string(size) + ", 'tsa', '\\x" +
            to_hex(reply.substr(head + 5)) + "', 'verified')");
}

template <class Json>
void BasicBundleWorld<Json>::cosign(int64_t size) {
  const auto note =
      parse_note(world.sql("select note from audit.checkpoint where size = " + std::to_string(size)).text(0, 0));
  REQUIRE(note.ok());
  Note cosigned{note->text, {}};
  REQUIRE(sign_note(cosigned, witness, witness_signer, 1'790'000'000).ok());
  const std::string line = print(cosigned).substr(note->text.size() + 1);
  world.sql("insert into audit.anchor (size, kind, token, status) values (" + std::to_string(size) +
            ", 'witness', '\\x" + to_hex(line) + "', 'verified')");
}

template <class Json>
std::string BasicBundleWorld<Json>::make(const BundleRequest& request) {
  auto session = world.postgres.session();
  StringSink zip;
  const auto made = write_bundle(*session, world.bundles, request, zip);
  INFO((made.ok() ? "" : made.error().text));
  REQUIRE(made.ok());
  return zip.text;
}

template <class Json>
std::string BasicBundleWorld<Json>::whole(const std::string& previous) {
  BundleRequest request;
  request.is_whole_log = true;
  request.previous_checkpoint = previous;
  return make(request);
}

template <class Json>
std::string BasicBundleWorld<Json>::selection() {
  BundleRequest request;
  request.filter.actor_id = reviewer.id;
  request.shown = {{"actor", reviewer.id.text()}};
  request.previous_checkpoint = older;
  return make(request);
}

template <class Json>
std::string BasicBundleWorld<Json>::of_message(const std::string& id) {
  const auto answer = world.call("GET", "/api/messages/" + id + "/evidence", auditor);
  INFO(answer.raw.body);
  REQUIRE(answer.status == 200);
  return answer.raw.body;
}

template struct BasicBundleWorld<nlohmann::json>;

BundleOctets octets_of(const std::string& zip) {
  return {static_cast<int64_t>(zip.size()), [&zip](int64_t offset, size_t count) -> Result<std::string> {
            return zip.substr(static_cast<size_t>(offset), count);
          }};
}

BundleVerdict verdict_of(const std::string& zip, const BundleCheck& check) {
  auto verdict = check_bundle(octets_of(zip), check);
  INFO((verdict.ok() ? "" : verdict.error().text));
  REQUIRE(verdict.ok());
  return std::move(*verdict);
}

std::string texts(const BundleVerdict& verdict) {
  std::string out;
  for (const auto& f : verdict.faults) out += f.file + " " + std::to_string(f.line) + ": " + f.text + "\n";
  return out;
}

RunScript run_script(const std::string& zip, const std::string& arguments) {
  const TestDir dir;
  dir.put("bundle.zip", zip);
  const std::string python = "$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')";
  const std::string bin = dir / "bin";
  REQUIRE(std::system(("mkdir " + bin + " && ln -s " + python + " " + bin + "/python3 && ln -s $(command -v openssl) " +
                       bin + "/openssl")
                          .c_str()) == 0);
  std::string words = arguments;
  for (size_t at = words.find("ZIP"); at != std::string::npos; at = words.find("ZIP", at + 1))
    words.replace(at, 3, dir / "bundle.zip");
  RunScript out;
  const std::string script = SIGNET_SOURCE_DIR "/audit/bundle/signet_verify.py";
  const int status = std::system(
      ("env -i PATH=" + dir / "bin" + " python3 -I -S -B " + script + " " + words + " >" + dir / "out" + " 2>&1")
          .c_str());
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
  out.output = signet::read_file(dir / "out");
  return out;
}

}  // namespace signet::api

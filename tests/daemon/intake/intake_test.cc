#include "daemon/intake/intake.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/bytes.h"
#include "base/keys.h"
#include "tests/base/files.h"
#include "tests/daemon/api/api_world.h"
#include "tests/daemon/api/handed_over.h"
#include "tests/daemon/intake/sealed.h"
#include "tests/fakes/output_of.h"

namespace signet {
namespace {

using Json = nlohmann::json;
using ApiWorld = api::BasicApiWorld<Json>;
using Actions = std::vector<std::string>;

struct IntakeWorld : ApiWorld {
  api::Caller service = user(Role::service, "intake"), reviewer = user(Role::reviewer);
  SigningKey signer = api::enrolled(postgres, ids, clock, reviewer.id);
  IntakeKey key = *IntakeKey::parse(*make_p256_jwk());
  Intake intake{services, key, "intake", metrics};
  int entries = 0;

  IntakeWorld() { new_actions(); }
  Json message(const Json& changes = Json::object()) {
    Json out = Json::parse(api::handed_over(ids, clock, {{reviewer.id, Role::reviewer, signer}}));
    out.merge_patch(changes);
    return out;
  }
  IntakeVerdict take_envelope(const std::string& envelope) {
    const std::string hash = to_hex(view(sha256(envelope)));
    return intake.take({"1700000000000-" + std::to_string(entries++), envelope, hash, ""});
  }
  IntakeVerdict take(const std::string& plain) { return take_envelope(sealed(key.public_jwk(), plain)); }
  IntakeVerdict take(const Json& message) { return take(message.dump()); }
  int64_t counted(const std::string& verdict) {
    return metrics.value("signet_intake_total", "verdict=\"" + verdict + '"');
  }
};

TEST_CASE("an approved message that is sealed to the daemon is queued, in the name of the service account") {
  IntakeWorld world;
  const Json given = world.message({{"clientReference", "lab:7"}});
  const auto verdict = world.take(given);
  INFO(world.log.all());
  REQUIRE(verdict.taken == Taken::accepted);
  const std::string id = given["id"];
  CHECK(world.status_of(id) == "queued");
  CHECK(world.count("due") == 1);
  CHECK(world.offered.size() == 1);
  CHECK(world.new_actions() == Actions{"draft_generated", "reviewed", "queued"});
  world.check_chain(id);
  for (const auto& event : world.events(id)) {
    CHECK(event["actor"]["id"] == world.service.id.text());
    CHECK(event["actor"]["role"] == "service");
    CHECK_FALSE(event["actor"].contains("session"));
    CHECK(event["requestId"] == "intake-1700000000000-0");
  }
  CHECK(world.events(id)[0]["detail"]["source"] == "intake");
  CHECK(world.events(id)[1]["detail"]["signerId"] == world.reviewer.id.text());
  CHECK(world.counted("accepted") == 1);
}

TEST_CASE("an envelope that comes again is one message, however late and from however many at once") {
  IntakeWorld world;
  const Json given = world.message();
  REQUIRE(world.take(given).taken == Taken::accepted);
  world.new_actions();
  CHECK(world.take(given).taken == Taken::repeated);
  CHECK(world.take(world.message(given)).taken == Taken::repeated);
  world.clock.advance_ms(48LL * 3600 * 1000);
  CHECK(world.take(given).taken == Taken::repeated);
  CHECK(world.new_actions().empty());
  CHECK(world.counted("repeated") == 3);

  const Json at_once = world.message();
  const std::string envelope = sealed(world.key.public_jwk(), at_once.dump());
  std::vector<IntakeVerdict> verdicts(4);
  {
    std::vector<std::jthread> threads;
    for (auto& verdict : verdicts)
      threads.emplace_back([&world, &verdict, &envelope] {
        verdict = world.intake.take({"1700000000000-99", envelope, to_hex(view(sha256(envelope))), ""});
      });
  }
  INFO(verdicts[0].reason << world.log.all());
  const auto is = [](Taken taken) { return [taken](const IntakeVerdict& v) { return v.taken == taken; }; };
  CHECK(std::count_if(verdicts.begin(), verdicts.end(), is(Taken::accepted)) == 1);
  CHECK(std::count_if(verdicts.begin(), verdicts.end(), is(Taken::repeated)) == 3);
  CHECK(world.count("message") == 2);
  CHECK(world.count("due") == 2);
}

TEST_CASE("what is no approved message is refused by its reason, on record and without a word of its content") {
  IntakeWorld world;
  const auto staff = world.user(Role::staff), auditor = world.user(Role::auditor);
  const auto clerk = api::enrolled(world.postgres, world.ids, world.clock, staff.id);
  const auto stranger = *SigningKey::generate(SignatureAlgorithm::p256);
  const Json taken = world.message({{"clientReference", "ref:1"}});
  REQUIRE(world.take(taken).taken == Taken::accepted);
  world.new_actions();
  const auto by = [&world](const Uuid& id, Role role, const SigningKey& key) {
    return Json::parse(api::handed_over(world.ids, world.clock, {{id, role, key}}));
  };
  Json unsigned_one = world.message(), twice = world.message();
  for (const char* member : {"approvals", "id", "salt"}) unsigned_one.erase(member);
  Json forged = world.message();
  forged["approvals"][0]["signatures"][0]["sig"] = to_base64(std::string(64, 'x'));
  std::string doubled = twice.dump();
  doubled.insert(1, R"("kind":"email",)");
  Json old = world.message({{"id", "01890000-0000-7000-8000-000000000000"}});
  struct Row {
    const char* what;
    std::string plain, reason;
  };
  const Row rows[] = {
      {"no JSON", "MARKER", "WRONG_SCHEMA"},
      {"nothing", "", "WRONG_SCHEMA"},
      {"a list", "[" + world.message().dump() + "]", "WRONG_SCHEMA"},
      {"an unknown member", world.message({{"MARKER", 1}}).dump(), "WRONG_SCHEMA"},
      {"a member twice", doubled, "WRONG_SCHEMA"},
      {"no kind", world.message({{"kind", nullptr}}).dump(), "WRONG_SCHEMA"},
      {"no salt", world.message({{"salt", nullptr}}).dump(), "WRONG_SCHEMA"},
      {"a recipient in another form", world.message({{"recipientPhone", "+61 412 345 678"}}).dump(), "WRONG_SCHEMA"},
      {"an author who may not draft", world.message({{"authorId", auditor.id.text()}}).dump(), "WRONG_SCHEMA"},
      {"an author nobody knows", world.message({{"authorId", world.ids.next().text()}}).dump(), "WRONG_SCHEMA"},
      {"no approvals", unsigned_one.dump(), "UNSIGNED"},
      {"an id of another time", old.dump(), "ID_LAPSED"},
      {"another's id", world.message({{"id", taken["id"]}, {"contentDraft", "MARKER"}}).dump(), "ID_TAKEN"},
      {"another's reference", world.message({{"clientReference", "ref:1"}}).dump(), "REFERENCE_TAKEN"},
      {"a signature that does not verify", forged.dump(), "SIGNATURE_WRONG"},
      {"a key nobody enrolled", by(world.reviewer.id, Role::reviewer, stranger).dump(), "KEY_FOREIGN"},
      {"another's key", by(world.reviewer.id, Role::reviewer, clerk).dump(), "STATEMENT_UNKNOWN"},
      {"who may not review", by(staff.id, Role::staff, clerk).dump(), "ROLE"},
      {"a role that is not his", by(world.reviewer.id, Role::doctor, world.signer).dump(), "SIGNER_UNKNOWN"},
      {"other words than were signed", world.message({{"contentDraft", "MARKER"}}).dump(), "STATEMENT_OTHER"},
      {"another recipient", world.message({{"recipientPhone", "+61491570156"}}).dump(), "STATEMENT_OTHER"},
      {"one signature on high risk", world.message({{"riskLevel", "high"}}).dump(), "QUORUM"},
      {"an author who signs for himself", world.message({{"authorId", world.reviewer.id.text()}}).dump(),
       "SELF_REVIEW"},
  };
  int64_t count = 0;
  for (const auto& row : rows) {
    INFO(row.what);
    const std::string envelope = sealed(world.key.public_jwk(), row.plain);
    const auto verdict = world.take_envelope(envelope);
    CHECK(verdict.taken == Taken::refused);
    CHECK(verdict.reason == row.reason);
    CHECK(world.new_actions() == Actions{"intake_refused"});
    const Json event = world.last_event("intake_refused");
    CHECK(event["reasonCode"] == row.reason);
    CHECK(event["object"]["type"] == "envelope");
    CHECK(event["actor"] == Json{{"id", "signetd-1"}, {"role", "daemon"}});
    CHECK(event["detail"] == Json{{"envelopeSha256", to_hex(view(sha256(envelope)))},
                                  {"streamId", "1700000000000-" + std::to_string(world.entries - 1)}});
    CHECK(world.counted("refused") == ++count);
  }
  CHECK(world.count("message") == 1);
  CHECK(world.count("due") == 1);
  CHECK(world.log.all().find("MARKER") == std::string::npos);
  CHECK(world.log.all().find("result is fine") == std::string::npos);
}

TEST_CASE("an envelope in clear is refused unread, and one of 2 MB by its size") {
  IntakeWorld world;
  CHECK(world.take_envelope(world.message().dump()).reason == "CLEAR");
  CHECK(world.take(world.message({{"contentDraft", std::string(2'000'000, 'x')}})).reason == "TOO_LARGE");
  CHECK(world.intake.take({"1-1", "", "", "TOO_LARGE"}).reason == "TOO_LARGE");
  CHECK(world.last_event("intake_refused")["detail"] == Json{{"streamId", "1-1"}});
  const IntakeKey other = *IntakeKey::parse(*make_p256_jwk());
  CHECK(world.take_envelope(sealed(other.public_jwk(), world.message().dump())).reason == "UNREADABLE");
  CHECK(world.count("message") == 0);
}

TEST_CASE("approvals that have lapsed are refused, as over HTTP") {
  IntakeWorld world;
  Json old = world.message();
  world.clock.advance_ms(25LL * 3600 * 1000);
  CHECK(world.take(old).reason == "ID_LAPSED");
  const Json revoked = world.message();
  world.sql("update signing_keys set revoked_at = '" + rfc3339(world.clock.wall()) + "'");
  world.clock.advance_ms(1000);
  CHECK(world.take(revoked).reason == "KEY_REVOKED");
}

TEST_CASE("without its account, and while approvals are stopped, the intake waits and says for what") {
  IntakeWorld world;
  const Json given = world.message();
  CHECK(world.intake.waits_for().empty());
  world.sql("update users set disabled_at = now() where id = '" + world.service.id.text() + "'");
  CHECK(world.take(given).taken == Taken::later);
  CHECK_THAT(world.intake.waits_for(), Catch::Contains("signetd user add --role service --name intake"));
  world.sql("update users set disabled_at = null");
  const auto second = world.user(Role::service, "intake");
  CHECK(world.take(given).taken == Taken::later);  // in whose name?
  world.sql("update users set name = 'other' where id = '" + second.id.text() + "'");

  world.services.approval.faults_stop = true;
  world.sql(
      "insert into audit.fault (id, level, what, seq, relation, row_key, at) values "
      "('01890000-0000-7000-8000-0000000000aa', 3, 'tile', 256, 'audit.tile', '0/1', now())");
  CHECK(world.take(given).taken == Taken::later);
  CHECK_THAT(world.intake.waits_for(), Catch::Contains("/api/integrity"));
  world.services.approval.faults_stop = false;
  CHECK(world.take(given).taken == Taken::accepted);
  CHECK(world.intake.waits_for().empty());
  CHECK(world.counted("refused") == 0);
}

TEST_CASE("while PostgreSQL is away nothing is decided") {
  IntakeWorld world;
  world.is_held_to_records = false;
  const Json given = world.message();
  world.postgres.stop_immediate();
  CHECK(world.take(given).taken == Taken::later);
  CHECK(world.take_envelope("in clear").taken == Taken::later);
  world.postgres.start();
  IntakeVerdict verdict;
  // Each connection of before is found dead once.
  for (int i = 0; i < 8 && verdict.taken == Taken::later; i++) verdict = world.take(given);
  CHECK(verdict.taken == Taken::accepted);
  auto session = world.postgres.session();
  CHECK(session->run("select count(*) from message")->number(0, 0) == 1);
}

TEST_CASE("the back end of docs/intake.md hands over what it says") {
  IntakeWorld world;
  const std::string page = read_file(SIGNET_SOURCE_DIR "/docs/intake.md");
  const std::string begin = "```python\n";
  const size_t from = page.find(begin) + begin.size();
  REQUIRE(from != std::string::npos);
  const TestDir folder;
  const std::string script = folder.put("back_end.py", page.substr(from, page.find("```", from) - from));
  const std::string daemon_key = folder.put("daemon.jwk", world.key.public_jwk());
  const std::string signer_key = folder.put("signer.pem", world.signer.pem()->octets());
  std::string envelope = output_of("/usr/bin/python3 " + script + " " + daemon_key + " " + signer_key + " " +
                                   world.reviewer.id.text() + " reviewer");
  REQUIRE(envelope.ends_with('\n'));
  envelope.pop_back();
  // The script reads the true clock.
  SystemClock now;
  world.clock.advance_ms((now.wall().us - world.clock.wall().us) / 1000);
  world.sql("update signing_keys set valid_from = '" + rfc3339({now.wall().us - 60'000'000}) + "'");
  const auto verdict = world.take_envelope(envelope);
  INFO(verdict.reason << world.log.all());
  CHECK(verdict.taken == Taken::accepted);
}

}  // namespace
}  // namespace signet

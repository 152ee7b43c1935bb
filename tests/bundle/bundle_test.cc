// Evidence bundles as they are made, and what both programs that check them say of good ones.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/bundle.h"
#include "base/bytes.h"
#include "daemon/evidence/exporter.h"
#include "tests/base/files.h"
#include "tests/bundle/bundle_world.h"

namespace signet::api {
namespace {

using BundleWorld = BasicBundleWorld<nlohmann::json>;

using Json = nlohmann::json;

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string file_of(const std::string& zip, const std::string& name) {
  std::vector<BundleFault> faults;
  const auto bundle = BundleReader::open(octets_of(zip), faults);
  REQUIRE((bundle.ok() && bundle->has(name)));
  return *bundle->read(name);
}

TEST_CASE("the whole log, a selection and one message verify, by the script and by the daemon's own check") {
  BundleWorld w;
  BundleCheck check;
  check.log = w.world.log_key.name;
  check.witnesses = {w.witness};
  check.older = w.older;
  const std::string keys = " --log-key " + w.world.log_key.name.vkey() + " --witness-key " + w.witness.vkey() +
                           " --tsa-ca " + w.authority.ca_file();
  const TestDir dir;
  dir.put("older", w.older);
  dir.put("older.zip", w.older_bundle);
  for (const auto& zip : {w.whole(), w.whole(w.older), w.selection()}) {
    const auto verdict = verdict_of(zip, check);
    CHECK(texts(verdict) == "");
    CHECK(verdict.events > 3);
    for (const char* older : {"older", "older.zip"}) {
      const auto run = run_script(zip, "ZIP --older " + dir / older + keys);
      INFO(run.output);
      CHECK(run.status == 0);
      CHECK(holds(run.output, "VERDICT everything verifies"));
      CHECK(holds(run.output, "cosigned the checkpoint"));
      CHECK(holds(run.output, "the log extends the older checkpoint of"));
      CHECK(holds(run.output, ".tsr: the checkpoint existed at"));
    }
  }
  const auto zip = w.of_message(w.two_signed);
  CHECK(texts(verdict_of(zip)) == "");
  const auto run = run_script(zip);
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(holds(run.output, "TRUST  the log's key is the bundle's own word, " + w.world.log_key.name.vkey()));
  const Json manifest = Json::parse(file_of(zip, "manifest.json"));
  CHECK(manifest["claims"] == Json{{"wholeLog", false}, {"wholeMessages", true}});
  CHECK(manifest["message"]["id"] == w.two_signed);
  CHECK(manifest["filter"] == Json{{"messageId", w.two_signed}});
}

TEST_CASE("a bundle is the same octets whenever it is made of the same, and says nothing of a patient") {
  BundleWorld w;
  const auto one = w.whole(), two = w.whole();
  CHECK(one == two);
  for (const char* word : {"Your result", "+61412345678", "dr.smith", "LVEF"}) CHECK(!holds(one, word));
  CHECK(file_of(one, "VERIFY.md") == verify_md());
  CHECK(file_of(one, "signet_verify.py") == signet::read_file(SIGNET_SOURCE_DIR "/audit/bundle/signet_verify.py"));
}

TEST_CASE("one message's bundle waits for a checkpoint over its newest event") {
  BundleWorld w;
  const auto id = w.world.queued(w.staff, w.reviewer);
  const auto early = w.world.call("GET", "/api/messages/" + id + "/evidence", w.auditor);
  CHECK(early.status == 409);
  CHECK(early.body["code"] == "STATUS_CONFLICT");
  CHECK(holds(early.body["detail"], "try again in 15 seconds"));
  w.world.sign_log();
  CHECK(texts(verdict_of(w.of_message(id))) == "");
  CHECK(w.world.call("GET", "/api/messages/" + w.staff.id.text() + "/evidence", w.auditor).status == 404);
  CHECK(w.world.call("GET", "/api/messages/" + id + "/evidence", w.staff).status == 403);
}

TEST_CASE("evidence is a format of the exports, from the auditor's checkpoint on") {
  BundleWorld w;
  auto& world = w.world;
  world.tasks.add("export", export_work(world.keyring, world.clock, &world.bundles),
                  export_ended(world.ids, world.clock));
  const auto auditor = w.auditor;
  const auto ask = [&](const Json& changes) {
    Json body{{"format", "evidence"}, {"purpose", "audit"}};
    body.merge_patch(changes);
    return world.call("POST", "/api/audit-export/export", auditor, body.dump());
  };
  for (const Json& changes : {Json{{"previousCheckpoint", w.older}}, Json{{"filters", {{"action", "reviewed"}}}}}) {
    const auto asked = ask(changes);
    INFO(asked.raw.body);
    REQUIRE(asked.status == 202);
    while (world.tasks.pass()) {
    }
    const std::string id = asked.body["id"];
    const auto task = world.call("GET", "/api/tasks/" + id, auditor).body;
    INFO(task.dump());
    REQUIRE(task["state"] == "done");
    const std::string zip = signet::read_file(world.tasks.path_of(*parse_uuid(id)));
    BundleCheck check;
    check.log = world.log_key.name;
    if (changes.contains("previousCheckpoint")) check.older = w.older;
    CHECK(texts(verdict_of(zip, check)) == "");
    CHECK(task["result"]["dataSha256"] == to_hex(view(sha256(file_of(zip, "events.jsonl")))));
  }
  CHECK(ask({{"previousCheckpoint", "signet/test\n3\n"}}).status == 400);
  CHECK(ask({{"include", {{"content", true}}}}).status == 400);
  CHECK(ask({{"format", "csv"}, {"previousCheckpoint", w.older}}).status == 400);
}

TEST_CASE("`signetd verify` reads a bundle without configuration or database") {
  BundleWorld w;
  const TestDir dir;
  const std::string zip = w.whole(w.older);
  dir.put("good.zip", zip);
  dir.put("older.zip", w.older_bundle);
  std::string changed = zip;
  changed[changed.find("\"action\"") + 12] ^= 1;
  dir.put("bad.zip", changed);
  const auto run = [&](const std::string& arguments) {
    const int status = std::system((SIGNET_BINARY " verify " + arguments + " >" + dir / "out" + " 2>&1").c_str());
    return std::pair(WEXITSTATUS(status), signet::read_file(dir / "out"));
  };
  const auto good =
      run(dir / "good.zip" + " --older " + dir / "older.zip" + " --log-key " + w.world.log_key.name.vkey() +
          " --witness-key " + w.witness.vkey() + " --tsa-ca " + w.authority.ca_file());
  INFO(good.second);
  CHECK(good.first == 0);
  CHECK(holds(good.second, "VERDICT everything verifies"));
  const auto bad = run(dir / "bad.zip --json");
  INFO(bad.second);
  CHECK(bad.first == 1);
  CHECK(Json::parse(bad.second)["findings"][0]["file"] == "events.jsonl");
  CHECK(run("/nowhere.zip").first == 2);
}

TEST_CASE("what was erased is said, and is no fault") {
  BundleWorld w;
  w.world.sql("delete from data_key where message_id = '" + w.two_signed + "'");
  const auto zip = w.whole();
  CHECK(texts(verdict_of(zip)) == "");
  const auto run = run_script(zip);
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(holds(run.output, "was erased with its message's content under the retention policy"));
  const Json manifest = Json::parse(file_of(zip, "manifest.json"));
  CHECK(manifest["withheld"].size() == 2);
  CHECK(manifest["withheld"][0]["reason"] == "erased");
}

TEST_CASE("a checkpoint that the log never signed is refused as previousCheckpoint") {
  BundleWorld w;
  BundleRequest request;
  request.previous_checkpoint = "signet/test\n1\n";
  StringSink zip;
  const auto made = write_bundle(*w.world.postgres.session(), w.world.bundles, request, zip);
  REQUIRE(!made.ok());
  CHECK(made.error().code == ErrorCode::invalid);
}

TEST_CASE("what is no bundle is told from one that does not verify") {
  CHECK(run_script("hello").status == 2);
  CHECK(run_script("PK").status == 2);
  CHECK(run_script("x", "/nowhere.zip").status == 2);
  CHECK(!check_bundle(octets_of("hello, this is no bundle at all"), {}).ok());
}

}  // namespace
}  // namespace signet::api

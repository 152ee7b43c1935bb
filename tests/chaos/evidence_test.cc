// Evidence over the whole way: what a clinic's auditor does with a daemon that runs.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/chaos/world.h"

using namespace signet;
using Json = nlohmann::json;

namespace {

constexpr char kErased[] = "zqphimarker: this text is to go";
constexpr char kKept[] = "zqphimarker: this text stays";

struct Clinic : World {
  std::string reviewer, admin, auditor;
  Clinic() {
    start_daemon();
    reviewer = token("reviewer");
    admin = token("admin");
    auditor = token("auditor");
  }
  Json asked(const std::string& path, const Json& body, const std::string& by, int status) {
    const auto answer = http("POST", admin_port, path, body.dump(), by);
    INFO(path << ' ' << answer.body << daemon_log());
    REQUIRE(answer.status == status);
    return Json::parse(answer.body);
  }
  void send(const std::string& text, const Json& changes) {
    Json draft{{"kind", "sms"}, {"recipientPhone", "+61491570006"}, {"contentDraft", text}};
    draft.merge_patch(changes);
    const Json made = asked("/api/messages", draft, reviewer, 201);
    (void)asked("/api/message-workflow/send-directly", {{"messageId", made["id"]}}, reviewer, 200);
  }
  Json got(const std::string& path) {
    const auto answer = http("GET", admin_port, path, "", auditor);
    INFO(path << ' ' << answer.body);
    REQUIRE(answer.status == 200);
    return Json::parse(answer.body);
  }
};

}  // namespace

TEST_CASE("after a purge the whole log verifies and says what was erased, and nothing taken afterwards holds it") {
  Clinic world;
  world.send(kErased, {{"retainUntil", rfc3339({SystemClock().wall().us + 3'000'000})}});
  world.send(kKept, Json::object());
  wait_until("both are delivered", [&] { return world.count("message where status = 6") == 2; });
  wait_until("the first's time is up", [&] { return world.got("/api/retention")["due"] == 1; });
  const Json purged = world.asked("/api/retention/purge?wait=true", {{"dryRun", false}}, world.admin, 200);
  CHECK(purged["result"]["messages"] == 1);
  CHECK(world.count("content") == 1);
  CHECK(world.count("data_key") == 1);
  wait_until(
      "a checkpoint covers it",
      [&] {
        return world.value("select max(size) from audit.checkpoint") == world.value("select count(*) from audit.log");
      },
      30);

  const Json verified = world.asked("/api/audit-export/verify-integrity?wait=true", Json::object(), world.auditor, 200);
  INFO(verified.dump());
  CHECK(verified["result"]["ok"] == true);
  CHECK(verified["result"]["erased"] == 1);
  CHECK(verified["result"]["messages"] == 2);

  (void)world.asked("/api/break-glass", {{"reason", "a test"}, {"minutes", 5}}, world.admin, 201);
  const Json exported =
      world.asked("/api/audit-export/export?wait=true",
                  {{"format", "json"}, {"purpose", "audit"}, {"include", {{"content", true}}}}, world.admin, 200);
  CHECK(exported.dump().find(kErased) == std::string::npos);
  CHECK(exported.dump().find(kKept) != std::string::npos);

  const auto bundle = world.http("POST", world.admin_port, "/api/audit-export/export?wait=true",
                                 R"({"format":"evidence","purpose":"audit"})", world.auditor);
  REQUIRE(bundle.status == 200);
  const std::string zip = world.folder + "/evidence.zip", said = world.folder + "/verify.txt";
  std::ofstream(zip, std::ios::binary) << bundle.body;
  Process script({"python3", "-I", "-S", SIGNET_SOURCE_DIR "/audit/bundle/signet_verify.py", zip}, said);
  INFO(read_file(said));
  CHECK(script.wait() == 0);
  CHECK(read_file(said).find("erased") != std::string::npos);
  CHECK(world.stop_daemon() == 0);
  (void)world.run({"verify", zip});
  (void)world.run({"verify"});
}

TEST_CASE("the first that somebody signs verifies: the key that is made for it is not younger") {
  Clinic world;
  world.send(kKept, Json::object());
  CHECK_THAT(world.run({"verify"}), !Catch::Contains("NOT VERIFIED"));
}

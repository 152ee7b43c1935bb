// kill -9 at each crash point (base/crash_points.def): the daemon dies where it comes by, another takes over, and then
// every message has ended or is visibly open, and none was sent twice.
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/chaos/back_end.h"
#include "tests/chaos/oracle.h"
#include "tests/chaos/world.h"

using namespace signet;
using Json = nlohmann::json;

namespace {

constexpr size_t kKillsEach = 8;  // before a daemon lives that settles all

// ---- What makes a daemon come by -----------------------------------------------------------------------------------

class Clinic : public World {
 public:
  Clinic() : World(settings()) {
    start_daemon();
    reviewer = token("reviewer");
    admin = token("admin");
    REQUIRE(stop_daemon() == 0);
    back_end = std::make_unique<BackEnd>(*this);
  }
  static WorldOptions settings() {
    WorldOptions options;
    options.permit_start_ms = 1000;
    options.request_timeout_ms = 1000;
    options.in_doubt = "fail";
    options.in_doubt_wait_s = 1;
    options.lease_ms = 1000;
    options.rate_per_s = 200;
    options.in_flight = 4;  // most of what is there is not under way when a daemon dies
    return options;
  }

  std::vector<std::string> crash_points() {
    std::vector<std::string> out;
    std::istringstream lines(run({"crash-points"}));
    for (std::string line; std::getline(lines, line);) out.push_back(line);
    return out;
  }
  bool is_up() { return http("GET", admin_port, "/healthz").status == 200; }
  void restore_servers() {
    if (!redis.is_running()) redis.start();
    if (!has_postgres) postgres.start();
    has_postgres = true;
  }

  size_t count_in_journal(const std::string& text) const {
    const std::string lines = journal();
    size_t count = 0;
    for (size_t at = 0; (at = lines.find(text, at)) != std::string::npos; at++) count++;
    return count;
  }
  uintmax_t spooled_octets() const {
    uintmax_t octets = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder + "/spool"))
      if (file.is_regular_file()) octets += file.file_size();
    return octets;
  }

  // Every ending that the sandbox has, and mail.
  void insert_some() {
    const char* const endings[] = {"2222", "2222", "2222", "0001", "0002", "0005", "0006", "0007", "0009"};
    for (const char* ending : endings) ids.push_back(insert(sms("+6149157" + std::string(ending), "x"), "sms"));
    for (const char* box : {"ok", "ok", "a0001", "a0009"})
      ids.push_back(insert(mail(box + std::string("@example.org"), "s", "x"), "email"));
  }
  Json post(const std::string& path, const Json& body, int& status) {
    const auto answer = http("POST", admin_port, path, body.is_null() ? "" : body.dump(), reviewer);
    status = answer.status;
    return Json::parse(answer.body, nullptr, false);
  }
  std::string draft(const Json& more = Json::object()) {
    Json body{{"kind", "sms"}, {"recipientPhone", "+61491572222"}, {"contentDraft", "Your letter is ready."}};
    body.update(more);
    int status = 0;
    const Json made = post("/api/messages", body, status);
    return status == 201 ? made["id"].get<std::string>() : "";
  }
  void send_directly(const std::string& id) {
    int status = 0;
    if (!id.empty()) (void)post("/api/message-workflow/send-directly", {{"messageId", id}}, status);
    if (status == 200) ids.push_back(*parse_uuid(id));
  }

  std::vector<Uuid> ids;  // inserted, or approved by a call that was answered
  std::vector<std::pair<Uuid, WallTime>> cancelled;
  std::string reviewer, admin;
  std::unique_ptr<BackEnd> back_end;
  bool has_postgres = true;
};

using Work = void (*)(Clinic&);  // repeated until the daemon is dead; the messages of insert_some() are there already

void nothing_more(Clinic&) {}
void send_by_hand(Clinic& clinic) { clinic.send_directly(clinic.draft()); }
void cancel(Clinic& clinic) {
  const std::string id = clinic.draft({{"scheduledFor", "2036-01-01T00:00:00Z"}});
  clinic.send_directly(id);
  int status = 0;
  if (!id.empty()) (void)clinic.post("/api/messages/" + id + "/cancel", nullptr, status);
  if (status == 200) clinic.cancelled.emplace_back(*parse_uuid(id), SystemClock().wall());
}
void forget_hints(Clinic& clinic) {
  clinic.redis.command({"FLUSHALL"});
  clinic.ids.push_back(clinic.insert(sms("+61491572222", "x"), "sms"));
}
void take_redis_away(Clinic& clinic) {
  if (clinic.redis.is_running()) clinic.redis.stop();
  clinic.ids.push_back(clinic.insert(sms("+61491572222", "x"), "sms"));
}
// From the second on the recipient has opted out: the permit ends it.
void opt_out(Clinic& clinic) {
  const Uuid id = clinic.insert(sms("+61491573333", "x"), "sms");
  clinic.ids.push_back(id);
  REQUIRE(clinic.postgres.session()
              ->run("insert into suppressions (id, recipient_key, reason, source) select id, recipient_key, "
                    "'opted_out', 'test' from message where id = $1 on conflict do nothing",
                    {id})
              .ok());
}
// While requests hang: their results have nowhere to go but the spool. It may be dead before: of what an earlier one
// left.
void take_postgres_away(Clinic& clinic) {
  if (!clinic.has_postgres) return;
  const auto hung = [&clinic] { return clinic.count_in_journal("\"hung\""); };
  const auto before = hung();
  clinic.ids.push_back(clinic.insert(sms("+61491570004", "x"), "sms"));
  wait_until("a request hangs", [&] { return hung() > before || !clinic.daemon().is_running(); });
  if (!clinic.daemon().is_running()) return;
  clinic.postgres.stop_immediate();
  clinic.has_postgres = false;
}
void lose_postgres_for_a_while(Clinic& clinic) {
  take_postgres_away(clinic);
  wait_until("a result is spooled", [&clinic] { return clinic.spooled_octets() > 0 || !clinic.daemon().is_running(); });
  clinic.restore_servers();
}
void hand_over(Clinic& clinic) { clinic.back_end->hand_over(); }
void hand_over_in_clear(Clinic& clinic) { clinic.redis.command({"XADD", "signet:intake", "*", "text", "x"}); }
// To a number that the sandbox has not heard of: its first request fails, and the hint comes back.
void fail_once(Clinic& clinic) {
  static int number = 100;
  clinic.ids.push_back(clinic.insert(sms("+61491" + std::to_string(number++) + "0009", "x"), "sms"));
}
void requeue(Clinic& clinic) {
  const std::string id = clinic.value("select id::text from message where status = 8 limit 1");
  if (!id.empty())
    (void)clinic.http("POST", clinic.admin_port, "/api/messages/" + id + "/requeue", "", clinic.admin).status;
}
void terminate(Clinic& clinic) {  // once there is something to drain: before, it just ends
  if (clinic.http("GET", clinic.admin_port, "/readyz").status == 200) clinic.daemon().signal(SIGTERM);
}
// Never answered: in doubt, which the policy then decides.
void hang(Clinic& clinic) {
  if (clinic.count("message where status in (4, 10)") < 3)
    clinic.ids.push_back(clinic.insert(sms("+61491570004", "x"), "sms"));
}

struct Scenario {
  const char* point;
  Work work;
  const char* before = nullptr;  // a point to die at first, which leaves what this one needs
};

constexpr Scenario kScenarios[] = {
    {"claim_answered", nothing_more},
    {"due_claimed", take_redis_away},
    {"tokens_leased", nothing_more},
    {"admitted", nothing_more},
    {"permit_unwritten", nothing_more},
    {"batch_written", nothing_more},
    {"permit_committed", nothing_more},
    {"end_committed", opt_out},
    {"opened", nothing_more},
    {"http_before_first_byte", nothing_more},
    {"http_after_first_byte", nothing_more},
    {"http_reply_begun", nothing_more},
    {"http_replied", nothing_more},
    {"smtp_before_mail", nothing_more},
    {"smtp_before_dot", nothing_more},
    {"smtp_after_dot", nothing_more},
    {"smtp_replied", nothing_more},
    {"outcome_known", nothing_more},
    {"result_unwritten", nothing_more},
    {"result_committed", nothing_more},
    {"before_ack", nothing_more},
    {"after_ack", nothing_more},
    {"nacked", fail_once},
    {"spool_unsynced", take_postgres_away},
    {"spool_synced", take_postgres_away},
    {"spool_read", nothing_more, "spool_synced"},
    {"spool_recorded", lose_postgres_for_a_while},
    {"place_won", nothing_more},
    {"shard_cleared", forget_hints},
    {"due_scanned", nothing_more},
    {"stamps_unrecorded", nothing_more},
    {"overdue_found", nothing_more},
    {"doubt_undecided", hang},
    {"change_uncommitted", nothing_more},
    {"doubt_decided", hang},
    {"callback_stored", nothing_more},
    {"callbacks_taken", nothing_more},
    {"callback_committed", nothing_more},
    {"approved", send_by_hand},
    {"cancelled", cancel},
    {"intake_read", hand_over},
    {"intake_taken", hand_over},
    {"intake_rejected", hand_over_in_clear},
    {"requeued", requeue},
    {"draining", terminate},
};

const Scenario& scenario_of(const std::string& point) {
  for (const auto& scenario : kScenarios)
    if (scenario.point == point) return scenario;
  throw std::runtime_error("no scenario for the crash point " + point);
}

// ---- What must hold afterwards -------------------------------------------------------------------------------------

void check(Clinic& clinic) {
  constexpr char kOpen[] =
      "attempt_start s left join attempt_result r using (message_id, attempt_no) where s.kind = 1 and r.message_id is "
      "null";
  wait_until(
      "all is settled",
      [&] {
        return clinic.count("due") + clinic.count("callback_due") + clinic.count(kOpen) == 0 &&
               clinic.redis.command({"XLEN", "signet:intake"}) == "0";
      },
      40);
  Evidence evidence;
  evidence.seen = read_seen(clinic.folder + "/journal.jsonl");
  evidence.acknowledged = clinic.ids;
  evidence.cancelled = clinic.cancelled;
  evidence.permit_start_ms = Clinic::settings().permit_start_ms;
  const auto judgement = judge(*clinic.postgres.session("postgres"), evidence);
  INFO(judgement.text());
  CHECK(judgement.is_clean());
}

void crash_at(Clinic& clinic, const std::string& point) {
  const Scenario& scenario = scenario_of(point);
  if (scenario.before) crash_at(clinic, scenario.before);
  clinic.insert_some();
  clinic.start_daemon(false, {"--crash-at", point});
  wait_until("a daemon comes by " + point, [&] {
    if (!clinic.daemon().is_running()) return true;
    if (clinic.is_up()) scenario.work(clinic);
    return false;
  });
  INFO(clinic.daemon_log());
  REQUIRE(clinic.daemon().wait() == 128 + SIGKILL);
  clinic.restore_servers();
}

void take_over(Clinic& clinic) {
  clinic.start_daemon();
  check(clinic);
  REQUIRE(clinic.stop_daemon() == 0);
}

// ---- The table, the code and the list -------------------------------------------------------------------------------

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::vector<std::string> names_in(const std::string& text, const char* macro) {
  const std::regex call(std::string(macro) + R"(\((\w+)[,)])");
  std::vector<std::string> out;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), call); at != std::sregex_iterator(); ++at)
    out.push_back((*at)[1]);
  return out;
}

}  // namespace

TEST_CASE("each crash point stands in the code once and has a scenario, and there is no other") {
  const std::filesystem::path root = SIGNET_SOURCE_DIR;
  std::map<std::string, int> placed, scenarios;
  for (const auto& name : names_in(text_of(root / "base/crash_points.def"), "\nSIGNET_CRASH")) placed[name] = 0;
  REQUIRE(placed.size() >= 30);
  for (const char* room : {"audit", "base", "config", "daemon", "message", "providers", "queue", "store"})
    for (const auto& file : std::filesystem::recursive_directory_iterator(root / room))
      if (file.path().extension() == ".cc")
        for (const auto& name : names_in(text_of(file.path()), "SIGNET_CRASH_POINT")) placed[name]++;
  for (const auto& [name, times] : placed) {
    INFO(name);
    CHECK(times == 1);
    scenarios[name] = 0;
  }
  for (const auto& scenario : kScenarios) scenarios[scenario.point]++;
  for (const auto& [name, times] : scenarios) {
    INFO(name);
    CHECK(times == 1);
  }
  CHECK(scenarios.size() == placed.size());
}

TEST_CASE("I14 kill -9 at each crash point: another daemon takes over, nothing is lost and nothing sent twice") {
  Clinic clinic;
  const auto points = clinic.crash_points();
  CHECK(points.size() == std::size(kScenarios));
  // The next to die takes over from the one before; after every few, one lives.
  std::string killed;
  for (size_t i = 0; i < points.size(); i++) {
    killed += ' ' + points[i];
    INFO("killed at" << killed);
    crash_at(clinic, points[i]);
    if (i % kKillsEach < kKillsEach - 1 && i + 1 < points.size()) continue;
    take_over(clinic);
    killed.clear();
  }
}

// ./dev chaos --crash-points
TEST_CASE("I14 kill -9 at each crash point, and the next daemon lives", "[.long]") {
  Clinic clinic;
  for (const auto& point : clinic.crash_points()) {
    INFO(point);
    crash_at(clinic, point);
    take_over(clinic);
  }
}

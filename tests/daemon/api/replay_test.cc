// Idempotency-Key.
#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/access/sweep.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;

constexpr char kDraft[] = R"({"kind":"sms","recipientPhone":"+61412345678","contentDraft":"Your result is fine."})";
constexpr int64_t kHourMs = 3'600'000;

World::Answer send(World& world, const Caller& caller, const std::string& key, const std::string& body = kDraft) {
  return world.call("POST", "/api/messages", caller, body, {{"idempotency-key", key}});
}

TEST_CASE("the same key and body get the first reply again, byte for byte, and nothing is made") {
  World world;
  const Caller author = world.user(Role::staff);
  const auto first = send(world, author, "k-1");
  CHECK(first.status == 201);
  CHECK(first.header("Idempotent-Replayed").empty());
  (void)world.new_actions();
  const auto again = send(world, author, "k-1");
  CHECK(again.status == 201);
  CHECK(again.raw.body == first.raw.body);
  CHECK(again.header("Location") == first.header("Location"));
  CHECK(again.header("Idempotent-Replayed") == "true");
  CHECK(world.new_actions().empty());
  CHECK(world.count("message") == 1);
  CHECK(send(world, author, "\"k-1\"").raw.body == first.raw.body);  // a structured-field string
  CHECK(send(world, author, "k-2").raw.body != first.raw.body);
}

TEST_CASE("another body under the same key is refused, and leaves an event") {
  World world;
  const Caller author = world.user(Role::staff);
  REQUIRE(send(world, author, "k-1").status == 201);
  const auto other = send(world, author, "k-1", std::string(kDraft) + " ");
  CHECK(other.status == 422);
  CHECK(other.body["code"] == "IDEMPOTENCY_KEY_REUSED");
  CHECK(world.last_event("refused")["reasonCode"] == "IDEMPOTENCY_KEY_REUSED");
  CHECK(world.count("message") == 1);
}

TEST_CASE("a key is one caller's, and what was refused may be tried again") {
  World world;
  const Caller author = world.user(Role::staff), other = world.user(Role::staff);
  CHECK(send(world, author, "k-1", "{}").status == 400);
  const auto first = send(world, author, "k-1");
  CHECK(first.status == 201);
  const auto others = send(world, other, "k-1");
  CHECK(others.status == 201);
  CHECK(others.body["id"] != first.body["id"]);
  CHECK(send(world, author, "with space").status == 400);
  CHECK(send(world, author, std::string(256, 'k')).status == 400);
}

TEST_CASE("of eight at once one makes it, and all hear the same") {
  World world;
  const Caller author = world.user(Role::staff);
  std::vector<World::Answer> answers(8);
  std::vector<std::thread> threads;
  for (auto& answer : answers) threads.emplace_back([&] { answer = send(world, author, "race"); });
  for (auto& thread : threads) thread.join();
  int replayed = 0;
  for (const auto& answer : answers) {
    CHECK(answer.status == 201);
    CHECK(answer.raw.body == answers.front().raw.body);
    replayed += answer.header("Idempotent-Replayed") == "true";
  }
  CHECK(replayed == 7);
  CHECK(world.count("message") == 1);
}

TEST_CASE("a reply is kept for 24 hours, sealed, and then swept") {
  World world;
  const Caller author = world.user(Role::staff);
  const auto first = send(world, author, "k-1");
  CHECK(world.count("idempotency where position('" + first.body["id"].get<std::string>() + "'::bytea in reply) > 0") ==
        0);
  CHECK(world.count("idempotency where key like '%k-1%'") == 0);
  world.clock.advance_ms(24 * kHourMs - 1);
  sweep_access(world.pool, world.clock, world.log);
  CHECK(send(world, author, "k-1").raw.body == first.raw.body);
  world.clock.advance_ms(1);
  CHECK(send(world, author, "k-1").raw.body != first.raw.body);
  CHECK(world.count("idempotency") == 1);
  world.clock.advance_ms(24 * kHourMs + 1);
  sweep_access(world.pool, world.clock, world.log);
  CHECK(world.count("idempotency") == 0);
}

// A standby that PostgreSQL waits for and that never comes: a COMMIT is done, and its backend waits to say so.
class SilentCommits {
 public:
  explicit SilentCommits(PgSession& superuser) : superuser_(superuser) { set("nobody"); }
  ~SilentCommits() { set(""); }
  // Ends the backends that wait: their callers never learn of the COMMIT.
  int end_waiting() {
    auto ended =
        superuser_.run("select count(pg_terminate_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'");
    return ended ? static_cast<int>(ended->number(0, 0)) : 0;
  }

 private:
  void set(const std::string& standby) {
    (void)superuser_.run("alter system set synchronous_standby_names = '" + standby + "'").ok();
    (void)superuser_.run("select pg_reload_conf()").ok();
  }
  PgSession& superuser_;
};

TEST_CASE("I9 a COMMIT that was done and never confirmed is no success to the caller, and repeated by key done once") {
  World world;
  const Caller author = world.user(Role::staff);
  const auto superuser = world.postgres.session("postgres");
  std::string key;
  World::Answer answer;
  {
    SilentCommits commits(*superuser);
    int ended = 0;
    for (int i = 0; ended == 0; i++) {  // until the server has read its new setting
      REQUIRE(i < 1000);
      key = "k-" + std::to_string(i);
      std::atomic<bool> is_answered = false;
      std::thread caller([&] {
        answer = send(world, author, key);
        is_answered = true;
      });
      while (!is_answered) ended += commits.end_waiting();
      caller.join();
    }
  }
  CHECK(answer.status == 503);
  const int64_t made = world.count("message");
  CHECK(made >= 1);  // it did take effect
  const auto again = send(world, author, key);
  CHECK(again.status == 201);
  CHECK(again.header("Idempotent-Replayed") == "true");
  CHECK(world.count("message") == made);
}

}  // namespace
}  // namespace signet::api

#include "daemon/intake/redis_intake.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/keys.h"
#include "tests/daemon/api/api_world.h"
#include "tests/daemon/api/handed_over.h"
#include "tests/daemon/http/running_loop.h"
#include "tests/daemon/intake/sealed.h"
#include "tests/fakes/process.h"
#include "tests/fakes/redis_server.h"

namespace signet {
namespace {

using Json = nlohmann::json;

// What the daemons of one installation share: databases, and what a back end puts into the stream.
struct Site : api::BasicApiWorld<Json> {
  api::Caller service = user(Role::service, "intake"), reviewer = user(Role::reviewer);
  SigningKey signer = api::enrolled(postgres, ids, clock, reviewer.id);
  IntakeKey key = *IntakeKey::parse(*make_p256_jwk());
  test::RedisServer redis;

  std::string message() { return api::handed_over(ids, clock, {{reviewer.id, Role::reviewer, signer}}); }
  std::string add(const std::string& envelope, const std::string& member = "jwe") {
    return redis.command({"XADD", kIntakeStream, "*", member, envelope});
  }
  std::string add() { return add(sealed(key.public_jwk(), message())); }
  int64_t length(const char* stream) { return std::stoll(redis.command({"XLEN", stream})); }
  std::string rejected() { return redis.command({"XRANGE", kRejectedStream, "-", "+"}); }
  int64_t counted(const std::string& verdict) {
    return metrics.value("signet_intake_total", "verdict=\"" + verdict + '"');
  }
  void wait_for_rest() {
    wait_until("the stream is empty", [this] { return redis.is_running() && length(kIntakeStream) == 0; });
  }
};

// One daemon's part in it.
struct Reader {
  Site& site;
  Intake intake{site.services, site.key, "intake", site.metrics};
  test::RunningLoop loop;
  SystemClock clock;
  std::unique_ptr<RedisIntake> stream;
  std::unique_ptr<ThreadPool> threads = std::make_unique<ThreadPool>(2, 64);

  Reader(Site& site, const std::string& instance, RedisIntake::Take take = nullptr) : site(site) {
    if (!take) take = [this](const IntakeEntry& entry) { return intake.take(entry); };
    RedisIntakeSettings settings{instance, 2, 5, 20, 30'000};
    settings.takeover_after_ms = 300;
    RedisOptions options;
    options.url = site.redis.url();
    loop.on_loop([&] {
      stream =
          std::make_unique<RedisIntake>(loop.loop(), clock, site.random, site.log, options, settings, *threads, take);
    });
  }
  ~Reader() {
    loop.on_loop([this] { stream->stop([] {}); });
    threads.reset();
    loop.on_loop([this] { stream.reset(); });
  }
  void stop() {
    std::promise<void> stopped;
    loop.on_loop([&] { stream->stop([&stopped] { stopped.set_value(); }); });
    stopped.get_future().wait();
  }
};

TEST_CASE("what is put into the stream is queued, and leaves it") {
  Site site;
  const std::string before = site.add();  // before a daemon was ever there
  Reader reader(site, "signetd-1");
  site.wait_for_rest();
  for (int i = 0; i < 40; i++) site.add();
  site.wait_for_rest();
  CHECK(site.count("message") == 41);
  CHECK(site.count("due") == 41);
  CHECK(site.counted("accepted") == 41);
  CHECK(site.redis.command({"EXISTS", kRejectedStream}) == "0");
  CHECK(site.redis.command({"XPENDING", kIntakeStream, kIntakeGroup}).starts_with("0\n"));
}

TEST_CASE("what is refused is in the rejected stream as id, hash and reason, and nothing else of it") {
  Site site;
  Reader reader(site, "signetd-1");
  struct Row {
    const char* what;
    std::string member, value, hashed, reason;
  };
  const std::string clear = R"({"contentDraft":"MARKER"})", large(2'000'000, 'x'), huge(5'000'000, 'y');
  const std::string other = sealed(IntakeKey::parse(*make_p256_jwk())->public_jwk(), site.message());
  const Row rows[] = {{"in clear", "jwe", clear, clear, "CLEAR"},
                      {"as members", "contentDraft", "MARKER", "MARKER", "CLEAR"},
                      {"empty", "jwe", "", "", "CLEAR"},
                      {"2 MB", "jwe", large, large, "TOO_LARGE"},
                      {"for another key", "jwe", other, other, "UNREADABLE"}};
  std::string expected;
  for (const auto& row : rows) {
    INFO(row.what);
    const std::string id = site.add(row.value, row.member);
    site.wait_for_rest();
    const std::string last = site.redis.command({"XREVRANGE", kRejectedStream, "+", "-", "COUNT", "1"});
    CHECK_THAT(last, Catch::Contains("id\n" + id + "\nsha256\n" + to_hex(view(sha256(row.hashed))) + "\nreason\n" +
                                     row.reason + "\n"));
  }
  const std::string id = site.add(huge);
  site.wait_for_rest();
  CHECK_THAT(site.rejected(), Catch::Contains("id\n" + id + "\nsha256\n\nreason\nTOO_LARGE\n"));
  CHECK(site.rejected().find("MARKER") == std::string::npos);
  CHECK(site.log.all().find("MARKER") == std::string::npos);
  CHECK(site.count("audit.entry where action = 'intake_refused'") == 6);
  CHECK(site.counted("refused") == 6);
  CHECK(site.count("message") == 0);
}

TEST_CASE("I9 an entry that was committed by a daemon that died before it said so is one message") {
  Site site;
  const std::string id = site.add();
  // It dies between COMMIT and XACK: Redis never hears of the entry again.
  {
    Intake intake(site.services, site.key, "intake", site.metrics);
    site.redis.command({"XGROUP", "CREATE", kIntakeStream, kIntakeGroup, "0"});
    const std::string read =
        site.redis.command({"XREADGROUP", "GROUP", kIntakeGroup, "signetd-9", "STREAMS", kIntakeStream, ">"});
    const size_t from = read.find("jwe\n") + 4;
    const std::string envelope = read.substr(from, read.find('\n', from) - from);
    REQUIRE(intake.take({id, envelope, to_hex(view(sha256(envelope))), ""}).taken == Taken::accepted);
  }
  CHECK(site.length(kIntakeStream) == 1);
  Reader reader(site, "signetd-1");
  site.wait_for_rest();
  CHECK(site.count("message") == 1);
  CHECK(site.count("due") == 1);
  CHECK(site.counted("repeated") == 1);
}

TEST_CASE("several daemons take each entry once, and one that hangs holds back only what it took") {
  Site site;
  for (int i = 0; i < 60; i++) site.add();
  std::atomic<bool> is_released = false;
  std::atomic<int> hanging = 0;
  Reader slow(site, "signetd-1", [&](const IntakeEntry&) {
    hanging++;
    is_released.wait(false);
    return IntakeVerdict{};
  });
  wait_until("the first daemon hangs", [&] { return hanging == 2; });
  {
    Reader second(site, "signetd-2"), third(site, "signetd-3");
    site.wait_for_rest();
    CHECK(site.count("message") == 60);
    CHECK(site.count("due") == 60);
  }
  is_released = true;
  is_released.notify_all();
}

TEST_CASE("an entry that cannot be decided yet is asked for again, and the others go on") {
  Site site;
  std::atomic<bool> is_there = false;
  std::atomic<int> asked = 0;
  std::string stuck = site.add("stuck");
  Intake intake(site.services, site.key, "intake", site.metrics);
  Reader reader(site, "signetd-1", [&](const IntakeEntry& entry) {
    if (entry.id != stuck || is_there) return intake.take(entry);
    asked++;
    return IntakeVerdict{};
  });
  for (int i = 0; i < 40; i++) site.add();
  wait_until("the others are through", [&] { return site.length(kIntakeStream) == 1; });
  CHECK(site.count("message") == 40);
  const int before = asked;
  // Longer than the time after which a dead daemon's is taken over: it is not taken twice.
  wait_until("it is asked for again", [&] { return asked > before + 20; });
  is_there = true;
  site.wait_for_rest();
  CHECK(site.counted("refused") == 1);
}

TEST_CASE("Redis may go away, lose everything and come back") {
  Site site;
  Reader reader(site, "signetd-1");
  site.add();
  site.wait_for_rest();
  site.redis.kill9();
  site.redis.start();  // empty: the group is gone
  site.add();
  site.wait_for_rest();
  site.add();
  site.redis.command({"FLUSHALL"});
  const std::string id = site.add();
  site.wait_for_rest();
  CHECK(site.count("message") >= 3);
  CHECK(site.count("message") == site.count("due"));
}

TEST_CASE("a stop waits for what is under way and leaves the rest in the stream") {
  Site site;
  std::atomic<bool> is_released = false;
  std::atomic<int> taken = 0;
  Intake intake(site.services, site.key, "intake", site.metrics);
  for (int i = 0; i < 10; i++) site.add();  // before it reads: it may ask for no more until one ends
  auto reader = std::make_unique<Reader>(site, "signetd-1", [&](const IntakeEntry& entry) {
    taken++;
    is_released.wait(false);
    return intake.take(entry);
  });
  wait_until("two are under way", [&] { return taken == 2; });
  std::thread stopping([&] { reader->stop(); });
  is_released = true;
  is_released.notify_all();
  stopping.join();
  const int64_t left = site.length(kIntakeStream);
  CHECK(left == 10 - site.count("message"));
  reader.reset();
  Reader next(site, "signetd-1");
  site.wait_for_rest();
  CHECK(site.count("message") == 10);
  CHECK(site.count("due") == 10);
}

}  // namespace
}  // namespace signet

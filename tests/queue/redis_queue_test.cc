// What only the queue in Redis has: its function library, a server that goes and comes back, its keys and its rights.
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "queue/rate.h"
#include "tests/base/certificates.h"
#include "tests/queue/world.h"

using namespace signet;
using namespace signet::test;

namespace {

struct Monitored {  // a line of MONITOR: 1795307286.123456 [0 127.0.0.1:4711] "FCALL" "sg_ack" "1" "{sg:00}" ...
  bool is_of_script = false;
  std::vector<std::string> words;
};

Monitored parse_monitored(const std::string& line) {
  Monitored out;
  out.is_of_script = line.find(" lua] ") < line.find(']') + 2;
  for (size_t at = line.find("] ") + 2; at < line.size(); at++) {
    if (line[at] != '"') continue;
    std::string& word = out.words.emplace_back();
    for (at++; line[at] != '"'; at++) {
      if (line[at] == '\\') word += line[at++];
      word += line[at];
    }
  }
  return out;
}

// What Redis Cluster places a key by.
std::string hash_tag(const std::string& key) {
  const size_t open = key.find('{');
  const size_t close = open == std::string::npos ? open : key.find('}', open + 1);
  return close == std::string::npos || close == open + 1 ? key : key.substr(open + 1, close - open - 1);
}

// Of one command, by its name. Our scripts call none with keys in other places.
std::vector<std::string> keys_of(const std::vector<std::string>& words) {
  if (words[0] == "TIME") return {};
  if (words[0] == "UNLINK" || words[0] == "DEL") return {words.begin() + 1, words.end()};
  return {words.at(1)};
}

}  // namespace

TEST_CASE("the library is loaded on connecting, once", "[redis]") {
  RedisWorld world;
  world.queue("one");
  CHECK(world.log.has("loaded the queue's functions into redis"));
  const auto before = world.log.lines.size();
  world.queue("two");
  CHECK(world.log.lines.size() == before + 1);  // just "redis is up"
}

TEST_CASE("an older library is replaced", "[redis]") {
  RedisWorld world;
  world.server.command(
      {"FUNCTION", "LOAD", "#!lua name=signet\nredis.register_function('sg_version', function() return 'old' end)"});
  CHECK(world.offer(world.hints(0, 3, Priority::normal)) == 3);
  CHECK(world.claim().size() == 3);
}

TEST_CASE("function lost (FUNCTION FLUSH) is loaded again", "[redis]") {
  RedisWorld world;
  world.offer(world.hints(0, 3, Priority::normal));
  world.server.command({"FUNCTION", "FLUSH"});
  int answered = 0;
  for (int i = 0; i < 5; i++)  // all at once: each is repeated, the library is loaded once
    world.queue("one").sweep(0, [&](const Result<int64_t>& result) {
      CHECK(result.ok());
      answered++;
    });
  run_until(world.loop, [&] { return answered == 5; });
  CHECK(world.claim().size() == 3);
  CHECK(std::count(world.log.lines.begin(), world.log.lines.end(), "loaded the queue's functions into redis") == 2);
}

TEST_CASE("the queue goes down and up with its server, and says so once", "[redis]") {
  RedisWorld world;
  std::vector<bool> changes;
  Queue& queue = world.queue("one");
  queue.on_change([&](bool is_up) { changes.push_back(is_up); });
  world.offer(world.hints(0, 3, Priority::normal));
  world.server.kill9();
  run_until(world.loop, [&] { return !queue.is_up(); });
  const auto failed =
      ask<OfferReply>(world.loop, [&](auto done) { queue.offer(world.hints(0, 3, Priority::normal), done); });
  CHECK(failed.error().code == ErrorCode::unavailable);
  CHECK(failed.error().text.find("redis at 127.0.0.1") != std::string::npos);
  run_for(world.loop, 300);
  world.server.start();
  run_until(world.loop, [&] { return queue.is_up(); });
  CHECK(changes == std::vector<bool>{false, true});
  CHECK(world.inspect(0).stamp == 0);
  CHECK(world.offer(world.hints(0, 3, Priority::normal)) == 3);
  CHECK(world.claim().size() == 3);
  CHECK(std::count_if(world.log.lines.begin(), world.log.lines.end(),
                      [](const std::string& line) { return line.starts_with("redis is down"); }) <= 3);
}

TEST_CASE("calls in flight when the server dies end with unavailable", "[redis]") {
  RedisWorld world;
  Queue& queue = world.queue("one");
  world.server.freeze();
  int unavailable = 0;
  std::vector<Hint> hints;
  for (int shard = 0; shard < kShards; shard++) hints.push_back(world.hint(id_in(shard, 1)));
  queue.offer(hints, [&](const auto& result) { unavailable += result.error().code == ErrorCode::unavailable; });
  queue.claim({}, [&](const auto& result) { unavailable += result.error().code == ErrorCode::unavailable; });
  run_for(world.loop, 20);
  CHECK(unavailable == 0);
  world.server.kill9();
  run_until(world.loop, [&] { return unavailable == 2; });
}

TEST_CASE("every script call keeps to the hash tag of its one key, so that Redis Cluster can run it", "[redis]") {
  RedisWorld world;
  world.queue("one");
  RedisOptions redis;
  redis.url = world.server.url();
  RedisRate rate(world.loop, world.clock, world.random, world.log, redis);
  const auto lines = world.server.commands_during([&] {
    std::vector<Hint> hints;
    for (int shard : {0, 9, 63})
      for (int n = 0; n < 40; n++)
        hints.push_back(world.hint(id_in(shard, n), kPriorities[static_cast<size_t>(n % 4)], n % 3 ? "sms" : "email",
                                   "s" + std::to_string(n % 5)));
    for (int n = 50; n < 60; n++) {
      hints.push_back(world.hint(id_in(9, n)));
      hints.back().due_at = world.in(n < 55 ? 30 : 60000);
    }
    world.offer(hints);
    for (auto& hint : hints) hint.lane = "other";  // all move to other lists
    world.offer({hints.begin(), hints.begin() + 60});
    ClaimRequest request;
    request.shard = 9;
    request.count_max = 20;
    request.lease_ms = 20;
    request.critical_only = true;
    world.claim(request);
    request.critical_only = false;
    const auto claimed = ids_of(world.claim(request));
    world.renew(claimed, 30);
    world.nack_at({{claimed[0], world.in(10)}, {claimed[1], world.in(50000)}});
    world.ack({claimed[2], claimed[3]});
    world.pass(60);  // leases lapse, scheduled ones are due
    world.sweep(9);
    request.closed_lanes = {"sms"};
    request.closed_priorities = {false, true, false, false};
    world.claim(request);
    for (int shard : {0, 63}) {
      request = {};
      request.shard = shard;
      while (!world.claim(request).empty()) {
      }
    }
    world.inspect(9);
    world.clear(9);
    world.lease(100, 10, 5);
    Result<RateAnswer> answer = Error{ErrorCode::unavailable, ""};
    std::thread asker([&] {
      for (int i = 0; i < 100 && !answer; i++) answer = rate.take("sg:rate:read:someone", 10, 1000000, 100);
    });
    run_until(world.loop, [&] { return world.server.command({"EXISTS", "sg:rate:read:someone"}) == "1"; });
    run_for(world.loop, 20);
    asker.join();
    CHECK(answer.ok());
    world.server.command({"FCALL", "sg_version", "0"});
  });

  std::set<std::string> called;
  std::string tag, function;
  int inside = 0;
  for (const auto& line : lines) {
    const Monitored command = parse_monitored(line);
    if (!command.is_of_script) {
      tag.clear();
      if (command.words[0] != "FCALL") continue;
      function = command.words[1];
      called.insert(function);
      const int key_count = std::stoi(command.words[2]);
      CAPTURE(line);
      CHECK(key_count == (function == "sg_version" ? 0 : 1));
      if (key_count == 1) tag = hash_tag(command.words[3]);
      continue;
    }
    inside++;
    for (const auto& key : keys_of(command.words)) {
      CAPTURE(function, line);
      CHECK(hash_tag(key) == tag);
    }
  }
  CHECK(inside > 200);
  std::set<std::string> registered;
  std::istringstream list(world.server.command({"FUNCTION", "LIST"}));
  for (std::string line; std::getline(list, line);)
    if (line.starts_with("sg_")) registered.insert(line);
  CHECK(called == registered);  // a new function belongs into the calls above
}

TEST_CASE("the queue works over TLS as an ACL user with the rights that docs/pace.md names, and with no fewer",
          "[redis]") {
  std::ifstream page(SIGNET_SOURCE_DIR "/docs/pace.md");
  std::vector<std::string> rights{"ACL", "SETUSER", "signet", "on", ">dont-panic"};
  std::string word;
  while (page >> word && word != ">PASSWORD") {
  }
  while (page >> word && std::string_view("+-~&r@").find(word[0]) != std::string_view::npos) rights.push_back(word);
  REQUIRE(rights.size() > 10);
  const int tls_port = free_port();
  RedisServer server({"--tls-port", std::to_string(tls_port), "--tls-auth-clients", "no", "--tls-cert-file",
                      certificates().certificate(), "--tls-key-file", certificates().key()});
  server.command(rights);
  server.command({"ACL", "SETUSER", "default", "-@all", "+@connection"});

  SystemClock clock;
  SystemRandom random;
  LogLines log;
  Loop loop;
  RedisOptions redis;
  redis.url = "rediss://localhost:" + std::to_string(tls_port);
  redis.tls = TlsContext::client(certificates().certificate()).value();
  SECTION("that user") {
    redis.user = "signet";
    redis.password = Secret("dont-panic");
    RedisQueue one(loop, clock, random, log, redis, QueueOptions{"one"});
    RedisQueue two(loop, clock, random, log, redis, QueueOptions{"two"});
    std::vector<int> rung;
    two.on_bell([&](int shard) { rung.push_back(shard); });
    run_until(loop, [&] { return one.is_up() && two.is_up(); });
    run_for(loop, 100);  // until the other listens
    const Uuid id = id_in(7, 1);
    const auto offered = ask<OfferReply>(loop, [&](auto done) {
      one.offer({{id, Priority::high, "sms", "ward", clock.wall()}}, done);
    });
    CHECK(offered.value().taken == 1);
    run_until(loop, [&] { return rung == std::vector<int>{7}; });
    ClaimRequest request;
    request.shard = 7;
    CHECK(ask<std::vector<Claimed>>(loop, [&](auto done) { one.claim(request, done); }).value().size() == 1);
    CHECK(ask<int64_t>(loop, [&](auto done) { one.renew({id}, 1000, done); }).value() == 1);
    CHECK(ask<int64_t>(loop, [&](auto done) { one.nack_at({{id, {clock.wall().us - 5000}}}, done); }).value() == 1);
    CHECK(ask<int64_t>(loop, [&](auto done) { one.sweep(7, done); }).value() == 1);
    CHECK(ask<ShardReport>(loop, [&](auto done) { one.inspect(7, done); }).value().waiting == 1);
    CHECK(ask<TokenLease>(loop, [&](auto done) { one.lease_tokens("gateway", 10, 1, 1, done); }).value().count == 1);
    CHECK(ask<void>(loop, [&](auto done) { one.clear(7, done); }).ok());
  }
  SECTION("another one is told what it lacks") {
    RedisQueue queue(loop, clock, random, log, redis, QueueOptions{"one"});
    run_until(loop, [&] { return log.has("redis.user"); });
    CHECK_FALSE(queue.is_up());
  }
}

TEST_CASE("hints whose record was evicted are dropped and may be offered again", "[redis]") {
  RedisWorld world;
  const auto hints = world.hints(0, 5, Priority::normal);
  world.offer(hints);
  SECTION("the record") { world.server.command({"DEL", "{sg:00}:own"}); }
  SECTION("who has work") { world.server.command({"DEL", "{sg:00}:active:normal", "{sg:00}:active:normal:sms"}); }
  SECTION("the list") { world.server.command({"DEL", "{sg:00}:q:normal:sms:ward"}); }
  CHECK(world.claim().empty());
  CHECK(world.offer(hints) == 5);
  CHECK(world.claim().size() == 5);
}

TEST_CASE("a full server takes no offers, but lets go of what it has", "[redis]") {
  RedisWorld world;
  world.offer(world.hints(0, 5, Priority::normal));
  world.server.command({"CONFIG", "SET", "maxmemory", "1"});
  CHECK(ask<OfferReply>(world.loop,
                        [&](auto done) { world.queue("one").offer(world.hints(10, 5, Priority::normal), done); })
            .error()
            .code == ErrorCode::limit);
  const auto claimed = world.claim();
  CHECK(claimed.size() == 5);
  CHECK(world.ack(ids_of(claimed)) == 5);
}

// What only the queue in Redis has: its function library, and a server that goes and comes back.
#include "tests/queue/world.h"

using namespace signet;
using namespace signet::test;

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

TEST_CASE("keys of a shard share its hash tag", "[redis]") {
  RedisWorld world;
  Hint later = world.hint(id_in(9, 3));
  later.due_at = world.in(9000);
  world.offer({world.hint(id_in(9, 1)), world.hint(id_in(9, 2), Priority::bulk), later});
  ClaimRequest request;
  request.shard = 9;
  request.count_max = 1;
  world.claim(request);
  const std::string keys = world.server.command({"KEYS", "*"});
  std::string rest = keys;
  int count = 0;
  for (size_t end = 0; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1), count++)
    CHECK(rest.starts_with("{sg:09}:"));
  CHECK(count >= 9);
  CHECK(keys.find("{sg:09}:q:bulk:sms:ward") != std::string::npos);
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

// What every queue keeps (queue/queue.h), in memory and in Redis alike.
#include <algorithm>

#include "tests/queue/world.h"

using namespace signet;
using namespace signet::test;

#define QUEUE_TEST(sentence) TEMPLATE_TEST_CASE(sentence, "[queue]", MemoryWorld, RedisWorld)

QUEUE_TEST("what is offered is claimed, with its lane and sender, and gone once acknowledged") {
  TestType world;
  const Uuid id = id_in(0, 1);
  CHECK(world.offer({world.hint(id, Priority::high, "sms.fr-33", "Ward-7")}) == 1);
  const auto claimed = world.claim();
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].id == id);
  CHECK(claimed[0].priority == Priority::high);
  CHECK(claimed[0].lane == "sms.fr-33");
  CHECK(claimed[0].sender == "Ward-7");
  CHECK(world.claim().empty());
  CHECK(world.ack({id}) == 1);
  CHECK(world.ack({id}) == 0);
  const ShardReport report = world.inspect(0);
  CHECK(report.waiting == 0);
  CHECK(report.leased == 0);
}

QUEUE_TEST("an id offered twice is claimed once") {
  TestType world;
  const Hint hint = world.hint(id_in(0, 1));
  CHECK(world.offer({hint, hint}) == 1);
  CHECK(world.offer({hint}) == 0);
  CHECK(world.claim().size() == 1);
  CHECK(world.offer({hint}) == 0);  // it is being sent
  CHECK(world.claim().empty());
}

QUEUE_TEST("an id acknowledged may be offered again") {
  TestType world;
  const Hint hint = world.hint(id_in(0, 1));
  world.offer({hint});
  world.claim();
  world.ack({hint.id});
  CHECK(world.offer({hint}) == 1);
  CHECK(world.claim().size() == 1);
}

QUEUE_TEST("a hint offered for another list is claimed from there, once") {
  TestType world;
  const Uuid id = id_in(0, 1);
  world.offer({world.hint(id, Priority::normal, "sms")});
  CHECK(world.offer({world.hint(id, Priority::high, "email")}) == 1);
  CHECK(world.inspect(0).waiting == 2);
  const auto claimed = world.claim();
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].lane == "email");
  CHECK(claimed[0].priority == Priority::high);
  CHECK(world.claim().empty());
  CHECK(world.inspect(0).waiting == 0);

  SECTION("and so is one that comes back to its first list") {
    world.ack({id});
    world.offer({world.hint(id, Priority::normal, "sms")});
    world.offer({world.hint(id, Priority::normal, "email")});
    world.offer({world.hint(id, Priority::normal, "sms")});
    CHECK(world.claim().size() == 1);
    CHECK(world.claim().empty());
    CHECK(world.inspect(0).waiting == 0);
  }
  SECTION("and the lease on its old list is void") {
    CHECK(world.offer({world.hint(id, Priority::normal, "letter")}) == 1);
    CHECK(world.ack({id}) == 0);
    CHECK(world.claim().size() == 1);
  }
}

QUEUE_TEST("a scheduled hint offered for another list leaves the schedule") {
  TestType world;
  Hint hint = world.hint(id_in(0, 1));
  hint.due_at = world.in(40);
  world.offer({hint});
  world.offer({world.hint(id_in(0, 1), Priority::normal, "email")});
  CHECK(world.inspect(0).waiting == 1);
  CHECK(world.claim().size() == 1);
  world.ack({hint.id});
  world.pass(60);
  CHECK(world.claim().empty());
}

QUEUE_TEST("a hint is not claimed before it is due") {
  TestType world;
  Hint hint = world.hint(id_in(0, 1));
  hint.due_at = world.in(80);
  CHECK(world.offer({hint}) == 1);
  CHECK(world.offer({hint}) == 0);
  CHECK(world.claim().empty());
  CHECK(world.inspect(0).waiting == 1);
  world.pass(100);
  CHECK(world.claim().size() == 1);
}

QUEUE_TEST("a lapsed lease is claimed again") {
  TestType world;
  world.offer({world.hint(id_in(0, 1), Priority::bulk, "email", "clinic")});
  ClaimRequest request;
  request.lease_ms = 40;
  REQUIRE(world.claim(request).size() == 1);
  CHECK(world.claim(request, "two").empty());
  world.pass(60);
  const auto again = world.claim(request, "two");
  REQUIRE(again.size() == 1);
  CHECK(again[0].lane == "email");
  CHECK(again[0].sender == "clinic");
  CHECK(again[0].priority == Priority::bulk);
  CHECK(world.ack({id_in(0, 1)}, "one") == 0);
  CHECK(world.ack({id_in(0, 1)}, "two") == 1);
}

QUEUE_TEST("lapsed leases come before what waits behind them") {
  TestType world;
  world.offer(world.hints(0, 20, Priority::normal));
  ClaimRequest request;
  request.count_max = 10;
  request.lease_ms = 30;
  world.claim(request);
  world.pass(50);
  const auto again = ids_of(world.claim(request));
  REQUIRE(again.size() == 10);
  for (const Uuid& id : again) CHECK(id < id_in(0, 10));
}

QUEUE_TEST("a renewed lease does not lapse") {
  TestType world;
  world.offer({world.hint(id_in(0, 1))});
  ClaimRequest request;
  request.lease_ms = 100;
  world.claim(request);
  CHECK(world.renew({id_in(0, 1), id_in(0, 2)}, 5000) == 1);
  CHECK(world.renew({id_in(0, 1)}, 5000, "two") == 0);
  world.pass(120);
  CHECK(world.claim(request, "two").empty());
}

QUEUE_TEST("a foreign owner cannot acknowledge, give back or renew") {
  TestType world;
  world.offer({world.hint(id_in(0, 1))});
  world.claim();
  CHECK(world.ack({id_in(0, 1)}, "two") == 0);
  CHECK(world.ack({id_in(0, 1)}, "on") == 0);
  CHECK(world.nack_at({{id_in(0, 1), world.now()}}, "two") == 0);
  CHECK(world.renew({id_in(0, 1)}, 1000, "two") == 0);
  CHECK(world.claim({}, "two").empty());
  CHECK(world.ack({id_in(0, 1)}) == 1);
}

QUEUE_TEST("what is refused comes back at its time, to its list") {
  TestType world;
  world.offer({world.hint(id_in(0, 1), Priority::high, "email", "lab"), world.hint(id_in(0, 2))});
  REQUIRE(world.claim().size() == 2);
  CHECK(world.nack_at({{id_in(0, 2), world.in(-5)}, {id_in(0, 1), world.in(80)}}) == 2);
  CHECK(world.ack({id_in(0, 1)}) == 0);
  const auto at_once = world.claim();
  REQUIRE(at_once.size() == 1);
  CHECK(at_once[0].id == id_in(0, 2));
  world.pass(100);
  const auto later = world.claim();
  REQUIRE(later.size() == 1);
  CHECK(later[0].lane == "email");
  CHECK(later[0].sender == "lab");
  CHECK(later[0].priority == Priority::high);
}

QUEUE_TEST("every priority gets its share") {
  TestType world;
  int from = 0;
  for (const Priority priority : kPriorities) {
    world.offer(world.hints(from, 300, priority));
    from += 300;
  }
  ClaimRequest request;
  request.count_max = 150;
  auto counts = by_priority(world.claim(request));
  CHECK(counts[Priority::critical] == 80);
  CHECK(counts[Priority::high] == 40);
  CHECK(counts[Priority::normal] == 20);
  CHECK(counts[Priority::bulk] == 10);

  SECTION("also one by one") {
    request.count_max = 1;
    std::map<Priority, int> sum;
    for (int i = 0; i < 150; i++)
      for (const auto& [priority, count] : by_priority(world.claim(request))) sum[priority] += count;
    CHECK(std::abs(sum[Priority::critical] - 80) <= 1);
    CHECK(std::abs(sum[Priority::high] - 40) <= 1);
    CHECK(std::abs(sum[Priority::normal] - 20) <= 1);
    CHECK(std::abs(sum[Priority::bulk] - 10) <= 1);
  }
  SECTION("what critical takes ahead is made up for") {
    request.count_max = 60;
    request.critical_only = true;
    world.claim(request);
    request.critical_only = false;
    request.count_max = 150;
    CHECK(by_priority(world.claim(request))[Priority::critical] < 60);
  }
}

QUEUE_TEST("a batch is filled from whatever waits") {
  TestType world;
  world.offer(world.hints(0, 5, Priority::critical));
  world.offer(world.hints(100, 400, Priority::bulk));
  auto counts = by_priority(world.claim());
  CHECK(counts[Priority::critical] == 5);
  CHECK(counts[Priority::bulk] == 251);
}

QUEUE_TEST("bulk does not starve under a flood of critical") {
  TestType world;
  world.options.weights = {1000000, 1, 1, 1};
  world.options.aging_ms = 100;
  world.offer(world.hints(0, 2000, Priority::critical));
  world.offer(world.hints(5000, 10, Priority::bulk));
  ClaimRequest request;
  request.count_max = 4;
  REQUIRE(by_priority(world.claim(request))[Priority::bulk] == 0);
  world.pass(120);
  CHECK(by_priority(world.claim(request))[Priority::bulk] == 1);
  CHECK(by_priority(world.claim(request))[Priority::bulk] == 0);
  world.pass(120);
  CHECK(by_priority(world.claim(request))[Priority::bulk] == 1);
}

QUEUE_TEST("critical alone can be claimed") {
  TestType world;
  world.offer(world.hints(0, 10, Priority::critical));
  world.offer(world.hints(100, 10, Priority::high));
  ClaimRequest request;
  request.critical_only = true;
  CHECK(by_priority(world.claim(request)) == std::map<Priority, int>{{Priority::critical, 10}});
  CHECK(world.claim(request).empty());
}

QUEUE_TEST("the least busy sender comes first") {
  TestType world;
  world.offer(world.hints(0, 1000, Priority::normal, "sms", "busy"));
  ClaimRequest request;
  request.count_max = 100;
  world.claim(request);
  world.offer(world.hints(2000, 30, Priority::normal, "sms", "quiet"));
  world.offer(world.hints(3000, 300, Priority::normal, "sms", "second"));
  auto counts = by_sender(world.claim(request));
  CHECK(counts["quiet"] == 30);
  CHECK(counts["busy"] == 35);
  CHECK(counts["second"] == 35);
  request.count_max = 1;  // "quiet" has no more; the others are alike again within one
  auto next = by_sender(world.claim(request));
  CHECK(next.size() == 1);
}

QUEUE_TEST("no lane has more than its part while another waits") {
  TestType world;
  for (int sender = 0; sender < 20; sender++)
    world.offer(world.hints(sender * 100, 50, Priority::normal, "sms", "s" + std::to_string(sender)));
  world.offer(world.hints(5000, 200, Priority::normal, "email", "one"));
  ClaimRequest request;
  request.count_max = 100;
  auto counts = by_lane(world.claim(request));
  CHECK(counts["sms"] == 50);
  CHECK(counts["email"] == 50);
}

QUEUE_TEST("hints of many senders are claimed completely") {
  TestType world;
  std::vector<Hint> hints;
  for (int n = 0; n < 700; n++)
    hints.push_back(world.hint(id_in(0, n), kPriorities[static_cast<size_t>(n % 4)], n % 2 ? "sms" : "email",
                               "sender-" + std::to_string(n % 350)));
  CHECK(world.offer(hints) == 700);
  std::vector<Uuid> all;
  for (;;) {
    const auto ids = ids_of(world.claim());
    if (ids.empty()) break;
    all.insert(all.end(), ids.begin(), ids.end());
    CHECK(world.ack(ids) == static_cast<int64_t>(ids.size()));
  }
  std::sort(all.begin(), all.end());
  CHECK(all.size() == 700);
  CHECK(std::unique(all.begin(), all.end()) == all.end());
}

QUEUE_TEST("hints of one sender and lane are claimed in the order they were offered") {
  TestType world;
  world.offer(world.hints(0, 100, Priority::normal));
  ClaimRequest request;
  request.count_max = 60;
  const auto ids = ids_of(world.claim(request));
  REQUIRE(ids.size() == 60);
  CHECK(std::is_sorted(ids.begin(), ids.end()));
  CHECK(ids.front() == id_in(0, 0));
}

QUEUE_TEST("a closed lane is skipped") {
  TestType world;
  world.offer(world.hints(0, 10, Priority::normal, "sms"));
  world.offer(world.hints(100, 10, Priority::normal, "email"));
  world.offer(world.hints(200, 10, Priority::critical, "sms"));
  ClaimRequest request;
  request.closed_lanes = {"sms", "sms.fr"};
  CHECK(by_lane(world.claim(request)) == std::map<std::string, int>{{"email", 10}});
  CHECK(world.claim(request).empty());
  CHECK(world.claim().size() == 20);
}

QUEUE_TEST("the 4,097th hint of a lane is not taken") {
  TestType world;
  CHECK(world.offer(world.hints(0, 4000, Priority::normal)) == 4000);
  CHECK(world.offer(world.hints(4000, 200, Priority::normal, "sms", "other")) == 96);
  CHECK(world.offer(world.hints(6000, 1, Priority::normal, "email")) == 1);
  CHECK(world.offer(world.hints(6001, 1, Priority::high)) == 1);
  CHECK(world.inspect(0).waiting == 4098);
  ClaimRequest request;
  request.closed_lanes = {"email"};
  CHECK(world.claim(request).size() == 256);
  CHECK(world.offer(world.hints(7000, 300, Priority::normal)) == 255);
}

QUEUE_TEST("the 16,385th hint of a shard and priority is not taken") {
  TestType world;
  for (int lane = 0; lane < 5; lane++) {
    const auto taken = world.offer(world.hints(lane * 5000, 4096, Priority::normal, "lane-" + std::to_string(lane)));
    CHECK(taken == (lane < 4 ? 4096 : 0));
  }
}

QUEUE_TEST("ids of several shards may be in one call") {
  TestType world;
  std::vector<Hint> hints;
  std::vector<Uuid> ids;
  for (int shard = 0; shard < kShards; shard++)
    for (int n = 0; n < 3; n++) {
      ids.push_back(id_in(shard, n));
      hints.push_back(world.hint(ids.back()));
    }
  CHECK(world.offer(hints) == 192);
  for (int shard = 0; shard < kShards; shard++) {
    ClaimRequest request;
    request.shard = shard;
    CHECK(world.claim(request).size() == 3);
  }
  CHECK(world.renew(ids, 1000) == 192);
  std::vector<std::pair<Uuid, WallTime>> late;
  for (size_t i = 0; i < 92; i++) late.emplace_back(ids[i], world.in(5000));
  CHECK(world.nack_at(late) == 92);
  CHECK(world.ack(ids) == 100);
  CHECK(world.inspect(0).waiting == 3);
  CHECK(world.inspect(63).waiting == 0);
}

QUEUE_TEST("a sweep brings back what lapsed and what is due") {
  TestType world;
  Hint later = world.hint(id_in(0, 1));
  later.due_at = world.in(40);
  world.offer({later, world.hint(id_in(0, 2))});
  ClaimRequest request;
  request.lease_ms = 40;
  REQUIRE(world.claim(request).size() == 1);
  CHECK(world.sweep(0) == 0);
  world.pass(60);
  CHECK(world.sweep(0) == 2);
  CHECK(world.sweep(0) == 0);
  CHECK(world.claim(request).size() == 2);
}

QUEUE_TEST("each batch of offers bumps the stamp") {
  TestType world;
  CHECK(world.inspect(0).stamp == 0);
  world.offer({world.hint(id_in(0, 1)), world.hint(id_in(0, 2)), world.hint(id_in(5, 2))});
  CHECK(world.inspect(0).stamp == 1);
  CHECK(world.inspect(5).stamp == 1);
  world.offer({world.hint(id_in(0, 3))});
  CHECK(world.inspect(0).stamp == 2);
  CHECK(world.inspect(1).stamp == 0);
}

QUEUE_TEST("when everything is lost the stamp is gone and offers start anew") {
  TestType world;
  world.offer(world.hints(0, 10, Priority::normal));
  const auto claimed = world.claim();
  world.lose_everything();
  CHECK(world.inspect(0).stamp == 0);
  CHECK(world.claim().empty());
  CHECK(world.ack(ids_of(claimed)) == 0);
  CHECK(world.offer(world.hints(0, 10, Priority::normal)) == 10);
  CHECK(world.claim().size() == 10);
}

QUEUE_TEST("a cleared shard is empty, others are not touched") {
  TestType world;
  for (const Priority priority : kPriorities)
    world.offer(world.hints(static_cast<int>(priority) * 100, 20, priority, "sms", "s"));
  world.offer({world.hint(id_in(1, 1))});
  Hint later = world.hint(id_in(0, 1));
  later.due_at = world.in(5000);
  world.offer({later});
  ClaimRequest request;
  request.count_max = 10;
  world.claim(request);
  world.clear(0);
  const ShardReport report = world.inspect(0);
  CHECK(report.stamp == 0);
  CHECK(report.waiting == 0);
  CHECK(report.leased == 0);
  CHECK(world.claim().empty());
  CHECK(world.inspect(1).waiting == 1);
  CHECK(world.offer(world.hints(100, 20, Priority::critical)) == 20);
}

QUEUE_TEST("an offer of what is due rings the bell at the others, one for later does not") {
  TestType world;
  std::vector<int> rung;
  world.queue("one");
  world.queue("two").on_bell([&](int shard) { rung.push_back(shard); });
  world.pass(100);  // until the other listens
  Hint later = world.hint(id_in(3, 1));
  later.due_at = world.in(5000);
  world.offer({later, world.hint(id_in(7, 1)), world.hint(id_in(12, 1))});
  run_until(world.loop, [&] { return rung.size() >= 2; });
  CHECK(rung == std::vector<int>{7, 12});
}

QUEUE_TEST("a lane that could not be a list's name is refused") {
  TestType world;
  for (const std::string lane : {"", "a:b", "SMS", "sms fr"})
    CHECK(ask<OfferReply>(
              world.loop,
              [&](auto done) { world.queue("one").offer({world.hint(id_in(0, 1), Priority::normal, lane)}, done); })
              .error()
              .code == ErrorCode::invalid);
  CHECK(ask<OfferReply>(world.loop,
                        [&](auto done) {
                          world.queue("one").offer({world.hint(id_in(0, 1), Priority::normal, "sms", "a@b")}, done);
                        })
            .error()
            .code == ErrorCode::invalid);
}

QUEUE_TEST("nothing given is nothing done") {
  TestType world;
  CHECK(world.offer({}) == 0);
  CHECK(world.ack({}) == 0);
  CHECK(world.nack_at({}) == 0);
  CHECK(world.renew({}, 1000) == 0);
  CHECK(world.claim().empty());
}

QUEUE_TEST("a closed priority is not taken from, and the others are given its part") {
  TestType world;
  int from = 0;
  for (const Priority priority : kPriorities) {
    world.offer(world.hints(from, 100, priority));
    from += 100;
  }
  ClaimRequest request;
  request.closed_priorities = {true, false, false, true};
  const auto counts = by_priority(world.claim(request));
  CHECK(counts == std::map<Priority, int>{{Priority::high, 100}, {Priority::normal, 100}});
  CHECK(world.claim(request).empty());
  request.critical_only = true;
  CHECK(world.claim(request).empty());
  CHECK(world.inspect(0).waiting == 200);
  CHECK(by_priority(world.claim()) == std::map<Priority, int>{{Priority::critical, 100}, {Priority::bulk, 100}});
}

QUEUE_TEST("an offer says which lanes are full, in which shard") {
  TestType world;
  CHECK(world.offer_all(world.hints(0, 4095, Priority::bulk)).full.empty());
  std::vector<Hint> hints = world.hints(5000, 2, Priority::bulk);  // one more than there is room for
  hints.push_back(world.hint(id_in(0, 6000), Priority::bulk, "email"));
  hints.push_back(world.hint(id_in(3, 1), Priority::bulk));
  const OfferReply reply = world.offer_all(hints);
  CHECK(reply.taken == 3);
  CHECK(reply.full == std::vector<FullLane>{{0, Priority::bulk, "sms"}});
  const OfferReply again = world.offer_all({world.hint(id_in(0, 0), Priority::bulk)});
  CHECK(again.taken == 0);  // it is there already
  CHECK(again.full == std::vector<FullLane>{{0, Priority::bulk, "sms"}});
  world.claim();
  CHECK(world.offer_all({world.hint(id_in(0, 5001), Priority::bulk)}).full.empty());
  SECTION("every lane of a priority that is full") {
    for (int lane = 0; lane < 4; lane++)
      world.offer(world.hints(lane * 5000, 4096, Priority::normal, "lane-" + std::to_string(lane)));
    CHECK(world.offer_all({world.hint(id_in(0, 30000), Priority::normal, "lane-9")}).full ==
          std::vector<FullLane>{{0, Priority::normal, "lane-9"}});
  }
}

QUEUE_TEST("a provider's bucket begins with one token, fills at its rate and holds its burst") {
  TestType world;
  TokenLease lease = world.lease(200, 10, 10);
  CHECK(lease.count == 1);
  CHECK(lease.wait_us > 0);
  CHECK(lease.wait_us <= 5000);
  world.pass(100);
  CHECK(world.lease(200, 10, 50).count == 10);
  lease = world.lease(200, 10, 4);
  CHECK(lease.count <= 2);
  world.pass(60);
  CHECK(world.lease(200, 10, 3).count == 3);
}

QUEUE_TEST("all daemons take out of one bucket, and one that was lost gives no burst anew") {
  TestType world;
  world.lease(1, 8, 1);
  CHECK(world.lease(1, 8, 8).count == 0);
  CHECK(world.lease(1, 8, 8, "two").count == 0);
  world.lose_everything();
  CHECK(world.lease(1, 8, 8, "two").count == 1);
  CHECK(world.lease(1, 8, 8).count == 0);
}

QUEUE_TEST("I12 every priority, lane and sender with work is served within bounds while others flood") {
  TestType world;
  world.options.aging_ms = 50;
  int next = 0;
  auto flood = [&] {
    std::vector<Hint> hints;
    for (const Priority priority : {Priority::critical, Priority::high})
      for (int i = 0; i < 128; i++) hints.push_back(world.hint(id_in(0, next++), priority, "sms", "flooder"));
    for (int i = 0; i < 64; i++) hints.push_back(world.hint(id_in(0, next++), Priority::bulk, "sms", "flooder"));
    world.offer(hints);
  };
  for (int i = 0; i < 4; i++) flood();
  const std::vector<Hint> quiet{world.hint(id_in(0, 900001), Priority::bulk, "sms", "quiet"),
                                world.hint(id_in(0, 900002), Priority::bulk, "email", "quiet"),
                                world.hint(id_in(0, 900003), Priority::normal, "sms", "quiet"),
                                world.hint(id_in(0, 900004), Priority::critical, "sms", "quiet")};
  world.offer(quiet);
  ClaimRequest request;
  request.count_max = 64;
  std::map<Uuid, int> served_in;
  std::map<Priority, int> shares;
  for (int claim = 1; claim <= 12; claim++) {
    flood();
    std::vector<Uuid> ids;
    for (const auto& hint : world.claim(request)) {
      ids.push_back(hint.id);
      shares[hint.priority]++;
      if (hint.sender == "quiet") served_in[hint.id] = claim;
    }
    CHECK(ids.size() == 64);
    world.ack(ids);
    world.pass(10);
  }
  REQUIRE(served_in.size() == quiet.size());
  for (const auto& [id, claim] : served_in) {
    CAPTURE(id.text());
    CHECK(claim <= 2);
  }
  CHECK(shares[Priority::bulk] >= 12 * 64 / 16);
  CHECK(shares[Priority::high] >= 12 * 64 / 5);
}

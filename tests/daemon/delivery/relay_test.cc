#include "daemon/delivery/relay.h"

#include <catch2/catch.hpp>

#include "tests/daemon/delivery/care_world.h"

using namespace signet;
using namespace signet::test;

namespace {

// Ids of one shard, in order.
std::vector<Uuid> ids_in(int shard, int count) {
  std::vector<Uuid> out;
  for (int n = 0; n < count; n++) {
    Uuid id = Uuid::lowest_at({((int64_t{210'000'000} + n / 1000) * kShards + shard) * 128 * 1000});
    id.bytes[14] = static_cast<uint8_t>(n % 1000 / 256);
    id.bytes[15] = static_cast<uint8_t>(n % 1000 % 256);
    out.push_back(id);
  }
  return out;
}

void insert_due(PgEngineWorld& world, const std::vector<Uuid>& ids, Priority priority, const std::string& lane) {
  world.run(
      "insert into due (message_id, attempt_no, priority, lane, sender, due_at, shard) select id, 1, $2, $3, 'ward', "
      "now() - interval '1 hour', $4 from unnest($1::uuid[]) id",
      {PgValue::uuids(ids), static_cast<int32_t>(priority), lane, static_cast<int32_t>(shard_of(ids[0]))});
}

}  // namespace

TEMPLATE_TEST_CASE("what is due is offered, the critical ones of all shards first", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  const Uuid bulk = care.world.insert({Priority::bulk, "sms", "", 0, {}, 1});
  const Uuid normal = care.world.insert({Priority::normal, "email", "", 60000, {}, 2});
  const Uuid critical = care.world.insert({Priority::critical, "sms", "", 0, {}, 63});
  care.world.insert({Priority::critical, "sms", "", 3'600'000, {}, 0});  // not within two minutes
  auto relay = care.relay("one");
  CHECK_FALSE(relay->pass());
  REQUIRE(care.door.offered.size() == 3);
  CHECK(care.door.offered[0].id == critical);
  CHECK(care.door.offered[1].id == normal);
  CHECK(care.door.offered[2].id == bulk);
  CHECK(care.door.waiting() == 3);
  CHECK(care.metrics.value("signet_relay_leader") == 1);
  care.door.offered.clear();
  relay->pass();
  CHECK(care.door.waiting() == 3);
  for (const auto& hint : care.door.offered) CHECK(hint.id != normal);  // not yet due: again in the next round
}

TEMPLATE_TEST_CASE("what was approved and not offered is offered in the next pass", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  const Uuid first = care.world.insert({});
  auto relay = care.relay("one");
  relay->pass();
  REQUIRE(care.door.claim(shard_of(first)).size() == 1);
  const Uuid id = care.world.insert({Priority::normal, "email", "", 0, {}, 9});
  care.door.offered.clear();
  relay->pass();
  CHECK(std::count_if(care.door.offered.begin(), care.door.offered.end(),
                      [&](const Hint& hint) { return hint.id == id; }) == 1);
}

TEMPLATE_TEST_CASE("one daemon relays, and another goes on where it is gone", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  care.world.insert({});
  auto one = care.relay("one"), two = care.relay("two");
  one->pass();
  two->pass();
  CHECK(care.door.offered.size() == 1);
  care.world.cut("one");
  one->pass();  // it notices that it lost its place, and does nothing
  CHECK(care.door.offered.size() == 1);
  care.relay("three")->pass();
  CHECK(care.door.offered.size() == 2);
  one->pass();
  CHECK(care.door.offered.size() == 2);
}

TEMPLATE_TEST_CASE("I8 a queue that is emptied or rolled back is filled again from what is due", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  std::vector<Uuid> ids;
  for (int i = 0; i < 20; i++) ids.push_back(care.world.insert({Priority::normal, "sms", "", 0, {}, i * 3}));
  auto relay = care.relay("one");
  const auto before = care.server.snapshot();
  relay->pass();
  REQUIRE(care.door.waiting() == 20);
  SECTION("emptied") { care.server.flush(); }
  SECTION("rolled back") { care.server.restore(before); }
  SECTION("while nobody relayed, so that only PostgreSQL knows how far it was") {
    care.server.flush();
    care.world.store("one").leave();
    relay = care.relay("two");
    relay->pass();
    CHECK_FALSE(care.door.cleared.empty());
  }
  care.door.offered.clear();
  relay->pass();
  CHECK(care.door.waiting() == 20);
  std::vector<Uuid> claimed;
  for (int shard = 0; shard < kShards; shard++)
    for (const auto& hint : care.door.claim(shard)) claimed.push_back(hint.id);
  std::sort(claimed.begin(), claimed.end());
  CHECK(claimed == ids);
}

TEMPLATE_TEST_CASE("I8 a hint that was lost alone comes back within a minute", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  const Uuid id = care.world.insert({});
  auto relay = care.relay("one");
  relay->pass();
  REQUIRE(care.door.claim(shard_of(id)).size() == 1);
  care.door.ack({id});  // and nobody sent it
  for (int second = 0; second < 59; second++) {
    care.clock.advance_ms(1000);
    relay->pass();
  }
  const auto claimed = care.door.claim(shard_of(id));
  REQUIRE(claimed.size() == 1);
  CHECK(claimed[0].id == id);
}

TEMPLATE_TEST_CASE("while Redis is away nothing is offered; when it is back, all is", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  care.world.insert({});
  auto relay = care.relay("one");
  care.server.set_up(false);
  relay->pass();
  CHECK(care.door.waiting() == 0);
  care.server.set_up(true);
  relay->pass();
  CHECK(care.door.waiting() == 1);
}

TEMPLATE_TEST_CASE("what is past its window is shown to a loop; what is in time is not", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  const Uuid past = care.world.insert({Priority::normal, "sms", "", -2000, -1000, {}});
  care.world.insert({Priority::normal, "sms", "", -2000, 60000, {}});
  const Uuid stray = care.world.insert({Priority::normal, "sms-9", "", 3'600'000, {}, {}});
  care.relay("one")->pass();
  CHECK(care.door.looked_at == std::vector{past, stray});
}

TEMPLATE_TEST_CASE("I5 a repeat that its provider would no longer know is stopped by a void", "", ENGINE_WORLDS) {
  CareWorld<TestType> care;
  const Uuid id = care.world.insert({Priority::normal, "sms", "", 0, {}, {}});
  care.world.permit(id, 1, "gateway", care.world.ids.next());
  care.world.end(id, 1, OutcomeKind::in_doubt, Status::in_doubt);
  auto repeat = [&](const MessageView& view) {
    MessageChange change;
    change.status = care.world.change_of(view, Status::queued);
    change.decision = DecisionRow{care.world.ids.next(), 1, "resend", "one", "delivery.in_doubt", view.now};
    change.due = DueRow{id, 2, Priority::normal, "sms", "ward", "gateway", view.now, view.now};
    return std::optional(change);
  };
  REQUIRE(care.world.store("one").change({id}, repeat).ok());
  care.relay("one")->pass();
  CHECK(care.door.looked_at.empty());
  const auto view = care.world.view(id);
  CHECK(view.message.status == Status::in_doubt);
  CHECK_FALSE(view.due);
  REQUIRE(view.attempt(2) != nullptr);
  CHECK(view.attempt(2)->is_void);
}

TEST_CASE("of a long lane no more is read than its list holds, and the others have their turn") {
  CareWorld<PgEngineWorld> care;
  const auto ids = ids_in(9, 20002);
  insert_due(care.made, {ids.begin(), ids.end() - 2}, Priority::bulk, "email");
  const Uuid other = ids[20000], critical = ids[20001];
  insert_due(care.made, {other}, Priority::bulk, "sms");
  insert_due(care.made, {critical}, Priority::critical, "sms");
  auto relay = care.relay("one");
  relay->pass();
  CHECK(care.door.waiting() == 4096 + 2);
  CHECK(care.door.offered.size() <= 4096 + 512 + 2);
  CHECK(care.door.offered[0].id == critical);
  CHECK(care.door.offered.back().id == other);
  // A round later: one page tells that it is still full.
  care.door.offered.clear();
  care.clock.advance_ms(30000);
  relay->pass();
  CHECK(care.door.offered.size() <= 512 + 2);
  // And when half of it went, the rest comes before the round is over.
  care.door.offered.clear();
  for (int taken = 0; taken < 2200;) {
    std::vector<Uuid> ids;
    for (const auto& hint : care.door.claim(9)) ids.push_back(hint.id);
    REQUIRE_FALSE(ids.empty());
    care.made.run("delete from due where message_id = any ($1)", {PgValue::uuids(ids)});
    care.door.ack(ids);
    taken += static_cast<int>(ids.size());
  }
  care.clock.advance_ms(1000);
  relay->pass();
  CHECK(care.door.waiting() == 4096);
}

TEST_CASE("a refill leaves room: only so many rows a pass, and none is forgotten") {
  CareWorld<PgEngineWorld> care;
  care.made.run(
      "insert into due (message_id, attempt_no, priority, lane, sender, due_at, shard) select gen_random_uuid(), 1, 3, "
      "'sms', 'ward', now() - interval '1 hour', n % 4 from generate_series(1, 5000) n");
  RelaySettings settings;
  settings.rows_max = 2048;
  auto relay = care.relay("one", settings);
  relay->pass();
  CHECK(care.door.offered.size() >= 2048);
  CHECK(care.door.offered.size() < 2048 + 512);
  const Uuid critical = care.world.insert({Priority::critical, "sms", "", -3'600'000, {}, 63});
  relay->pass();
  relay->pass();
  CHECK(care.door.waiting() == 5000);
  relay->redis_came_up();
  relay->pass();
  CHECK(std::count_if(care.door.offered.begin(), care.door.offered.end(),
                      [&](const Hint& hint) { return hint.id == critical; }) == 1);
}

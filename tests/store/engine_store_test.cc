#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/store/engine_world.h"

using namespace signet;
using namespace signet::test;

namespace {

constexpr int64_t kAheadMs = 120000;

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().text);
  return std::move(*result);
}
void must(Result<void> result) {
  if (!result) FAIL(result.error().text);
}

std::optional<MessageChange> nothing(const MessageView&) { return std::nullopt; }

}  // namespace

TEMPLATE_TEST_CASE("a place is one daemon's, until it leaves or its session ends", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  CHECK(must(world.store("one").lead(Elected::relay)));
  CHECK_FALSE(must(world.store("two").lead(Elected::relay)));
  CHECK(must(world.store("three").lead(Elected::reconciler)));  // another place
  CHECK(must(world.store("one").lead(Elected::relay)));         // still
  world.store("one").leave();
  CHECK(must(world.store("four").lead(Elected::relay)));
  world.cut("four");
  // Who lost it changes nothing any more, whether it knows or not.
  CHECK_FALSE(world.store("four").record_stamps({}).ok());
  CHECK(must(world.store("five").lead(Elected::relay)));
}

TEMPLATE_TEST_CASE("as many daemons live as have beaten of late, however many loops they have", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid first = world.ids.next(), second = world.ids.next(), third = world.ids.next();
  CHECK(must(world.store().beat("one", {first, second})).daemons == 1);
  CHECK(must(world.store().beat("two", {third})).daemons == 2);
  CHECK(must(world.store().beat("one", {first, second})).daemons == 2);
  world.silence(third);
  CHECK(must(world.store().beat("one", {first, second})).daemons == 1);
}

TEMPLATE_TEST_CASE("lanes with something due come with the critical ones of all shards first", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  world.insert({Priority::bulk, "sms", "", 0, {}, 3});
  world.insert({Priority::bulk, "sms", "", 0, {}, 3});
  world.insert({Priority::critical, "sms-2", "", 0, {}, 60});
  world.insert({Priority::critical, "email", "", 0, {}, 60});
  world.insert({Priority::normal, "sms", "", 60000, {}, 1});    // soon
  world.insert({Priority::high, "sms", "", 3'600'000, {}, 1});  // not yet
  const auto lanes = must(world.store().due_lanes(kAheadMs));
  CHECK(lanes == std::vector<DueLane>{{Priority::critical, 60, "email"},
                                      {Priority::critical, 60, "sms-2"},
                                      {Priority::normal, 1, "sms"},
                                      {Priority::bulk, 3, "sms"}});
}

TEMPLATE_TEST_CASE("a lane is read in the order in which it is due, page by page", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  std::vector<Uuid> in_order;
  for (int i = 0; i < 5; i++) in_order.push_back(world.insert({Priority::normal, "sms", "gateway", i * 1000, {}, 7}));
  world.insert({Priority::normal, "sms", "", 3'600'000, {}, 7});
  world.insert({Priority::normal, "email", "", 0, {}, 7});
  world.insert({Priority::bulk, "sms", "", 0, {}, 7});
  const DueLane lane{Priority::normal, 7, "sms"};
  std::vector<Uuid> seen;
  std::optional<DueCursor> after;
  for (;;) {
    const auto page = must(world.store().scan_due(lane, {kAheadMs, {}}, after, 2));
    for (const auto& row : page) {
      seen.push_back(row.message_id);
      CHECK(row.provider == "gateway");
      CHECK(row.lane == "sms");
    }
    if (page.size() < 2) break;
    after = DueCursor{page.back().due_at, page.back().message_id};
  }
  CHECK(seen == in_order);
  world.insert({Priority::normal, "sms", "", -60'000, {}, 7});  // long due
  const auto fresh = must(world.store().scan_due(lane, {0, 20'000}, {}, 10));
  REQUIRE(!fresh.empty());
  CHECK(fresh[0].message_id == in_order[0]);
}

TEMPLATE_TEST_CASE("what is past its window, or in a lane that is gone, is found slice by slice", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  world.insert({Priority::normal, "sms", "", 0, 60000, {}});
  const Uuid past = world.insert({Priority::normal, "sms", "", -2000, -1000, {}});
  world.insert({});
  const Uuid stray = world.insert({Priority::normal, "sms-9", "", 0, {}, {}});
  std::vector<Uuid> found;
  Uuid after;
  int slices = 0;
  do {
    const auto slice = must(world.store().stale_due(after, 2, {"sms", "email"}));
    for (const auto& row : slice.rows) found.push_back(row.message_id);
    after = slice.last;
    slices++;
  } while (!after.is_nil() && slices < 10);
  CHECK(found == std::vector<Uuid>{past, stray});
  CHECK(slices == 3);  // the last one is empty: only then is it known that the second was
}

TEMPLATE_TEST_CASE("stamps are recorded as they are, lower ones too", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  CHECK(must(world.store().stamps()) == Stamps{});
  Stamps stamps{};
  stamps[0] = 1'000'000'000'000;
  stamps[63] = 5;
  must(world.store().record_stamps(stamps));
  CHECK(must(world.store("two").stamps()) == stamps);
  stamps[0] = 3;
  must(world.store().record_stamps(stamps));
  CHECK(must(world.store("two").stamps()) == stamps);
}

TEMPLATE_TEST_CASE("a permit without a result is overdue when its run is gone, or twice as late", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid alive = world.ids.next(), dead = world.ids.next();
  must(world.store().beat("one", {alive}));
  must(world.store().beat("two", {dead}));
  world.silence(dead);
  const Planted long_due{Priority::normal, "sms", "", -60000, {}, {}};
  const Uuid of_alive = world.insert(long_due), of_dead = world.insert(long_due), answered = world.insert(long_due);
  world.insert({});  // not permitted at all
  for (const auto& [id, epoch] : {std::pair(of_alive, alive), std::pair(of_dead, dead), std::pair(answered, dead)})
    world.permit(id, 1, "gateway", epoch, 60000);
  world.end(answered, 1, OutcomeKind::accepted, Status::sent);
  auto overdue = [&](int64_t age_ms, int64_t grace_ms) {
    std::vector<Uuid> out;
    Uuid after;
    do {
      const auto slice = must(world.store().overdue_permits(after, 2, age_ms, grace_ms));
      out.insert(out.end(), slice.messages.begin(), slice.messages.end());
      after = slice.last;
    } while (!after.is_nil());
    return out;
  };
  CHECK(overdue(90000, 0).empty());  // too young
  CHECK(overdue(40000, 0) == std::vector{of_dead});
  CHECK(overdue(20000, 0) == std::vector{of_alive, of_dead});
  CHECK(overdue(20000, 24 * int64_t{3'600'000}).empty());  // the server has only just started
}

TEMPLATE_TEST_CASE("a doubt waits from when it was noticed, and is forgotten once it is settled", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({});
  world.permit(id, 1, "gateway", world.ids.next());
  CHECK(must(world.store().doubts(0, 100)).empty());  // no result yet
  world.end(id, 1, OutcomeKind::in_doubt, Status::in_doubt);
  CHECK(must(world.store().doubts(3'600'000, 100)).empty());  // noticed now
  CHECK(must(world.store().doubts(0, 100)).empty());          // it waits as it was told then
  must(world.store().postpone_doubts({{id, 0}}));
  auto doubts = must(world.store().doubts(0, 100));
  REQUIRE(doubts.size() == 1);
  CHECK(doubts[0].message_id == id);
  CHECK(doubts[0].attempt_no == 1);
  CHECK(doubts[0].provider == "gateway");
  CHECK(doubts[0].provider_reference == "ref");
  CHECK(doubts[0].key_age_ms >= 0);
  CHECK(doubts[0].key_age_ms < 60000);
  CHECK(doubts[0].looks == 1);
  must(world.store().postpone_doubts({{id, 3'600'000}}));
  CHECK(must(world.store().doubts(0, 100)).empty());
  must(world.store().change({id}, [&](const MessageView& view) {
    MessageChange change;
    change.status = world.change_of(view, Status::failed);
    return std::optional(change);
  }));
  CHECK(must(world.store().doubts(0, 100)).empty());
}

TEMPLATE_TEST_CASE("a second doubt of a message is a new one, and as old as its provider's first", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({});
  world.permit(id, 1, "gateway", world.ids.next(), 600'000);
  world.end(id, 1, OutcomeKind::in_doubt, Status::in_doubt);
  REQUIRE(must(world.store().doubts(0, 100)).size() == 1);
  must(world.store().postpone_doubts({{id, 3'600'000}}));
  must(world.store().change({id}, [&](const MessageView& view) {
    MessageChange change;
    change.status = world.change_of(view, Status::queued);
    change.decision = DecisionRow{world.ids.next(), 1, "resend", "one", "delivery.in_doubt", view.now};
    change.due = DueRow{id, 2, Priority::normal, "sms", "ward", "gateway", view.now, {}};
    return std::optional(change);
  }));
  world.permit(id, 2, "gateway", world.ids.next());
  world.end(id, 2, OutcomeKind::in_doubt, Status::in_doubt);
  const auto doubts = must(world.store().doubts(0, 100));
  REQUIRE(doubts.size() == 1);
  CHECK(doubts[0].attempt_no == 2);
  CHECK(doubts[0].looks == 0);
  CHECK(doubts[0].key_age_ms >= 600'000);  // of the first
}

TEMPLATE_TEST_CASE("a change takes effect whole, over what was shown to the decision", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({}), other = world.insert({}), absent = world.ids.next();
  world.permit(id, 1, "gateway", world.ids.next());
  world.end(id, 1, OutcomeKind::in_doubt, Status::in_doubt);
  int calls = 0;
  const auto changed = must(world.store().change({id, absent, other}, [&](const MessageView& view) {
    calls++;
    if (view.message.id == other) return std::optional<MessageChange>();
    CHECK(view.message.status == Status::in_doubt);
    CHECK(view.newest_attempt_no() == 1);
    CHECK(view.has_result(1));
    CHECK_FALSE(view.has_result(2));
    CHECK_FALSE(view.due);
    MessageChange change;
    change.status = world.change_of(view, Status::queued);
    change.decision = DecisionRow{world.ids.next(), 1, "resend", "one", "delivery.in_doubt", view.now};
    change.due = DueRow{id, 2, Priority::high, "email", "ward", "gateway", view.now, view.now, "other"};
    return std::optional(change);
  }));
  CHECK(changed == std::vector<Changed>{Changed::done, Changed::absent, Changed::left});
  CHECK(calls == 2);
  const auto view = world.view(id);
  CHECK(view.message.status == Status::queued);
  REQUIRE(view.due);
  CHECK(view.due->attempt_no == 2);
  CHECK(view.due->priority == Priority::high);
  CHECK(view.due->lane == "email");
  CHECK(view.due->provider == "gateway");
  CHECK(view.due->avoid == "other");
  CHECK(view.newest_attempt_no() == 2);
  CHECK(world.view(other).due->attempt_no == 1);
}

TEMPLATE_TEST_CASE("I4 a void contends for the attempt with a permit: one of them wins, whole", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({}), held = world.insert({});
  world.permit(held, 1, "gateway", world.ids.next());
  const auto changed = must(world.store().change({id, held}, [&](const MessageView& view) {
    MessageChange change;
    change.void_attempt = VoidRow{1, "one", view.now};
    change.status = world.change_of(view, Status::cancelled);
    change.ends_due = true;
    return std::optional(change);
  }));
  CHECK(changed == std::vector<Changed>{Changed::done, Changed::taken});
  CHECK(world.view(id).message.status == Status::cancelled);
  CHECK(world.view(id).attempt(1)->is_void);
  CHECK(world.view(held).message.status == Status::queued);
  CHECK(world.view(held).due);
  CHECK_FALSE(world.view(held).attempt(1)->is_void);
}

TEMPLATE_TEST_CASE("of a change that the database refuses nothing takes effect", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid good = world.insert({}), bad = world.insert({});
  const auto changed = world.store().change({good, bad}, [&](const MessageView& view) {
    MessageChange change;
    change.status = world.change_of(view, Status::cancelled);
    if (view.message.id == bad) change.status->before.leaf = {};  // over another head than it has
    return std::optional(change);
  });
  REQUIRE(!changed);
  CHECK(changed.error().code == ErrorCode::conflict);
  CHECK(world.view(good).message.status == Status::queued);
}

TEMPLATE_TEST_CASE("a callback is taken by one, and comes again if it does not end it", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({});
  const auto row = world.callback("e1", id);
  CHECK(must(world.store().keep_callback(row)));
  auto again = world.callback("e1", id);
  CHECK_FALSE(must(world.store().keep_callback(again)));  // the same event of the same provider
  const auto taken = must(world.store().take_callbacks(10, 3'600'000));
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].id == row.id);
  CHECK(taken[0].message_id == id);
  CHECK(taken[0].tries == 0);
  CHECK(taken[0].age_ms < 60000);
  CHECK(must(world.store("two").take_callbacks(10, 3'600'000)).empty());
  must(world.store().postpone_callbacks({{row.id, 0}}));
  const auto later = must(world.store("two").take_callbacks(10, 0));
  REQUIRE(later.size() == 1);
  CHECK(later[0].tries == 1);
  must(world.store().end_callback(row.id));
  CHECK(must(world.store().take_callbacks(10, 0)).empty());
}

TEMPLATE_TEST_CASE("a callback that two daemons hold is applied once", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({});
  const auto row = world.callback("e1", id);
  REQUIRE(must(world.store().keep_callback(row)));
  auto apply = [&](const MessageView& view) {
    MessageChange change;
    change.ends_callback = row.id;
    change.confirmation =
        ConfirmationRow{world.ids.next(), id, 1, ReceiptKind::delivered, row.id, "gateway", "", false, view.now};
    return std::optional(change);
  };
  CHECK(must(world.store("one").change({id}, apply)) == std::vector{Changed::done});
  CHECK(must(world.store("two").change({id}, apply)) == std::vector{Changed::left});
  CHECK(world.confirmations() == 1);
}

TEMPLATE_TEST_CASE("an attempt is found by what its provider calls it", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({});
  world.refer("gateway", "g-1", id, 2);
  const EngineStore::Reference ours{"gateway", "g-1"};
  const auto found = must(world.store().find_references({{"other", "g-1"}, ours, {"gateway", "g-2"}, ours}));
  CHECK(found == std::map<EngineStore::Reference, std::pair<Uuid, int>>{{ours, {id, 2}}});
  CHECK(must(world.store().find_references({})).empty());
}

TEMPLATE_TEST_CASE("what was told of each part of an attempt is seen by whoever decides on the next", "",
                   ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid id = world.insert({});
  world.reference = "ref-e1 ref-e2";
  world.permit(id, 1, "gateway", world.ids.next());
  world.end(id, 1, OutcomeKind::accepted, Status::sent);
  for (const char* event : {"e1", "e2"}) {
    const auto row = world.callback(event, std::nullopt);
    REQUIRE(must(world.store().keep_callback(row)));
    const auto changed = must(world.store().change({id}, [&](const MessageView& view) {
      const bool is_first = row.event_id == "e1";
      REQUIRE(view.part_receipts.size() == (is_first ? 0 : 1));
      if (!is_first) {
        CHECK(view.part_receipts[0].provider_reference == "ref-e1");
        CHECK((view.part_receipts[0].attempt_no == 1 && view.part_receipts[0].kind == ReceiptKind::delivered));
      }
      MessageChange change;
      change.ends_callback = row.id;
      change.confirmation =
          ConfirmationRow{world.ids.next(), id, 1, ReceiptKind::delivered, row.id, "gateway", "", false, view.now};
      return std::optional(change);
    }));
    CHECK(changed == std::vector{Changed::done});
  }
}

TEMPLATE_TEST_CASE("messages that nothing will send, and those sent twice undecided, are seen", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid fine = world.insert({}), lost = world.insert({}), twice = world.insert({}), decided = world.insert({});
  world.lose_due(lost);
  for (const Uuid& id : {twice, decided}) {
    world.permit(id, 1, "gateway", world.ids.next());
    world.end(id, 1, OutcomeKind::accepted, Status::queued);
    world.permit(id, 2, "gateway", world.ids.next());
    world.end(id, 2, OutcomeKind::accepted, Status::sent);
  }
  world.decide(decided, 1, "resend");
  std::vector<Uuid> seen_lost, seen_twice;
  Uuid after;
  do {
    const auto slice = must(world.store().look_at_messages(after, 2));
    seen_lost.insert(seen_lost.end(), slice.lost.begin(), slice.lost.end());
    seen_twice.insert(seen_twice.end(), slice.repeated.begin(), slice.repeated.end());
    after = slice.last;
  } while (!after.is_nil());
  CHECK(seen_lost == std::vector{lost});
  CHECK(seen_twice == std::vector{twice});
  CHECK(must(world.store().totals()).due == 1);  // `fine`
  CHECK_FALSE(fine.is_nil());
}

TEMPLATE_TEST_CASE("messages are counted by status, slice by slice", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  const Uuid first = world.insert({}), second = world.insert({}), third = world.insert({});
  world.permit(third, 1, "gateway", world.ids.next());
  world.end(third, 1, OutcomeKind::accepted, Status::sent);
  auto counted = must(world.store().count_messages({}, second, {}));
  REQUIRE(counted.size() == 1);
  CHECK((counted[0].status == Status::queued && counted[0].messages == 2));
  counted = must(world.store().count_messages(first, {}, {}));
  std::sort(counted.begin(), counted.end(), [](const auto& a, const auto& b) { return a.status < b.status; });
  REQUIRE(counted.size() == 2);
  CHECK((counted[0].status == Status::queued && counted[0].messages == 1 && counted[0].provider.empty()));
  CHECK((counted[1].status == Status::sent && counted[1].messages == 1 && counted[1].provider == "gateway"));
  CHECK((counted[0].unconfirmed == 0 && counted[1].unconfirmed == 0));
}

TEMPLATE_TEST_CASE("what was sent and never confirmed is counted by provider, past its time", "", ENGINE_WORLDS) {
  TestType made;
  EngineWorld& world = made;
  for (int i = 0; i < 2; i++) {
    const Uuid id = world.insert({});
    world.permit(id, 1, "gateway", world.ids.next());
    world.end(id, 1, OutcomeKind::accepted, Status::sent);
  }
  const auto counted = must(world.store().count_messages({}, {}, {{"gateway", 0}, {"other", 0}}));
  REQUIRE(counted.size() == 1);
  CHECK((counted[0].status == Status::sent && counted[0].provider == "gateway"));
  CHECK((counted[0].messages == 2 && counted[0].unconfirmed == 2));
  CHECK(must(world.store().count_messages({}, {}, {{"gateway", 3'600'000}, {"other", 0}}))[0].unconfirmed == 0);
}

TEST_CASE("a row that somebody else has locked is left for the next round") {
  PgEngineWorld made;
  EngineWorld& world = made;
  const Uuid held = world.insert({}), free = world.insert({});
  const auto other = shared_postgres().session();
  PgTransaction tx(*other);
  REQUIRE(tx.run("select from message where id = $1 for no key update", {held}).ok());
  CHECK(must(world.store().change({held, free}, nothing)) == std::vector{Changed::held, Changed::left});
}

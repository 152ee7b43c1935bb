#include "store/messages.h"

#include <catch2/catch.hpp>

#include "store/directory.h"
#include "tests/fakes/approved_messages.h"
#include "tests/fakes/postgres_server.h"

using namespace signet;

namespace {

struct Fixture {
  SystemClock clock;
  SystemRandom random;
  Keyring keys = test_keys(random);
  IdSource ids{clock, random};
  std::unique_ptr<PgSession> session;
  Fixture() {
    shared_postgres().clear();
    session = shared_postgres().session();
  }
  Uuid approved() { return ApprovedMessages(*session, keys, clock, random).insert({sms("+61491570006", "hello")}); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a change on a head that has moved is a conflict and changes nothing") {
  const Uuid id = approved();
  PgTransaction tx(*session);
  auto row = lock_message(tx, id);
  REQUIRE((row.ok() && row->has_value()));
  CHECK((*row)->head.n == 2);
  StatusChange change;
  change.id = id;
  change.status = Status::cancelled;
  change.before = {2, sha256("another leaf")};
  change.entry = {ids.next(), id, "{}", sha256("x")};
  auto refused = change_status(tx, change);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::conflict);
}

TEST_CASE_METHOD(Fixture, "a void takes the permit's key once") {
  const Uuid id = approved();
  PgTransaction tx(*session);
  auto first = insert_void(tx, id, 1, "here", clock.wall());
  REQUIRE(first.ok());
  CHECK(*first);
  auto second = insert_void(tx, id, 1, "there", clock.wall());
  REQUIRE(second.ok());
  CHECK_FALSE(*second);
  auto next = next_attempt_no(tx, id);
  REQUIRE(next.ok());
  CHECK(*next == 2);
}

TEST_CASE_METHOD(Fixture, "lists are scoped, filtered and go on after a cursor") {
  ApprovedMessages messages(*session, keys, clock, random);
  std::vector<Uuid> ids;
  for (int i = 0; i < 5; i++) ids.push_back(messages.insert({sms("+61491570006", "hello")}));
  PgTransaction tx(*session);
  MessageFilter filter;
  filter.count_max = 2;
  filter.status = Status::queued;
  filter.is_oldest_first = true;
  auto page = list_messages(tx, filter);
  REQUIRE(page.ok());
  REQUIRE(page->size() == 2);
  CHECK(page->at(0).id == ids[0]);
  filter.after_id = page->at(1).id;
  page = list_messages(tx, filter);
  REQUIRE(page->size() == 2);
  CHECK(page->at(0).id == ids[2]);
  filter = {};
  filter.author_id = Uuid{};
  CHECK(list_messages(tx, filter)->empty());
}

TEST_CASE_METHOD(Fixture, "a token opens the door until it lapses, is revoked, or its user is disabled") {
  PgTransaction tx(*session);
  UserRow user;
  user.id = ids.next();
  user.name = "Ada";
  user.email = "Ada@example.org";
  user.role = Role::doctor;
  REQUIRE(insert_user(tx, user).ok());
  const std::string hash(view(sha256("token")));
  const TokenRow token{ids.next(), user.id, {"approve"}, WallTime{clock.wall().us + 60000000}, std::nullopt, false};
  REQUIRE(insert_token(tx, token, hash).ok());
  auto found = find_principal(tx, hash, clock.wall());
  REQUIRE((found.ok() && found->has_value()));
  CHECK((*found)->user.role == Role::doctor);
  CHECK((*found)->token.scopes == std::vector<std::string>{"approve"});
  CHECK(find_user(tx, "ada@EXAMPLE.org")->has_value());
  REQUIRE(tx.run("update users set disabled_at = now()").ok());
  CHECK_FALSE(find_principal(tx, hash, clock.wall())->has_value());
  REQUIRE(tx.run("update users set disabled_at = null").ok());
  REQUIRE(tx.run("update tokens set expires_at = '2020-01-01'").ok());
  CHECK_FALSE(find_principal(tx, hash, clock.wall())->has_value());
}

TEST_CASE_METHOD(Fixture, "two users cannot share an e-mail address") {
  PgTransaction tx(*session);
  REQUIRE(insert_user(tx, {ids.next(), "Ada", "ada@example.org", "", Role::staff, false}).ok());
  auto refused = insert_user(tx, {ids.next(), "Eve", "ADA@example.org", "", Role::admin, false});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::conflict);
}

TEST_CASE_METHOD(Fixture, "a commit after a failed statement is no commit") {
  PgTransaction tx(*session);
  CHECK_FALSE(tx.run("select 1 / 0").ok());
  auto done = tx.commit();
  REQUIRE_FALSE(done.ok());
  CHECK_THAT(done.error().text, Catch::Contains("rolled the transaction back"));
}

TEST_CASE_METHOD(Fixture, "a pool hands out what it has and says when all are busy") {
  PgPool pool(shared_postgres().options(), 1);
  {
    auto lease = pool.take();
    REQUIRE(lease.ok());
    CHECK(pool.in_use() == 1);
    auto refused = pool.take(1);
    REQUIRE_FALSE(refused.ok());
    CHECK_THAT(refused.error().text, Catch::Contains("postgres.api_connections"));
  }
  CHECK(pool.in_use() == 0);
  CHECK(pool.take().ok());
}

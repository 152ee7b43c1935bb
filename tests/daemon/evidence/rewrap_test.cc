// A change of the key-encryption key that is broken off anywhere loses nothing, and says when it is through.
#include "daemon/evidence/rewrap.h"

#include "daemon/access/custody.h"
#include "store/callbacks.h"
#include "store/day_key.h"
#include "store/directory.h"
#include "tests/daemon/evidence/log_world.h"

using namespace signet;

namespace {

Keyring ring(Random& random, char newest, std::vector<char> previous = {}) {
  std::vector<Secret> others;
  for (const char key : previous) others.emplace_back(std::string(32, key));
  return Keyring(Secret(std::string(32, newest)), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), random,
                 std::move(others));
}

struct Fixture : LogWorld {
  Keyring before = ring(random, 'k'), both = ring(random, 'n', {'k'}), after = ring(random, 'n');
  std::vector<Uuid> messages;
  Uuid user_id = ids.next();

  Fixture() {
    REQUIRE(before.check(*app).ok());
    messages = ApprovedMessages(*app, before, clock, random)
                   .insert(std::vector<ApprovedOptions>(7, {sms("+61491570006", "hello")}));
    PgTransaction tx(*app);
    UserRow user;
    user.id = user_id;
    user.email = "ada@example.org";
    REQUIRE(insert_user(tx, user).ok());
    REQUIRE(custodial_key(tx, before, ids, user_id, clock.wall()).ok());
    REQUIRE(day_key(tx, before, clock.wall()).ok());
    REQUIRE(tx.commit().ok());
  }
  Rewrap rewrap(const Keyring& keys, int batch = 2) {
    return Rewrap(shared_postgres().options(), keys, "signetd-1", clock, ids, log, metrics, batch);
  }
  // Every wrapped thing opens, and is the one that it was.
  bool is_readable(const Keyring& keys) {
    PgTransaction tx(*app);
    for (const auto& id : messages) {
      auto content = read_content(tx, id);
      if (!content || !*content) return false;
      auto key = keys.unwrap(id.text(), (*content)->kek_id, (*content)->wrapped_key);
      if (!key || !unseal(key->octets(), seal_binding("content", id, 1, "sealed"), (*content)->sealed)) return false;
    }
    auto key = custodial_key(tx, keys, ids, user_id, clock.wall());
    return key && !key->is_new && day_key(tx, keys, clock.wall()).ok();
  }
  int64_t left() {
    auto count = count_wrapped(*app, before.kek_id());
    REQUIRE(count.ok());
    return *count;
  }
  std::string refusal(const Keyring& keys) {
    auto checked = keys.check(*app);
    return checked ? "" : checked.error().text;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a rotation that is broken off after any batch goes on where it was, and loses nothing") {
  CHECK_THAT(refusal(after), Catch::Contains("secrets.key_encryption_key_file holds another key"));
  REQUIRE(refusal(both).empty());
  CHECK_THAT(refusal(after), Catch::Contains("wrapped by the key-encryption key " + before.kek_id()));
  CHECK_THAT(refusal(after), Catch::Contains("secrets.previous_key_encryption_key_files"));
  CHECK(is_readable(both));
  int passes = 0;
  for (bool has_more = true; has_more; passes++) {
    REQUIRE(passes < 100);
    has_more = rewrap(both).pass();  // a new daemon for each batch
    CHECK(is_readable(both));
    if (left() > 0) {
      REQUIRE(refusal(both).empty());
      CHECK_THAT(refusal(after), Catch::Contains("previous_key_encryption_key_files"));
      has_more = true;
    }
  }
  // The event is that of whoever finds nothing left.
  Rewrap last = rewrap(both);
  while (last.pass()) {
  }
  CHECK(passes > 4);
  CHECK(refusal(after).empty());
  CHECK(is_readable(after));
  CHECK_THAT(refusal(before), Catch::Contains("wrapped by the key-encryption key " + after.kek_id()));
  CHECK(count("audit.entry where action = 'keys_rewrapped'") == 1);
  CHECK(count("audit.entry where action = 'keys_rewrapped' and position('\"from\":\"" + before.kek_id() +
              "\",\"rows\":9,\"to\":\"" + after.kek_id() + "\"'::bytea in canon) > 0") == 1);
  CHECK(metrics.value("signet_keys_to_rewrap") == 0);
  CHECK_THAT(log.all(), Catch::Contains("its file can go"));
}

TEST_CASE_METHOD(Fixture, "a batch that was not committed leaves every key as it was") {
  REQUIRE(refusal(both).empty());
  {
    auto session = shared_postgres().session();
    PgTransaction tx(*session);
    auto rows = lock_wrapped(tx, wrapped_tables()[0], before.kek_id(), "", 100);
    REQUIRE(rows.ok());
    REQUIRE(rows->size() == 7);
    for (auto& row : *rows) row.wrapped = *both.rewrap("data_key", row.owner, before.kek_id(), row.wrapped);
    REQUIRE(replace_wrapped(tx, wrapped_tables()[0], both.kek_id(), *rows).ok());
  }  // here the daemon is killed
  CHECK(is_readable(before));
  CHECK(left() == 9);
}

TEST_CASE_METHOD(Fixture, "messages that come meanwhile, also from a daemon with the older key, are wrapped anew too") {
  REQUIRE(refusal(both).empty());
  Rewrap running = rewrap(both);
  CHECK(running.pass());
  for (const Keyring* keys : {&before, &both})
    for (const auto& id : ApprovedMessages(*app, *keys, clock, random)
                              .insert(std::vector<ApprovedOptions>(3, {sms("+61491570006", "hello")})))
      messages.push_back(id);
  for (int looks = 0; looks < 3; looks++)
    while (running.pass()) {
    }
  Rewrap next = rewrap(both);
  while (next.pass()) {
  }
  CHECK(left() == 0);
  CHECK(refusal(after).empty());
  CHECK(is_readable(after));
}

TEST_CASE_METHOD(Fixture, "a wrapped key that does not open stays, is told, and keeps the older key needed") {
  REQUIRE(refusal(both).empty());
  REQUIRE(superuser->run("update data_key set wrapped = 'broken' where message_id = $1", {messages[3]}).ok());
  Rewrap running = rewrap(both);
  while (running.pass()) {
  }
  CHECK(metrics.value("signet_keys_to_rewrap") == 1);
  CHECK(count("data_key where wrapped = 'broken' and kek_id = '" + before.kek_id() + "'") == 1);
  CHECK(count("audit.entry where action = 'keys_rewrapped'") == 0);
  CHECK_THAT(log.all(), Catch::Contains("does not open") && Catch::Contains(messages[3].text()));
  CHECK_FALSE(refusal(after).empty());
}

TEST_CASE_METHOD(Fixture, "without previous keys nothing is looked at, and two keys are one if they are the same") {
  CHECK_FALSE(rewrap(before).pass());
  CHECK(ring(random, 'k', {'k'}).previous_kek_ids().empty());
  CHECK(both.previous_kek_ids() == std::vector<std::string>{before.kek_id()});
}

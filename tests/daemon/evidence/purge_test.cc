// What a purge erases is gone from the database and from every dump of it, what is held stays, and the log verifies.
#include "daemon/evidence/purge.h"

#include <cstdio>
#include <thread>

#include "base/bytes.h"
#include "message/envelope.h"
#include "tests/daemon/evidence/log_world.h"
#include "tests/fakes/process.h"

using namespace signet;

namespace {

constexpr char kText[] = "zqphimarker: your result is fine";
constexpr int64_t kDayUs = 86'400'000'000;

std::string dump() {
  const std::string command = "$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)/pg_dump --dbname='" +
                              shared_postgres().url("postgres") + "'";
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out(1 << 16, '\0');
  std::string all;
  for (size_t size; (size = std::fread(out.data(), 1, out.size(), pipe)) > 0;) all.append(out, 0, size);
  REQUIRE(::pclose(pipe) == 0);
  return all;
}

bool holds(const std::string& dump, const std::string& octets) {
  return dump.find(octets) != std::string::npos || dump.find(to_hex(octets)) != std::string::npos ||
         dump.find(to_base64(octets)) != std::string::npos;
}

struct Fixture : LogWorld {
  ManualClock later{{SystemClock().wall().us + 8 * 366 * kDayUs}};
  ApprovedMessages messages{*app, keys, clock, random};

  Purge purge(int batch = 100) {
    return Purge(shared_postgres().options("signet_purge"), {7, "signetd-1", batch}, later, ids, log, metrics);
  }
  int64_t erased(const Purge& purge) {
    auto done = purge.run();
    REQUIRE((done.ok() ? "" : done.error().text) == "");
    return done->messages;
  }
  Uuid delivered(Status end = Status::delivered) {
    const Uuid id = messages.insert({sms("+61491570006", kText)});
    end_as(id, end);
    return id;
  }
  // As its attempt would, but for the events.
  void end_as(const Uuid& id, Status end) {
    for (const Status next : {Status::sent, end}) {
      if (next == Status::sent && end != Status::delivered) continue;
      REQUIRE(superuser->run("update message set status = $2 where id = $1", {id, static_cast<int32_t>(next)}).ok());
    }
    REQUIRE(superuser->run("delete from due where message_id = $1", {id}).ok());
  }
  bool has_content(const Uuid& id) {
    auto rows = superuser->run(
        "select exists (select from content where message_id = $1), exists (select from data_key where message_id = "
        "$1)",
        {id});
    REQUIRE(rows.ok());
    CHECK(rows->flag(0, 0) == rows->flag(0, 1));
    return rows->flag(0, 0);
  }
  Retention retention(const Uuid& id) {
    PgTransaction tx(*app);
    auto found = read_retention(tx, id);
    REQUIRE(found.ok());
    return *found;
  }
  void hold(const Uuid& id) {
    PgTransaction tx(*app);
    REQUIRE(lock_message(tx, id).ok());
    REQUIRE(set_legal_hold(tx, id, ids.next(), clock.wall(), "case-1").ok());
    REQUIRE(tx.commit().ok());
  }
  void keep_until(const Uuid& id, WallTime until) {
    PgTransaction tx(*app);
    REQUIRE(write_retain_until(tx, id, until).ok());
    REQUIRE(tx.commit().ok());
  }
  std::vector<IntegrityFault> verify() {
    Sequencer writer = sequencer();
    while (writer.pass()) {
    }
    Verifier reader(shared_postgres().options("signet_verify"), {}, key, clock, ids, log, metrics, {});
    auto done = reader.verify();
    REQUIRE((done.ok() ? "" : done.error().text) == "");
    auto faults = read_faults(*app, 10);
    REQUIRE(faults.ok());
    return *faults;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "no dump made after a purge holds the erased text, salt or key in any form") {
  const Uuid id = delivered(), other = messages.insert({sms("+61491570156", "stays")});
  std::string wrapped, sealed, salt, data_key, text_key;
  {
    PgTransaction tx(*app);
    auto content = read_content(tx, id);
    REQUIRE((content.ok() && content->has_value()));
    wrapped = (*content)->wrapped_key;
    sealed = (*content)->sealed;
    auto key = keys.unwrap(id.text(), (*content)->kek_id, wrapped);
    REQUIRE(key.ok());
    data_key = key->octets();
    auto packed = unseal(data_key, seal_binding("content", id, 1, "sealed"), sealed);
    REQUIRE(packed.ok());
    auto opened = unpack(*packed);
    REQUIRE(opened.ok());
    salt = opened->salt;
    text_key = std::string(view(content_key(keys.index_key(), kText)));
    MessageFacts facts;
    facts.patient_key = std::string(32, 'p');
    facts.content_key = text_key;
    REQUIRE(write_facts(tx, id, facts).ok());
    REQUIRE(tx.commit().ok());
  }
  const std::string before = dump();
  CHECK(holds(before, wrapped));  // so that what follows could fail
  CHECK(holds(before, sealed));
  CHECK(holds(before, text_key));
  for (const auto& secret : {std::string(kText), salt, data_key}) CHECK_FALSE(holds(before, secret));

  CHECK(erased(purge()) == 1);
  const std::string after = dump();
  for (const auto& gone : {wrapped, sealed, text_key, std::string(kText), salt, data_key})
    CHECK_FALSE(holds(after, gone));
  CHECK(holds(after, std::string(32, 'p')));  // messages about a patient are still found
  CHECK_FALSE(has_content(id));
  CHECK(has_content(other));
  CHECK(retention(id).erased_at == later.wall());
  CHECK(count("message where id = '" + id.text() + "' and status = 6") == 1);
}

TEST_CASE_METHOD(Fixture, "after a purge the log verifies, and the message's history says that it was erased") {
  std::vector<Uuid> gone;
  for (int i = 0; i < 5; i++) gone.push_back(delivered());
  messages.insert({sms("+61491570156", "stays")});
  CHECK(verify().empty());
  CHECK(erased(purge(2)) == 5);
  CHECK(verify().empty());
  for (const auto& id : gone) {
    PgTransaction tx(*app);
    auto events = list_events(tx, id);
    auto row = read_message(tx, id);
    REQUIRE((events.ok() && row.ok() && row->has_value()));
    REQUIRE(events->size() == 3);
    CHECK(events->back().find("\"action\":\"purged\"") != std::string::npos);
    CHECK(events->back().find("\"policy\":\"retention_years\"") != std::string::npos);
    CHECK(events->back().find("\"status\":\"delivered\"") != std::string::npos);
    CHECK((*row)->head.n == 3);
    CHECK((*row)->head.leaf == leaf_hash(events->back()));
  }
  CHECK(count("audit.entry where action = 'purge_ended'") == 1);
  CHECK(metrics.value("signet_purged_messages") == 5);
  CHECK(erased(purge()) == 0);
}

TEST_CASE_METHOD(Fixture, "only what has ended is erased, and not before its time") {
  const Uuid queued = messages.insert({sms("+61491570156", kText)}), failed = delivered(Status::failed),
             cancelled = delivered(Status::cancelled), suppressed = delivered(Status::suppressed), mine = delivered(),
             held = delivered(), longer = delivered();
  hold(held);
  keep_until(mine, {clock.wall().us + kDayUs});
  keep_until(longer, {later.wall().us + kDayUs});
  Purge today(shared_postgres().options("signet_purge"), {7, "signetd-1", 100}, clock, ids, log, metrics);
  CHECK(erased(today) == 0);
  ManualClock in_two_days({clock.wall().us + 2 * kDayUs});
  Purge soon(shared_postgres().options("signet_purge"), {7, "signetd-1", 100}, in_two_days, ids, log, metrics);
  CHECK(erased(soon) == 1);
  CHECK_FALSE(has_content(mine));  // by its own date, shorter than the policy's
  CHECK(count("audit.entry where action = 'purged' and position('retain_until'::bytea in canon) > 0") == 1);
  CHECK(erased(purge()) == 3);
  for (const auto& id : {failed, cancelled, suppressed}) CHECK_FALSE(has_content(id));
  for (const auto& id : {queued, held, longer}) CHECK(has_content(id));
  {
    PgTransaction tx(*app);
    REQUIRE(end_legal_hold(tx, held).ok());
    REQUIRE(tx.commit().ok());
  }
  later.advance_us(2 * kDayUs);
  CHECK(erased(purge()) == 2);
}

TEST_CASE_METHOD(Fixture,
                 "a hold that is being set stops a purge, and one that comes after it finds the message erased") {
  const Uuid first = delivered(), second = delivered();
  {
    PgTransaction tx(*app);
    REQUIRE(lock_message(tx, first).ok());
    REQUIRE(set_legal_hold(tx, first, ids.next(), clock.wall(), "case-1").ok());
    CHECK(erased(purge()) == 1);  // the other; this one is locked
    REQUIRE(tx.commit().ok());
  }
  CHECK(erased(purge()) == 0);
  CHECK(has_content(first));
  CHECK_FALSE(has_content(second));

  const Uuid third = delivered();
  auto purger = shared_postgres().session("signet_purge");
  std::thread holder;
  {
    PgTransaction tx(*purger);
    auto batch = lock_due(tx, {7, later.wall()}, RetentionBy::policy, {}, 10);
    REQUIRE(batch.ok());
    REQUIRE(batch->due.size() == 1);
    REQUIRE(erase_content(tx, {third}, later.wall()).ok());
    std::optional<WallTime> seen;
    bool is_done = false;
    holder = std::thread([&] {
      auto session = shared_postgres().session();
      PgTransaction hold(*session);
      is_done = lock_message(hold, third).ok();
      auto found = read_retention(hold, third);
      if (found) seen = found->erased_at;
    });
    wait_until("the hold waits for the purge", [&] {
      return count("pg_stat_activity where wait_event_type = 'Lock' and query like '%for no key update%'") > 0;
    });
    REQUIRE(tx.commit().ok());
    holder.join();
    CHECK(is_done);
    CHECK(seen == later.wall());
  }
}

TEST_CASE_METHOD(Fixture, "two daemons purge at once, and each message is erased once") {
  for (int i = 0; i < 40; i++) delivered();
  const Purge one = purge(3), two = purge(3);
  int64_t by_one = 0, by_two = 0;
  std::thread other([&] {
    auto done = two.run();
    by_two = done ? done->messages : -1;
  });
  by_one = erased(one);
  other.join();
  by_one += erased(one);  // what the other held just then
  CHECK(by_one + by_two == 40);
  CHECK(count("audit.entry where action = 'purged'") == 40);
  CHECK(count("content") == 0);
  CHECK(verify().empty());
}

TEST_CASE_METHOD(Fixture, "a purge stops between batches when it is told to, and goes on the next time") {
  for (int i = 0; i < 5; i++) delivered();
  auto stopped = purge(2).run([](int64_t) -> Result<void> { return Error{ErrorCode::unavailable, "stop"}; });
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().text == "stop");
  CHECK(count("content") == 3);
  CHECK(erased(purge(2)) == 3);
}

TEST_CASE_METHOD(Fixture,
                 "the policy is recorded with its first daemon and where it changes, and a purge is due once a day") {
  delivered();
  Purge daily = purge();
  CHECK_FALSE(daily.pass());
  CHECK(count("content") == 0);
  CHECK(count("audit.entry where action = 'retention_changed'") == 1);
  delivered();
  daily.pass();
  CHECK(count("content") == 1);
  CHECK(count("audit.entry where action = 'retention_changed'") == 1);
  later.advance_us(kDayUs);
  Purge longer(shared_postgres().options("signet_purge"), {10, "signetd-1", 100}, later, ids, log, metrics);
  longer.pass();
  CHECK(count("audit.entry where action = 'retention_changed' and position('\"fromYears\":7,\"toYears\":10'::bytea in "
              "canon) > 0") == 1);
  CHECK(count("content") == 1);  // eight years are not enough now
  later.advance_us(3 * 366 * kDayUs);
  longer.pass();
  CHECK(count("content") == 0);
}

TEST_CASE_METHOD(Fixture, "day keys go with their years, but not those that seal a held message's callbacks") {
  const Uuid held = delivered();
  hold(held);
  for (const char* day : {"2019-01-01", "2019-01-02"})
    REQUIRE(superuser->run("insert into day_key values ($1::text::date, 'kek', 'w')", {day}).ok());
  const Uuid callback = ids.next();
  REQUIRE(superuser
              ->run("insert into callback (id, provider, event_id, kind, sealed_by, sealed, received_at) values "
                    "($1, 'p', 'e', 1, '2019-01-02', 's', now())",
                    {callback})
              .ok());
  REQUIRE(
      superuser
          ->run("insert into confirmation (id, message_id, attempt_no, kind, callback_id, provider, took_effect, at) "
                "values ($1, $2, 1, 1, $3, 'p', true, now())",
                {ids.next(), held, callback})
          .ok());
  auto done = purge().run();
  REQUIRE(done.ok());
  CHECK(done->days == 1);
  CHECK(count("day_key where day = '2019-01-02'") == 1);
}

TEST_CASE("the application cannot delete content or its key, and the login that does can do nothing else") {
  shared_postgres().clear();
  auto refused = [](PgSession& session, const std::string& sql) {
    INFO(sql);
    auto done = session.run(sql);
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().code == ErrorCode::forbidden);
  };
  auto app = shared_postgres().session(), purger = shared_postgres().session("signet_purge"),
       verifier = shared_postgres().session("signet_verify");
  for (const char* table : {"content", "data_key", "day_key"}) {
    refused(*app, std::string("delete from ") + table);
    refused(*app, std::string("truncate ") + table);
    refused(*verifier, std::string("delete from ") + table);
    refused(*purger, std::string("insert into ") + table + " select * from " + table);
    refused(*purger, std::string("truncate ") + table);
  }
  refused(*app, "update retention set erased_at = now()");
  refused(*app, "update retention_policy set years = 1");
  for (const char* sql :
       {"update message set status = 6",
        "update message set recipient_key = null",
        "delete from message",
        "insert into message (id) select id from message",
        "update content set version = 1",
        "update data_key set wrapped = ''",
        "update message_facts set patient_key = null",
        "delete from message_facts",
        "delete from due",
        "update retention set held_at = null",
        "update retention set retain_until = now()",
        "delete from retention",
        "insert into approval select * from approval",
        "delete from audit.entry",
        "insert into audit.entry (event_id, canon, leaf, at, action, xact) values "
        "('01930000-0000-7000-8000-000000000009', 'x', sha256('x'), now(), 'purged', '1')",
        "insert into audit.log (seq, event_id, leaf) values (0, '01930000-0000-7000-8000-000000000009', sha256('x'))",
        "select from users",
        "select from signing_keys",
        "select from provenance",
        "select from edit",
        "select from suppressions",
        "select from key_check",
        "select from tokens"})
    refused(*purger, sql);
}

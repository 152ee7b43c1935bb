#include "store/journal.h"

#include <catch2/catch.hpp>

#include "audit/event.h"
#include "tests/fakes/approved_messages.h"
#include "tests/fakes/postgres_server.h"

using namespace signet;

namespace {

struct Fixture {
  SystemClock clock;
  SystemRandom random;
  Keyring keys = test_keys(random);
  IdSource ids{clock, random};
  std::unique_ptr<Log> log = make_log(LogLevel::error, LogFormat::text);
  std::unique_ptr<PgSession> session;
  std::unique_ptr<ApprovedMessages> messages;
  Loop loop;
  std::unique_ptr<Journal> journal;

  Fixture() {
    shared_postgres().clear();
    session = shared_postgres().session();
    messages = std::make_unique<ApprovedMessages>(*session, keys, clock, random);
    journal = open("one");
  }
  std::unique_ptr<Journal> open(const std::string& instance) {
    auto made = make_pg_journal(loop, clock, random, *log, {shared_postgres().options(), 2, ids.next(), instance});
    made->on_change([this](bool) { loop.stop(); });
    while (!made->is_up()) loop.run();
    made->on_change({});
    return made;
  }
  Result<BatchReply> write(Journal& to, Batch batch) {
    std::optional<Result<BatchReply>> reply;
    to.write(std::move(batch), [&](Result<BatchReply> got) {
      reply = std::move(got);
      loop.stop();
    });
    while (!reply) loop.run();
    return std::move(*reply);
  }
  Permit permit(const Uuid& id, const std::string& lane = "sms") { return permit({id, lane, "twilio-main", "only"}); }
  Permit permit(PermitRequest request) {
    Batch batch;
    batch.permits.push_back(std::move(request));
    auto reply = write(*journal, std::move(batch));
    REQUIRE(reply.ok());
    REQUIRE(reply->permits.size() == 1);
    return reply->permits[0];
  }
  ResultRow result(const Permit& p, OutcomeKind kind, Status status, std::optional<int64_t> next_delay_ms = {}) {
    ResultRow row;
    row.id = p.id;
    row.attempt_no = p.attempt_no;
    row.outcome.kind = kind;
    row.outcome.reason = "tested";
    row.provider = p.provider;
    row.started_at = row.finished_at = clock.wall();
    row.status = status;
    row.next_delay_ms = next_delay_ms;
    row.head = p.head;
    row.entry = {ids.next(), p.id, "canon " + ids.next().text(), {}};
    row.entry.leaf = leaf_hash(row.entry.canon);
    return row;
  }
  std::vector<Uuid> record(const ResultRow& row) {
    Batch batch;
    batch.results.push_back(row);
    auto reply = write(*journal, std::move(batch));
    REQUIRE(reply.ok());
    return reply->stale;
  }
  std::vector<DueClaim> claim(DueQuery query) {
    if (query.shards.empty())
      for (int shard = 0; shard < kShards; shard++) query.shards.push_back(shard);
    if (query.count_max == 0) query.count_max = 10;
    std::optional<std::vector<DueClaim>> found;
    journal->claim_due(std::move(query), [&](Result<std::vector<DueClaim>> got) {
      REQUIRE(got.ok());
      found = std::move(*got);
      loop.stop();
    });
    while (!found) loop.run();
    return std::move(*found);
  }
  int64_t count(const std::string& what) { return session->run("select count(*) from " + what)->number(0, 0); }
};

PermitVerdict verdict_of(Fixture& f, const Uuid& id) { return f.permit(id).verdict; }

}  // namespace

TEST_CASE_METHOD(Fixture, "an attempt is permitted once, whoever asks") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  const Permit first = permit(id);
  REQUIRE(first.verdict == PermitVerdict::granted);
  CHECK(first.attempt_no == 1);
  CHECK(first.head.n == 2);
  CHECK_FALSE(first.sealed.empty());
  CHECK(first.approval_mac.size() == 32);
  auto other = open("two");
  Batch batch;
  batch.permits.push_back({id, "sms", "twilio-main", "only"});
  auto reply = write(*other, std::move(batch));
  REQUIRE(reply.ok());
  CHECK(reply->permits.at(0).verdict == PermitVerdict::taken);
  CHECK(reply->permits.at(0).sealed.empty());
  CHECK(count("attempt_start") == 1);
}

TEST_CASE_METHOD(Fixture, "of several signatures the permit brings the one that made the quorum whole") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  // Others of the same moment and later, without a MAC, as the first of two has none.
  for (const char* later : {"0", "1"})
    REQUIRE(session
                ->script("insert into approval (id, message_id, version, decision, signer_id, signer_role, policy_id, "
                         "envelope_commit, at) select gen_random_uuid(), message_id, version, 1, signer_id, "
                         "signer_role, policy_id, envelope_commit, at + interval '" +
                         std::string(later) + " s' from approval where approval_mac is not null")
                .ok());
  const Permit granted = permit(id);
  REQUIRE(granted.verdict == PermitVerdict::granted);
  CHECK(granted.approval_mac.size() == 32);
}

TEST_CASE_METHOD(Fixture, "the next attempt is granted only after a result that allows it") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  const Permit first = permit(id);
  CHECK(verdict_of(*this, id) == PermitVerdict::taken);
  CHECK(record(result(first, OutcomeKind::retryable, Status::queued, 0)).empty());
  const Permit second = permit(id);
  REQUIRE(second.verdict == PermitVerdict::granted);
  CHECK(second.attempt_no == 2);
  CHECK(second.attempts == 1);
  CHECK(second.head.n == 3);
  CHECK(record(result(second, OutcomeKind::accepted, Status::sent)).empty());
  CHECK(verdict_of(*this, id) == PermitVerdict::nothing_due);
  CHECK(count("due") == 0);
  CHECK(count("audit.entry") == 4);
}

TEST_CASE_METHOD(Fixture, "a due row that runs ahead of its results gets no permit") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  REQUIRE(session->run("update due set attempt_no = 2").ok());
  CHECK(verdict_of(*this, id) == PermitVerdict::out_of_order);
}

TEST_CASE_METHOD(Fixture, "a result on a head that has moved changes nothing and is named") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  const Permit first = permit(id);
  const auto row = result(first, OutcomeKind::accepted, Status::sent);
  CHECK(record(row).empty());
  CHECK(record(row) == std::vector<Uuid>{id});  // the same once more, as after a lost COMMIT
  CHECK(count("attempt_result") == 1);
  CHECK(count("audit.entry") == 3);
}

TEST_CASE_METHOD(Fixture, "each reason to refuse is told") {
  const WallTime past{clock.wall().us - 1000000};
  ApprovedOptions options{sms("+61491570006", "hello")};
  options.expires_at = past;
  CHECK(verdict_of(*this, messages->insert(options)) == PermitVerdict::expired);
  options.expires_at.reset();

  const Uuid later = messages->insert(options);
  REQUIRE(session->run("update due set due_at = now() + interval '1 hour' where message_id = $1", {later}).ok());
  CHECK(verdict_of(*this, later) == PermitVerdict::not_yet);

  const Uuid elsewhere = messages->insert(options);
  REQUIRE(session->run("update due set lane = 'sms-2' where message_id = $1", {elsewhere}).ok());
  const Permit moved = permit(elsewhere);
  CHECK(moved.verdict == PermitVerdict::other_lane);
  CHECK(moved.lane == "sms-2");

  const Uuid recalled = messages->insert(options);
  REQUIRE(session->run("update message set cancel_requested = true where id = $1", {recalled}).ok());
  CHECK(verdict_of(*this, recalled) == PermitVerdict::cancel_requested);

  const Uuid closed = messages->insert(options);
  REQUIRE(session->run("update due set send_until = now() - interval '1 second' where message_id = $1", {closed}).ok());
  CHECK(verdict_of(*this, closed) == PermitVerdict::window_closed);

  const Uuid opted_out = messages->insert({sms("+61491570156", "hello")});
  {
    PgTransaction tx(*session);
    NewSuppression added;
    added.row.id = ids.next();
    added.row.recipient_key = view(recipient_key(keys.index_key(), "+61491570156"));
    added.entry = {ids.next(), added.row.id, "canon", leaf_hash("canon"), "suppression_added"};
    added.entry.at = clock.wall();
    REQUIRE(*add_suppression(tx, added));
    REQUIRE(tx.commit().ok());
  }
  CHECK(verdict_of(*this, opted_out) == PermitVerdict::suppressed);
  CHECK(verdict_of(*this, ids.next()) == PermitVerdict::nothing_due);
  CHECK(count("attempt_start") == 0);
}

TEST_CASE_METHOD(Fixture, "what a provider refused since the recipient opted out there is suppressed with its result") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  ResultRow row = result(permit(id), OutcomeKind::permanent, Status::suppressed);
  row.opt_out.emplace();
  row.opt_out->row.id = ids.next();
  row.opt_out->row.reason = "opted_out";
  row.opt_out->row.source = "twilio-main";
  row.opt_out->entry = {ids.next(), row.opt_out->row.id, "canon of an opt-out", leaf_hash("canon of an opt-out")};
  row.opt_out->entry.at = clock.wall();
  ResultRow stale = row;
  stale.head.leaf = leaf_hash("another");
  CHECK(record(stale) == std::vector<Uuid>{id});
  CHECK(count("suppressions") == 0);
  CHECK(record(row).empty());
  CHECK(count("suppressions s join message m using (recipient_key) where s.channel = 1 and s.reason = 'opted_out' and "
              "s.source = 'twilio-main'") == 1);
  CHECK(count("audit.entry where action = 'suppression_added'") == 1);
  // The next one of this recipient is suppressed already: nothing is written twice.
  const Uuid next = messages->insert({sms("+61491570006", "again")});
  CHECK(verdict_of(*this, next) == PermitVerdict::suppressed);
}

TEST_CASE_METHOD(Fixture, "an end takes the attempt's key, so that nobody sends, and leaves its event") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  Batch batch;
  EndRow end;
  end.id = id;
  end.attempt_no = 1;
  end.status = Status::failed;
  end.reason = "expired";
  PgTransaction tx(*session);
  end.head = (*read_message(tx, id))->head;
  REQUIRE(tx.commit().ok());
  end.entry = {ids.next(), id, "canon", leaf_hash("canon")};
  batch.ends.push_back(end);
  auto reply = write(*journal, batch);
  REQUIRE(reply.ok());
  CHECK(reply->stale.empty());
  CHECK(count("attempt_start where kind = 2") == 1);
  CHECK(count("due") == 0);
  CHECK(count("message where status = 8 and not is_proven") == 1);
  reply = write(*journal, batch);  // again: the head has moved
  CHECK(reply->stale == std::vector<Uuid>{id});
}

TEST_CASE_METHOD(Fixture, "an end does not take the key that a permit holds") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  const Permit granted = permit(id);
  Batch batch;
  EndRow end;
  end.id = id;
  end.attempt_no = 1;
  end.status = Status::cancelled;
  end.reason = "cancelled";
  end.head = granted.head;
  end.entry = {ids.next(), id, "canon", leaf_hash("canon")};
  batch.ends.push_back(end);
  auto reply = write(*journal, std::move(batch));
  REQUIRE(reply.ok());
  CHECK(reply->stale == std::vector<Uuid>{id});
  CHECK(count("message where status = 4") == 1);
}

TEST_CASE_METHOD(Fixture, "open permits of this run are told from another's, and a recorded one is not open") {
  const Uuid mine = messages->insert({sms("+61491570006", "a")});
  const Uuid recorded = messages->insert({sms("+61491570006", "b")});
  permit(mine);
  record(result(permit(recorded), OutcomeKind::accepted, Status::sent));
  for (const bool only_mine : {true, false})
    for (Journal* asked : {journal.get(), open("two").release()}) {
      std::optional<std::vector<Permit>> found;
      asked->open_permits({mine, recorded}, only_mine, [&](Result<std::vector<Permit>> got) {
        REQUIRE(got.ok());
        found = std::move(*got);
        loop.stop();
      });
      while (!found) loop.run();
      const bool is_own = asked == journal.get();
      REQUIRE(found->size() == (is_own || !only_mine ? 1u : 0u));
      if (!found->empty()) CHECK(found->at(0).id == mine);
      if (!is_own) delete asked;
    }
}

TEST_CASE_METHOD(Fixture, "without Redis what is due and held by nobody is claimed from the table") {
  const Uuid free = messages->insert({sms("+61491570006", "a")});
  const Uuid held = messages->insert({sms("+61491570006", "b")});
  const Uuid paused = messages->insert({mail("anna@example.org", "s", "c"), "email"});
  permit(held);
  DueQuery query;
  query.lanes = {"sms"};
  const auto found = claim(query);
  REQUIRE(found.size() == 1);
  CHECK(found[0].id == free);
  CHECK(paused != free);
}

TEST_CASE_METHOD(Fixture,
                 "what is claimed without Redis is the most urgent of the shards asked for, and not held already") {
  std::vector<ApprovedOptions> options(4, {sms("+61491570006", "a")});
  for (size_t i = 0; i < 4; i++) options[i].priority = kPriorities[3 - i];
  const auto made = messages->insert(options);
  REQUIRE(session->run("update due set provider = 'relay', avoid = 'other' where message_id = $1", {made[3]}).ok());
  DueQuery query;
  query.lanes = {"email", "sms"};
  query.closed_priorities[1] = true;
  query.held = {made[1]};
  query.count_max = 1;
  auto found = claim(query);
  REQUIRE(found.size() == 1);
  CHECK(found[0].id == made[3]);
  CHECK(found[0].priority == Priority::critical);
  CHECK(found[0].pinned_provider == "relay");
  CHECK(found[0].avoid == "other");
  query.count_max = 10;
  found = claim(query);
  REQUIRE(found.size() == 2);
  CHECK(found[1].id == made[0]);
  query.shards = {(shard_of(made[0]) + 1) % kShards};
  for (const auto& row : claim(query)) CHECK(shard_of(row.id) == query.shards[0]);
}

TEST_CASE_METHOD(Fixture, "what is paused, pinned, or to be avoided gets no permit elsewhere") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  for (const char* pause : {"'priority', 'normal'", "'provider', 'twilio-main'"}) {
    REQUIRE(session
                ->run("insert into pause (scope, name, by_user, at) values (" + std::string(pause) +
                      ", gen_random_uuid(), now())")
                .ok());
    CHECK(verdict_of(*this, id) == PermitVerdict::paused);
    REQUIRE(session->run("delete from pause").ok());
  }
  REQUIRE(session->run("update due set avoid = 'twilio-main'").ok());
  CHECK(permit({id, "sms", "twilio-main", "weight", true}).verdict == PermitVerdict::avoided_provider);
  REQUIRE(session->run("update due set provider = 'relay'").ok());
  const Permit pinned = permit({id, "sms", "twilio-main", "weight", true});
  CHECK(pinned.verdict == PermitVerdict::other_provider);
  CHECK(pinned.pinned_provider == "relay");
  CHECK(pinned.avoid == "twilio-main");
  REQUIRE(session->run("update due set provider = null").ok());
  CHECK(permit({id, "sms", "twilio-main", "only", false}).verdict == PermitVerdict::granted);
}

TEST_CASE_METHOD(Fixture, "a look tells what stands against a message and is never granted") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  REQUIRE(session->run("update message set time_zone = 'Australia/Sydney', tags = '{recall,spring}', is_urgent = true")
              .ok());
  Permit look = permit({id, "", "", ""});
  CHECK(look.verdict == PermitVerdict::looked);
  CHECK(look.lane == "sms");
  CHECK(look.time_zone == "Australia/Sydney");
  CHECK(look.tags == std::vector<std::string>{"recall", "spring"});
  CHECK(look.is_urgent);
  CHECK(look.permitted_at.us != 0);
  REQUIRE(session->run("update message set cancel_requested = true").ok());
  CHECK(permit({id, "", "", ""}).verdict == PermitVerdict::cancel_requested);
  CHECK(count("attempt_start") == 0);
}

TEST_CASE_METHOD(Fixture, "a move changes what is due, and not what somebody holds or what is another attempt by now") {
  const Uuid free = messages->insert({sms("+61491570006", "a")});
  const Uuid held = messages->insert({sms("+61491570006", "b")});
  const Uuid other = messages->insert({sms("+61491570006", "c")});
  permit(held);
  const WallTime due{clock.wall().us + 3'600'000'000}, until{due.us + 1000};
  Batch batch;
  batch.moves = {{free, 1, "sms-2", due, until}, {held, 1, "sms-2", due, until}, {other, 2, "sms-2", due, until}};
  REQUIRE(write(*journal, batch).ok());
  CHECK(count("due where lane = 'sms-2'") == 1);
  const auto row = session->run("select due_at, send_until from due where message_id = $1", {free});
  CHECK(row->time(0, 0) == due);
  CHECK(row->optional_time(0, 1) == until);
  batch.moves = {{free, 1, "sms", due, std::nullopt}};
  REQUIRE(write(*journal, batch).ok());
  CHECK(count("due where lane = 'sms' and send_until is null") == 3);
}

TEST_CASE_METHOD(Fixture, "the next attempt is due by the database's clock, and goes past who has just failed") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  auto row = result(permit(id), OutcomeKind::retryable, Status::queued, 60'000);
  row.finished_at = {clock.wall().us + 3'600'000'000};  // a clock of its own
  row.next_avoid = "twilio-main";
  Batch batch;
  batch.results.push_back(row);
  const auto reply = write(*journal, std::move(batch));
  REQUIRE(reply.ok());
  REQUIRE(reply->next_due.size() == 1);
  const auto due = session->run("select due_at, avoid, extract(epoch from due_at - now())::int from due");
  CHECK(due->time(0, 0) == reply->next_due[0].second);
  CHECK(due->text(0, 1) == "twilio-main");
  CHECK(due->number(0, 2) > 50);
  CHECK(due->number(0, 2) <= 60);
}

TEST_CASE_METHOD(
    Fixture, "I4 a void is followed by another attempt only with an approval of a new version, whatever clocks say") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  {
    PgTransaction tx(*session);
    const WallTime ahead{clock.wall().us + 3'600'000'000};
    REQUIRE(*insert_void(tx, id, 1, "other", ahead));
    REQUIRE(tx.commit().ok());
  }
  REQUIRE(session->run("update due set attempt_no = 2").ok());
  REQUIRE(session->run("update message set version = 2").ok());
  REQUIRE(session->run("update content set version = 2").ok());
  CHECK(verdict_of(*this, id) == PermitVerdict::out_of_order);
  REQUIRE(session
              ->script("insert into approval (id, message_id, version, decision, signer_id, signer_role, policy_id, "
                       "envelope_commit, approval_mac, at) select gen_random_uuid(), message_id, 2, 1, signer_id, "
                       "signer_role, policy_id, envelope_commit, approval_mac, at from approval")
              .ok());
  CHECK(verdict_of(*this, id) == PermitVerdict::granted);
}

TEST_CASE_METHOD(Fixture, "what the provider calls an attempt is kept where its receipts will say no more") {
  for (const bool is_named : {true, false}) {
    const Uuid id = messages->insert({sms("+61491570006", "hello")});
    ResultRow row = result(permit(id), OutcomeKind::accepted, Status::sent);
    row.outcome.provider_reference = is_named ? "g-1" : "g-2";
    row.is_named = is_named;
    CHECK(record(row).empty());
    CHECK(count("callback_reference where reference = 'g-1' and attempt_no = 1") == 1);
  }
  CHECK(count("callback_reference") == 1);
  ResultRow parts =
      result(permit(messages->insert({sms("+61491570006", "hello")})), OutcomeKind::accepted, Status::sent);
  parts.outcome.provider_reference = "p-1 p-2 p-3";
  parts.is_named = true;
  CHECK(record(parts).empty());
  CHECK(count("callback_reference where reference in ('p-1', 'p-2', 'p-3')") == 3);
}

TEST_CASE_METHOD(Fixture, "a database that goes away fails what is under way and is used again when it is back") {
  const Uuid id = messages->insert({sms("+61491570006", "hello")});
  session.reset();
  bool is_down = false;
  journal->on_change([&](bool up) {
    is_down = !up;
    loop.stop();
  });
  shared_postgres().stop_immediate();
  while (!is_down) loop.run();
  Batch batch;
  batch.permits.push_back({id, "sms", "twilio-main", "only"});
  auto reply = write(*journal, batch);
  REQUIRE_FALSE(reply.ok());
  CHECK(reply.error().code == ErrorCode::unavailable);
  shared_postgres().start();
  while (!journal->is_up()) loop.run();
  journal->on_change({});
  reply = write(*journal, batch);
  REQUIRE(reply.ok());
  CHECK(reply->permits.at(0).verdict == PermitVerdict::granted);
}

TEST_CASE_METHOD(Fixture, "256 permits and their results go in two transactions from an empty database") {
  std::vector<ApprovedOptions> many(256, {sms("+61491570006", "hello")});
  const auto ids_made = messages->insert(many);
  Batch permits;
  for (const auto& id : ids_made) permits.permits.push_back({id, "sms", "twilio-main", "only"});
  auto granted = write(*journal, permits);
  REQUIRE(granted.ok());
  REQUIRE(granted->permits.size() == 256);
  Batch results;
  for (const auto& p : granted->permits) {
    REQUIRE(p.verdict == PermitVerdict::granted);
    results.results.push_back(result(p, OutcomeKind::accepted, Status::sent));
  }
  auto written = write(*journal, results);
  REQUIRE(written.ok());
  CHECK(written->stale.empty());
  CHECK(count("message where status = 5") == 256);
  CHECK(count("due") == 0);
}

#include "audit/event.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

Event full() {
  Event e;
  e.id = *parse_uuid("0190a000-0000-7000-8000-000000000001");
  e.at = {1'767'225'600'000'001};
  e.actor = {"0190a000-0000-7000-8000-00000000000a", "doctor", "0190a000-0000-7000-8000-00000000000b", "192.0.2.7",
             to_hex(view(sha256("curl/8")))};
  e.action = "sent";
  e.object.id = "0190a000-0000-7000-8000-00000000000c";
  e.object.n = 4;
  e.object.prev = sha256("before");
  e.status = "sent";
  e.reason_code = "accepted";
  e.attempt = EventAttempt{2, "twilio-main", {1'767'225'599'000'000}};
  e.envelope_commit = sha256("1");
  e.provenance_sha256 = sha256("2");
  e.attempt_sha256 = sha256("3");
  e.callback_sha256 = sha256("4");
  e.request_id = "r-1";
  e.detail = {{"provider", std::string("a \"é\"")}, {"final", true}, {"attempt", int64_t{3}}};
  return e;
}

TEST_CASE("an event is written to the letter") {
  Event e;
  e.id = *parse_uuid("0190a000-0000-7000-8000-000000000001");
  e.at = {1'767'225'600'000'000};
  e.actor.id = "u-1";
  e.actor.role = "staff";
  e.action = "draft_generated";
  e.object.id = "msg-1";
  e.object.n = 1;
  e.status = "pending";
  CHECK(canonical(e) ==
        R"({"action":"draft_generated","actor":{"id":"u-1","role":"staff"},"at":"2026-01-01T00:00:00.000000Z",)"
        R"("id":"0190a000-0000-7000-8000-000000000001","object":{"id":"msg-1","n":1,"prev":null,"type":"message"},)"
        R"("status":"pending","v":1})");
}

TEST_CASE("an event's bytes are the canonical form of themselves") {
  Event read;
  read.id = full().id;
  read.action = "content_read";
  for (const auto& e : {full(), read}) {
    const auto again = canonicalize(canonical(e));
    REQUIRE(again.ok());
    CHECK(*again == canonical(e));
  }
}

TEST_CASE("details are sorted, whatever order they came in") {
  Event e = full(), other = full();
  std::swap(other.detail[0], other.detail[2]);
  CHECK(canonical(e) == canonical(other));
}

TEST_CASE("a read carries n and prev as null") {
  Event e;
  e.action = "content_read";
  CHECK(canonical(e).find(R"("object":{"n":null,"prev":null,"type":"message"})") != std::string::npos);
}

TEST_CASE("each member that changes changes the leaf") {
  const auto leaf = [](const Event& e) { return leaf_hash(canonical(e)); };
  std::vector<Event> others(16, full());
  others[0].id.bytes[15] ^= 1;
  others[1].at.us += 1;
  others[2].actor.id = "x";
  others[3].actor.role = "staff";
  others[4].actor.ip = "192.0.2.8";
  others[5].action = "delivery_failed";
  others[6].object.n = 5;
  others[7].object.prev = sha256("other");
  others[8].status = "failed";
  others[9].reason_code = "x";
  others[10].attempt->no = 3;
  others[11].envelope_commit = sha256("x");
  others[12].attempt_sha256.reset();
  others[13].callback_sha256 = sha256("x");
  others[14].request_id = "r-2";
  others[15].detail[1].second = false;
  for (const auto& other : others) CHECK(leaf(other) != leaf(full()));
}

TEST_CASE("what the table does not have is a misfit") {
  CHECK(misfit(full()).empty());
  Event e = full();
  e.action = "sent_by_hand";
  CHECK(misfit(e) == "there is no audit action sent_by_hand");
  e = full();
  e.detail.emplace_back("note", std::string("x"));
  CHECK(misfit(e) == "detail of sent has no member note");
  e = full();
  e.detail[1].second = std::string("true");
  CHECK(misfit(e) == "detail member final of sent is of another type");
  e = full();
  e.object.n.reset();
  CHECK(misfit(e) == "object.n is missing in an event sent");
  e = full();
  e.action = "content_read";
  e.detail.clear();
  CHECK(misfit(e) == "object.n is given in an event content_read");
  CHECK_FALSE(misfit(Event{}).empty());
}

TEST_CASE("an event that is a misfit aborts before its bytes are made") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // Catch2's handler would report for the parent
    ::close(STDERR_FILENO);
    const std::string canon = canonical(Event{});
    ::_exit(canon.empty() ? 1 : 0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
}

TEST_CASE("the projection of an event reads back from its bytes") {
  const Event e = full();
  const auto read = parse_event(canonical(e));
  REQUIRE(read.ok());
  CHECK(read->id == e.id);
  CHECK(read->at == e.at);
  CHECK(read->actor_id == e.actor.id);
  CHECK(read->actor_role == e.actor.role);
  CHECK(read->action == "sent");
  CHECK(read->object_type == "message");
  CHECK(read->object_id == e.object.id);
  CHECK(read->status == "sent");
  CHECK(read->reason_code == "accepted");
  CHECK(read->request_id == "r-1");
  CHECK(read->n == 4);
  CHECK(read->prev == e.object.prev);
  CHECK(read->attempt_no == 2);
  CHECK(read->provider == "twilio-main");

  Event confirmed = full();
  confirmed.attempt.reset();
  CHECK(parse_event(canonical(confirmed))->provider == "a \"é\"");
  Event seen;
  seen.action = "content_read";
  const auto bare = parse_event(canonical(seen));
  REQUIRE(bare.ok());
  CHECK_FALSE(bare->n);
  CHECK_FALSE(bare->prev);
  CHECK(bare->status.empty());
  CHECK(bare->provider.empty());
}

TEST_CASE("what is no event is corrupt") {
  const std::string good = canonical(full());
  REQUIRE(parse_event(good).ok());
  for (size_t size = 0; size < good.size(); size++)
    CHECK(parse_event(std::string_view(good).substr(0, size)).error().code == ErrorCode::corrupt);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string out = good;
    const size_t at = out.find(from);
    REQUIRE(at != std::string::npos);
    return parse_event(out.replace(at, from.size(), to)).ok();
  };
  CHECK_FALSE(changed("\"v\":1", "\"v\":2"));
  CHECK_FALSE(changed("\"n\":4", "\"n\":4.5"));
  CHECK_FALSE(changed("\"n\":4", "\"n\":-4"));
  CHECK_FALSE(changed("\"n\":4", "\"m\":4"));
  CHECK_FALSE(changed("\"prev\":\"", "\"prev\":\"00"));
  CHECK_FALSE(changed("\"action\":\"sent\"", "\"action\":7"));
  CHECK_FALSE(changed("\"id\":\"0190a000-0000-7000-8000-000000000001\"", "\"id\":\"1\""));
  CHECK_FALSE(changed("\"actor\":{", "\"actor\":7,\"x\":{"));
  CHECK_FALSE(parse_event("[]").ok());
}

// RFC 6962 section 2.1 and shared/vectors/audit.json: the leaf of "", and of "L123456".
TEST_CASE("leaves are hashed as RFC 6962 says") {
  CHECK(to_hex(view(leaf_hash(""))) == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  CHECK(to_hex(view(leaf_hash("L123456"))) == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
}

// A row of audit_entry_example in shared/vectors/audit.json, older in its names but not in its rules.
TEST_CASE("the example's leaf is that of its bytes") {
  const std::string canon =
      R"({"action":"message.draft_generated","actor":{"id":"u-1","role":"staff"},"at":"2026-01-01T00:00:00.000000Z",)"
      R"("content_commit":"8bc606efa8507c001e87a0b2a4b1eee528606e3bdf43f50e59615ed9c404dd7c",)"
      R"("id":"0190a000-0000-7000-8000-000000000000","object":{"id":"msg-1","n":0,"prev":")"
      R"(0000000000000000000000000000000000000000000000000000000000000000","type":"message"},)"
      R"("status":"pending","v":1})";
  CHECK(*canonicalize(canon) == canon);
  CHECK(to_hex(view(leaf_hash(canon))) == "8dd25f7768956f9ad42677fadaa23e9230a1026463a6f7a021d70d399412fad3");
}

}  // namespace
}  // namespace signet

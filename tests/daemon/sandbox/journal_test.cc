#include "daemon/sandbox/journal.h"

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "daemon/sandbox/callback_client.h"
#include "daemon/sandbox/endings.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/sandbox/sandbox_fixture.h"

using namespace signet;
using namespace signet::test;
using Json = nlohmann::json;
using sandbox::Arrival;
using sandbox::Journal;

namespace {

constexpr const char* kId = "0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061";

Arrival arrival(const std::string& echo, const std::string& verdict, const std::string& reference = "") {
  Arrival out;
  out.channel = "sms";
  out.recipient = "+61491570156";
  out.echo = echo;
  out.verdict = verdict;
  out.answer = "201";
  out.reference = reference;
  return out;
}

}  // namespace

TEST_CASE("a journal's line is complete and on disk when it is recorded") {
  SandboxFixture f([](sandbox::Options& o) { o.fsync_journal = true; });
  RawClient client(f.smtp_port);
  client.read_until("\r\n");
  client.send("EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<anna0001@example.org>\r\n");
  REQUIRE(client.read_until("550 5.1.1 "));
  const auto lines = f.journal();
  REQUIRE(lines.size() == 1);
  std::set<std::string> names;
  for (const auto& [name, value] : lines[0]) names.insert(name);
  CHECK(names == std::set<std::string>{"n", "at", "channel", "recipient", "echo", "verdict", "answer", "reference"});
  CHECK(lines[0].at("n") == "1");
  CHECK(parse_rfc3339(lines[0].at("at")));
}

TEST_CASE("the summary counts messages, not attempts, and is read again from the file") {
  SystemClock clock;
  std::string path = "/tmp/signet-test-XXXXXX";
  close(mkstemp(path.data()));
  const std::string id = kId;
  std::string other = id;
  other[0] = '1';
  for (int round = 0; round < 2; ++round) {
    auto journal = Journal::open(clock, path, false);
    REQUIRE(journal);
    if (round == 0) {
      (*journal)->record(arrival(id + ".1", "throttled"));
      (*journal)->record(arrival(id + ".2", "accepted", "SM1"));
      (*journal)->record(arrival(other + ".1", "accepted", "SM2"));
      (*journal)->record(arrival("", "accepted", "SM3"));
      (*journal)->record(arrival("", "accepted", "SM4"));
      CHECK((*journal)->summary().twice.empty());
      CHECK((*journal)->summary().repeated_attempts.empty());
      (*journal)->record(arrival(id + ".3", "accepted", "SM5"));
      (*journal)->record(arrival(other + ".1", "refused"));
    }
    CHECK(Json::parse((*journal)->summary_json()) ==
          Json{{"accepted", 5}, {"distinct", 4}, {"twice", {id}}, {"repeatedAttempts", {other + ".1"}}});
    if (round == 1) CHECK((*journal)->record(arrival("", "refused"))->n == 8);
  }
  unlink(path.c_str());
}

TEST_CASE("a journal that cannot be written or is not ours is refused") {
  SystemClock clock;
  const auto no_folder = Journal::open(clock, "/nonexistent/journal", false);
  REQUIRE_FALSE(no_folder);
  CHECK(no_folder.error().text.find("/nonexistent/journal") != std::string::npos);
  std::string path = "/tmp/signet-test-XXXXXX";
  close(mkstemp(path.data()));
  std::ofstream(path) << "not a journal\n";
  const auto foreign = Journal::open(clock, path, false);
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == ErrorCode::corrupt);
  unlink(path.c_str());
}

TEST_CASE("an echo is found wherever it stands") {
  const std::string id = kId;
  CHECK(sandbox::echo_in("http://h/webhooks/t?m=" + id + ".12") == id + ".12");
  CHECK(sandbox::echo_in("http://h/webhooks/t/" + id + ".1?x=y") == id + ".1");
  CHECK(sandbox::echo_in("<" + id + "@example.org>") == id);
  CHECK(sandbox::echo_in("<" + id + ".@example.org>") == id);
  CHECK(sandbox::echo_in("nothing here").empty());
  CHECK(sandbox::echo_in("").empty());
}

TEST_CASE("callback URLs") {
  const auto plain = sandbox::parse_callback_url("http://127.0.0.1:8421/webhooks/t?m=1");
  REQUIRE(plain);
  CHECK(plain->endpoint.port == 8421);
  CHECK(plain->target == "/webhooks/t?m=1");
  CHECK(plain->authority == "127.0.0.1:8421");
  const auto tls = sandbox::parse_callback_url("https://example.org");
  REQUIRE(tls);
  CHECK(tls->is_tls);
  CHECK(tls->endpoint.port == 443);
  CHECK(tls->target == "/");
  const auto v6 = sandbox::parse_callback_url("http://[::1]/x");
  REQUIRE(v6);
  CHECK(v6->endpoint.host == "::1");
  CHECK(v6->endpoint.port == 80);
  for (const char* bad : {"", "ftp://h/", "http://", "http://h/a b", "http://h/\r\nX: y", "http://u@h/", "http://h:x/"})
    CHECK_FALSE(sandbox::parse_callback_url(bad));
}

TEST_CASE("endings are read from numbers and from local parts") {
  using sandbox::Behaviour;
  CHECK(sandbox::behaviour_of("+61491570003") == Behaviour::throttle);
  CHECK(sandbox::behaviour_of("anna0003@example.org") == Behaviour::throttle);
  CHECK(sandbox::behaviour_of("anna@example0003") == Behaviour::deliver);
  CHECK(sandbox::behaviour_of("+61491570156") == Behaviour::deliver);
  std::set<std::string_view> digits;
  for (const auto& ending : sandbox::kEndings) digits.insert(ending.digits);
  CHECK(digits.size() == std::size(sandbox::kEndings));
}

TEST_CASE("the page is self-contained and shows nothing as markup") {
  SandboxFixture f;
  RawClient client(f.http_port);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto page = client.read_response();
  CHECK(page->status == 200);
  CHECK(page->header("content-type") == "text/html; charset=utf-8");
  CHECK(page->header("content-security-policy").find("default-src 'none'") != std::string::npos);
  CHECK(page->body.find("innerHTML") == std::string::npos);
  for (const char* outside : {"http://", "https://", "src=", "@import", "url("})
    CHECK(page->body.find(outside) == std::string::npos);
  client.send(
      "GET /sandbox/endings HTTP/1.1\r\nHost: h\r\n\r\nGET /sandbox/messages HTTP/1.1\r\nHost: h\r\n\r\n"
      "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(Json::parse(client.read_response()->body)["endings"].size() == std::size(sandbox::kEndings));
  CHECK(client.read_response()->body == "[]");
  CHECK(client.read_response()->status == 404);
  CHECK(client.read_response()->status == 405);
  CHECK(Json::parse(f.get("/sandbox/journal/summary")) ==
        Json{{"accepted", 0}, {"distinct", 0}, {"twice", Json::array()}, {"repeatedAttempts", Json::array()}});
}

#include "daemon/api/router.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

class Silent : public Log {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

PgOptions nowhere() {
  PgOptions options;
  options.url = "postgresql://signet_app@127.0.0.1:1/signet";
  return options;
}

// A daemon without a database: nothing listens on port 1.
struct World {
  ManualClock clock;
  SeededRandom random{1};
  IdSource ids{clock, random};
  Silent log;
  PgPool pool{nowhere(), 2};
  Keyring keyring{Secret(std::string(32, 'k')), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), random};
  Routes routes{{}};
  std::vector<Dependency> dependencies;
  ApiServices services{pool, keyring, routes, clock, ids, random, log, "signetd-1", {}, {}};
  Router admin{services, admin_routes()}, webhooks{services, webhook_routes()};
  World() {
    services.readiness = [this] { return dependencies; };
  }
};

http::Request request(std::string method, std::string path) {
  http::Request r;
  r.method = std::move(method);
  r.path = r.raw_target = std::move(path);
  r.request_id = "r-1";
  return r;
}

std::string header(const http::Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "";
}

void check_problem(const http::Response& response, int status, const Json& code) {
  CHECK(response.status == status);
  CHECK(response.content_type == "application/problem+json");
  const Json problem = Json::parse(response.body);
  CHECK(problem["status"] == status);
  CHECK(problem["code"] == code);
  CHECK(problem["requestId"] == "r-1");
  CHECK_FALSE(problem["title"].get<std::string>().empty());
  CHECK_FALSE(problem["detail"].get<std::string>().empty());
}

TEST_CASE("what is at no address is 404, and an address that does not take the method says which it takes") {
  World world;
  for (const char* path : {"/", "/api", "/api/messages/", "/api/messages/x/y", "/api/messages//cancel", "/nothing",
                           "/webhooks/twilio", "/api/Messages"})
    check_problem(world.admin.handle(request("GET", path)), 404, "NOT_FOUND");
  const auto wrong = world.admin.handle(request("DELETE", "/api/messages"));
  check_problem(wrong, 405, "METHOD_NOT_ALLOWED");
  CHECK(header(wrong, "Allow") == "POST, GET, HEAD");
  CHECK(header(world.admin.handle(request("GET", "/api/messages/x/cancel")), "Allow") == "POST");
  const auto options = world.admin.handle(request("OPTIONS", "/healthz"));
  CHECK(options.status == 204);
  CHECK(header(options, "Allow") == "GET, HEAD");
}

TEST_CASE("the webhook listener has the webhooks, and nothing of the API") {
  World world;
  for (const auto& row : world.webhooks.rows())
    CHECK((std::string(row.pattern).starts_with("/webhooks/") || row.pattern == "/healthz"));
  check_problem(world.webhooks.handle(request("GET", "/api/messages")), 404, "NOT_FOUND");
  check_problem(world.webhooks.handle(request("POST", "/webhooks/unknown")), 404, "NOT_FOUND");
}

TEST_CASE("only health, readiness, the description and logging in are open without a token") {
  World world;
  std::set<std::string_view> open;
  for (const auto& row : world.admin.rows())
    if (row.access == Access::open) open.insert(row.pattern);
  CHECK(open == std::set<std::string_view>{"/api/session", "/healthz", "/openapi.json", "/readyz"});
}

TEST_CASE("a missing or malformed token is refused without asking the database") {
  World world;
  const auto missing = world.admin.handle(request("GET", "/api/me"));
  check_problem(missing, 401, "UNAUTHORIZED");
  CHECK(header(missing, "WWW-Authenticate") == "Bearer realm=\"signet\"");
  for (const char* value : {"Basic YTpi", "Bearer", "sgn_x"}) {
    auto r = request("GET", "/api/me");
    r.headers = {{"authorization", value}};
    CHECK(header(world.admin.handle(r), "WWW-Authenticate") == "Bearer realm=\"signet\"");
  }
  auto r = request("GET", "/api/me");
  r.headers = {{"authorization", "bearer sgn_short"}};
  const auto malformed = world.admin.handle(r);
  check_problem(malformed, 401, "UNAUTHORIZED");
  CHECK(header(malformed, "WWW-Authenticate") == "Bearer realm=\"signet\", error=\"invalid_token\"");
  CHECK(malformed.body.find("sgn_short") == std::string::npos);
}

TEST_CASE("without a database the answer is 503 at once, with what to do") {
  World world;
  auto r = request("GET", "/api/messages");
  r.headers = {{"authorization", "Bearer sgn_" + std::string(43, 'a')}};
  const auto response = world.admin.handle(r);
  check_problem(response, 503, "UNAVAILABLE");
  CHECK(header(response, "Retry-After") == "2");
}

TEST_CASE("health needs nothing, readiness names each dependency") {
  World world;
  CHECK(world.admin.handle(request("GET", "/healthz")).status == 200);
  CHECK(world.admin.handle(request("HEAD", "/healthz")).status == 200);
  CHECK(world.admin.handle(request("GET", "/readyz")).status == 200);
  world.dependencies = {{"postgres", true, true, ""}, {"redis", false, false, "not there: check redis.url"}};
  auto ready = world.admin.handle(request("GET", "/readyz"));
  CHECK(ready.status == 200);
  CHECK(Json::parse(ready.body)["dependencies"][1]["detail"] == "not there: check redis.url");
  world.dependencies[0] = {"postgres", false, true, "not there: check postgres.url"};
  ready = world.admin.handle(request("GET", "/readyz"));
  CHECK(ready.status == 503);
  CHECK(Json::parse(ready.body)["ready"] == false);
  CHECK(header(ready, "Retry-After") == "2");
}

// A code may stand for several cases; what is wrong is said once.
TEST_CASE("each case stands once in the table of codes, with what to do") {
  std::set<std::string_view> titles;
  for (const auto& row : all_codes()) {
    CHECK(titles.insert(row.title).second);
    CHECK(row.status >= 400);
    CHECK_FALSE(row.title.empty());
    CHECK_FALSE(row.remedy.empty());
    CHECK(&info(row.code) == &row);
  }
  check_problem(answer(request("GET", "/"), {.code = Code::validation_error, .errors = {"a", "b"}}), 400, 2001);
}

}  // namespace
}  // namespace signet::api

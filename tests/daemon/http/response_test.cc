#include "daemon/http/response.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace signet::http;
using Json = nlohmann::json;

TEST_CASE("a problem has RFC 9457's members and the origin's") {
  Problem p;
  p.status = 422;
  p.code = "2001";
  p.title = "Letter does not meet approval requirements";
  p.detail = "Verify the values, then approve again.";
  p.request_id = "r1";
  p.errors = {"2 critical clinical values not verified"};
  p.members = R"({"letterId": "x", "status": 1})";
  const Response response = problem(p);
  CHECK(response.status == 422);
  CHECK(response.content_type == "application/problem+json");
  CHECK(Json::parse(response.body) == Json::parse(R"({
    "type": "urn:signet:problem:2001", "title": "Letter does not meet approval requirements", "status": 422,
    "detail": "Verify the values, then approve again.", "error": "Letter does not meet approval requirements",
    "code": 2001, "requestId": "r1", "letterId": "x",
    "details": {"errors": ["2 critical clinical values not verified"], "warnings": []}})"));
}

TEST_CASE("a code that is a word stays one, and details are left out when there are none") {
  const Response response = problem(403, "FORBIDDEN", "Not yours", "Ask the author.", "r2");
  const Json body = Json::parse(response.body);
  CHECK(body["code"] == "FORBIDDEN");
  CHECK(body["type"] == "urn:signet:problem:forbidden");
  CHECK_FALSE(body.contains("details"));
}

TEST_CASE("text that is not UTF-8 does not break a problem") {
  CHECK(Json::parse(problem(400, "BAD", "bad \xff octet", "", "").body)["title"] == "bad \xef\xbf\xbd octet");
}

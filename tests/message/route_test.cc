#include "message/route.h"

#include <catch2/catch.hpp>

namespace signet {
namespace {

const Routes kRoutes({
    {Kind::sms, {"US", "CA"}, {}, {{"twilio", 100}}},
    {Kind::email, {}, {"recall"}, {{"relay", 100}}},
    {Kind::sms, {}, {"urgent", "recall"}, {{"vonage", 100}}},
    {Kind::sms, {}, {}, {{"twilio", 50}, {"vonage", 50}}},
    {Kind::email, {"example.org"}, {}, {{"relay", 100}}},
});

TEST_CASE("the first route that matches serves, and lanes are numbered within their kind") {
  CHECK(kRoutes.lane(Kind::sms, "US", {}) == "sms");
  CHECK(kRoutes.lane(Kind::sms, "US", {"recall"}) == "sms");
  CHECK(kRoutes.lane(Kind::sms, "AU", {"x", "recall"}) == "sms-2");
  CHECK(kRoutes.lane(Kind::sms, "AU", {"x"}) == "sms-3");
  CHECK(kRoutes.lane(Kind::sms, "", {}) == "sms-3");
  CHECK(kRoutes.lane(Kind::email, "example.org", {"recall"}) == "email");
  CHECK(kRoutes.lane(Kind::email, "example.org", {}) == "email-2");
}

TEST_CASE("without a matching route there is no lane") {
  CHECK_FALSE(kRoutes.lane(Kind::email, "example.com", {}).has_value());
  CHECK_FALSE(kRoutes.lane(Kind::letter, "example.org", {}).has_value());
  CHECK_FALSE(Routes({}).lane(Kind::sms, "AU", {}).has_value());
}

TEST_CASE("a lane leads back to its route, and holds no part of an address") {
  CHECK(kRoutes.lanes() == std::vector<std::string>{"sms", "email", "sms-2", "sms-3", "email-2"});
  for (const auto& lane : kRoutes.lanes()) {
    REQUIRE(kRoutes.route(lane) != nullptr);
    CHECK(lane.find('@') == std::string::npos);
    CHECK(lane.find("example") == std::string::npos);
  }
  CHECK(kRoutes.route("sms-2")->providers[0].name == "vonage");
  CHECK(kRoutes.route("sms-9") == nullptr);
}

}  // namespace
}  // namespace signet

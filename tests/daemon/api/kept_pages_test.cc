#include "daemon/api/kept_pages.h"

#include <catch2/catch.hpp>

#include "tests/fakes/clock.h"

namespace signet::api {
namespace {

constexpr int64_t kDayMs = 24 * 3'600'000;

struct Fixture {
  ManualClock clock;
  Result<HttpReply> reply = HttpReply{200, {}, "certificate"};
  std::vector<std::string> called;
  HttpCaller call = [this](const HttpCall& asked) {
    called.push_back(asked.method + ' ' + asked.url);
    return reply;
  };
  KeptPages pages{call, clock};

  std::string got(const std::string& url = "https://a/1.pem") {
    auto page = pages.get(url);
    return page ? *page : page.error().code == ErrorCode::not_found ? "absent" : "unavailable";
  }
};

TEST_CASE_METHOD(Fixture, "a page is got once and kept a day") {
  CHECK(got() == "certificate");
  clock.advance_ms(kDayMs - 1000);
  CHECK(got() == "certificate");
  CHECK(called == std::vector<std::string>{"GET https://a/1.pem"});
  clock.advance_ms(1000);
  CHECK(got() == "certificate");
  CHECK(called.size() == 2);
}

TEST_CASE_METHOD(Fixture, "what is no page is absent, and what cannot be had now is asked for again soon") {
  struct Row {
    Result<HttpReply> reply;
    const char* wanted;
    int64_t kept_ms;
  };
  for (const auto& row : std::vector<Row>{{HttpReply{404, {}, ""}, "absent", 60'000},
                                          {HttpReply{302, {}, ""}, "absent", 60'000},
                                          {HttpReply{200, {}, std::string(70'000, 'x')}, "absent", 60'000},
                                          {Error{ErrorCode::limit, "too long"}, "absent", 60'000},
                                          {HttpReply{503, {}, ""}, "unavailable", 5000},
                                          {Error{ErrorCode::timeout, ""}, "unavailable", 5000},
                                          {Error{ErrorCode::unavailable, ""}, "unavailable", 5000}}) {
    const std::string url = "https://a/" + std::to_string(called.size());
    reply = row.reply;
    called.clear();
    CHECK(got(url) == row.wanted);
    clock.advance_ms(row.kept_ms - 1);
    CHECK(got(url) == row.wanted);
    CHECK(called.size() == 1);
    clock.advance_ms(2);
    reply = HttpReply{200, {}, "certificate"};
    CHECK(got(url) == "certificate");
    clock.advance_ms(kDayMs);
  }
}

TEST_CASE_METHOD(Fixture, "not more than 64 pages are kept, and the one that would lapse first goes") {
  for (int i = 0; i < 70; i++) {
    CHECK(got("https://a/" + std::to_string(i)) == "certificate");
    clock.advance_ms(1);
  }
  called.clear();
  CHECK(got("https://a/69") == "certificate");
  CHECK(called.empty());
  CHECK(got("https://a/0") == "certificate");
  CHECK(called.size() == 1);
}

}  // namespace
}  // namespace signet::api

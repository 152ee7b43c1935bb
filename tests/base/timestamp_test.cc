#include "base/timestamp.h"

#include <catch2/catch.hpp>

#include "tests/base/time_authority.h"

using namespace signet;

namespace {

TimeAuthority& authority() {
  static TimeAuthority made;
  return made;
}

constexpr char kData[] = "signet/audit\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n";

std::string refusal(const Result<TimeStamp>& result) {
  REQUIRE_FALSE(result.ok());
  return result.error().text;
}

}  // namespace

TEST_CASE("a time stamp says when an authority saw these octets") {
  SystemRandom random;
  const WallTime before = SystemClock().wall();
  const auto request = make_time_stamp_request(kData, random);
  const std::string reply = authority().reply(request.der);
  auto stamp = read_time_stamp_reply(reply, request, kData, authority().ca_file());
  REQUIRE((stamp.ok() ? "" : stamp.error().text) == "");
  CHECK(stamp->at.us > before.us - 2'000'000);
  CHECK(stamp->at.us <= SystemClock().wall().us);
  CHECK(stamp->serial.size() == 2);

  auto again = verify_time_stamp(stamp->token, kData, authority().ca_file());
  REQUIRE((again.ok() ? "" : again.error().text) == "");
  CHECK(again->at == stamp->at);
  CHECK(again->token == stamp->token);
  CHECK(make_time_stamp_request(kData, random).nonce != request.nonce);
}

TEST_CASE("a time stamp of other octets, of another request, by an authority that is not trusted is refused in words") {
  SystemRandom random;
  const auto request = make_time_stamp_request(kData, random);
  const std::string reply = authority().reply(request.der);
  const std::string& ca = authority().ca_file();
  CHECK_THAT(refusal(read_time_stamp_reply(reply, request, "other", ca)), Catch::Contains("message imprint mismatch"));
  const auto other = make_time_stamp_request(kData, random);
  CHECK_THAT(refusal(read_time_stamp_reply(reply, other, kData, ca)), Catch::Contains("nonce mismatch"));
  TimeAuthority stranger;
  CHECK_THAT(refusal(read_time_stamp_reply(reply, request, kData, stranger.ca_file())),
             Catch::Contains("certificate verify error"));

  auto stamp = read_time_stamp_reply(reply, request, kData, ca);
  REQUIRE(stamp.ok());
  CHECK_THAT(refusal(verify_time_stamp(stamp->token, "other", ca)), Catch::Contains("message imprint mismatch"));
  CHECK_THAT(refusal(verify_time_stamp(stamp->token, kData, stranger.ca_file())),
             Catch::Contains("certificate verify error"));
  CHECK_THAT(refusal(verify_time_stamp(stamp->token, kData, "/nowhere/ca.pem")), Catch::Contains("/nowhere/ca.pem"));
}

TEST_CASE("a stamp that was made after its authority's certificate ended is refused") {
  TimeAuthority expired("critical,timeStamping", "-startdate 20200101000000Z -enddate 20210101000000Z");
  SystemRandom random;
  const auto request = make_time_stamp_request(kData, random);
  CHECK_THAT(refusal(read_time_stamp_reply(expired.reply(request.der), request, kData, expired.ca_file())),
             Catch::Contains("certificate has expired"));
}

TEST_CASE("garbage, a cut answer and a changed octet are no time stamp") {
  SystemRandom random;
  const auto request = make_time_stamp_request(kData, random);
  const std::string reply = authority().reply(request.der);
  const std::string ca = authority().ca_file();
  for (const std::string& bad : {std::string(), std::string("garbage"), reply.substr(0, reply.size() / 2), reply + "x"})
    CHECK_THAT(refusal(read_time_stamp_reply(bad, request, kData, ca)), Catch::Contains("no TimeStampResp"));
  auto stamp = read_time_stamp_reply(reply, request, kData, ca);
  REQUIRE(stamp.ok());
  CHECK_THAT(refusal(verify_time_stamp("garbage", kData, ca)), Catch::Contains("no TimeStampToken"));
  CHECK_THAT(refusal(verify_time_stamp(reply, kData, ca)), Catch::Contains("does not verify"));
  std::string changed = stamp->token;
  changed[changed.size() - 8] = static_cast<char>(changed[changed.size() - 8] ^ 1);  // in the signature
  CHECK_THAT(refusal(verify_time_stamp(changed, kData, ca)), Catch::Contains("does not verify"));
  CHECK_FALSE(verify_time_stamp(std::string(kTimeStampTokenMax + 1, 'x'), kData, ca).ok());
}

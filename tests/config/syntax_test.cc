#include "config/syntax.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace signet;

namespace {
std::string text_of(const Refused& refused) { return refused ? refused->text : ""; }
}  // namespace

TEST_CASE("a PostgreSQL URL needs scheme, user, host and database, and no password") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"postgresql://app@127.0.0.1:5432/signet", ""},
      {"postgresql://app@db/signet", ""},
      {"postgresql://app@[::1]:5432/signet", ""},
      {"postgresql://app@a:5432,b:5433/signet?target_session_attrs=read-write", ""},
      {"postgresql://app@%2Frun%2Fpostgresql/signet", ""},
      {"postgresql://app@/signet?host=/run/postgresql", ""},
      {"postgresql:///?host=/run/postgresql&user=app&dbname=signet", ""},
      {"signet", "is not a URL"},
      {"postgresql://app@db/sig net", "is not a URL"},
      {"postgresql://app@db/sig%zz", "is not a URL"},
      {"postgres://app@db/signet", "has another scheme than postgresql://"},
      {"mysql://app@db/signet", "has another scheme than postgresql://"},
      {"postgresql://app:hunter2@db/signet", "has a password in it"},
      {"postgresql://app@db/signet?password=hunter2", "has a password in it"},
      {"postgresql://app@/signet", "has no host"},
      {"postgresql://app@a,/signet", "has no host"},
      {"postgresql://app@:5432/signet", "has no host"},
      {"postgresql://app@d*b/signet", "has a bad host"},
      {"postgresql://app@[::g]/signet", "has a bad IPv6 address"},
      {"postgresql://app@[::1]5/signet", "has something after the ]"},
      {"postgresql://app@db:0/signet", "has a bad port"},
      {"postgresql://app@db:65536/signet", "has a bad port"},
      {"postgresql://app@db:/signet", "has a bad port"},
      {"postgresql://app@db:99999999999999999999/signet", "has a bad port"},
      {"postgresql://db/signet", "has no user"},
      {"postgresql://app@db", "has no database"},
      {"postgresql://app@db/", "has no database"},
      {"postgresql://app@db/signet#x", "has a #fragment"},
  };
  for (const auto& [url, text] : cases) {
    INFO(url);
    CHECK(text_of(refuse_postgres_url(url)) == text);
  }
}

TEST_CASE("a Redis URL is one server, a Sentinel or a Cluster, without a password") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"redis://127.0.0.1:6379/0", ""},
      {"redis://user@cache", ""},
      {"redis://[::1]/15", ""},
      {"rediss://cache:6380/", ""},
      {"redis+sentinel://h1,h2:26380,h3/mymaster", ""},
      {"redis+cluster://h1,h2", ""},
      {"cache:6379", "is not a URL"},
      {"http://cache", "has an unknown scheme"},
      {"rediss+sentinel://h1/m", "has an unknown scheme"},
      {"redis://:hunter2@cache", "has a password in it"},
      {"redis://cache?db=1", "has a query or fragment, which mean nothing here"},
      {"redis://", "has no host"},
      {"redis://h1,h2", "has several hosts"},
      {"redis://cache/x", "has a bad database number"},
      {"redis://cache/-1", "has a bad database number"},
      {"redis://cache:port", "has a bad port"},
      {"redis+sentinel://h1,h2", "does not name the master"},
      {"redis+cluster://h1,h2/1", "has a path, but a cluster has one database"},
  };
  for (const auto& [url, text] : cases) {
    INFO(url);
    CHECK(text_of(refuse_redis_url(url)) == text);
  }
}

TEST_CASE("other URLs have one of the given schemes, one host, and neither user nor password") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"https://api.twilio.com", ""},
      {"https://api.twilio.com:8443/base/?a=b", ""},
      {"http://[::1]:80", ""},
      {"ftp://api.twilio.com", "has an unknown scheme"},
      {"HTTPS://api.twilio.com", "has an unknown scheme"},
      {"https://", "has no host"},
      {"https:///path", "has no host"},
      {"https://user@host", "has a user or password in it"},
      {"https://user:hunter2@host", "has a user or password in it"},
      {"https://a,b", "has a bad host"},
      {"https://host:x", "has a bad port"},
      {"api.twilio.com", "is not a URL"},
      {"", "is not a URL"},
      {"://host", "is not a URL"},
  };
  for (const auto& [url, text] : cases) {
    INFO(url);
    CHECK(text_of(refuse_url(url, {"https", "http"})) == text);
  }
  CHECK(refuse_url("http://relay", {"smtp", "smtps"})->remedy == "write smtp:// or smtps://");
}

TEST_CASE("a refusal of a URL never repeats what may be a password") {
  for (const std::string url : {"postgresql://app:hunter2@db/x", "postgresql://app:hun/ter2@db/x", "hunter2"}) {
    const auto refused = refuse_postgres_url(url);
    REQUIRE(refused);
    CHECK((refused->text + refused->remedy).find("ter2") == std::string::npos);
  }
}

TEST_CASE("a listen address is an IP address and a port") {
  CHECK(parse_listen("127.0.0.1:8420")->address == "127.0.0.1");
  CHECK(parse_listen("127.0.0.1:8420")->port == 8420);
  CHECK(parse_listen("[::1]:0")->address == "::1");
  CHECK(parse_listen("[::1]:0")->port == 0);
  for (const std::string bad : {"", ":", "8420", ":8420", "localhost:8420", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1",
                                "127.0.0.1:65536", "127.0.0.1:8420 ", "::1:8420", "[::1]", "[127.0.0.1]:1", "[]:1"}) {
    INFO(bad);
    CHECK_FALSE(parse_listen(bad));
  }
}

TEST_CASE("a network is an address with or without a prefix length") {
  for (const std::string good : {"10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "fd00::/8", "::/128"}) {
    INFO(good);
    CHECK(is_network(good));
  }
  for (const std::string bad : {"", "10.0.0", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "host", "10.0.0.0/8/8"}) {
    INFO(bad);
    CHECK_FALSE(is_network(bad));
  }
}

TEST_CASE("a time of day is HH:MM") {
  CHECK(parse_minute_of_day("00:00") == 0);
  CHECK(parse_minute_of_day("21:00") == 1260);
  CHECK(parse_minute_of_day("23:59") == 1439);
  for (const std::string bad : {"", "24:00", "12:60", "7:00", "07:0", "07-00", "0700", "07:00:00", "+7:00", "-1:00"}) {
    INFO(bad);
    CHECK_FALSE(parse_minute_of_day(bad));
  }
}

TEST_CASE("a time zone is a file of the zone database, and nothing outside of it") {
  CHECK(is_zone("Australia/Sydney"));
  CHECK(is_zone("UTC"));
  for (const std::string bad :
       {"", "Mars/Base", "Australia", "/etc/passwd", "../../../etc/passwd", "zone.tab", "EST "}) {
    INFO(bad);
    CHECK_FALSE(is_zone(bad));
  }
}

TEST_CASE("cron lines have five fields of stars, numbers, names, ranges, steps and lists") {
  const auto monthly = parse_cron("0 6 1 * *");
  REQUIRE(monthly);
  CHECK(monthly->minutes == 1);
  CHECK(monthly->hours == 1u << 6);
  CHECK(monthly->days == 1u << 1);
  CHECK(monthly->months == 0x1ffe);
  CHECK(monthly->weekdays == 0x7f);
  const auto mixed = parse_cron("*/20  9-17/4 1,15 JAN-mar,12 7");
  REQUIRE(mixed);
  CHECK(mixed->minutes == ((uint64_t{1} << 0) | (uint64_t{1} << 20) | (uint64_t{1} << 40)));
  CHECK(mixed->hours == ((1u << 9) | (1u << 13) | (1u << 17)));
  CHECK(mixed->days == ((1u << 1) | (1u << 15)));
  CHECK(mixed->months == ((1u << 1) | (1u << 2) | (1u << 3) | (1u << 12)));
  CHECK(mixed->weekdays == 1);
  CHECK(parse_cron("0 0 * * mon-fri")->weekdays == 0x3e);
  for (const std::string bad : {"",           "* * * *",         "* * * * * *", "@daily",      "60 * * * *",
                                "* 24 * * *", "* * 0 * *",       "* * 32 * *",  "* * * 0 *",   "* * * 13 *",
                                "* * * * 8",  "5-1 * * * *",     "*/0 * * * *", "5/2 * * * *", "1,,2 * * * *",
                                "a * * * *",  "* * * * sun-foo", "-1 * * * *",  "1- * * * *",  "99999999999 * * * *"}) {
    INFO(bad);
    CHECK_FALSE(parse_cron(bad));
  }
}

TEST_CASE("a cron line for a day that no month has never comes") {
  CHECK_FALSE(is_ever(*parse_cron("0 0 31 2,4 *")));
  CHECK_FALSE(is_ever(*parse_cron("0 0 30 feb *")));
  CHECK(is_ever(*parse_cron("0 0 29 2 *")));
  CHECK(is_ever(*parse_cron("0 0 31 2 mon")));
}

TEST_CASE("mail addresses, domains and names are checked for their characters") {
  for (const std::string good : {"a@b", "on.call+x@mail.example.org"}) CHECK(is_receiver_address(good));
  for (const std::string bad : {"", "a", "@b", "a@", "a@b@c", "Clinic <a@b>", "a b@c", "a@b..c", "a@-b", "a@b_c"}) {
    INFO(bad);
    CHECK_FALSE(is_receiver_address(bad));
  }
  CHECK(is_name("twilio-main"));
  for (const std::string bad : {"", "a b", "a/b", "a:b", "{a}"}) CHECK_FALSE(is_name(bad));
  CHECK_FALSE(is_name(std::string(65, 'a')));
}

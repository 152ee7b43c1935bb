// How the values of a configuration are written. Pure but for is_zone, which looks into /usr/share/zoneinfo.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace signet {

struct Refusal {  // the two halves of a Fault
  std::string text;
  std::string remedy;
};
using Refused = std::optional<Refusal>;  // none: the value is good

// URLs (RFC 3986). A password inside is refused, and no refusal repeats the URL.
Refused refuse_postgres_url(std::string_view url);  // libpq's form: several hosts; needs user, host and database
Refused refuse_redis_url(std::string_view url);     // redis:// rediss:// redis+sentinel:// redis+cluster://
// One host, one of `schemes` ("http", "smtps", ...).
Refused refuse_url(std::string_view url, std::initializer_list<std::string_view> schemes);

struct ListenAddress {
  std::string address;  // an IP address, without brackets
  int port = 0;         // 0: any free one
};
std::optional<ListenAddress> parse_listen(std::string_view text);  // "127.0.0.1:8420", "[::1]:8420"
bool is_network(std::string_view text);                            // "10.0.0.1", "10.0.0.0/8", "fd00::/8"

std::optional<int> parse_minute_of_day(std::string_view text);  // "21:00" is 1260
bool is_zone(const std::string& name);                          // "Australia/Sydney"

// The five fields of crontab(5), each value a bit. Names of months and days are taken, @daily and the like are not.
struct Cron {
  uint64_t minutes = 0;   // 0-59
  uint64_t hours = 0;     // 0-23
  uint64_t days = 0;      // 1-31
  uint64_t months = 0;    // 1-12
  uint64_t weekdays = 0;  // 0-6, Sunday is 0
};
std::optional<Cron> parse_cron(std::string_view text);
bool is_ever(const Cron& cron);  // not "0 0 31 2 *"

bool is_receiver_address(std::string_view text);  // local@domain, without a display name
bool is_domain(std::string_view text);            // ASCII letters, digits, dots and hyphens
bool is_name(std::string_view text);              // 1 to 64 of A-Z a-z 0-9 . _ -, for what stands in paths and keys

}  // namespace signet

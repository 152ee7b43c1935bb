#include "config/syntax.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <vector>

namespace signet {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::optional<int> parse_digits(std::string_view text, int max) {
  int value = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return {};
  return value;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (size_t start = 0;;) {
    const size_t end = text.find(at, start);
    parts.push_back(text.substr(start, end == text.npos ? text.npos : end - start));
    if (end == text.npos) return parts;
    start = end + 1;
  }
}

bool is_ip(int family, std::string_view text) {
  std::array<unsigned char, 16> octets{};
  return inet_pton(family, std::string(text).c_str(), octets.data()) == 1;
}

struct Url {
  std::string_view scheme, user, hosts, path, query, fragment;
  bool has_user = false;
};

std::optional<Url> split_url(std::string_view text) {
  Url url;
  const size_t colon = text.find("://");
  if (colon == text.npos || colon == 0) return {};
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) return {};
  for (size_t i = text.find('%'); i != text.npos; i = text.find('%', i + 1))
    if (i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
        !std::isxdigit(static_cast<unsigned char>(text[i + 2])))
      return {};
  url.scheme = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 3);
  if (const size_t hash = rest.find('#'); hash != rest.npos) {
    url.fragment = rest.substr(hash);
    rest = rest.substr(0, hash);
  }
  if (const size_t mark = rest.find('?'); mark != rest.npos) {
    url.query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  const size_t slash = rest.find('/');
  if (slash != rest.npos) url.path = rest.substr(slash);
  url.hosts = rest.substr(0, slash);
  if (const size_t at = url.hosts.rfind('@'); at != url.hosts.npos) {
    url.has_user = true;
    url.user = url.hosts.substr(0, at);
    url.hosts = url.hosts.substr(at + 1);
  }
  return url;
}

// "host", "host:port", "[v6]:port"; a percent sign is a socket's folder in libpq's form.
Refused refuse_host(std::string_view host, const std::string& form) {
  std::string_view port;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == host.npos || !is_ip(AF_INET6, host.substr(1, end - 1)))
      return Refusal{"has a bad IPv6 address", "write " + form};
    port = host.substr(end + 1);
    if (!port.empty() && port[0] != ':') return Refusal{"has something after the ]", "write " + form};
  } else {
    const size_t colon = host.find(':');
    if (colon != host.npos) port = host.substr(colon);
    host = host.substr(0, colon);
    if (host.empty()) return Refusal{"has no host", "write " + form};
    for (const char c : host)
      if (!is_letter(c) && !is_digit(c) && c != '.' && c != '-' && c != '_' && c != '%')
        return Refusal{"has a bad host", "write " + form};
  }
  if (!port.empty() && parse_digits(port.substr(1), 65535).value_or(0) == 0)
    return Refusal{"has a bad port", "write a number from 1 to 65535 after the host's colon"};
  return {};
}

Refused refuse_hosts(std::string_view hosts, const std::string& form) {
  for (const auto host : split(hosts, ','))
    if (auto refused = refuse_host(host, form)) return refused;
  return {};
}

Refused refuse_password(const Url& url) {
  bool has_password = url.user.find(':') != url.user.npos;
  for (const auto member : split(url.query, '&')) {
    const auto name = member.substr(0, member.find('='));
    has_password |= name == "password" || name == "sslpassword" || name == "pass" || name == "passwd";
  }
  if (!has_password) return {};
  return Refusal{"has a password in it",
                 "take it out, write it into a file of mode 0600 and name that in password_file"};
}

bool has_query(const Url& url, std::string_view name) {
  for (const auto member : split(url.query, '&'))
    if (member.size() > name.size() + 1 && member.starts_with(name) && member[name.size()] == '=') return true;
  return false;
}

std::string list_of(std::initializer_list<std::string_view> schemes) {
  std::string text;
  for (const auto scheme : schemes) text += (text.empty() ? "" : " or ") + std::string(scheme) + "://";
  return text;
}

using Names = std::initializer_list<std::string_view>;

std::optional<int> parse_cron_value(std::string_view text, int min, int max, const Names& names) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  int value = min;
  for (const auto name : names) {
    if (lower == name) return value;
    ++value;
  }
  const auto number = parse_digits(text, max);
  return number && *number >= min ? number : std::nullopt;
}

// 0: the field is bad.
uint64_t parse_cron_field(std::string_view field, int min, int max, const Names& names) {
  uint64_t bits = 0;
  for (auto part : split(field, ',')) {
    int step = 1;
    const size_t slash = part.find('/');
    if (slash != part.npos) {
      const auto given = parse_digits(part.substr(slash + 1), max);
      if (!given || *given == 0) return 0;
      step = *given;
      part = part.substr(0, slash);
    }
    int first = min, last = max;
    if (part != "*") {
      const size_t dash = part.find('-');
      const auto from = parse_cron_value(part.substr(0, dash), min, max, names);
      const auto to = dash == part.npos ? from : parse_cron_value(part.substr(dash + 1), min, max, names);
      if (!from || !to || *from > *to || (dash == part.npos && slash != part.npos)) return 0;
      first = *from;
      last = *to;
    }
    for (int value = first; value <= last; value += step) bits |= uint64_t{1} << value;
  }
  return bits;
}

}  // namespace

Refused refuse_postgres_url(std::string_view text) {
  const std::string form = "postgresql://user@host:port/database";
  const auto url = split_url(text);
  if (!url) return Refusal{"is not a URL", "write " + form};
  if (url->scheme != "postgresql") return Refusal{"has another scheme than postgresql://", "write " + form};
  if (auto refused = refuse_password(*url)) return refused;
  const bool has_other_host = has_query(*url, "host") || has_query(*url, "hostaddr");
  if (url->hosts.empty() && !has_other_host) return Refusal{"has no host", "write " + form};
  if (!url->hosts.empty())
    if (auto refused = refuse_hosts(url->hosts, form)) return refused;
  if (url->user.empty() && !has_query(*url, "user")) return Refusal{"has no user", "write " + form};
  if (url->path.size() < 2 && !has_query(*url, "dbname")) return Refusal{"has no database", "write " + form};
  if (!url->fragment.empty()) return Refusal{"has a #fragment", "write # as %23"};
  return {};
}

Refused refuse_redis_url(std::string_view text) {
  const auto url = split_url(text);
  if (!url) return Refusal{"is not a URL", "write redis://host:port/0"};
  const bool is_single = url->scheme == "redis" || url->scheme == "rediss";
  const bool is_sentinel = url->scheme == "redis+sentinel";
  if (!is_single && !is_sentinel && url->scheme != "redis+cluster")
    return Refusal{"has an unknown scheme", "write redis://, rediss://, redis+sentinel:// or redis+cluster://"};
  const std::string form = is_single     ? std::string(url->scheme) + "://host:port/0"
                           : is_sentinel ? "redis+sentinel://host1,host2,host3/master"
                                         : "redis+cluster://host1,host2";
  if (auto refused = refuse_password(*url)) return refused;
  if (!url->query.empty() || !url->fragment.empty())
    return Refusal{"has a query or fragment, which mean nothing here", "write " + form};
  if (url->hosts.empty()) return Refusal{"has no host", "write " + form};
  if (is_single && url->hosts.find(',') != url->hosts.npos)
    return Refusal{"has several hosts", "write one, or use redis+sentinel:// or redis+cluster://"};
  if (auto refused = refuse_hosts(url->hosts, form)) return refused;
  const std::string_view path = url->path.empty() ? url->path : url->path.substr(1);
  if (is_single && !path.empty() && !parse_digits(path, 1023))
    return Refusal{"has a bad database number", "write " + form};
  if (is_sentinel && !is_name(path)) return Refusal{"does not name the master", "write " + form};
  if (!is_single && !is_sentinel && !path.empty())
    return Refusal{"has a path, but a cluster has one database", "write " + form};
  return {};
}

Refused refuse_url(std::string_view text, std::initializer_list<std::string_view> schemes) {
  const std::string form = std::string(*schemes.begin()) + "://host:port";
  const auto url = split_url(text);
  if (!url) return Refusal{"is not a URL", "write " + form};
  if (std::find(schemes.begin(), schemes.end(), url->scheme) == schemes.end())
    return Refusal{"has an unknown scheme", "write " + list_of(schemes)};
  if (url->has_user)
    return Refusal{"has a user or password in it", "take it out: a name is a key of its own, a secret a *_file"};
  if (auto refused = refuse_password(*url)) return refused;
  return refuse_host(url->hosts, form);
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return {};
  const auto port = parse_digits(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  const bool is_v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_v6) host = host.substr(1, host.size() - 2);
  if (!port || !is_ip(is_v6 ? AF_INET6 : AF_INET, host)) return {};
  return ListenAddress{std::string(host), *port};
}

bool is_network(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = text.substr(0, slash);
  const bool is_v4 = is_ip(AF_INET, address);
  if (!is_v4 && !is_ip(AF_INET6, address)) return false;
  return slash == text.npos || parse_digits(text.substr(slash + 1), is_v4 ? 32 : 128).has_value();
}

std::optional<int> parse_minute_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return {};
  const auto hour = parse_digits(text.substr(0, 2), 23);
  const auto minute = parse_digits(text.substr(3), 59);
  if (!hour || !minute) return {};
  return *hour * 60 + *minute;
}

bool is_zone(const std::string& name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.find("..") != name.npos) return false;
  const std::filesystem::path path = std::filesystem::path("/usr/share/zoneinfo") / name;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::array<char, 4> magic{};
  return std::ifstream(path, std::ios::binary).read(magic.data(), 4) && std::string_view(magic.data(), 4) == "TZif";
}

std::optional<Cron> parse_cron(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const auto part : split(text, ' '))
    if (!part.empty()) fields.push_back(part);
  if (fields.size() != 5) return {};
  const Names months{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
  const Names weekdays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
  Cron cron{parse_cron_field(fields[0], 0, 59, {}), parse_cron_field(fields[1], 0, 23, {}),
            parse_cron_field(fields[2], 1, 31, {}), parse_cron_field(fields[3], 1, 12, months),
            parse_cron_field(fields[4], 0, 7, weekdays)};
  for (const uint64_t bits : {cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays})
    if (bits == 0) return {};
  if ((cron.weekdays & (1u << 7)) != 0) cron.weekdays = (cron.weekdays & 0x7f) | 1;  // 7 is Sunday too
  return cron;
}

bool is_ever(const Cron& cron) {
  // With both given, crontab(5) takes either: a weekday always comes.
  if (cron.weekdays != 0x7f) return true;
  constexpr std::array<int, 13> kDays{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (size_t month = 1; month <= 12; ++month)
    for (int day = 1; day <= kDays[month]; ++day)
      if ((cron.months >> month & 1) != 0 && (cron.days >> day & 1) != 0) return true;
  return false;
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (const auto label : split(text, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    for (const char c : label)
      if (!is_letter(c) && !is_digit(c) && c != '-') return false;
  }
  return true;
}

bool is_receiver_address(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == text.npos || at == 0 || at > 64 || !is_domain(text.substr(at + 1))) return false;
  for (const char c : text.substr(0, at))
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '<' || c == '>' || c == '"' || c == ',' || c == '@')
      return false;
  return true;
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace signet

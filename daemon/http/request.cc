#include "daemon/http/request.h"

#include "base/bytes.h"
#include "daemon/http/parser.h"

namespace signet::http {

namespace {

std::optional<std::string_view> find(const std::vector<std::pair<std::string, std::string>>& pairs,
                                     std::string_view name) {
  for (const auto& [key, value] : pairs)
    if (key == name) return value;
  return std::nullopt;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_control(std::string_view text) {
  for (const unsigned char c : text)
    if (c < 0x20 || c == 0x7f) return true;
  return false;
}

// One segment between slashes. A decoded slash would make "a%2Fb" and "a/b" the same to one reader and not to another.
bool decode_segment(std::string_view raw, std::string& to) {
  std::string out;
  for (size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      if (i + 2 >= raw.size()) return false;
      const int high = hex_digit(raw[i + 1]);
      const int low = hex_digit(raw[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '/' || c == '\\') return false;
    out += c;
  }
  if (out == "." || out == ".." || has_control(out) || !is_utf8(out)) return false;
  to += out;
  return true;
}

bool decode_path(std::string_view raw, std::string& to) {
  if (raw.empty() || raw[0] != '/') return false;
  for (size_t at = 0; at < raw.size();) {
    const size_t end = std::min(raw.find('/', at + 1), raw.size());
    to += '/';
    if (!decode_segment(raw.substr(at + 1, end - at - 1), to)) return false;
    at = end;
  }
  return true;
}

}  // namespace

std::optional<std::vector<std::pair<std::string, std::string>>> read_form(std::string_view raw) {
  std::vector<std::pair<std::string, std::string>> to;
  for (size_t at = 0; at < raw.size();) {
    const size_t end = std::min(raw.find('&', at), raw.size());
    const std::string_view pair = raw.substr(at, end - at);
    at = end + 1;
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    auto name = from_form(pair.substr(0, equals));
    auto value = from_form(equals == pair.size() ? std::string_view{} : pair.substr(equals + 1));
    if (!name || !value || !is_utf8(*name) || !is_utf8(*value)) return std::nullopt;
    if (has_control(*name) || value->find('\0') != std::string::npos) return std::nullopt;
    to.emplace_back(std::move(*name), std::move(*value));
  }
  return to;
}

std::optional<std::string_view> Request::header(std::string_view name) const { return find(headers, name); }
std::optional<std::string_view> Request::query(std::string_view name) const { return find(query_pairs, name); }

bool read_target(std::string_view target, Request& into) {
  into.raw_target = target;
  if (target.find('#') != std::string_view::npos) return false;
  // A server must take the absolute form too (RFC 9112 section 3.2.2); its authority says nothing to us.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const size_t path = target.find_first_of("/?");
    if (path == std::string_view::npos || target[path] == '?') return false;
    target.remove_prefix(path);
    break;
  }
  const size_t question = std::min(target.find('?'), target.size());
  if (!decode_path(target.substr(0, question), into.path)) return false;
  if (question == target.size()) return true;
  auto pairs = read_form(target.substr(question + 1));
  if (!pairs) return false;
  into.query_pairs = std::move(*pairs);
  return true;
}

}  // namespace signet::http

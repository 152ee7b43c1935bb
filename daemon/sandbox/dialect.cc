#include "daemon/sandbox/dialect.h"

#include "base/bytes.h"
#include "daemon/sandbox/dialects.h"

namespace signet::sandbox {

std::unique_ptr<Dialect> make_dialect(const Account& account, const std::string& account_url) {
  for (const auto& row : kDialects)
    if (row.adapter == account.settings.adapter) return row.make(account, account_url);
  return nullptr;
}

http::Response json_answer(int status, const std::string& text) { return http::json(status, text); }

bool has_bearer(const http::Request& request, std::string_view token) {
  const auto given = request.header("authorization");
  return given && is_equal_constant_time(*given, "Bearer " + std::string(token));
}

bool has_basic(const http::Request& request, std::string_view user, std::string_view password) {
  const auto given = request.header("authorization");
  return given && is_equal_constant_time(*given, "Basic " + to_base64(std::string(user) + ':' + std::string(password)));
}

std::string field_in(const Fields& fields, std::string_view name) {
  for (const auto& [key, value] : fields)
    if (key == name) return value;
  return "";
}

std::string form_of(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    if (!out.empty()) out += '&';
    append_form(out, name);
    out += '=';
    append_form(out, value);
  }
  return out;
}

std::string random_hex(Random& random, size_t octets) {
  std::string out(octets, '\0');
  random.fill(out.data(), out.size());
  return to_hex(out);
}

std::string random_uuid(Random& random) {
  Uuid id;
  random.fill(id.bytes.data(), id.bytes.size());
  id.bytes[6] = static_cast<uint8_t>(0x40 | (id.bytes[6] & 0x0f));
  id.bytes[8] = static_cast<uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id.text();
}

std::string seconds_of(WallTime at) { return std::to_string(at.us / 1'000'000); }

std::string without_brackets(std::string_view text) {
  const size_t open = text.rfind('<');
  if (open == std::string_view::npos || !text.ends_with('>')) return std::string(text);
  return std::string(text.substr(open + 1, text.size() - open - 2));
}

}  // namespace signet::sandbox

#include "daemon/sandbox/dialect.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/ids.h"
#include "daemon/sandbox/dialects.h"

namespace signet::sandbox {

std::unique_ptr<Dialect> make_dialect(const Account& account, const std::string& account_url) {
  for (const auto& row : kDialects)
    if (row.adapter == account.settings.adapter) return row.make(account, account_url);
  return nullptr;
}

std::string json_at(const std::string& document, const char* pointer) {
  const auto json = nlohmann::json::parse(document, nullptr, false);
  const nlohmann::json::json_pointer path(pointer);
  if (json.is_discarded() || !json.contains(path)) return "";
  const auto& value = json.at(path);
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<Fields> fields_of(const http::Request& request) {
  const std::string type(request.header("content-type").value_or(""));
  if (!type.starts_with("multipart/form-data")) return http::read_form(request.body);
  const size_t at = type.find("boundary=");
  if (at == std::string::npos) return std::nullopt;
  std::string boundary = type.substr(at + 9);
  if (boundary.starts_with('"')) boundary = boundary.substr(1, boundary.find('"', 1) - 1);
  const std::string mark = "\r\n--" + boundary, body = "\r\n" + request.body;
  Fields out;
  for (size_t start = body.find(mark); start != std::string::npos;) {
    start += mark.size();
    const size_t end = body.find(mark, start), head_end = body.find("\r\n\r\n", start);
    if (end == std::string::npos || head_end > end) break;
    const std::string head = body.substr(start, head_end - start);
    const size_t name = head.find("name=\"");
    if (name == std::string::npos) return std::nullopt;
    out.emplace_back(head.substr(name + 6, head.find('"', name + 6) - name - 6),
                     body.substr(head_end + 4, end - head_end - 4));
    start = end;
  }
  return out;
}

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

#include "base/canonical_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/check.h"

namespace signet {
namespace {

constexpr size_t kDepthMax = 64;

// RFC 8785 section 3.2.3 sorts by UTF-16 code units. That is the order of UTF-8 octets, but that U+E000 to U+FFFF
// (first octet EE, EF) come after the surrogate pairs (first octet F0 to F4).
bool is_before(const std::string& a, const std::string& b) {
  const auto rank = [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet == 0xee || octet == 0xef ? octet + 0x10 : int{octet};
  };
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [&](char x, char y) { return rank(x) < rank(y); });
}

// Writes each value as soon as it is whole; members wait for the end of their object to be sorted.
class Writer : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return put("null"); }
  bool boolean(bool value) override { return put(value ? "true" : "false"); }
  // Integers are doubles too (RFC 8785 section 3.2.2.3): beyond 2^53 they round as in ECMAScript.
  bool number_integer(number_integer_t value) override { return put(canonical_number(static_cast<double>(value))); }
  bool number_unsigned(number_unsigned_t value) override { return put(canonical_number(static_cast<double>(value))); }
  bool number_float(number_float_t value, const string_t&) override {
    if (!std::isfinite(value)) return refuse("a number overflows a double");
    return put(canonical_number(value));
  }
  bool string(string_t& value) override {
    std::string text;
    append_json_string(text, value);
    return put(std::move(text));
  }
  bool binary(binary_t&) override { return refuse("not JSON"); }
  bool start_object(size_t) override { return start(true); }
  bool start_array(size_t) override { return start(false); }
  bool key(string_t& name) override {
    open_.back().key = std::move(name);
    return true;
  }

  bool end_object() override {
    auto members = std::move(open_.back().members);
    open_.pop_back();
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return is_before(a.first, b.first); });
    std::string text = "{";
    for (size_t i = 0; i < members.size(); i++) {
      if (i > 0) {
        if (members[i].first == members[i - 1].first) {
          std::string name;
          append_json_string(name, members[i].first);
          return refuse("the member " + name + " is there twice");
        }
        text += ',';
      }
      append_json_string(text, members[i].first);
      text += ':';
      text += members[i].second;
    }
    return put(text + "}");
  }

  bool end_array() override {
    std::string text = "[" + std::move(open_.back().elements) + "]";
    open_.pop_back();
    return put(std::move(text));
  }

  // nlohmann's own text quotes the input, which may be about a patient.
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error) override {
    constexpr int kOutOfRange = 406;
    if (error.id == kOutOfRange) return refuse("a number overflows a double, at byte " + std::to_string(position));
    return refuse("not JSON, at byte " + std::to_string(position));
  }

  std::string take() { return std::move(whole_); }
  const std::string& refusal() const { return refusal_; }

 private:
  struct Open {
    bool is_object = false;
    std::string key;
    std::vector<std::pair<std::string, std::string>> members;  // name, canonical value
    std::string elements;                                      // with commas
  };

  bool start(bool is_object) {
    if (open_.size() == kDepthMax) return refuse("more than 64 levels deep");
    open_.emplace_back().is_object = is_object;
    return true;
  }

  bool put(std::string text) {
    if (open_.empty()) {
      whole_ = std::move(text);
    } else if (open_.back().is_object) {
      open_.back().members.emplace_back(std::move(open_.back().key), std::move(text));
    } else {
      auto& elements = open_.back().elements;
      if (!elements.empty()) elements += ',';
      elements += text;
    }
    return true;
  }

  bool refuse(std::string why) {
    refusal_ = std::move(why);
    return false;
  }

  std::vector<Open> open_;
  std::string whole_;
  std::string refusal_;
};

}  // namespace

Result<std::string> canonicalize(std::string_view json) {
  // nlohmann skips a byte order mark, and takes a NUL for the end and what follows for nothing.
  if (json.substr(0, 3) == "\xef\xbb\xbf")
    return Error{ErrorCode::invalid, "not JSON: it begins with a byte order mark"};
  if (const size_t nul = json.find('\0'); nul != std::string_view::npos)
    return Error{ErrorCode::invalid, "not JSON, at byte " + std::to_string(nul + 1)};
  Writer writer;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &writer))
    return Error{ErrorCode::invalid, writer.refusal().empty() ? "not JSON" : writer.refusal()};
  return writer.take();
}

void append_json_string(std::string& to, std::string_view utf8) {
  static constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  size_t plain_from = 0;  // what needs no escape is appended in one piece
  for (size_t i = 0; i < utf8.size(); i++) {
    const char c = utf8[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    to.append(utf8.substr(plain_from, i - plain_from));
    plain_from = i + 1;
    switch (c) {
      case '"':
        to += "\\\"";
        break;
      case '\\':
        to += "\\\\";
        break;
      case '\b':
        to += "\\b";
        break;
      case '\t':
        to += "\\t";
        break;
      case '\n':
        to += "\\n";
        break;
      case '\f':
        to += "\\f";
        break;
      case '\r':
        to += "\\r";
        break;
      default:
        to += "\\u00";
        to += kHex[c >> 4];
        to += kHex[c & 15];
    }
  }
  to.append(utf8.substr(plain_from));
  to += '"';
}

// Number::toString of ECMAScript over the shortest digits that read back as the same double.
std::string canonical_number(double value) {
  SIGNET_CHECK(std::isfinite(value));
  if (value == 0) return "0";  // -0 too
  char shortest[32];
  const auto [end, failed] =
      std::to_chars(shortest, shortest + sizeof shortest, std::fabs(value), std::chars_format::scientific);
  SIGNET_CHECK(failed == std::errc());
  const std::string_view text(shortest, static_cast<size_t>(end - shortest));  // d.ddde-dd
  const size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 1) digits += text.substr(2, e - 2);
  const int k = static_cast<int>(digits.size());
  const int n = std::atoi(std::string(text.substr(e + 1)).c_str()) + 1;  // value = 0.digits * 10^n
  std::string out = value < 0 ? "-" : "";
  if (n > 0 && n <= 21) {
    if (k <= n) return out + digits + std::string(static_cast<size_t>(n - k), '0');
    return out + digits.substr(0, static_cast<size_t>(n)) + "." + digits.substr(static_cast<size_t>(n));
  }
  if (n > -6 && n <= 0) return out + "0." + std::string(static_cast<size_t>(-n), '0') + digits;
  out += digits[0];
  if (k > 1) out += "." + digits.substr(1);
  return out + "e" + (n > 0 ? "+" : "-") + std::to_string(std::abs(n - 1));
}

}  // namespace signet

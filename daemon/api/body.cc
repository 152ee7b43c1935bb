#include "daemon/api/body.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/canonical_json.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

constexpr size_t kDepthMax = 16;
constexpr size_t kMembersMax = 64;  // of one object; keeps the search for duplicates short
constexpr size_t kNameMax = 64;     // of a name that a fault repeats
constexpr size_t kFaultsMax = 100;

// A name that came from outside, fit to be shown.
std::string shown(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, kNameMax)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  if (name.size() > kNameMax) out += "...";
  return out;
}

class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(ReadBody& body) : body_(body) {}

  bool null() override { return put({}); }
  bool boolean(bool flag) override {
    JsonValue value;
    value.type = JsonValue::Type::flag;
    value.flag = flag;
    return put(std::move(value));
  }
  bool number_integer(Json::number_integer_t number) override {
    JsonValue value;
    value.type = JsonValue::Type::integer;
    value.integer = number;
    return put(std::move(value));
  }
  bool number_unsigned(Json::number_unsigned_t number) override {
    if (number <= static_cast<uint64_t>(INT64_MAX)) return number_integer(static_cast<int64_t>(number));
    return number_float(static_cast<double>(number), {});
  }
  bool number_float(Json::number_float_t number, const std::string&) override {
    JsonValue value;
    value.type = JsonValue::Type::number;
    value.number = number;
    return put(std::move(value));
  }
  bool string(std::string& text) override {
    JsonValue value;
    value.type = JsonValue::Type::text;
    value.text = std::move(text);
    return put(std::move(value));
  }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(size_t) override { return open(JsonValue::Type::object); }
  bool start_array(size_t) override { return open(JsonValue::Type::list); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    auto& members = open_.back()->members;
    if (members.size() == kMembersMax) {
      body_.faults.push_back({"", "An object has more than 64 members", "send the members that the API names"});
      return false;
    }
    const bool is_twice =
        std::any_of(members.begin(), members.end(), [&](const auto& member) { return member.first == name; });
    if (is_twice && body_.faults.size() < kFaultsMax)
      body_.faults.push_back({where() + shown(name), "is there twice", "write it once"});
    members.emplace_back(std::move(name), JsonValue{});
    return true;
  }
  // The parser's own text may quote the body.
  bool parse_error(size_t octet, const std::string&, const nlohmann::detail::exception&) override {
    body_.faults.push_back(
        {"", "The body is no JSON from octet " + std::to_string(octet) + " on", "send one JSON object in UTF-8"});
    return false;
  }

 private:
  JsonValue& place() {
    if (open_.empty()) return body_.root;
    JsonValue& parent = *open_.back();
    if (parent.type == JsonValue::Type::object) return parent.members.back().second;
    return parent.items.emplace_back();
  }
  bool put(JsonValue value) {
    place() = std::move(value);
    return true;
  }
  bool open(JsonValue::Type type) {
    if (open_.size() == kDepthMax) {
      body_.faults.push_back({"", "The body is nested deeper than 16 levels", "send the members that the API names"});
      return false;
    }
    // Pointers stay good: a parent's list or members grow only when this child is closed.
    JsonValue& value = place();
    value.type = type;
    open_.push_back(&value);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  std::string where() const {
    std::string out;
    for (size_t i = 0; i + 1 < open_.size(); ++i) {
      if (open_[i]->type == JsonValue::Type::list)
        out += '[' + std::to_string(open_[i]->items.size() - 1) + "].";
      else
        out += shown(open_[i]->members.back().first) + '.';
    }
    return out;
  }

  ReadBody& body_;
  std::vector<JsonValue*> open_;
};

bool is_label_character(char c, std::string_view also) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-' || also.find(c) != std::string_view::npos;
}

bool is_label(std::string_view text, size_t octets_max, std::string_view also) {
  return !text.empty() && text.size() <= octets_max &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_label_character(c, also); });
}

std::string label_rule(size_t octets_max, std::string_view also) {
  std::string out = "write 1 to " + std::to_string(octets_max) + " of A-Z a-z 0-9 . _ -";
  for (const char c : also) out += std::string(" ") + c;
  return out + ", and nothing about a patient: it is stored in clear";
}

}  // namespace

std::string describe(const Fault& fault) {
  std::string out = fault.member;
  if (!out.empty()) out += ' ';
  return out + fault.text + ": " + fault.remedy;
}

ReadBody read_json(std::string_view text) {
  ReadBody body;
  Builder builder(body);
  if (!Json::sax_parse(text.begin(), text.end(), &builder) && body.faults.empty())
    body.faults.push_back({"", "The body is no JSON", "send one JSON object in UTF-8"});
  return body;
}

namespace {

Json plain(const JsonValue& value) {
  switch (value.type) {
    case JsonValue::Type::null:
      return nullptr;
    case JsonValue::Type::flag:
      return value.flag;
    case JsonValue::Type::integer:
      return value.integer;
    case JsonValue::Type::number:
      return value.number;
    case JsonValue::Type::text:
      return value.text;
    case JsonValue::Type::list: {
      Json out = Json::array();
      for (const auto& item : value.items) out.push_back(plain(item));
      return out;
    }
    case JsonValue::Type::object: {
      Json out = Json::object();
      for (const auto& [name, member] : value.members) out[name] = plain(member);
      return out;
    }
  }
  return nullptr;
}

}  // namespace

std::string write_json(const JsonValue& value) {
  return plain(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Members::Members(const JsonValue& value, std::string where, std::vector<Fault>& faults)
    : value_(value), where_(std::move(where)), faults_(faults) {
  if (value.type == JsonValue::Type::object) return;
  const std::string name = where_.empty() ? "" : where_.substr(0, where_.size() - 1);
  faults_.push_back(
      {name, name.empty() ? "The body is not an object" : "is not an object", "write {\"member\": value}"});
}

const JsonValue* Members::find(const std::string& name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.push_back(name);
  for (const auto& [key, value] : value_.members)
    if (key == name) return value.type == JsonValue::Type::null ? nullptr : &value;
  return nullptr;
}

bool Members::has(const std::string& name) { return find(name) != nullptr; }

void Members::refuse(const std::string& name, std::string text, std::string remedy) {
  if (faults_.size() < kFaultsMax) faults_.push_back({where_ + name, std::move(text), std::move(remedy)});
}

void Members::require(const std::string& name, const std::string& remedy) {
  if (value_.type == JsonValue::Type::object && !has(name)) refuse(name, "is missing", remedy);
}

std::string Members::one_of(std::initializer_list<std::string_view> words) {
  std::string out = "write one of ";
  for (const auto& word : words) out += (out.back() == ' ' ? "" : ", ") + std::string(word);
  return out;
}

std::optional<std::string> Members::text(const std::string& name, size_t octets_max, bool is_prose) {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->type != JsonValue::Type::text) {
    refuse(name, "is not a text", "write it in quotes");
    return std::nullopt;
  }
  if (value->text.size() > octets_max) {
    refuse(name, "is too long", "at most " + std::to_string(octets_max) + " octets");
    return std::nullopt;
  }
  const bool is_clean = std::all_of(value->text.begin(), value->text.end(), [&](char c) {
    const bool is_layout = is_prose && (c == '\n' || c == '\r' || c == '\t');
    return is_layout || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
  if (!is_clean) {
    refuse(name, "holds a control character", is_prose ? "take it out" : "write it on one line");
    return std::nullopt;
  }
  return value->text;
}

std::optional<bool> Members::flag(const std::string& name) {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->type == JsonValue::Type::flag) return value->flag;
  refuse(name, "is neither true nor false", "write one of them, without quotes");
  return std::nullopt;
}

std::optional<int64_t> Members::integer(const std::string& name, int64_t min, int64_t max) {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::string rule = "write a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  if (value->type != JsonValue::Type::integer) {
    refuse(name, "is not a whole number", rule);
    return std::nullopt;
  }
  if (value->integer < min || value->integer > max) {
    refuse(name, "is out of range", rule);
    return std::nullopt;
  }
  return value->integer;
}

std::optional<WallTime> Members::time(const std::string& name) {
  const auto written = text(name, 64);
  if (!written) return std::nullopt;
  auto parsed = parse_rfc3339(*written);
  if (parsed) return *parsed;
  refuse(name, "is not a time", "write it as 2026-11-22T09:30:00Z");
  return std::nullopt;
}

std::optional<Uuid> Members::id(const std::string& name) {
  const auto written = text(name, 64);
  if (!written) return std::nullopt;
  auto parsed = parse_uuid(*written);
  if (parsed) return *parsed;
  refuse(name, "is not an id", "write the UUID that the API gave");
  return std::nullopt;
}

std::optional<std::string> Members::label(const std::string& name, size_t octets_max, std::string_view also) {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->type == JsonValue::Type::text && is_label(value->text, octets_max, also)) return value->text;
  refuse(name, "is not a label", label_rule(octets_max, also));
  return std::nullopt;
}

std::vector<std::string> Members::labels(const std::string& name, size_t count_max, size_t octets_max,
                                         std::string_view also) {
  const JsonValue* value = find(name);
  std::vector<std::string> out;
  if (value == nullptr) return out;
  if (value->type != JsonValue::Type::list || value->items.size() > count_max) {
    refuse(name, "is not a list of at most " + std::to_string(count_max), "write [\"a\", \"b\"]");
    return out;
  }
  for (size_t i = 0; i < value->items.size(); ++i) {
    const JsonValue& item = value->items[i];
    if (item.type == JsonValue::Type::text && is_label(item.text, octets_max, also)) {
      if (std::find(out.begin(), out.end(), item.text) == out.end()) out.push_back(item.text);
    } else {
      refuse(name + '[' + std::to_string(i) + ']', "is not a label", label_rule(octets_max, also));
    }
  }
  return out;
}

std::optional<double> Members::number(const std::string& name, double min, double max) {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool is_integer = value->type == JsonValue::Type::integer;
  const double found = is_integer ? static_cast<double>(value->integer) : value->number;
  const std::string rule = "write a number from " + canonical_number(min) + " to " + canonical_number(max);
  if (!is_integer && value->type != JsonValue::Type::number) {
    refuse(name, "is not a number", rule);
    return std::nullopt;
  }
  if (!(found >= min && found <= max)) {
    refuse(name, "is out of range", rule);
    return std::nullopt;
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> Members::texts(const std::string& name, size_t count_max,
                                                                size_t octets_max) {
  std::vector<std::pair<std::string, std::string>> out;
  const JsonValue* value = object(name);
  if (value == nullptr) return out;
  if (value->members.size() > count_max) {
    refuse(name, "has too many members", "write at most " + std::to_string(count_max));
    return out;
  }
  Members members(*value, where_ + name + '.', faults_);
  for (const auto& [key, text] : value->members) {
    if (!is_label(key, 128, "")) {
      refuse(name, "has a name that is no id", "name the ids that the message shows");
      continue;
    }
    if (auto read = members.text(key, octets_max, true)) out.emplace_back(key, std::move(*read));
  }
  return out;
}

const JsonValue* Members::object(const std::string& name) {
  const JsonValue* value = find(name);
  if (value == nullptr || value->type == JsonValue::Type::object) return value;
  refuse(name, "is not an object", "write {\"member\": value}");
  return nullptr;
}

std::vector<std::string> Members::json_objects(const std::string& name, size_t count_max) {
  std::vector<std::string> out;
  const JsonValue* value = find(name);
  if (value == nullptr) return out;
  const bool is_list = value->type == JsonValue::Type::list && value->items.size() <= count_max &&
                       std::all_of(value->items.begin(), value->items.end(),
                                   [](const JsonValue& item) { return item.type == JsonValue::Type::object; });
  if (!is_list) {
    refuse(name, "is not a list of at most " + std::to_string(count_max) + " objects", "write [{...}, {...}]");
    return out;
  }
  for (const auto& item : value->items) out.push_back(write_json(item));
  return out;
}

bool Members::objects(const std::string& name, size_t count_max, const std::function<void(Members&)>& read) {
  const JsonValue* value = find(name);
  if (value == nullptr) return false;
  if (value->type != JsonValue::Type::list || value->items.size() > count_max) {
    refuse(name, "is not a list of at most " + std::to_string(count_max), "write [{...}, {...}]");
    return false;
  }
  for (size_t i = 0; i < value->items.size(); ++i) {
    Members members(value->items[i], where_ + name + '[' + std::to_string(i) + "].", faults_);
    read(members);
    members.finish();
  }
  return true;
}

void Members::finish() {
  for (const auto& [name, value] : value_.members) {
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string all;
    for (const auto& known : known_) all += (all.empty() ? "" : ", ") + known;
    refuse(shown(name), "is unknown", "known here: " + all);
  }
}

}  // namespace signet::api

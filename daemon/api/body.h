// Bodies of the API, read strictly: unknown and duplicate members are refused by name, and every fault is found in one
// pass. Texts of faults hold names and rules, never a value.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace signet::api {

struct Fault {
  std::string member;  // "recipientPhone", "[3].tags[0]"; empty: the body as a whole
  std::string text;    // "is not a text"
  std::string remedy;  // "write it in quotes"
};
std::string describe(const Fault& fault);  // "recipientPhone is not a text: write it in quotes"

struct JsonValue {
  enum class Type { null, flag, integer, number, text, list, object } type = Type::null;
  bool flag = false;
  int64_t integer = 0;  // of an integer within 64 bits; others are numbers
  double number = 0;
  std::string text;
  std::vector<JsonValue> items;
  std::vector<std::pair<std::string, JsonValue>> members;  // as they came, duplicates too
};

struct ReadBody {
  JsonValue root;
  std::vector<Fault> faults;  // no JSON, nested deeper than 16, duplicate members
};
ReadBody read_json(std::string_view text);
std::string write_json(const JsonValue& value);  // the same value again; without duplicate members

// Takes members out of one object. Absent and null are alike. A value of the wrong form is a fault and reads as absent.
class Members {
 public:
  // `where` is put before names: "" or "[3].". Anything but an object is a fault.
  Members(const JsonValue& value, std::string where, std::vector<Fault>& faults);

  // At most `octets_max`; control characters are refused, but for line breaks and tabs where `is_prose`.
  std::optional<std::string> text(const std::string& name, size_t octets_max, bool is_prose = false);
  std::optional<bool> flag(const std::string& name);
  std::optional<int64_t> integer(const std::string& name, int64_t min, int64_t max);
  std::optional<double> number(const std::string& name, double min, double max);
  std::optional<WallTime> time(const std::string& name);  // RFC 3339
  std::optional<Uuid> id(const std::string& name);
  // 1 to `octets_max` of A-Z a-z 0-9 . _ - and what `also` adds: for what is stored in clear.
  std::optional<std::string> label(const std::string& name, size_t octets_max, std::string_view also = "");
  std::vector<std::string> labels(const std::string& name, size_t count_max, size_t octets_max,
                                  std::string_view also = "");
  template <class T>
  std::optional<T> word(const std::string& name, std::optional<T> (*parse)(std::string_view),
                        std::initializer_list<std::string_view> words) {
    const auto value = text(name, 64);
    if (!value) return std::nullopt;
    const auto parsed = parse(*value);
    if (!parsed) refuse(name, "is not one of its words", one_of(words));
    return parsed;
  }
  // Texts by name, as {"flag-1": "..."}: names are labels.
  std::vector<std::pair<std::string, std::string>> texts(const std::string& name, size_t count_max, size_t octets_max);
  const JsonValue* object(const std::string& name);  // null: absent, or no object (a fault)
  std::vector<std::string> json_objects(const std::string& name, size_t count_max);  // each as JSON text
  // One reader for each object of a list, each with its place in the names of faults. Absent: none, and false.
  bool objects(const std::string& name, size_t count_max, const std::function<void(Members&)>& read);

  bool has(const std::string& name);  // there, and not null
  void refuse(const std::string& name, std::string text, std::string remedy);
  void require(const std::string& name, const std::string& remedy);
  std::vector<Fault>& faults() { return faults_; }
  std::string place(const std::string& name) const { return where_ + name + '.'; }  // put before names within it
  void finish();  // what was not asked for by name is unknown

 private:
  const JsonValue* find(const std::string& name);
  static std::string one_of(std::initializer_list<std::string_view> words);

  const JsonValue& value_;
  const std::string where_;
  std::vector<Fault>& faults_;
  std::vector<std::string> known_;
};

}  // namespace signet::api

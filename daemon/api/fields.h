// Filters by their names, from a query or from a body: people are searched for in bodies, never in a URL.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/body.h"
#include "daemon/api/router.h"

namespace signet::api {

constexpr int kPageDefault = 50, kPageMax = 200;

class Fields {
 public:
  using Source = std::function<std::optional<std::string>(const std::string& name)>;
  Fields(Context& context, Source source) : context_(context), source_(std::move(source)) {}
  static Fields of_query(Context& context);
  static Fields of_body(Context& context, Members& members);  // texts, and numbers for integer(); outlived by `members`

  std::optional<std::string> text(const std::string& name);
  std::optional<Uuid> id(const std::string& name);
  std::optional<WallTime> time(const std::string& name);
  std::optional<int64_t> integer(const std::string& name, int64_t min, int64_t max);
  template <class T>
  std::optional<T> word(const std::string& name, std::optional<T> (*parse)(std::string_view)) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    const auto parsed = parse(*value);
    if (!parsed) errors_.push_back(name + " is not one of its words: see docs/api.md");
    return parsed;
  }
  // `cursor` and `limit`. Takes one row more than is to be shown, which tells whether there is a next page.
  void page(std::optional<Uuid>& after_id, int& count_max);
  void finish();  // 400 if anything was wrong
  // The names that were given, for the audit log; never the values.
  std::string used() const;
  void note(const std::string& name) { used_.push_back(name); }

 private:
  Context& context_;
  Source source_;
  std::vector<std::string> errors_, used_;
};

// Members recipientPhone, recipientEmail, patientId of a search, as the keys under which messages are found.
struct People {
  std::optional<std::string> recipient_key, patient_key;
};
People read_people(Context& context, Members& members, Fields& fields);

}  // namespace signet::api

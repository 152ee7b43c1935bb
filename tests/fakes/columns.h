// Rows to insert many at once, as text columns for unnest(): tests and benchmarks that begin with a full database.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "store/pg_session.h"

namespace signet {

class Columns {
 public:
  explicit Columns(size_t count) : of_(count) {}
  void add(std::initializer_list<std::string> row) {
    size_t i = 0;
    for (const auto& value : row) of_[i++].push_back(value);
  }
  std::vector<PgValue> values() const {
    std::vector<PgValue> out;
    for (const auto& column : of_) out.push_back(PgValue::texts(column));
    return out;
  }
  // "unnest($1::text[], ...) u(a, b, ...)"; `names` as many as there are columns, parted by commas.
  std::string unnest(const std::string& names) const {
    std::string out = "unnest(";
    for (size_t i = 1; i <= of_.size(); i++) out += (i == 1 ? "$" : ", $") + std::to_string(i) + "::text[]";
    return out + ") u(" + names + ')';
  }

 private:
  std::vector<std::vector<std::string>> of_;
};

}  // namespace signet

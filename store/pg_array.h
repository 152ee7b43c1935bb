// PostgreSQL's binary array: one dimension. For parameters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace signet {

// Object ids of PostgreSQL's built-in types (pg_type.dat): the same in all versions.
enum class PgType : uint32_t {
  boolean = 16,
  bytea = 17,
  int8 = 20,
  int2 = 21,
  int4 = 23,
  text = 25,
  int2_array = 1005,
  text_array = 1009,
  timestamptz = 1184,
  uuid = 2950,
  uuid_array = 2951,
};
constexpr int64_t kPgEpochUs = 946684800000000;  // 2000-01-01, PostgreSQL's zero, in Unix microseconds

class PgArray {
 public:
  explicit PgArray(PgType element);
  void add(std::string_view value);
  void add_short(int value);
  void add_long(int64_t value);
  void add_flag(bool value) { add({value ? "\1" : "\0", 1}); }
  void add_time(WallTime time);
  void add_no_time();  // '-infinity', for an absent one
  void add_null();
  const std::string& bytes();  // the parameter's value; nothing may be added afterwards

 private:
  std::string bytes_;
  uint32_t count_ = 0;
  bool has_nulls_ = false;
};

}  // namespace signet

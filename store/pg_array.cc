#include "store/pg_array.h"

#include "base/bytes.h"

namespace signet {

PgArray::PgArray(PgType element) {
  append_u32(bytes_, 1);  // dimensions
  append_u32(bytes_, 0);  // whether there are nulls, set by bytes()
  append_u32(bytes_, static_cast<uint32_t>(element));
  append_u32(bytes_, 0);  // the count, set by bytes()
  append_u32(bytes_, 1);  // lower bound
}

void PgArray::add(std::string_view value) {
  append_u32(bytes_, static_cast<uint32_t>(value.size()));
  bytes_ += value;
  count_++;
}

void PgArray::add_short(int value) {
  append_u32(bytes_, 2);
  append_u16(bytes_, static_cast<uint16_t>(value));
  count_++;
}

void PgArray::add_long(int64_t value) {
  append_u32(bytes_, 8);
  append_u64(bytes_, static_cast<uint64_t>(value));
  count_++;
}

void PgArray::add_time(WallTime time) { add_long(time.us - kPgEpochUs); }

void PgArray::add_no_time() { add_long(INT64_MIN); }

void PgArray::add_null() {
  append_u32(bytes_, UINT32_MAX);
  count_++;
  has_nulls_ = true;
}

const std::string& PgArray::bytes() {
  if (count_ == 0) {  // no dimension at all
    bytes_.resize(12);
    bytes_.replace(0, 4, std::string(4, '\0'));
  } else {
    std::string count;
    append_u32(count, count_);
    bytes_.replace(12, 4, count);
    bytes_[7] = has_nulls_ ? '\1' : '\0';
  }
  return bytes_;
}

}  // namespace signet

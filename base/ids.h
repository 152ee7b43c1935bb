// Identifiers: UUIDv7 (RFC 9562 section 5.7), so that neighbours in time are neighbours on a page.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace signet {

struct Uuid {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
  int version() const { return bytes[6] >> 4; }
  int64_t unix_ms() const;        // of a version 7
  std::string text() const;       // 36 characters, lower case
  std::string_view view() const;  // the 16 bytes, as PostgreSQL and Redis take them; lives as long as this
  static Uuid from_view(std::string_view sixteen_bytes);
  static Uuid lowest_at(WallTime time);  // the least version 7 of that millisecond: bounds a time by ids
};

Result<Uuid> parse_uuid(std::string_view text);

constexpr int kShards = 64;
// By time and not by hash: a batch stays on few pages (design: 5 us a message less).
int shard_of(const Uuid& id);

// Makes version 7 identifiers that ascend within one source, also within a millisecond and when the clock steps
// back. Any thread.
class IdSource {
 public:
  IdSource(const Clock& clock, Random& random) : clock_(clock), random_(random) {}
  Uuid next();

 private:
  const Clock& clock_;
  Random& random_;
  std::mutex lock_;
  int64_t last_ms_ = 0;
  uint32_t sequence_ = 0;  // 12 bits of rand_a
};

}  // namespace signet

template <>
struct std::hash<signet::Uuid> {
  size_t operator()(const signet::Uuid& id) const noexcept;
};

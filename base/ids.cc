#include "base/ids.h"

#include <cstring>

#include "base/bytes.h"

namespace signet {

int64_t Uuid::unix_ms() const {
  int64_t ms = 0;
  for (int i = 0; i < 6; i++) ms = ms << 8 | bytes[static_cast<size_t>(i)];
  return ms;
}

std::string Uuid::text() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out(36, '-');
  size_t at = 0;
  for (size_t i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) at++;
    out[at++] = kHex[bytes[i] >> 4];
    out[at++] = kHex[bytes[i] & 15];
  }
  return out;
}

std::string_view Uuid::view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Uuid Uuid::from_view(std::string_view sixteen_bytes) {
  SIGNET_CHECK(sixteen_bytes.size() == 16);
  Uuid id;
  std::memcpy(id.bytes.data(), sixteen_bytes.data(), 16);
  return id;
}

Uuid Uuid::lowest_at(WallTime time) {
  Uuid id;
  const uint64_t ms = time.us > 0 ? static_cast<uint64_t>(time.us / 1000) : 0;
  for (size_t i = 0; i < 6; i++) id.bytes[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  id.bytes[6] = 0x70;
  return id;
}

Result<Uuid> parse_uuid(std::string_view text) {
  const auto bad = [] { return Error{ErrorCode::invalid, "not a UUID: write 8-4-4-4-12 hexadecimal digits"}; };
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return bad();
  std::array<char, 32> digits;
  size_t count = 0;
  for (const char c : text)
    if (c != '-' && count < digits.size()) digits[count++] = c;
  if (count != digits.size()) return bad();
  const auto bytes = from_hex({digits.data(), count});
  if (!bytes) return bad();
  return Uuid::from_view(*bytes);
}

int shard_of(const Uuid& id) { return static_cast<int>((id.unix_ms() >> 7) % kShards); }

Uuid IdSource::next() {
  Uuid id;
  random_.fill(id.bytes.data() + 8, 8);
  std::lock_guard guard(lock_);
  const int64_t now_ms = clock_.wall().us / 1000;
  if (now_ms > last_ms_) {
    last_ms_ = now_ms;
    uint16_t start = 0;
    random_.fill(&start, sizeof start);
    sequence_ = start & 0x3ff;  // the upper quarters stay free for what follows in this millisecond
  } else if (++sequence_ > 0xfff) {
    last_ms_++;  // borrow the next millisecond rather than wait for it
    sequence_ = 0;
  }
  for (int i = 0; i < 6; i++) id.bytes[static_cast<size_t>(i)] = static_cast<uint8_t>(last_ms_ >> (40 - 8 * i));
  id.bytes[6] = static_cast<uint8_t>(0x70 | sequence_ >> 8);
  id.bytes[7] = static_cast<uint8_t>(sequence_);
  id.bytes[8] = static_cast<uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

}  // namespace signet

size_t std::hash<signet::Uuid>::operator()(const signet::Uuid& id) const noexcept {
  uint64_t low = 0;  // the random half
  std::memcpy(&low, id.bytes.data() + 8, 8);
  return low;
}

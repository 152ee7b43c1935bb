#include "store/day_key.h"

#include "store/callbacks.h"

namespace signet {

Result<DayKey> day_key(PgTransaction& tx, const Keyring& keyring, WallTime at) {
  const std::string day = rfc3339(at).substr(0, 10);
  auto found = read_day_key(tx, day);
  if (!found) return found.error();
  if (!*found) {
    const auto fresh = keyring.make_data_key(day);
    // Another's stays, if it was there first.
    if (auto kept = insert_day_key(tx, day, keyring.kek_id(), fresh.wrapped); !kept) return kept.error();
  }
  return day_key(tx, keyring, day);
}

Result<DayKey> day_key(PgTransaction& tx, const Keyring& keyring, const std::string& day) {
  auto found = read_day_key(tx, day);
  if (!found) return found.error();
  if (!*found) return Error{ErrorCode::not_found, "the key of " + day + " was erased"};
  auto key = keyring.unwrap(day, (*found)->first, (*found)->second);
  if (!key) return key.error();
  return DayKey{day, std::move(*key)};
}

}  // namespace signet

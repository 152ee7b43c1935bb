// What the key-encryption key wraps, and the change from one such key to the next. A row that is wrapped names its key,
// so that a rotation can break off and go on anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct WrappedTable {
  std::string_view name;   // as PostgreSQL knows it
  std::string_view bound;  // as the wrapping names it (store/keyring.h)
};
const std::vector<WrappedTable>& wrapped_tables();

// The ids of the key-encryption keys that wrap something.
Result<std::vector<std::string>> wrapping_keys(PgSession& session);
Result<int64_t> count_wrapped(PgSession& session, const std::string& kek_id);  // in all tables

struct WrappedRow {
  std::string owner;  // the key of its row, in text; bound into the wrapping
  std::string wrapped;
};
// Rows under that key whose owner comes after `after` (empty: the first), locked until the transaction ends. Those that
// somebody else holds are left out.
Result<std::vector<WrappedRow>> lock_wrapped(PgTransaction& tx, const WrappedTable& table, const std::string& kek_id,
                                             const std::string& after, int count_max);
Result<void> replace_wrapped(PgTransaction& tx, const WrappedTable& table, const std::string& kek_id,
                             const std::vector<WrappedRow>& rows);

struct KeyRotation {
  Uuid id;
  std::string from, to;
  int64_t rows = 0;
};
// Begins it or goes on with the one that is open; `id` is a new one's.
Result<void> count_rewrapped(PgTransaction& tx, const KeyRotation& more, WallTime now);
Result<std::optional<KeyRotation>> open_rotation(PgTransaction& tx, const std::string& from, const std::string& to);
Result<void> end_rotation(PgTransaction& tx, const Uuid& id, WallTime now);

}  // namespace signet

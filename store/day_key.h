// The key of a day: seals what names no message of ours, so that it can be erased with its day.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "store/keyring.h"
#include "store/pg_session.h"

namespace signet {

struct DayKey {
  std::string day;  // "2026-11-26", UTC
  Secret key;
};

Result<DayKey> day_key(PgTransaction& tx, const Keyring& keyring, WallTime at);  // made on first use
// not_found: it was erased. corrupt: another key-encryption key, or changed bytes.
Result<DayKey> day_key(PgTransaction& tx, const Keyring& keyring, const std::string& day);

}  // namespace signet

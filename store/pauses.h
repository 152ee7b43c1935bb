// What operators have stopped, until they resume it. Written by the API, read by every daemon and by each permit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "message/pauses.h"
#include "store/pg_session.h"

namespace signet {

enum class PauseScope { priority, provider };
std::string_view name(PauseScope scope);

struct PauseRow {
  PauseScope scope = PauseScope::priority;
  std::string name;  // "bulk"; or a provider's
  std::string reason;
  Uuid by_user;
  WallTime at;
};

Result<bool> pause(PgTransaction& tx, const PauseRow& row);                         // false: it was paused already
Result<bool> resume(PgTransaction& tx, PauseScope scope, const std::string& name);  // false: it was not
Result<std::vector<PauseRow>> list_pauses(PgTransaction& tx);
Result<Pauses> read_pauses(PgSession& session);

}  // namespace signet

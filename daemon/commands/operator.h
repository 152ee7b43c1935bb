// Who runs a command: somebody with the daemon's files, whom the directory does not know. What they change is in the
// log all the same, by the role `operator`.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "audit/event.h"
#include "config/config.h"
#include "store/entry.h"
#include "store/pg_session.h"

namespace signet {

int failed(const std::string& text);  // one line on standard error; 1

// The daemon's database, with its schema checked. The error says what to do.
Result<std::unique_ptr<PgSession>> open_database(const Config& config);

struct OperatorEvent {
  std::string action, object_type;
  Uuid object_id;
  std::vector<std::pair<std::string, DetailValue>> detail;
};
Entry operator_entry(IdSource& ids, const Clock& clock, OperatorEvent event);

}  // namespace signet

// The event of a changed schema, for store/migrate.h: by whoever ran `signetd migrate`.
#pragma once

#include <string>

#include "base/ids.h"
#include "store/migrate.h"

namespace signet {

Entry schema_migrated(const SchemaChange& change, const std::string& instance, IdSource& ids, const Clock& clock);

}  // namespace signet

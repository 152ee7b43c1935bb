// What the journal asks PostgreSQL, in its own words: prepared once a connection.
#pragma once

#include <vector>

#include "store/pg_pipeline.h"

namespace signet {

const std::vector<PgStatement>& journal_statements();

}  // namespace signet

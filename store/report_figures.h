// What a compliance report counts, from one snapshot of the database. Counting is the server's: what is read grows with
// people, providers and codes, not with messages.
#pragma once

#include "message/figures.h"
#include "store/pg_session.h"

namespace signet {

// `tx` has done nothing yet: it becomes REPEATABLE READ, READ ONLY. Events count by their own time.
Result<Figures> read_figures(PgTransaction& tx, WallTime from, WallTime to);

}  // namespace signet

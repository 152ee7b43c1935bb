// What /readyz says of PostgreSQL and of what stands in it. Each takes a session from the pool; any thread.
#pragma once

#include "daemon/api/api.h"
#include "daemon/evidence/anchors.h"
#include "store/pg_session.h"

namespace signet {

api::Dependency postgres_readiness(PgPool& pool);
// Not asked where PostgreSQL is not ready.
api::Dependency integrity_readiness(PgPool& pool, bool is_postgres_ready);
api::Dependency anchors_readiness(PgPool& pool, bool is_postgres_ready, const AnchorSettings& settings);

}  // namespace signet

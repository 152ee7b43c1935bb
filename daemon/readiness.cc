#include "daemon/readiness.h"

#include <string>

#include "daemon/evidence/fault_record.h"
#include "daemon/evidence/verifier.h"

namespace signet {

api::Dependency postgres_readiness(PgPool& pool) {
  api::Dependency out{"postgres", false, true, ""};
  if (auto session = pool.take(1000)) {
    auto answered = (**session).run("select 1");
    out.is_ready = answered.ok();
    if (!answered) out.text = answered.error().text;
  } else {
    out.text = session.error().text;
  }
  return out;
}

api::Dependency integrity_readiness(PgPool& pool, bool is_postgres_ready) {
  api::Dependency out{"integrity", true, false, ""};
  if (auto session = pool.take(1000); session && is_postgres_ready) {
    auto found = read_integrity(**session);
    out.is_ready = found.ok() && found->faults == 0;
    if (!found)
      out.text = found.error().text;
    else if (found->faults > 0)
      out.text = std::to_string(found->faults) +
                 " faults in the evidence, the newest: " + describe(found->newest.front()) +
                 ": find out who wrote to the database";
  }
  return out;
}

api::Dependency anchors_readiness(PgPool& pool, bool is_postgres_ready, const AnchorSettings& settings) {
  api::Dependency out{"anchors", false, false, ""};
  if (auto session = pool.take(1000); session && is_postgres_ready) {
    auto overdue = describe_overdue(**session, settings);
    out.is_ready = overdue.ok() && overdue->empty();
    out.text = overdue.ok() ? *overdue : overdue.error().text;
  }
  return out;
}

}  // namespace signet

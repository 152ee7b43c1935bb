#include "daemon/evidence/schema_migrated.h"

#include "daemon/evidence/entry_of.h"

namespace signet {

Entry schema_migrated(const SchemaChange& change, const std::string& instance, IdSource& ids, const Clock& clock) {
  Event event;
  event.id = ids.next();
  event.at = clock.wall();
  event.actor.id = instance;
  event.actor.role = "command";
  event.action = "schema_migrated";
  event.object.type = "schema";
  std::string applied;
  for (const auto& name : change.applied) applied += (applied.empty() ? "" : ",") + name;
  event.detail = {
      {"applied", applied}, {"guards", change.has_guards}, {"partitions", static_cast<int64_t>(change.partitions)}};
  return entry_of(event, {});
}

}  // namespace signet

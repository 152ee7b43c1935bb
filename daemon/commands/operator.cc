#include "daemon/commands/operator.h"

#include <cstdio>

#include "daemon/commands/commands.h"
#include "daemon/evidence/entry_of.h"
#include "store/migrate.h"

namespace signet {

int failed(const std::string& text) {
  std::fprintf(stderr, "signetd: %s\n", text.c_str());
  return 1;
}

Result<std::unique_ptr<PgSession>> open_database(const Config& config) {
  auto options = postgres_options(config);
  if (!options) return options.error();
  auto session = PgSession::open(*options);
  if (!session)
    return Error{session.error().code, session.error().text + "; a new database needs `signetd migrate` first"};
  auto schema = check_schema(**session);
  if (!schema) return schema.error();
  return session;
}

Entry operator_entry(IdSource& ids, const Clock& clock, OperatorEvent given) {
  Event event;
  event.id = ids.next();
  event.at = clock.wall();
  event.actor.role = "operator";
  event.action = std::move(given.action);
  event.object.type = std::move(given.object_type);
  event.object.id = given.object_id.is_nil() ? "" : given.object_id.text();
  event.detail = std::move(given.detail);
  return entry_of(event, given.object_id);
}

}  // namespace signet

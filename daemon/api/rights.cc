#include "daemon/api/rights.h"

namespace signet::api {

bool may(const Context& context, Action action) { return grant(context.role(), action) == Grant::yes; }

void must_be_allowed(const Context& context, Action action) {
  if (!may(context, action)) context.refuse({.code = Code::forbidden, .reason = "ROLE"});
}

Uuid whose(const Context& context) {
  const auto given = context.request.query("userId");
  if (!given) return context.user_id();
  const auto id = parse_uuid(*given);
  if (!id) context.refuse({.code = Code::validation_error, .errors = {"userId is no UUID: GET /api/users names them"}});
  if (*id != context.user_id()) must_be_allowed(context, Action::administer);
  return *id;
}

}  // namespace signet::api

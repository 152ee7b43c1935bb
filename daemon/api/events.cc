#include "daemon/api/events.h"

#include "base/bytes.h"

namespace signet::api {

Actor actor_of(const http::Request& request, const Principal* principal) {
  Actor actor;
  actor.role = "anonymous";
  if (principal != nullptr) {
    actor.id = principal->user.id.text();
    actor.role = name(principal->user.role);
    const Uuid& by = principal->session ? principal->session->id : principal->token.id;
    if (!by.is_nil()) actor.session = by.text();
  }
  actor.ip = request.peer_address;
  if (const auto agent = request.header("user-agent")) actor.ua_hash = to_hex(view(sha256(*agent)));
  return actor;
}

Event new_event(const Context& context, std::string action) {
  Event event;
  event.id = context.services.ids.next();
  event.at = context.services.clock.wall();
  event.actor = actor_of(context.request, context.is_anonymous() ? nullptr : &context.principal());
  event.action = std::move(action);
  event.request_id = context.request.request_id;
  return event;
}

Entry chain(Event event, const Uuid& message_id, Status status_after, Head& head) {
  event.object.id = message_id.text();
  event.object.n = head.n + 1;
  if (head.n > 0) event.object.prev = head.leaf;
  event.status = name(status_after);
  Entry entry = entry_of(event, message_id);
  head = {head.n + 1, entry.leaf};
  return entry;
}

Entry beside(Event event, const Uuid& message_id) {
  event.object.id = message_id.is_nil() ? "" : message_id.text();
  return entry_of(event, message_id);
}

}  // namespace signet::api

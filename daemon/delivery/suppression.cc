#include "daemon/delivery/suppression.h"

#include "daemon/evidence/entry_of.h"

namespace signet {
namespace {

Event event_about(const SuppressionRow& row, const char* action, const std::string& reason, Actor actor, IdSource& ids,
                  WallTime at, const std::string& request_id) {
  Event event;
  event.id = ids.next();
  event.at = at;
  event.actor = std::move(actor);
  event.action = action;
  event.object.type = "suppression";
  event.object.id = row.id.text();
  event.reason_code = reason;
  event.request_id = request_id;
  event.detail = {{"channel", std::string(name(row.channel))}};
  return event;
}

}  // namespace

DeliveryMethod channel_of(Kind kind) { return kind == Kind::sms ? DeliveryMethod::sms : DeliveryMethod::email; }

Actor daemon_actor(const std::string& instance) { return {instance, "daemon", "", "", ""}; }

NewSuppression new_suppression(SuppressionRow row, Actor actor, IdSource& ids, WallTime at,
                               const std::string& request_id) {
  row.id = ids.next();
  Event event = event_about(row, "suppression_added", row.reason, std::move(actor), ids, at, request_id);
  event.detail.emplace_back("source", row.source);
  Entry entry = entry_of(event, row.id);
  return {std::move(row), std::move(entry)};
}

Entry suppression_removed(const SuppressionRow& row, const std::string& reason, Actor actor, IdSource& ids, WallTime at,
                          const std::string& request_id) {
  return entry_of(event_about(row, "suppression_removed", reason, std::move(actor), ids, at, request_id), row.id);
}

}  // namespace signet

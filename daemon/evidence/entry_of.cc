#include "daemon/evidence/entry_of.h"

#include "message/message.h"

namespace signet {

Entry entry_of(const Event& event, const Uuid& object_id) {
  Entry entry;
  entry.event_id = event.id;
  entry.object_id = object_id;
  entry.canon = canonical(event);
  entry.leaf = leaf_hash(entry.canon);
  entry.action = event.action;
  if (event.actor.role != "daemon")
    if (const auto user = parse_uuid(event.actor.id)) entry.actor_id = *user;
  if (const auto status = parse_status(event.status)) entry.status = static_cast<int>(*status);
  if (event.attempt) entry.provider = event.attempt->provider;
  for (const auto& [name, value] : event.detail)
    if (const auto* word = std::get_if<std::string>(&value); word && name == "provider" && entry.provider.empty())
      entry.provider = *word;
  entry.at = event.at;
  return entry;
}

}  // namespace signet

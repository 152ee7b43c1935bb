#include "daemon/api/sealing_key.h"

#include "store/callbacks.h"
#include "store/day_key.h"

namespace signet::api {
namespace {

Secret unwrapped(Context& context, const std::string& owner, const std::pair<std::string, std::string>& wrapped) {
  auto key = context.services.keyring.unwrap(owner, wrapped.first, wrapped.second);
  if (key) return std::move(*key);
  context.services.log.error("a sealing key does not open", {{"alarm", "key"}, {"reason", key.error().text}});
  context.refuse({.code = Code::internal});
}

}  // namespace

SealingKey sealing_key(Context& context, const std::optional<Uuid>& message_id, WallTime now) {
  PgTransaction& tx = context.tx();
  if (message_id) {
    const auto found = context.must(read_data_key(tx, *message_id));
    if (found) return {"message", unwrapped(context, message_id->text(), *found)};
  }
  DayKey day = context.must(day_key(tx, context.services.keyring, now));
  return {std::move(day.day), std::move(day.key)};
}

std::optional<Secret> opening_key(Context& context, const std::string& sealed_by,
                                  const std::optional<Uuid>& message_id) {
  if (sealed_by != "message") {
    auto day = day_key(context.tx(), context.services.keyring, sealed_by);
    if (!day && day.error().code == ErrorCode::not_found) return std::nullopt;
    return context.must(std::move(day)).key;
  }
  if (!message_id) return std::nullopt;
  const auto found = context.must(read_data_key(context.tx(), *message_id));
  if (!found) return std::nullopt;
  return unwrapped(context, message_id->text(), *found);
}

}  // namespace signet::api

#include "daemon/api/sealing_key.h"

#include "store/callbacks.h"
#include "store/day_key.h"

namespace signet::api {
namespace {

template <class Key>
Key key_or_alarm(Context& context, Result<Key> key) {
  if (!key && key.error().code == ErrorCode::corrupt) {
    tell_of_key(context.services.log, key.error());
    context.refuse({.code = Code::internal});
  }
  return context.must(std::move(key));
}

}  // namespace

void tell_of_key(Log& log, const Error& error) {
  log.error("a sealing key does not open", {{"alarm", "key"}, {"reason", error.text}});
}

Result<SealingKey> sealing_key_of(PgTransaction& tx, const Keyring& keyring, const std::optional<Uuid>& message_id,
                                  const std::optional<std::pair<std::string, std::string>>& wrapped, WallTime now) {
  if (message_id && wrapped) {
    auto key = keyring.unwrap(message_id->text(), wrapped->first, wrapped->second);
    if (!key) return Error{ErrorCode::corrupt, key.error().text};
    return SealingKey{"message", std::move(*key)};
  }
  auto day = day_key(tx, keyring, now);
  if (!day) return day.error();
  return SealingKey{std::move(day->day), std::move(day->key)};
}

SealingKey sealing_key(Context& context, const std::optional<Uuid>& message_id, WallTime now) {
  std::optional<std::pair<std::string, std::string>> wrapped;
  if (message_id) wrapped = context.must(read_data_key(context.tx(), *message_id));
  return key_or_alarm(context, sealing_key_of(context.tx(), context.services.keyring, message_id, wrapped, now));
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
  auto key = context.services.keyring.unwrap(message_id->text(), found->first, found->second);
  if (!key) key = Error{ErrorCode::corrupt, key.error().text};
  return key_or_alarm(context, std::move(key));
}

}  // namespace signet::api

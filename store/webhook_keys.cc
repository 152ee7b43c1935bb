#include "store/webhook_keys.h"

namespace signet {

Result<WebhookKey> keep_webhook_key(PgTransaction& tx, const std::string& provider, std::string_view key_sha256,
                                    std::string_view told_sha256, WallTime seen_at) {
  auto added = tx.run(
      "insert into webhook_key (provider, key_sha256, told_sha256, seen_at) values ($1, $2, $3, $4) "
      "on conflict do nothing",
      {provider, PgValue::octets(key_sha256), PgValue::octets(told_sha256), seen_at});
  if (!added) return added.error();
  if (added->affected() == 1) return WebhookKey::first;
  auto rows = tx.run("select told_sha256 = $3 from webhook_key where provider = $1 and key_sha256 = $2",
                     {provider, PgValue::octets(key_sha256), PgValue::octets(told_sha256)});
  if (!rows) return rows.error();
  return rows->size() == 1 && rows->flag(0, 0) ? WebhookKey::repeat : WebhookKey::reused;
}

Result<int64_t> delete_webhook_keys(PgTransaction& tx, WallTime seen_before) {
  auto rows = tx.run("delete from webhook_key where seen_at < $1", {seen_before});
  if (!rows) return rows.error();
  return rows->affected();
}

}  // namespace signet

#include "store/keyring.h"

#include "base/bytes.h"

namespace signet {
namespace {

std::string wrap_binding(std::string_view owner, std::string_view kek_id, std::string_view table = "data_key") {
  return "{\"kek\":\"" + std::string(kek_id) + "\",\"owner\":\"" + std::string(owner) + "\",\"table\":\"" +
         std::string(table) + "\"}";
}

}  // namespace

Keyring::Keyring(Secret key_encryption_key, Secret daemon_mac_key, Secret index_key, Random& random)
    : kek_(std::move(key_encryption_key)),
      mac_(std::move(daemon_mac_key)),
      index_(std::move(index_key)),
      kek_id_(to_hex(view(sha256("signet key id\n" + std::string(kek_.octets())))).substr(0, 8)),
      random_(random) {}

Keyring::DataKey Keyring::make_data_key(std::string_view owner) const {
  std::string key(32, '\0');
  random_.fill(key.data(), key.size());
  DataKey out{Secret(key), seal(kek_.octets(), wrap_binding(owner, kek_id_), key, random_)};
  return out;
}

Result<Secret> Keyring::unwrap(std::string_view owner, std::string_view kek_id, std::string_view wrapped) const {
  auto key = unwrap_secret("data_key", owner, kek_id, wrapped);
  if (!key) return key.error();
  if (key->octets().size() != 32) return Error{ErrorCode::corrupt, "a data key has the wrong size"};
  return key;
}

std::string Keyring::wrap(std::string_view table, std::string_view owner, std::string_view secret) const {
  return seal(kek_.octets(), wrap_binding(owner, kek_id_, table), secret, random_);
}

Result<Secret> Keyring::unwrap_secret(std::string_view table, std::string_view owner, std::string_view kek_id,
                                      std::string_view wrapped) const {
  if (kek_id != kek_id_)
    return Error{ErrorCode::corrupt, "a row of " + std::string(table) + " was wrapped by key " + std::string(kek_id) +
                                         ", secrets.key_encryption_key_file holds " + kek_id_};
  auto secret = unseal(kek_.octets(), wrap_binding(owner, kek_id, table), wrapped);
  if (!secret) return secret.error();
  return Secret(std::move(*secret));
}

std::string Keyring::seal_with(const Secret& key, std::string_view binding, std::string_view plain) const {
  return seal(key.octets(), binding, plain, random_);
}

Result<void> Keyring::check(PgSession& session) const {
  struct Named {
    const char* name;
    const Secret& key;
  };
  for (const auto& [name, key] :
       {Named{"key_encryption_key_file", kek_}, Named{"daemon_mac_key_file", mac_}, Named{"index_key_file", index_}}) {
    const Digest mac = hmac_sha256(key.octets(), std::string("signet key check\n") + name);
    auto rows = session.run(
        "with i as (insert into key_check values ($1, $2) on conflict do nothing) select mac from key_check "
        "where name = $1",
        {name, PgValue::octets(view(mac))});
    if (!rows) return rows.error();
    if (rows->size() > 0 && !is_equal_constant_time(rows->octets(0, 0), view(mac)))
      return Error{ErrorCode::corrupt, std::string("secrets.") + name +
                                           " holds another key than the one this database was sealed with: put the "
                                           "right file back"};
  }
  return {};
}

}  // namespace signet

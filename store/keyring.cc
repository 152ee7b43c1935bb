#include "store/keyring.h"

#include <algorithm>

#include "base/bytes.h"
#include "store/key_rotation.h"

namespace signet {
namespace {

std::string wrap_binding(std::string_view owner, std::string_view kek_id, std::string_view table) {
  return "{\"kek\":\"" + std::string(kek_id) + "\",\"owner\":\"" + std::string(owner) + "\",\"table\":\"" +
         std::string(table) + "\"}";
}

std::string id_of(const Secret& key) {
  return to_hex(view(sha256("signet key id\n" + std::string(key.octets())))).substr(0, 8);
}

std::string check_value(const char* name, const Secret& key) {
  return std::string(view(hmac_sha256(key.octets(), std::string("signet key check\n") + name)));
}

constexpr char kKeyEncryptionKey[] = "key_encryption_key_file";

Error another_key(const std::string& name) {
  return {ErrorCode::corrupt, "secrets." + name +
                                  " holds another key than the one this database was sealed with: put the right file "
                                  "back"};
}

}  // namespace

Keyring::Keyring(Secret key_encryption_key, Secret daemon_mac_key, Secret index_key, Random& random,
                 std::vector<Secret> previous)
    : mac_(std::move(daemon_mac_key)), index_(std::move(index_key)), random_(random) {
  previous.insert(previous.begin(), std::move(key_encryption_key));
  for (auto& key : previous) {
    std::string id = id_of(key);
    if (std::none_of(keks_.begin(), keks_.end(), [&](const auto& known) { return known.id == id; }))
      keks_.push_back({std::move(key), std::move(id)});
  }
}

std::vector<std::string> Keyring::previous_kek_ids() const {
  std::vector<std::string> out;
  for (size_t i = 1; i < keks_.size(); i++) out.push_back(keks_[i].id);
  return out;
}

Keyring::DataKey Keyring::make_data_key(std::string_view owner) const {
  std::string key(32, '\0');
  random_.fill(key.data(), key.size());
  return {Secret(key), wrap("data_key", owner, key)};
}

Result<Secret> Keyring::unwrap(std::string_view owner, std::string_view kek_id, std::string_view wrapped) const {
  auto key = unwrap_secret("data_key", owner, kek_id, wrapped);
  if (!key) return key.error();
  if (key->octets().size() != 32) return Error{ErrorCode::corrupt, "a data key has the wrong size"};
  return key;
}

std::string Keyring::wrap(std::string_view table, std::string_view owner, std::string_view secret) const {
  const auto& newest = keks_.front();
  return seal(newest.key.octets(), wrap_binding(owner, newest.id, table), secret, random_);
}

Result<Secret> Keyring::unwrap_secret(std::string_view table, std::string_view owner, std::string_view kek_id,
                                      std::string_view wrapped) const {
  const auto kek = std::find_if(keks_.begin(), keks_.end(), [&](const auto& known) { return known.id == kek_id; });
  if (kek == keks_.end())
    return Error{ErrorCode::corrupt, "a row of " + std::string(table) + " was wrapped by key " + std::string(kek_id) +
                                         ", secrets.key_encryption_key_file holds " + keks_.front().id +
                                         ": name the other's file in secrets.previous_key_encryption_key_files"};
  auto secret = unseal(kek->key.octets(), wrap_binding(owner, kek_id, table), wrapped);
  if (!secret) return secret.error();
  return Secret(std::move(*secret));
}

Result<std::string> Keyring::rewrap(std::string_view table, std::string_view owner, std::string_view kek_id,
                                    std::string_view wrapped) const {
  auto secret = unwrap_secret(table, owner, kek_id, wrapped);
  if (!secret) return secret.error();
  return wrap(table, owner, secret->octets());
}

std::string Keyring::seal_with(const Secret& key, std::string_view binding, std::string_view plain) const {
  return seal(key.octets(), binding, plain, random_);
}

Result<void> Keyring::check(PgSession& session) const {
  struct Named {
    const char* name;
    const Secret& key;
  };
  for (const auto& [name, key] : {Named{"daemon_mac_key_file", mac_}, Named{"index_key_file", index_}}) {
    const std::string mac = check_value(name, key);
    auto rows = session.run(
        "with i as (insert into key_check values ($1, $2) on conflict do nothing) select mac from key_check "
        "where name = $1",
        {name, PgValue::octets(mac)});
    if (!rows) return rows.error();
    if (rows->size() > 0 && !is_equal_constant_time(rows->octets(0, 0), mac)) return another_key(name);
  }
  return check_key_encryption_keys(session);
}

Result<void> Keyring::check_key_encryption_keys(PgSession& session) const {
  // A row each key that ever was the newest; the first one's has no id in its name.
  auto rows = session.run("select mac from key_check where name like 'key_encryption_key_file%'");
  if (!rows) return rows.error();
  auto is_known = [&](const KeyEncryptionKey& kek) {
    const std::string mac = check_value(kKeyEncryptionKey, kek.key);
    for (int i = 0; i < rows->size(); i++)
      if (is_equal_constant_time(rows->octets(i, 0), mac)) return true;
    return false;
  };
  if (rows->size() > 0 && std::none_of(keks_.begin(), keks_.end(), is_known)) return another_key(kKeyEncryptionKey);
  if (!is_known(keks_.front())) {
    const std::string name =
        rows->size() == 0 ? kKeyEncryptionKey : std::string(kKeyEncryptionKey) + ' ' + keks_.front().id;
    auto kept = session.run("insert into key_check values ($1, $2) on conflict do nothing",
                            {name, PgValue::octets(check_value(kKeyEncryptionKey, keks_.front().key))});
    if (!kept) return kept.error();
  }
  auto used = wrapping_keys(session);
  if (!used) return used.error();
  for (const auto& id : *used)
    if (std::none_of(keks_.begin(), keks_.end(), [&](const auto& known) { return known.id == id; }))
      return Error{ErrorCode::corrupt,
                   "keys in this database are still wrapped by the key-encryption key " + id +
                       ", which is not at hand: name its file in secrets.previous_key_encryption_key_files until the "
                       "log says that it can go"};
  return {};
}

}  // namespace signet

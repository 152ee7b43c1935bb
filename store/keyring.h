// The keys at hand: what seals, what is sealed, what proves an approval. Made once at start; const use from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "store/pg_session.h"

namespace signet {

class Keyring {
 public:
  // `previous`: other key-encryption keys, which open what they wrapped; nothing new is wrapped by them.
  Keyring(Secret key_encryption_key, Secret daemon_mac_key, Secret index_key, Random& random,
          std::vector<Secret> previous = {});

  std::string_view mac_key() const { return mac_.octets(); }
  std::string_view index_key() const { return index_.octets(); }
  const std::string& kek_id() const { return keks_.front().id; }  // first 8 hex digits of SHA-256 over the key
  std::vector<std::string> previous_kek_ids() const;

  struct DataKey {
    Secret key;
    std::string wrapped;
  };
  DataKey make_data_key(std::string_view owner) const;  // owner: a message's id or a day, bound into the wrapping
  Result<Secret> unwrap(std::string_view owner, std::string_view kek_id, std::string_view wrapped) const;
  // Any secret under the key-encryption key itself; table and owner are bound in. What wrap() gave, unwrap_secret()
  // opens; for few and small ones, since each takes of the key's nonces.
  std::string wrap(std::string_view table, std::string_view owner, std::string_view secret) const;
  Result<Secret> unwrap_secret(std::string_view table, std::string_view owner, std::string_view kek_id,
                               std::string_view wrapped) const;
  // What any key at hand wrapped, wrapped by the newest instead.
  Result<std::string> rewrap(std::string_view table, std::string_view owner, std::string_view kek_id,
                             std::string_view wrapped) const;
  std::string seal_with(const Secret& key, std::string_view binding, std::string_view plain) const;

  // Compares with the check values in the database, or leaves them there on the first run. The error (corrupt) names
  // the configuration key whose file holds another key than this database was sealed with, or the key-encryption key
  // that wrapped something and is not at hand. A new key-encryption key is taken where a known one is at hand too.
  Result<void> check(PgSession& session) const;

 private:
  struct KeyEncryptionKey {
    Secret key;
    std::string id;
  };
  Result<void> check_key_encryption_keys(PgSession& session) const;

  std::vector<KeyEncryptionKey> keks_;  // the newest first
  Secret mac_, index_;
  Random& random_;
};

}  // namespace signet

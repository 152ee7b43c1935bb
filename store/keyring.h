// The keys at hand: what seals, what is sealed, what proves an approval. Made once at start; const use from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "store/pg_session.h"

namespace signet {

class Keyring {
 public:
  Keyring(Secret key_encryption_key, Secret daemon_mac_key, Secret index_key, Random& random);

  std::string_view mac_key() const { return mac_.octets(); }
  std::string_view index_key() const { return index_.octets(); }
  const std::string& kek_id() const { return kek_id_; }  // first 8 hex digits of SHA-256 over the key

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
  std::string seal_with(const Secret& key, std::string_view binding, std::string_view plain) const;

  // Compares with the check values in the database, or leaves them there on the first run. The error names the
  // configuration key whose file holds another key than this database was sealed with.
  Result<void> check(PgSession& session) const;

 private:
  Secret kek_, mac_, index_;
  std::string kek_id_;
  Random& random_;
};

}  // namespace signet

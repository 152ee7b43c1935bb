#include "daemon/access/custody.h"

namespace signet {
namespace {

constexpr char kTable[] = "signing_key";

Result<CustodialKey> make(PgTransaction& tx, const Keyring& keyring, IdSource& ids, const Uuid& user_id, WallTime now) {
  auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  if (!key) return key.error();
  auto der = key->der();
  if (!der) return der.error();
  SigningKeyRow row;
  row.id = ids.next();
  row.user_id = user_id;
  row.algorithm = key->algorithm();
  row.custody = Custody::server;
  row.key_id = key->public_key().key_id();
  row.public_key = key->public_key().spki();
  row.kek_id = keyring.kek_id();
  row.wrapped = keyring.wrap(kTable, row.id.text(), der->octets());
  row.valid_from = now;
  if (auto kept = insert_signing_key(tx, row); !kept) return kept.error();
  return CustodialKey{std::move(row), std::move(*key), true};
}

}  // namespace

Result<CustodialKey> custodial_key(PgTransaction& tx, const Keyring& keyring, IdSource& ids, const Uuid& user_id,
                                   WallTime now) {
  auto found = find_custodial_key(tx, user_id);
  if (!found) return found.error();
  if (!*found) return make(tx, keyring, ids, user_id, now);
  SigningKeyRow& row = **found;
  auto der = keyring.unwrap_secret(kTable, row.id.text(), row.kek_id, row.wrapped);
  if (!der) return der.error();
  auto key = SigningKey::from_der(*der);
  if (!key) return key.error();
  if (key->public_key().spki() != row.public_key)
    return Error{ErrorCode::corrupt, "a custodial key's private half is not that of its public one"};
  return CustodialKey{std::move(row), std::move(*key), false};
}

}  // namespace signet

// Custodial keys: for people without a key of their own, one is made, wrapped by the key-encryption key, and released
// once they have shown again that it is them (api::Context::may_sign). Evidence says `custody: server` of it.
#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/signature.h"
#include "store/keyring.h"
#include "store/signing_keys.h"

namespace signet {

struct CustodialKey {
  SigningKeyRow row;
  SigningKey key;
  bool is_new = false;  // made just now: `key_enrolled` has to be written in the same transaction
};

// The user's present custodial key; makes one (Ed25519) if there is none. conflict: another transaction made one at the
// same moment, run again. corrupt: the wrapping does not open, or holds another key than the row says.
Result<CustodialKey> custodial_key(PgTransaction& tx, const Keyring& keyring, IdSource& ids, const Uuid& user_id,
                                   WallTime now);

}  // namespace signet

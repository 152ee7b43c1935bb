// Keys that people sign with: their own, of which we have the public half, and custodial ones, whose private half is
// wrapped by the key-encryption key. Rows are never deleted: old signatures are checked against them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/signature.h"
#include "store/pg_session.h"

namespace signet {

enum class Custody : int16_t { user = 1, server = 2 };  // the numbers are stored
std::string_view name(Custody custody);

struct SigningKeyRow {
  Uuid id, user_id;
  SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519;
  Custody custody = Custody::user;
  std::string key_id;           // VerifyKey::key_id(): what a DSSE envelope names
  std::string public_key;       // SubjectPublicKeyInfo, DER
  std::string kek_id, wrapped;  // of custodial ones
  WallTime valid_from;
  std::optional<WallTime> valid_to;  // another took its place
  std::optional<WallTime> revoked_at;
  std::string revoked_reason;
  std::optional<Uuid> replaces;

  bool is_valid_at(WallTime at) const {
    return valid_from <= at && (!valid_to || at < *valid_to) && (!revoked_at || at < *revoked_at);
  }
};

// conflict: this key is enrolled already, by whomever; or the user has a custodial key.
Result<void> insert_signing_key(PgTransaction& tx, const SigningKeyRow& row);
// Whosever it is and whether or not it is valid: that is for the caller to hold against the signer and the time.
Result<std::optional<SigningKeyRow>> find_signing_key(PgTransaction& tx, const std::string& key_id);
Result<std::optional<SigningKeyRow>> read_signing_key(PgTransaction& tx, const Uuid& id);  // locked until the end
Result<std::optional<SigningKeyRow>> find_custodial_key(PgTransaction& tx, const Uuid& user_id);  // the present one
Result<std::vector<SigningKeyRow>> list_signing_keys(PgTransaction& tx, const std::optional<Uuid>& user_id);  // by age
Result<void> end_signing_key(PgTransaction& tx, const Uuid& id, WallTime at);  // replaced
Result<void> revoke_signing_key(PgTransaction& tx, const Uuid& id, WallTime at, const std::string& reason);

}  // namespace signet

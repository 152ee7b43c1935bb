#include "daemon/commands/commands.h"

namespace signet {

Result<LogKey> make_log_key(const Config& config) {
  auto refused = [](const Error& error) {
    return Error{error.code, "secrets.log_signing_key_file: " + error.text + ": `signetd keygen` makes a missing key"};
  };
  auto pem = read_secret_file(config.secrets.log_signing_key_file);
  if (!pem) return refused(pem.error());
  auto key = SigningKey::from_pem(*pem);
  if (!key) return refused(key.error());
  auto name = NoteKey::make(config.audit.log_name, NoteKeyType::ed25519, key->public_key());
  if (!name) return refused(name.error());
  return LogKey{std::move(*name), std::move(*key)};
}

Result<NoteKey> parse_witness_key(const std::string& vkey) {
  auto key = NoteKey::parse(vkey);
  if (key && key->type() != NoteKeyType::cosignature)
    return Error{ErrorCode::invalid, "is the key of a log, not of a witness"};
  return key;
}

}  // namespace signet

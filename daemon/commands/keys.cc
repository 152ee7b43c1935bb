// Keys that people sign with, from the command line: who runs this vouches for whose they are.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "daemon/commands/commands.h"
#include "daemon/commands/operator.h"
#include "store/directory.h"
#include "store/messages.h"
#include "store/signing_keys.h"

namespace signet {
namespace {

constexpr size_t kFileOctetsMax = 4096;

Result<VerifyKey> read_public_key(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()) || text.str().size() > kFileOctetsMax)
    return Error{ErrorCode::io, "--public-key: " + path + " cannot be read as a key"};
  const std::string octets = text.str();
  auto key = octets.starts_with("-----") ? VerifyKey::from_pem(octets) : VerifyKey::from_spki(octets);
  if (!key) return Error{key.error().code, "--public-key: " + key.error().text};
  return key;
}

Result<UserRow> known_user(PgTransaction& tx, const std::string& email) {
  auto user = find_user(tx, email);
  if (!user) return user.error();
  if (!*user) return Error{ErrorCode::not_found, "no user has this e-mail address: see `signetd user list`"};
  return std::move(**user);
}

int finish(PgTransaction& tx, const Entry& entry) {
  if (auto done = insert_entry(tx, entry); !done) return failed(done.error().text);
  if (auto done = tx.commit(); !done) return failed(done.error().text);
  return 0;
}

}  // namespace

int key_list(const Config& config, const std::string& email) {
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  std::optional<Uuid> user_id;
  if (!email.empty()) {
    auto user = known_user(tx, email);
    if (!user) return failed(user.error().text);
    user_id = user->id;
  }
  auto keys = list_signing_keys(tx, user_id);
  if (!keys) return failed(keys.error().text);
  std::vector<std::pair<std::string, DetailValue>> detail{{"rows", static_cast<int64_t>(keys->size())}};
  if (user_id) detail.emplace_back("userId", user_id->text());
  const int status = finish(tx, operator_entry(ids, clock, {"keys_listed", "key", {}, detail}));
  if (status != 0) return status;
  for (const auto& key : *keys)
    std::printf("%s  user %s  %-7s  %-6s  from %s%s%s\n", key.key_id.c_str(), key.user_id.text().c_str(),
                std::string(name(key.algorithm)).c_str(), std::string(name(key.custody)).c_str(),
                rfc3339(key.valid_from).c_str(), key.valid_to ? ("  to " + rfc3339(*key.valid_to)).c_str() : "",
                key.revoked_at ? ("  revoked " + rfc3339(*key.revoked_at)).c_str() : "");
  return 0;
}

int key_enrol(const Config& config, const std::string& email, const std::string& public_key_file) {
  auto key = read_public_key(public_key_file);
  if (!key) return failed(key.error().text);
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto user = known_user(tx, email);
  if (!user) return failed(user.error().text);
  SigningKeyRow row;
  row.id = ids.next();
  row.user_id = user->id;
  row.algorithm = key->algorithm();
  row.key_id = key->key_id();
  row.public_key = key->spki();
  row.valid_from = clock.wall();
  if (auto done = insert_signing_key(tx, row); !done)
    return failed(done.error().code == ErrorCode::conflict ? "this key is enrolled already: see `signetd key list`"
                                                           : done.error().text);
  const int status = finish(tx, operator_entry(ids, clock,
                                               {"key_enrolled",
                                                "key",
                                                row.id,
                                                {{"algorithm", std::string(name(row.algorithm))},
                                                 {"custody", std::string(name(row.custody))},
                                                 {"keyId", row.key_id},
                                                 {"userId", row.user_id.text()}}}));
  if (status == 0) std::printf("%s\n", row.key_id.c_str());
  return status;
}

int key_revoke(const Config& config, const std::string& key_id, const std::string& reason) {
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  auto session = open_database(config);
  if (!session) return failed(session.error().text);
  PgTransaction tx(**session);
  auto row = find_signing_key(tx, key_id);
  if (!row) return failed(row.error().text);
  if (!*row) return failed("no key has this id: see `signetd key list`");
  if ((*row)->revoked_at) return 0;  // it was already
  if (auto done = revoke_signing_key(tx, (*row)->id, clock.wall(), reason); !done) return failed(done.error().text);
  return finish(tx, operator_entry(ids, clock,
                                   {"key_revoked",
                                    "key",
                                    (*row)->id,
                                    {{"keyId", key_id}, {"reason", reason}, {"userId", (*row)->user_id.text()}}}));
}

}  // namespace signet

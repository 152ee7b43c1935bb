#include "base/keys.h"

#include <cstdio>
#include <filesystem>
#include <functional>

#include "base/file.h"
#include "daemon/commands/commands.h"
#include "daemon/intake/jwe.h"

namespace signet {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "signetd: %s\n", error.text.c_str());
  return 1;
}

}  // namespace

int keygen(const Config& config) {
  SystemRandom random;
  struct Wanted {
    std::string path;
    const char* what;
    std::function<Result<Secret>()> make;
  };
  const auto octets = [&random]() -> Result<Secret> { return make_key_base64(random); };
  const Wanted all[] = {
      {config.secrets.key_encryption_key_file, "32 octets", octets},
      {config.secrets.daemon_mac_key_file, "32 octets", octets},
      {config.secrets.index_key_file, "32 octets", octets},
      {config.secrets.intake_key_file, "P-256, as JWK", make_p256_jwk},
      {config.secrets.log_signing_key_file, "Ed25519, as PEM", make_ed25519_pem},
  };
  int status = 0;
  bool has_made = false;
  for (const auto& wanted : all) {
    if (wanted.path.empty()) continue;
    std::error_code error;
    if (std::filesystem::exists(std::filesystem::symlink_status(wanted.path, error))) {
      std::printf("kept   %s\n", wanted.path.c_str());
      continue;
    }
    if (auto done = make_folders(std::filesystem::path(wanted.path).parent_path().string()); !done) {
      status = fail(done.error());
      continue;
    }
    auto key = wanted.make();
    if (!key) return fail(key.error());
    // A new file, or none: a key half written would be a key nobody has a copy of.
    if (auto done = write_new_file(wanted.path, key->octets(), 0600); !done) {
      status = fail(done.error());
    } else {
      std::printf("made   %s (%s)\n", wanted.path.c_str(), wanted.what);
      has_made = true;
    }
  }
  if (has_made)
    std::printf("Keep copies apart from the database: without the key-encryption key no message opens again.\n");
  if (status == 0 && !config.secrets.log_signing_key_file.empty()) {
    auto log_key = make_log_key(config);
    if (!log_key) return fail(log_key.error());
    std::printf("The log's key, for witnesses and auditors: %s\n", log_key->name.vkey().c_str());
  }
  if (status == 0 && !config.secrets.intake_key_file.empty()) {
    auto jwk = read_secret_file(config.secrets.intake_key_file);
    auto intake_key = jwk ? IntakeKey::parse(*jwk) : Result<IntakeKey>(jwk.error());
    if (!intake_key) return fail({intake_key.error().code, "secrets.intake_key_file: " + intake_key.error().text});
    if (!intake_key->public_jwk().empty())
      std::printf("What back ends seal to (signet:intake): %s\n", intake_key->public_jwk().c_str());
  }
  return status;
}

}  // namespace signet

#include "base/keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>

#include "daemon/commands/commands.h"

namespace signet {
namespace {

int fail(const std::string& path, const char* what, int error) {
  std::fprintf(stderr, "signetd: %s: %s: %s\n", path.c_str(), what, std::strerror(error));
  return 1;
}

// Made folders are 0700; those that are there stay as they are.
bool make_folders(const std::filesystem::path& folder) {
  if (folder.empty() || std::filesystem::exists(folder)) return true;
  return make_folders(folder.parent_path()) && ::mkdir(folder.c_str(), 0700) == 0;
}

// A new file, or none: a key half written would be a key nobody has a copy of.
int write_new(const std::string& path, std::string_view octets) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return errno;
  int error = 0;
  while (error == 0 && !octets.empty()) {
    const ssize_t written = ::write(file, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      error = errno;
    else
      octets.remove_prefix(static_cast<size_t>(written));
  }
  if (error == 0 && ::fsync(file) != 0) error = errno;
  ::close(file);
  if (error != 0) ::unlink(path.c_str());
  return error;
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
    if (!make_folders(std::filesystem::path(wanted.path).parent_path())) {
      status = fail(wanted.path, "its folder cannot be made", errno);
      continue;
    }
    auto key = wanted.make();
    if (!key) {
      std::fprintf(stderr, "signetd: %s\n", key.error().text.c_str());
      return 1;
    }
    if (const int wrong = write_new(wanted.path, key->octets()); wrong != 0) {
      status = fail(wanted.path, "cannot be written", wrong);
    } else {
      std::printf("made   %s (%s)\n", wanted.path.c_str(), wanted.what);
      has_made = true;
    }
  }
  if (has_made)
    std::printf("Keep copies apart from the database: without the key-encryption key no message opens again.\n");
  return status;
}

}  // namespace signet

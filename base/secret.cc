#include "base/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace signet {

Secret::Secret(Secret&& other) noexcept : octets_(other.octets_) {
  OPENSSL_cleanse(other.octets_.data(), other.octets_.size());
  other.octets_.clear();
}

Secret& Secret::operator=(Secret other) noexcept {
  octets_.swap(other.octets_);  // what was here is wiped with `other`
  return *this;
}

Secret::~Secret() { OPENSSL_cleanse(octets_.data(), octets_.size()); }

Result<Secret> read_secret_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{ErrorCode::not_found, "cannot read " + path + ": " + std::strerror(errno)};
  struct stat info {};
  std::string octets(65536 + 1, '\0');
  ssize_t size = -1;
  Error refused{ErrorCode::io, "cannot read " + path};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    refused = {ErrorCode::invalid, path + " is not a file"};
  } else if ((info.st_mode & 077) != 0) {
    refused = {ErrorCode::invalid, path + " can be read by others: chmod 0600 " + path};
  } else {
    size = ::read(fd, octets.data(), octets.size());
    if (size > 65536) {
      refused = {ErrorCode::invalid, path + " is larger than 64 KiB"};
      size = -1;
    }
  }
  ::close(fd);
  if (size < 0) return refused;
  octets.resize(static_cast<size_t>(size));
  if (!octets.empty() && octets.back() == '\n') octets.pop_back();
  return Secret(std::move(octets));
}

Result<Secret> read_key_file(const std::string& path) {
  auto text = read_secret_file(path);
  if (!text) return text;
  auto key = from_base64(text->octets());
  if (!key || key->size() != 32)
    return Error{ErrorCode::invalid, path + " does not hold 32 bytes in base64: make it with 'signetd keygen'"};
  return Secret(std::move(*key));
}

}  // namespace signet

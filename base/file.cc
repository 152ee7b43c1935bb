#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/bytes.h"

namespace signet {
namespace {

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Error failed(const std::string& path, const char* what, int error) {
  const ErrorCode code = error == EEXIST ? ErrorCode::conflict : error == ENOENT ? ErrorCode::not_found : ErrorCode::io;
  return {code, path + " " + what + ": " + std::strerror(error)};
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

Result<void> sync_folder(const std::string& folder) {
  const File opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.fd() < 0) return failed(folder, "cannot be opened", errno);
  // Some file systems have nothing to do for a folder and say EINVAL.
  if (::fsync(opened.fd()) != 0 && errno != EINVAL) return failed(folder, "cannot be synced", errno);
  return {};
}

Result<void> fill(const std::string& path, int fd, std::string_view octets, mode_t mode) {
  while (!octets.empty()) {
    const ssize_t written = ::write(fd, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed(path, "cannot be written", errno);
    octets.remove_prefix(static_cast<size_t>(written));
  }
  if (::fchmod(fd, mode) != 0 || ::fsync(fd) != 0) return failed(path, "cannot be written", errno);
  return {};
}

}  // namespace

Result<void> write_new_file(const std::string& path, std::string_view octets, mode_t mode) {
  {
    const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.fd() < 0) return failed(path, "cannot be made", errno);
    if (auto done = fill(path, file.fd(), octets, mode); !done) {
      ::unlink(path.c_str());
      return done;
    }
  }
  return sync_folder(folder_of(path));
}

Result<void> replace_file(const std::string& path, std::string_view octets, mode_t mode) {
  const std::string fresh = path + ".new";
  {
    const File file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.fd() < 0) return failed(fresh, "cannot be made", errno);
    if (auto done = fill(fresh, file.fd(), octets, mode); !done) return done;
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return failed(path, "cannot be replaced", errno);
  return sync_folder(folder_of(path));
}

Result<std::string> read_octets(const std::string& path, size_t size_max) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) return failed(path, "cannot be read", errno);
  std::string out;
  char piece[16384];
  for (;;) {
    const ssize_t read = ::read(file.fd(), piece, sizeof piece);
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return failed(path, "cannot be read", errno);
    if (read == 0) return out;
    out.append(piece, static_cast<size_t>(read));
    if (out.size() > size_max)
      return Error{ErrorCode::limit, path + " is longer than " + std::to_string(size_max) + " octets"};
  }
}

Result<void> make_folders(const std::string& folder) {
  std::error_code ignored;
  const std::filesystem::path path(folder);
  if (folder.empty() || std::filesystem::is_directory(path, ignored)) return {};
  if (auto done = make_folders(path.parent_path().string()); !done) return done;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed(folder, "cannot be made", errno);
  return sync_folder(folder_of(folder));
}

std::string file_name_of(std::string_view text) {
  std::string out;
  append_form(out, text);
  if (out.starts_with('.')) out.replace(0, 1, "%2E");  // "." and ".." are no names, and none is hidden
  return out;
}

}  // namespace signet

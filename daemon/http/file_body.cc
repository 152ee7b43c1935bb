#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "daemon/http/response.h"

namespace signet::http {
namespace {

Error io_error(const std::string& what) {
  return {errno == ENOENT ? ErrorCode::not_found : ErrorCode::io, what + ": " + std::generic_category().message(errno)};
}

class FileBody : public LongBody {
 public:
  FileBody(int fd, int64_t size) : fd_(fd), size_(size) {}
  ~FileBody() override { ::close(fd_); }
  int64_t size() const override { return size_; }
  Result<std::string> read(size_t most) override {
    std::string piece(most, '\0');
    ssize_t got;
    do {
      got = ::read(fd_, piece.data(), most);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return io_error("cannot read the file");
    piece.resize(static_cast<size_t>(got));
    return piece;
  }

 private:
  const int fd_;
  const int64_t size_;
};

}  // namespace

Result<std::shared_ptr<LongBody>> file_body(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("cannot open the file");
  struct stat about {};
  if (::fstat(fd, &about) != 0) {
    const Error error = io_error("cannot look at the file");
    ::close(fd);
    return error;
  }
  return std::shared_ptr<LongBody>(std::make_shared<FileBody>(fd, about.st_size));
}

}  // namespace signet::http

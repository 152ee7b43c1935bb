// A client that sends exactly the octets it is told to, over a blocking socket; for tests of servers. Every wait ends
// after ten seconds in an exception.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::test {

struct RawResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return "";
  }
};

class RawClient {
 public:
  explicit RawClient(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      ::close(fd_);
      throw std::runtime_error("connect refused");
    }
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // False if the server has closed already.
  bool send(std::string_view octets) {
    while (!octets.empty()) {
      const ssize_t sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      octets.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Up to and including `end`; nothing if the connection ended before.
  std::optional<std::string> read_until(std::string_view end) {
    for (;;) {
      if (const size_t at = input_.find(end); at != std::string::npos) return take(at + end.size());
      if (!fill()) return std::nullopt;
    }
  }
  std::optional<std::string> read_octets(size_t size) {
    while (input_.size() < size)
      if (!fill()) return std::nullopt;
    return take(size);
  }
  std::optional<RawResponse> read_response(bool has_body = true) {
    const auto head = read_until("\r\n\r\n");
    if (!head) return std::nullopt;
    RawResponse out;
    out.status = std::stoi(head->substr(9, 3));
    for (size_t at = head->find("\r\n") + 2; at + 2 < head->size();) {
      const size_t end = head->find("\r\n", at);
      const size_t colon = head->find(": ", at);
      std::string name = head->substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(tolower(c));
      out.headers.emplace_back(name, head->substr(colon + 2, end - colon - 2));
      at = end + 2;
    }
    const std::string length = out.header("content-length");
    if (!has_body || length.empty()) return out;
    auto body = read_octets(std::stoul(length));
    if (!body) return std::nullopt;
    out.body = std::move(*body);
    return out;
  }
  // What still comes until the end; `was_reset` tells how it ended.
  std::string read_all() {
    while (fill()) {
    }
    return std::exchange(input_, "");
  }
  bool was_reset() const { return was_reset_; }

 private:
  bool fill() {
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, 10000) != 1) throw std::runtime_error("the server said nothing for ten seconds");
    char buffer[65536];
    const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got < 0) was_reset_ = true;
    if (got <= 0) return false;
    input_.append(buffer, static_cast<size_t>(got));
    return true;
  }
  std::string take(size_t size) {
    std::string out = input_.substr(0, size);
    input_.erase(0, size);
    return out;
  }

  int fd_;
  std::string input_;
  bool was_reset_ = false;
};

}  // namespace signet::test

// A server on loopback that does what a test tells it, on the test's own loop; and the loop's driver.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/stream.h"

namespace signet::testing {

class TestLog : public Log {
 public:
  void write(LogLevel, std::string_view text, std::initializer_list<LogField> fields) override {
    std::string line(text);
    for (auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    lines.push_back(line);
  }
  std::vector<std::string> lines;
};

class SetClock : public Clock {  // stands still until told
 public:
  WallTime wall() const override { return wall_; }
  Tick tick() const override { return tick_; }
  WallTime wall_{1795305600000000};
  Tick tick_{1000};
};

// Runs the loop until `is_done` after some round, or fails the test after 20 s.
template <class Predicate>
void run_until(Loop& loop, Predicate is_done) {
  bool is_late = false;
  Timer limit(loop);
  limit.start(20000, [&] {
    is_late = true;
    loop.stop();
  });
  Timer poll(loop);
  poll.repeat(1, [&] {
    if (is_done()) loop.stop();
  });
  if (!is_done()) loop.run();
  CHECK(!is_late);
}

// Bytes in, bytes out. `on_data` gets all that is unread of one connection and returns how much it used.
class ScriptedServer {
 public:
  struct Connection {
    int number = 0;  // from 1
    std::unique_ptr<Stream> stream;
    std::string input;
    std::map<std::string, std::string> notes;  // the script's own
  };
  std::function<void(Connection&)> on_accept;
  std::function<size_t(Connection&, std::string_view)> on_data;
  int accepted = 0;

  explicit ScriptedServer(Loop& loop, std::shared_ptr<TlsContext> tls = nullptr) : loop_(loop) {
    auto bound = Listener::bind(loop, {"127.0.0.1", 0}, std::move(tls),
                                [this](std::unique_ptr<Stream> stream) { accept(std::move(stream)); });
    REQUIRE(bound);
    listener_ = std::move(*bound);
    port_ = listener_->port();
  }
  int port() const { return port_; }
  void close_all() { connections_.clear(); }
  void close(int number) { connections_.erase(number); }
  void stop_listening() { listener_.reset(); }
  size_t open() const { return connections_.size(); }
  Loop& loop() { return loop_; }

 private:
  void accept(std::unique_ptr<Stream> stream) {
    int number = ++accepted;
    auto& connection = connections_[number];
    connection.number = number;
    connection.stream = std::move(stream);
    Stream::Handlers handlers;
    handlers.on_data = [this, number](std::string_view octets) {
      connections_.at(number).input += octets;
      while (connections_.count(number)) {
        auto& at = connections_.at(number);
        size_t used = at.input.empty() || !on_data ? 0 : on_data(at, at.input);
        if (!used || !connections_.count(number)) break;
        connections_.at(number).input.erase(0, used);
      }
    };
    handlers.on_close = [this, number](const Error&) { connections_.erase(number); };
    connection.stream->set_handlers(std::move(handlers));
    if (on_accept) on_accept(connection);
  }

  Loop& loop_;
  std::unique_ptr<Listener> listener_;
  std::map<int, Connection> connections_;
  int port_ = 0;
};

struct Certificate {  // self-signed, for 127.0.0.1
  Certificate() {
    char name[] = "/tmp/signet_tls_XXXXXX";
    folder = ::mkdtemp(name);
    key = folder + "/key", file = folder + "/cert";
    auto command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout " + key +
                   " -out " + file + " -subj /CN=relay -addext subjectAltName=IP:127.0.0.1 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
    auto made = TlsContext::server(file, key);
    REQUIRE(made);
    server = *made;
  }
  ~Certificate() { std::filesystem::remove_all(folder); }
  std::string folder, key, file;
  std::shared_ptr<TlsContext> server;
};

// HTTP on top: `on_request` is called with each whole request.
class HttpServer {
 public:
  struct Request {
    std::string head, body;
    ScriptedServer::Connection& connection;
    int number;  // of all, from 1
  };
  std::function<void(const Request&)> on_request;
  int requests = 0;
  ScriptedServer server;

  explicit HttpServer(Loop& loop, std::shared_ptr<TlsContext> tls = nullptr) : server(loop, std::move(tls)) {
    server.on_data = [this](ScriptedServer::Connection& connection, std::string_view input) -> size_t {
      auto end = input.find("\r\n\r\n");
      if (end == input.npos) return 0;
      auto head = std::string(input.substr(0, end + 2));
      auto at = head.find("Content-Length: ");
      size_t length = at == head.npos ? 0 : std::stoul(head.substr(at + 16));
      if (input.size() < end + 4 + length) return 0;
      Request request{head, std::string(input.substr(end + 4, length)), connection, ++requests};
      on_request(request);
      return end + 4 + length;
    };
  }
  std::string url(const std::string& path = "/send") const {
    return "http://127.0.0.1:" + std::to_string(server.port()) + path;
  }
  static std::string reply(int status, const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
};

}  // namespace signet::testing

#include "base/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/base/certificates.h"

using namespace signet;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

class World {  // a loop that runs until something is so
 public:
  Loop loop;
  bool until(const std::function<bool()>& is_so) {
    bool has_come = false;
    Timer guard(loop);
    guard.start(20'000, [this] { loop.stop(); });
    loop.on_round([&] {
      if (!is_so()) return;
      has_come = true;
      loop.stop();
    });
    loop.run();
    loop.on_round(nullptr);
    return has_come;
  }
  void rounds(int count) {
    REQUIRE(until([this, &count] {
      loop.post([] {});
      return --count < 0;
    }));
  }
};

struct End {  // one end of a connection and what happened to it
  std::unique_ptr<Stream> stream;
  std::string got;
  int opened = 0, drained = 0, closed = 0;
  std::optional<Error> error;

  Stream::Handlers handlers() {
    return {[this] { opened++; }, [this](std::string_view octets) { got += octets; },
            [this](const Error& why) {
              closed++;
              error = why;
            },
            [this] { drained++; }};
  }
};

struct Server {
  End end;
  std::unique_ptr<Listener> listener;
  explicit Server(Loop& loop, std::shared_ptr<TlsContext> tls = nullptr, const std::string& host = "127.0.0.1")
      : listener(Listener::bind(loop, {host, 0}, std::move(tls), [this](std::unique_ptr<Stream> stream) {
                   end.stream = std::move(stream);
                   end.stream->set_handlers(end.handlers());
                 }).value()) {}
  Endpoint at(const std::string& host = "127.0.0.1") const { return {host, listener->port()}; }
};

// Both ends open.
void open(World& world, Server& server, End& client, StreamOptions options = {}) {
  const bool is_tls = options.tls != nullptr;
  client.stream = Stream::connect(world.loop, server.at(), std::move(options), client.handlers());
  REQUIRE(world.until([&] { return client.opened == 1 && server.end.stream && (!is_tls || server.end.opened == 1); }));
}

std::shared_ptr<TlsContext> server_tls() {
  return TlsContext::server(certificates().certificate(), certificates().key()).value();
}
std::shared_ptr<TlsContext> client_tls(const std::string& ca = certificates().certificate()) {
  return TlsContext::client(ca).value();
}

class Socket {  // a plain one, for peers that do not behave
 public:
  Socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) { REQUIRE(fd_ >= 0); }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  int fd() const { return fd_; }
  int listen(int backlog) {
    sockaddr_in at = loopback(0);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(fd_, backlog) == 0);
    socklen_t size = sizeof at;
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    return ntohs(at.sin_port);
  }
  void connect(int port) {
    const sockaddr_in at = loopback(port);
    (void)!::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at);
  }

 private:
  static sockaddr_in loopback(int port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<uint16_t>(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }
  int fd_;
};

std::string pattern(size_t size) {
  std::string octets(size, '\0');
  for (size_t i = 0; i < size; i++) octets[i] = static_cast<char>((i * 31 + i / 251) & 0xff);
  return octets;
}

}  // namespace

TEST_CASE("an endpoint is an address or a name with a port") {
  CHECK(parse_endpoint("127.0.0.1:8420")->host == "127.0.0.1");
  CHECK(parse_endpoint("127.0.0.1:8420")->port == 8420);
  CHECK(parse_endpoint("[::1]:25")->host == "::1");
  CHECK(parse_endpoint("mail.example:25")->host == "mail.example");
  CHECK(parse_endpoint("x:0")->port == 0);
  CHECK(parse_endpoint("x:65535").ok());
  for (const char* bad : {"", ":", "x", "x:", ":25", "x:65536", "x:-1", "x:+1", "x:1a", "x: 1", "::1:25", "[::1]",
                          "[::1]25", "[x]:25", "[::1:25", "a b:25", "http://x:25", "u@x:25", "x:99999999999"})
    CHECK_FALSE(parse_endpoint(bad).ok());
}

TEST_CASE("two ends talk") {
  World world;
  Server server(world.loop);
  End client;
  client.stream = Stream::connect(world.loop, server.at(), {}, client.handlers());
  CHECK(client.opened == 0);  // never from within connect()
  CHECK_FALSE(client.stream->is_open());
  REQUIRE(world.until([&] { return client.opened == 1 && server.end.stream; }));
  CHECK(client.stream->is_open());
  CHECK(server.end.stream->is_open());
  CHECK_FALSE(client.stream->is_tls());
  CHECK(client.stream->peer_address() == "127.0.0.1");
  CHECK(server.end.stream->peer_address() == "127.0.0.1");
  client.stream->write("PING");
  CHECK(client.stream->queued_bytes() == 0);  // a small request has left at once
  REQUIRE(world.until([&] { return server.end.got == "PING"; }));
  server.end.stream->write("PONG");
  REQUIRE(world.until([&] { return client.got == "PONG"; }));
}

TEST_CASE("what is written before the stream is open is sent when it is") {
  World world;
  for (const bool is_tls : {false, true}) {
    Server server(world.loop, is_tls ? server_tls() : nullptr);
    End client;
    StreamOptions options;
    if (is_tls) options.tls = client_tls();
    client.stream = Stream::connect(world.loop, server.at(), options, client.handlers());
    client.stream->write("early ");
    client.stream->write("bird");
    CHECK(client.stream->queued_bytes() == 10);
    REQUIRE(world.until([&] { return server.end.got == "early bird"; }));
    CHECK(client.stream->queued_bytes() == 0);
    CHECK(client.drained == 1);
  }
}

TEST_CASE("names are resolved, and each address of a name is tried") {
  World world;
  Server server(world.loop);  // IPv4 only, while localhost may come as ::1 first
  End client;
  client.stream = Stream::connect(world.loop, server.at("localhost"), {}, client.handlers());
  REQUIRE(world.until([&] { return client.opened == 1 || client.error; }));
  CHECK(client.opened == 1);
}

TEST_CASE("a name that does not resolve is unavailable") {
  World world;
  End client;
  client.stream =
      Stream::connect(world.loop, {"no-such-name.invalid", 25}, {.connect_timeout_ms = 15'000}, client.handlers());
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::unavailable);
  CHECK_THAT(client.error->text, StartsWith("cannot resolve no-such-name.invalid:25: "));
}

TEST_CASE("a refused connection is unavailable, told through the loop") {
  World world;
  int port = 0;
  {
    const Server gone(world.loop);
    port = gone.listener->port();
  }
  world.rounds(3);
  End client;
  client.stream = Stream::connect(world.loop, {"127.0.0.1", port}, {}, client.handlers());
  CHECK(client.closed == 0);
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::unavailable);
  CHECK_THAT(client.error->text, Contains("refused"));
  CHECK_THAT(client.error->text, Contains("127.0.0.1:" + std::to_string(port)));
  CHECK_FALSE(client.stream->is_open());
  client.stream->write("to nobody");
  client.stream->finish();
  world.rounds(3);
  CHECK(client.closed == 1);
  CHECK(client.opened == 0);
}

TEST_CASE("a connection that nobody accepts times out") {
  World world;
  Socket full;
  const int port = full.listen(0);
  Socket first, second, third;  // they fill the backlog, so that the kernel drops what follows
  for (Socket* each : {&first, &second, &third}) each->connect(port);
  End client;
  client.stream = Stream::connect(world.loop, {"127.0.0.1", port}, {.connect_timeout_ms = 50}, client.handlers());
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::timeout);
  CHECK(client.opened == 0);
}

TEST_CASE("the connect timeout covers a TLS handshake that is not answered") {
  World world;
  Server silent(world.loop);
  End client;
  StreamOptions options{.connect_timeout_ms = 50, .tls = client_tls()};
  client.stream = Stream::connect(world.loop, silent.at(), options, client.handlers());
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::timeout);
  CHECK_THAT(client.error->text, Contains("TLS"));
}

TEST_CASE("big payloads arrive whole past pauses, and draining is told") {
  const bool is_tls = GENERATE(false, true);
  INFO((is_tls ? "TLS" : "clear"));
  World world;
  Server server(world.loop, is_tls ? server_tls() : nullptr);
  End client;
  open(world, server, client, is_tls ? StreamOptions{.tls = client_tls()} : StreamOptions{});
  const std::string payload = pattern(24 << 20);
  server.end.stream->pause();
  client.stream->write(std::string_view(payload).substr(0, 20 << 20));
  client.stream->write(std::string_view(payload).substr(20 << 20));
  CHECK(client.stream->queued_bytes() > 1 << 20);
  world.rounds(20);
  CHECK(server.end.got.empty());
  CHECK(client.stream->queued_bytes() > 1 << 20);
  CHECK(client.drained == 0);
  server.end.stream->resume();
  REQUIRE(world.until([&] { return server.end.got.size() > 1 << 20; }));
  server.end.stream->pause();
  const size_t so_far = server.end.got.size();
  world.rounds(20);
  CHECK(server.end.got.size() == so_far);
  server.end.stream->resume();
  REQUIRE(world.until([&] { return server.end.got.size() == payload.size() && client.drained == 1; }));
  CHECK(server.end.got == payload);
  CHECK(client.stream->queued_bytes() == 0);
}

TEST_CASE("a pause within on_data holds the rest back, the end included") {
  const bool is_tls = GENERATE(false, true);
  World world;
  Server server(world.loop, is_tls ? server_tls() : nullptr);
  End client;
  open(world, server, client, is_tls ? StreamOptions{.tls = client_tls()} : StreamOptions{});
  auto handlers = client.handlers();
  handlers.on_data = [&](std::string_view octets) {
    client.got += octets;
    client.stream->pause();
  };
  client.stream->set_handlers(handlers);
  server.end.stream->write("one");
  REQUIRE(world.until([&] { return client.got == "one"; }));
  server.end.stream->write("two");
  server.end.stream->finish();
  world.rounds(50);
  CHECK(client.got == "one");
  CHECK(client.closed == 0);
  client.stream->resume();
  CHECK(client.got == "one");  // never from within resume()
  REQUIRE(world.until([&] { return client.got == "onetwo"; }));
  client.stream->resume();
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::io);
  CHECK(client.error->text == "closed by peer");
}

TEST_CASE("what TLS had decrypted before a pause waits for the owner") {
  World world;
  Server server(world.loop, server_tls());
  End client;
  auto handlers = client.handlers();
  handlers.on_open = [&] {
    client.opened++;
    client.stream->pause();
  };
  client.stream = Stream::connect(world.loop, server.at(), {.tls = client_tls()}, handlers);
  REQUIRE(world.until([&] { return server.end.opened == 1; }));
  server.end.stream->write("hello");
  world.rounds(30);
  CHECK(client.got.empty());
  client.stream->resume();
  REQUIRE(world.until([&] { return client.got == "hello"; }));
}

TEST_CASE("a clean end by the peer is told once, after the data") {
  World world;
  Server server(world.loop);
  End client;
  open(world, server, client);
  server.end.stream->write("last words");
  server.end.stream.reset();
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.got == "last words");
  CHECK(client.error->code == ErrorCode::io);
  CHECK(client.error->text == "closed by peer");
  client.stream->write("x");
  world.rounds(5);
  CHECK(client.closed == 1);
}

TEST_CASE("finish sends what is queued, then closes and says so") {
  const bool is_tls = GENERATE(false, true);
  World world;
  Server server(world.loop, is_tls ? server_tls() : nullptr);
  End client;
  open(world, server, client, is_tls ? StreamOptions{.tls = client_tls()} : StreamOptions{});
  const std::string payload = pattern(8 << 20);
  client.stream->write(payload);
  client.stream->finish();
  CHECK_FALSE(client.stream->is_open());
  client.stream->write("too late");
  CHECK(client.closed == 0);
  REQUIRE(world.until([&] { return client.closed == 1 && server.end.closed == 1; }));
  CHECK(server.end.got == payload);
  CHECK(server.end.error->text == "closed by peer");
  CHECK(server.end.error->code == ErrorCode::io);
  CHECK(client.error->text == "closed");
  CHECK(client.error->code == ErrorCode::io);
}

TEST_CASE("finish before the stream is open still sends what was written") {
  const bool is_tls = GENERATE(false, true);
  World world;
  Server server(world.loop, is_tls ? server_tls() : nullptr);
  End client;
  client.stream = Stream::connect(world.loop, server.at(),
                                  is_tls ? StreamOptions{.tls = client_tls()} : StreamOptions{}, client.handlers());
  client.stream->write("one shot");
  client.stream->finish();
  REQUIRE(world.until([&] { return client.closed == 1 && server.end.closed == 1; }));
  CHECK(server.end.got == "one shot");
  CHECK(server.end.error->text == "closed by peer");
  CHECK(client.error->text == "closed");
}

TEST_CASE("finish does not destroy a reply that the peer has not read yet") {
  World world;
  Server server(world.loop);
  End client;
  open(world, server, client);
  client.stream->pause();
  server.end.stream->pause();
  client.stream->write(pattern(100'000));  // stays unread: closing over it would make the kernel send a reset
  server.end.stream->write("413 too large");
  server.end.stream->finish();
  world.rounds(20);
  client.stream->resume();
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.got == "413 too large");
  CHECK(client.error->text == "closed by peer");
}

TEST_CASE("finish closes in the end though the peer never does") {
  World world;
  Server server(world.loop);
  End client;
  open(world, server, client);
  server.end.stream->pause();
  client.stream->finish();
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->text == "closed");
}

TEST_CASE("reset is seen by the peer as one and calls nothing at home") {
  World world;
  Server server(world.loop);
  End client;
  open(world, server, client);
  server.end.stream->reset();
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::unavailable);
  CHECK_THAT(client.error->text, Contains("reset"));
  CHECK(server.end.closed == 0);
  CHECK_FALSE(server.end.stream->is_open());
}

TEST_CASE("what the peer said before it broke off is read though a write failed first") {
  World world;
  Server server(world.loop);
  End client;
  open(world, server, client);
  server.end.stream->write("421 go away");
  server.end.stream.reset();
  client.stream->write("first makes the peer answer with a reset");
  client.stream->write("second fails");
  CHECK(client.closed == 0);  // never from within write()
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.got == "421 go away");
}

TEST_CASE("handlers may destroy the stream they are called from") {
  const bool is_tls = GENERATE(false, true);
  World world;
  Server server(world.loop, is_tls ? server_tls() : nullptr);
  const StreamOptions options = is_tls ? StreamOptions{.tls = client_tls()} : StreamOptions{};
  End client;
  const auto witness = std::make_shared<int>(0);
  auto handlers = client.handlers();
  SECTION("on_open") {
    handlers.on_open = [&, witness] {
      client.stream.reset();
      ++*witness;  // the handler outlives its stream
    };
    client.stream = Stream::connect(world.loop, server.at(), options, handlers);
    client.stream->write("x");
  }
  SECTION("on_data") {
    handlers.on_data = [&, witness](std::string_view octets) {
      client.stream.reset();
      *witness += octets.empty() ? 0 : 1;
    };
    open(world, server, client, options);
    client.stream->set_handlers(handlers);
    server.end.stream->write("x");
    server.end.stream->finish();
  }
  SECTION("on_close") {
    handlers.on_close = [&, witness](const Error& why) {
      client.stream.reset();
      *witness += why.text.empty() ? 0 : 1;
    };
    open(world, server, client, options);
    client.stream->set_handlers(handlers);
    server.end.stream->finish();
  }
  SECTION("on_drained") {
    handlers.on_drained = [&, witness] {
      client.stream.reset();
      ++*witness;
    };
    open(world, server, client, options);
    client.stream->set_handlers(handlers);
    client.stream->write(pattern(16 << 20));
  }
  SECTION("on_data replaces the handlers") {
    handlers.on_data = [&, witness](std::string_view) {
      client.stream->set_handlers({});
      ++*witness;
    };
    open(world, server, client, options);
    client.stream->set_handlers(handlers);
    server.end.stream->write("x");
  }
  REQUIRE(world.until([&] { return *witness == 1; }));
  world.rounds(10);
  CHECK(*witness == 1);
  CHECK(client.closed == 0);
}

TEST_CASE("streams are destroyed at any moment of connecting without a call") {
  World world;
  Server server(world.loop, server_tls());
  for (int rounds = 0; rounds < 12; rounds++) {
    End client;
    const StreamOptions options{.tls = client_tls()};
    client.stream =
        Stream::connect(world.loop, server.at(rounds % 2 ? "localhost" : "127.0.0.1"), options, client.handlers());
    client.stream->write("x");
    if (rounds > 0) world.rounds(rounds);
    client.stream.reset();
    world.rounds(3);
    CHECK(client.closed == 0);
  }
}

TEST_CASE("TLS talks when the certificate is good") {
  World world;
  Server server(world.loop, server_tls());
  for (const char* host : {"127.0.0.1", "localhost"}) {
    End client;
    client.stream =
        Stream::connect(world.loop, server.at(), {.tls = client_tls(), .tls_host = host}, client.handlers());
    REQUIRE(world.until([&] { return client.opened == 1; }));
    CHECK(client.stream->is_tls());
    client.stream->write("PING");
    REQUIRE(world.until([&] { return server.end.got == "PING"; }));
    server.end.stream->write("PONG");
    REQUIRE(world.until([&] { return client.got == "PONG"; }));
    server.end.got.clear();
  }
}

TEST_CASE("TLS is refused for a wrong host name and for an untrusted issuer") {
  World world;
  Server server(world.loop, server_tls());
  struct Case {
    std::string ca, host, why;
  };
  for (const auto& [ca, host, why] :
       {Case{certificates().certificate(), "other.example", "hostname mismatch"},
        Case{certificates().certificate("stranger"), "localhost", "the certificate for localhost does not verify"}}) {
    End client;
    client.stream =
        Stream::connect(world.loop, server.at(), {.tls = client_tls(ca), .tls_host = host}, client.handlers());
    client.stream->write("a secret");
    REQUIRE(world.until([&] { return client.closed == 1 && server.end.closed == 1; }));
    CHECK(client.opened == 0);
    CHECK(client.error->code == ErrorCode::unavailable);
    CHECK_THAT(client.error->text, Contains(why));
    CHECK(server.end.got.empty());
    CHECK(server.end.opened == 0);
    server.end.closed = 0;
  }
}

TEST_CASE("a TLS stream that ends without close_notify was cut") {
  World world;
  Server server(world.loop, server_tls());
  End client;
  open(world, server, client, {.tls = client_tls()});
  server.end.stream->write("half of a rep");
  server.end.stream.reset();  // closes the socket and says nothing
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.got == "half of a rep");
  CHECK(client.error->code == ErrorCode::unavailable);
  CHECK_THAT(client.error->text, Contains("close_notify"));
}

TEST_CASE("a peer that closes during the handshake is unavailable") {
  World world;
  Server server(world.loop);
  End client;
  client.stream = Stream::connect(world.loop, server.at(), {.tls = client_tls()}, client.handlers());
  REQUIRE(world.until([&] { return !server.end.got.empty(); }));
  server.end.stream->finish();
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::unavailable);
  CHECK_THAT(client.error->text, Contains("handshake"));
}

TEST_CASE("a server of clear text is no TLS") {
  World world;
  Server server(world.loop);
  End client;
  client.stream = Stream::connect(world.loop, server.at(), {.tls = client_tls()}, client.handlers());
  REQUIRE(world.until([&] { return server.end.stream != nullptr; }));
  server.end.stream->write("220 mail.example ESMTP\r\n");
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::unavailable);
  CHECK_THAT(client.error->text, StartsWith("no TLS with 127.0.0.1:"));
}

TEST_CASE("STARTTLS switches both ends in the middle") {
  World world;
  Server server(world.loop);
  End client;
  open(world, server, client);
  client.stream->write("STARTTLS\r\n");
  REQUIRE(world.until([&] { return server.end.got == "STARTTLS\r\n"; }));
  server.end.stream->write("220 go ahead\r\n");
  server.end.stream->start_tls(server_tls(), "");
  auto handlers = client.handlers();
  handlers.on_data = [&](std::string_view octets) {
    client.got += octets;
    if (client.got != "220 go ahead\r\n") return;
    client.stream->start_tls(client_tls(), "localhost");
    CHECK(client.stream->is_tls());
    client.stream->write("EHLO again\r\n");  // waits for the handshake
    CHECK(client.stream->queued_bytes() == 12);
  };
  client.stream->set_handlers(handlers);
  REQUIRE(world.until([&] { return client.opened == 2 && server.end.opened == 1; }));
  REQUIRE(world.until([&] { return server.end.got == "STARTTLS\r\nEHLO again\r\n"; }));
  server.end.stream->write("250 ok\r\n");
  REQUIRE(world.until([&] { return client.got == "220 go ahead\r\n250 ok\r\n"; }));
  CHECK(client.closed == 0);
}

TEST_CASE("a STARTTLS that is not answered times out") {
  World world;
  Server server(world.loop);
  End client;
  open(world, server, client, {.connect_timeout_ms = 60});
  client.stream->start_tls(client_tls(), "localhost");
  REQUIRE(world.until([&] { return client.closed == 1; }));
  CHECK(client.error->code == ErrorCode::timeout);
}

TEST_CASE("a port that is taken is refused with its name and what to do") {
  World world;
  const Server first(world.loop);
  const auto second = Listener::bind(world.loop, first.at(), nullptr, [](std::unique_ptr<Stream>) {});
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::conflict);
  CHECK_THAT(second.error().text, Contains("127.0.0.1:" + std::to_string(first.listener->port())));
  CHECK_THAT(second.error().text, Contains("choose another port"));
  CHECK_FALSE(Listener::bind(world.loop, {"203.0.113.1", 0}, nullptr, [](std::unique_ptr<Stream>) {}).ok());
}

TEST_CASE("a listener on all addresses shows IPv4 peers in their plain form") {
  World world;
  if (!Listener::bind(world.loop, {"::", 0}, nullptr, [](std::unique_ptr<Stream>) {}).ok()) return;  // no IPv6 here
  Server server(world.loop, nullptr, "::");
  End client;
  client.stream = Stream::connect(world.loop, server.at(), {}, client.handlers());
  REQUIRE(world.until([&] { return client.opened == 1 && server.end.stream; }));
  CHECK(server.end.stream->peer_address() == "127.0.0.1");
}

TEST_CASE("a socket from systemd is adopted, anything else is refused") {
  World world;
  Socket socket;
  const int port = socket.listen(16);
  End server;
  {
    auto listener = Listener::adopt(world.loop, ::dup(socket.fd()), nullptr, [&](std::unique_ptr<Stream> stream) {
      server.stream = std::move(stream);
      server.stream->set_handlers(server.handlers());
    });
    REQUIRE(listener);
    CHECK((*listener)->port() == port);
    End client;
    client.stream = Stream::connect(world.loop, {"127.0.0.1", port}, {}, client.handlers());
    REQUIRE(world.until([&] { return server.stream != nullptr; }));
  }
  const Socket plain;
  const auto refused = Listener::adopt(world.loop, plain.fd(), nullptr, [](std::unique_ptr<Stream>) {});
  CHECK(refused.error().code == ErrorCode::invalid);
  CHECK_FALSE(Listener::adopt(world.loop, -1, nullptr, [](std::unique_ptr<Stream>) {}).ok());
}

TEST_CASE("an accept handler may drop the stream and the listener itself") {
  World world;
  int accepted = 0;
  std::unique_ptr<Listener> listener;
  const auto witness = std::make_shared<int>(1);
  listener = Listener::bind(world.loop, {"127.0.0.1", 0}, nullptr, [&, witness](std::unique_ptr<Stream>) {
               listener.reset();
               accepted += *witness;
             }).value();
  End client;
  client.stream = Stream::connect(world.loop, {"127.0.0.1", listener->port()}, {}, client.handlers());
  REQUIRE(world.until([&] { return accepted == 1 && client.closed == 1; }));
  CHECK(listener == nullptr);
}

TEST_CASE("many connections live on one loop") {
  World world;
  std::vector<std::unique_ptr<Stream>> accepted;
  const auto listener = Listener::bind(world.loop, {"127.0.0.1", 0}, nullptr, [&](std::unique_ptr<Stream> stream) {
                          Stream* self = stream.get();
                          stream->set_handlers({nullptr, [self](std::string_view octets) { self->write(octets); },
                                                [](const Error&) {}, nullptr});
                          accepted.push_back(std::move(stream));
                        }).value();
  std::vector<End> clients(200);
  for (End& client : clients) {
    client.stream = Stream::connect(world.loop, {"127.0.0.1", listener->port()}, {}, client.handlers());
    client.stream->write("echo");
  }
  REQUIRE(world.until([&] {
    for (const End& client : clients)
      if (client.got != "echo") return false;
    return true;
  }));
  CHECK(accepted.size() == clients.size());
}

#include "base/tls.h"

#include <catch2/catch.hpp>

#include "tests/base/certificates.h"

using namespace signet;
using Catch::Matchers::Contains;
using State = TlsSession::State;

namespace {

std::shared_ptr<TlsContext> server_context() {
  return TlsContext::server(certificates().certificate(), certificates().key()).value();
}
std::shared_ptr<TlsContext> client_context(const std::string& ca = certificates().certificate()) {
  return TlsContext::client(ca).value();
}

struct Pair {  // two sessions and the wire between them
  TlsSession client, server;
  std::string at_client, at_server;
  std::string client_error = "", server_error = "";

  explicit Pair(std::shared_ptr<TlsContext> context, const std::string& host = "localhost")
      : client(std::move(context), host), server(server_context(), "") {}

  // Carries what either side has to send, `step` octets at a time, until both are silent.
  void carry(size_t step = 1 << 20) {
    for (bool is_moving = true; is_moving;) {
      is_moving = carry(client, server, at_server, server_error, step);
      is_moving = carry(server, client, at_client, client_error, step) || is_moving;
    }
  }

 private:
  static bool carry(TlsSession& from, TlsSession& to, std::string& plain, std::string& error, size_t step) {
    const std::string wire = from.take_wire();
    for (size_t at = 0; at < wire.size() && error.empty(); at += step)
      if (auto fed = to.feed(std::string_view(wire).substr(at, step), plain); !fed) error = fed.error().text;
    return !wire.empty();
  }
};

}  // namespace

TEST_CASE("two sessions shake hands and talk, however the wire is cut") {
  for (const size_t step : {1, 7, 1000, 1 << 20}) {
    Pair pair(client_context());
    REQUIRE(pair.client.write("kept until then, ").ok());
    pair.carry(step);
    CHECK(pair.client.state() == State::open);
    CHECK(pair.server.state() == State::open);
    REQUIRE(pair.client.write("hello").ok());
    REQUIRE(pair.server.write(std::string(100'000, 'x')).ok());
    pair.carry(step);
    CHECK(pair.at_server == "kept until then, hello");
    CHECK(pair.at_client == std::string(100'000, 'x'));
    CHECK(pair.client_error.empty());
  }
}

TEST_CASE("a close is told from a cut") {
  Pair pair(client_context());
  pair.carry();
  REQUIRE(pair.server.write("bye").ok());
  pair.server.close();
  pair.carry();
  CHECK(pair.at_client == "bye");
  CHECK(pair.client.state() == State::closed);
  CHECK(pair.server.state() == State::open);  // its peer has not said so
}

TEST_CASE("a certificate for another host, another address or of a stranger is refused") {
  struct Case {
    std::string ca, host, why;
  };
  const std::string good = certificates().certificate();
  for (const auto& [ca, host, why] :
       {Case{good, "other.example", "hostname mismatch"}, Case{good, "127.0.0.2", "IP address mismatch"},
        Case{good, "::1", "IP address mismatch"},
        Case{certificates().certificate("stranger"), "localhost", "certificate"}}) {
    Pair pair(client_context(ca), host);
    pair.carry();
    CHECK_THAT(pair.client_error, Contains(why));
    CHECK_THAT(pair.client_error, Contains(host));
    CHECK(pair.client.state() == State::handshake);
    CHECK_FALSE(pair.server_error.empty());  // the alert came
    CHECK_FALSE(pair.client.write("secret").ok());
    CHECK(pair.client.take_wire().empty());
  }
}

TEST_CASE("an address is verified as one, and a trailing dot is not part of a name") {
  for (const char* host : {"127.0.0.1", "localhost", "localhost."}) {
    Pair pair(client_context(), host);
    pair.carry();
    CHECK(pair.client.state() == State::open);
  }
}

TEST_CASE("opportunistic TLS takes any certificate") {
  Pair pair(TlsContext::client("", false).value(), "other.example");
  pair.carry();
  CHECK(pair.client.state() == State::open);
  Pair nameless(TlsContext::client("", false).value(), "");
  nameless.carry();
  CHECK(nameless.client.state() == State::open);
}

TEST_CASE("a changed octet on the wire ends the session") {
  Pair pair(client_context());
  pair.carry();
  REQUIRE(pair.client.write("transfer 1").ok());
  std::string wire = pair.client.take_wire();
  wire[wire.size() / 2] ^= 1;
  std::string plain;
  CHECK_FALSE(pair.server.feed(wire, plain).ok());
  CHECK(plain.empty());
  CHECK_FALSE(pair.server.feed("more", plain).ok());
}

TEST_CASE("clear text instead of TLS is refused") {
  TlsSession server(server_context(), "");
  std::string plain;
  CHECK_FALSE(server.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n", plain).ok());
  TlsSession client(client_context(), "localhost");
  CHECK_FALSE(client.feed("220 mail.example ESMTP\r\n", plain).ok());
}

TEST_CASE("files that are missing or do not fit each other are named") {
  const auto& c = certificates();
  CHECK_THAT(TlsContext::client(c.dir / "none.pem").error().text, Contains("none.pem"));
  CHECK_THAT(TlsContext::client(c.dir.put("bad.pem", "rubbish")).error().text, Contains("bad.pem"));
  CHECK_THAT(TlsContext::server(c.dir / "none.pem", c.key()).error().text, Contains("none.pem"));
  CHECK_THAT(TlsContext::server(c.certificate(), c.dir / "none.key").error().text, Contains("none.key"));
  CHECK_THAT(TlsContext::server(c.certificate(), c.key("stranger")).error().text, Contains("stranger.key"));
  const std::string locked = c.dir / "locked.key";
  REQUIRE(std::system(("openssl pkey -aes256 -passout pass:x -in " + c.key() + " -out " + locked).c_str()) == 0);
  CHECK_THAT(TlsContext::server(c.certificate(), locked).error().text, Contains("locked.key"));
}

// The connection: replies of all kinds, errors that say what to do, loss and return.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "queue/redis_client.h"
#include "tests/base/certificates.h"
#include "tests/queue/world.h"

using namespace signet;
using namespace signet::test;

namespace {

struct Client {
  explicit Client(RedisOptions options) {
    options.backoff_ms_min = 5;
    options.backoff_ms_max = 50;
    RedisClient::Handlers handlers;
    handlers.on_up = [this] { ups++; };
    handlers.on_down = [this](const Error& error) { downs.push_back(error); };
    handlers.on_message = [this](const std::string& channel, const std::string& text) {
      messages.push_back(channel + "=" + text);
    };
    client = std::make_unique<RedisClient>(loop, clock, random, std::move(options), std::move(handlers));
  }
  explicit Client(const RedisServer& server) : Client(at(server)) {
    run_until(loop, [&] { return client->is_up(); });
  }
  static RedisOptions at(const RedisServer& server) {
    RedisOptions options;
    options.url = server.url();
    return options;
  }
  Result<Reply> call(std::vector<std::string_view> words, int64_t timeout_ms = 5000) {
    return ask<Reply>(loop, [&](auto done) { client->call(words, timeout_ms, done); });
  }
  Error first_loss() {
    run_until(loop, [&] { return !downs.empty(); });
    return downs.front();
  }

  Loop loop;
  SystemClock clock;
  SystemRandom random;
  int ups = 0;
  std::vector<Error> downs;
  std::vector<std::string> messages;
  std::unique_ptr<RedisClient> client;
};

// Accepts by the kernel alone and says what it is told to.
struct Listening {
  Listening() : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    REQUIRE(listen(fd, 8) == 0);
    port = ntohs(address.sin_port);
  }
  ~Listening() { close(fd); }
  RedisOptions options() const {
    RedisOptions options;
    options.url = "redis://127.0.0.1:" + std::to_string(port);
    return options;
  }
  void say_to_next(const std::string& text) const {
    const int peer = accept(fd, nullptr, nullptr);
    CHECK(send(peer, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    close(peer);
  }
  int fd;
  int port = 0;
};

}  // namespace

TEST_CASE("redis.url is understood or refused with a reason", "[redis]") {
  const auto plain = parse_redis_url("redis://cache.example:7000/3").value();
  CHECK(plain.endpoint.host == "cache.example");
  CHECK(plain.endpoint.port == 7000);
  CHECK(plain.db == 3);
  CHECK_FALSE(plain.is_tls);
  CHECK(parse_redis_url("rediss://cache/").value().is_tls);
  CHECK(parse_redis_url("redis://cache").value().endpoint.port == 6379);
  CHECK(parse_redis_url("redis://[::1]:6380").value().endpoint.host == "::1");
  CHECK(parse_redis_url("redis://[::1]").value().endpoint.port == 6379);
  for (auto bad : {"", "http://x", "redis://", "redis://:1", "redis://x:0", "redis://x:65536", "redis://x:y",
                   "redis://x/a", "redis://[::1", "redis://[::1]x", "redis://x:", "redis://x/-1"}) {
    INFO(bad);
    const auto result = parse_redis_url(bad);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().text.find("redis.url") != std::string::npos);
  }
  CHECK(parse_redis_url("redis://u:secret@x").error().text.find("redis.password_file") != std::string::npos);
  CHECK(parse_redis_url("redis://u:secret@x").error().text.find("secret@") == std::string::npos);
}

TEST_CASE("replies of every type arrive as they were sent", "[redis]") {
  RedisServer server;
  Client client(server);
  CHECK(client.call({"SET", "k", std::string_view("a\0\r\nb", 5)})->type == Reply::Type::status);
  CHECK(client.call({"GET", "k"})->text == std::string("a\0\r\nb", 5));
  CHECK(client.call({"GET", "none"})->type == Reply::Type::nil);
  CHECK(client.call({"INCRBY", "n", "-7"})->integer == -7);
  CHECK(client.call({"SET", "empty", ""}).ok());
  CHECK(client.call({"GET", "empty"})->type == Reply::Type::text);
  const auto nested = client.call({"EVAL", "return {1, {'a', {2, {}}}, false}", "0"});
  REQUIRE(nested.ok());
  REQUIRE(nested->elements.size() == 3);
  CHECK(nested->elements[0].integer == 1);
  REQUIRE(nested->elements[1].elements.size() == 2);
  CHECK(nested->elements[1].elements[0].text == "a");
  CHECK(nested->elements[1].elements[1].elements[0].integer == 2);
  CHECK(nested->elements[1].elements[1].elements[1].type == Reply::Type::array);
  CHECK(nested->elements[2].type == Reply::Type::nil);
  const std::string large(3'000'000, 'x');
  CHECK(client.call({"ECHO", large})->text == large);
}

TEST_CASE("an error reply is an error with the server's text", "[redis]") {
  RedisServer server;
  Client client(server);
  const auto wrong = client.call({"NONSENSE"});
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().code == ErrorCode::invalid);
  CHECK(wrong.error().text.find("unknown command") != std::string::npos);
  const auto moved = client.call({"EVAL", "return redis.error_reply('MOVED 3999 127.0.0.1:6381')", "0"});
  CHECK(moved.error().text == "MOVED 3999 127.0.0.1:6381");
  const auto loading = client.call({"EVAL", "return redis.error_reply('LOADING wait')", "0"});
  CHECK(loading.error().code == ErrorCode::unavailable);
  CHECK(client.call({"EVAL", "return redis.error_reply('OOM no')", "0"}).error().code == ErrorCode::limit);
  CHECK(client.client->is_up());
}

TEST_CASE("calls in one batch are answered in order", "[redis]") {
  RedisServer server;
  Client client(server);
  std::vector<int64_t> got;
  client.client->begin_batch();
  for (int i = 0; i < 1000; i++)
    client.client->call({"INCR", "n"}, [&](Result<Reply> reply) { got.push_back(reply->integer); });
  client.client->end_batch();
  run_until(client.loop, [&] { return got.size() == 1000; });
  CHECK(std::is_sorted(got.begin(), got.end()));
}

TEST_CASE("a call made from a callback is answered too", "[redis]") {
  RedisServer server;
  Client client(server);
  int depth = 0;
  std::function<void(Result<Reply>)> again = [&](const Result<Reply>& reply) {
    REQUIRE(reply.ok());
    if (++depth < 20) client.client->call({"PING"}, again);
  };
  client.client->call({"PING"}, again);
  run_until(client.loop, [&] { return depth == 20; });
}

TEST_CASE("user, password and database are used", "[redis]") {
  RedisServer server({"--requirepass", "correct horse"});
  RedisOptions options = Client::at(server);
  options.password = Secret("correct horse");
  options.url += "/5";
  Client client(options);
  run_until(client.loop, [&] { return client.client->is_up(); });
  CHECK(client.call({"CLIENT", "INFO"})->text.find(" db=5 ") != std::string::npos);
  CHECK(client.call({"ACL", "SETUSER", "signet", "on", ">other", "+ping", "+acl|whoami"}).ok());
  options.url = server.url();
  options.user = "signet";
  options.password = Secret("other");
  Client named(options);
  run_until(named.loop, [&] { return named.client->is_up(); });
  CHECK(named.call({"ACL", "WHOAMI"})->text == "signet");
  CHECK(named.call({"GET", "x"}).error().code == ErrorCode::forbidden);
}

TEST_CASE("a refused password says which key to correct", "[redis]") {
  RedisServer server({"--requirepass", "correct horse"});
  RedisOptions options = Client::at(server);
  SECTION("when none was given") {
    const Error error = Client(options).first_loss();
    CHECK(error.code == ErrorCode::forbidden);
    CHECK(error.text.find("name the file that holds it in redis.password_file") != std::string::npos);
  }
  SECTION("when it is wrong") {
    options.password = Secret("battery");
    const Error error = Client(options).first_loss();
    CHECK(error.code == ErrorCode::forbidden);
    CHECK(error.text.find("the file named by redis.password_file") != std::string::npos);
    CHECK(error.text.find("battery") == std::string::npos);
  }
}

TEST_CASE("a database that is not there says so", "[redis]") {
  RedisServer server;
  RedisOptions options = Client::at(server);
  options.url += "/99";
  CHECK(Client(options).first_loss().text.find("database of redis.url") != std::string::npos);
}

TEST_CASE("rediss:// is TLS, and a foreign certificate is refused", "[redis]") {
  const int tls_port = Listening().port;
  RedisServer server({"--tls-port", std::to_string(tls_port), "--tls-auth-clients", "no", "--tls-cert-file",
                      certificates().certificate(), "--tls-key-file", certificates().key()});
  RedisOptions options;
  options.url = "rediss://localhost:" + std::to_string(tls_port) + "/2";
  SECTION("with the right authority") {
    options.tls = TlsContext::client(certificates().certificate()).value();
    Client client(options);
    run_until(client.loop, [&] { return client.client->is_up(); });
    const std::string large(300'000, 'x');
    CHECK(client.call({"ECHO", large})->text == large);
    server.kill9();
    server.start();
    run_until(client.loop, [&] { return client.ups == 2; });
  }
  SECTION("with the system's authorities") {
    options.tls = TlsContext::client().value();
    CHECK(Client(options).first_loss().text.find("certificate") != std::string::npos);
  }
}

TEST_CASE("a server that sends rubbish is left", "[redis]") {
  const std::string text = GENERATE(as<std::string>{}, "HTTP/1.1 400 Bad Request\r\n\r\n", "$-5\r\n", "*2000000\r\n",
                                    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
                                    "*2147483647\r\n", "$99999999999999999999\r\n", ":12x\r\n", "+OK\r\n+MORE\r\n");
  INFO(text);
  Listening listening;
  Client client(listening.options());
  run_for(client.loop, 5);
  listening.say_to_next(text);
  const Error error = client.first_loss();
  INFO(error.text);
  if (text[0] != '+') CHECK(error.code == ErrorCode::corrupt);
  CHECK(error.text.find("redis at 127.0.0.1") == 0);
}

TEST_CASE("a peer that accepts and never answers times out", "[redis]") {
  Listening listening;
  RedisOptions options = listening.options();
  options.call_timeout_ms = 50;
  CHECK(Client(options).first_loss().code == ErrorCode::timeout);
}

TEST_CASE("nobody listening is unavailable, and the client keeps trying", "[redis]") {
  RedisServer server;
  server.kill9();
  Client client(Client::at(server));
  run_until(client.loop, [&] { return client.downs.size() >= 3; });
  CHECK(client.downs[0].code == ErrorCode::unavailable);
  CHECK(client.call({"PING"}).error().code == ErrorCode::unavailable);
  server.start();
  run_until(client.loop, [&] { return client.client->is_up(); });
  CHECK(client.call({"PING"})->text == "PONG");
}

TEST_CASE("pending calls end with unavailable when the server dies", "[redis]") {
  RedisServer server;
  Client client(server);
  server.freeze();
  std::vector<ErrorCode> codes;
  for (int i = 0; i < 10; i++)
    client.client->call({"PING"}, 60000, [&](Result<Reply> reply) { codes.push_back(reply.error().code); });
  run_for(client.loop, 20);
  CHECK(codes.empty());
  server.kill9();
  run_until(client.loop, [&] { return codes.size() == 10; });
  CHECK(std::count(codes.begin(), codes.end(), ErrorCode::unavailable) == 10);
}

TEST_CASE("the client reconnects after the server was killed", "[redis]") {
  RedisServer server;
  Client client(server);
  for (int round = 0; round < 3; round++) {
    server.kill9();
    run_until(client.loop, [&] { return !client.client->is_up(); });
    server.start();
    run_until(client.loop, [&] { return client.client->is_up(); });
    CHECK(client.call({"PING"})->text == "PONG");
  }
  CHECK(client.ups == 4);
}

TEST_CASE("a call that times out closes the connection and says so", "[redis]") {
  RedisServer server;
  Client client(server);
  server.freeze();
  std::vector<std::string> ended;
  const auto note = [&](const std::string& which) {
    return [&ended, which](const Result<Reply>& reply) {
      ended.push_back(which + (reply.error().code == ErrorCode::timeout ? " timeout" : " unavailable"));
    };
  };
  client.client->call({"PING"}, 60000, note("long"));
  client.client->call({"PING"}, 30, note("short"));
  run_until(client.loop, [&] { return ended.size() == 2; });
  CHECK(ended == std::vector<std::string>{"short timeout", "long unavailable"});
  server.thaw();
  run_until(client.loop, [&] { return client.client->is_up(); });
  CHECK(client.call({"ECHO", "new"})->text == "new");
}

TEST_CASE("calls in flight are bounded", "[redis]") {
  RedisServer server;
  RedisOptions options = Client::at(server);
  options.in_flight_max = 3;
  Client client(options);
  run_until(client.loop, [&] { return client.client->is_up(); });
  int answered = 0, refused = 0;
  for (int i = 0; i < 5; i++)
    client.client->call({"PING"}, [&](const Result<Reply>& reply) {
      answered++;
      if (!reply && reply.error().code == ErrorCode::limit) refused++;
    });
  run_until(client.loop, [&] { return answered == 5; });
  CHECK(refused == 2);
}

TEST_CASE("a server that became a replica is left, so that the primary is found", "[redis]") {
  RedisServer server;
  Client client(server);
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  CHECK(client.call({"SET", "a", "b"}).error().code == ErrorCode::unavailable);
  CHECK(client.downs.size() == 1);
  server.command({"REPLICAOF", "NO", "ONE"});
  run_until(client.loop, [&] { return client.client->is_up(); });
  CHECK(client.call({"SET", "a", "b"}).ok());
}

TEST_CASE("a subscriber hears what is published, also after the server came back", "[redis]") {
  RedisServer server;
  RedisOptions options = Client::at(server);
  options.subscribe = {"sg:bell", "other"};
  Client client(options);
  for (size_t round = 1; round <= 2; round++) {
    run_until(client.loop, [&] { return client.client->is_up(); });
    run_until(client.loop, [&] { return server.command({"PUBLISH", "sg:bell", "7"}) == "1"; });
    run_until(client.loop, [&] { return client.messages.size() == round; });
    CHECK(client.messages.back() == "sg:bell=7");
    server.kill9();
    run_until(client.loop, [&] { return !client.client->is_up(); });
    server.start();
  }
}

TEST_CASE("a subscriber leaves a peer that fell silent", "[redis]") {
  RedisServer server;
  RedisOptions options = Client::at(server);
  options.subscribe = {"sg:bell"};
  options.ping_ms = 20;
  Client client(options);
  run_until(client.loop, [&] { return client.client->is_up(); });
  run_for(client.loop, 100);
  CHECK(client.downs.empty());
  server.freeze();
  CHECK(client.first_loss().code == ErrorCode::timeout);
  server.thaw();
}

TEST_CASE("a client may go while calls are pending", "[redis]") {
  RedisServer server;
  Client client(server);
  bool was_called = false;
  client.client->call({"PING"}, [&](const Result<Reply>&) { was_called = true; });
  server.kill9();
  client.client.reset();
  run_for(client.loop, 20);
  CHECK_FALSE(was_called);
}

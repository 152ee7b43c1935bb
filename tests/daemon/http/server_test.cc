#include "daemon/http/server.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <nlohmann/json.hpp>

#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/http/running_loop.h"
#include "tests/daemon/http/test_certificate.h"

using namespace signet;
using namespace signet::http;
using signet::test::RawClient;
using signet::test::RunningLoop;
using signet::test::SilentLog;
using Json = nlohmann::json;

namespace {

// A handler thread waits here until the test lets it go on.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return is_open_; });
  }
  void wait_for(int waiting) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return waiting_ >= waiting; }))
      throw std::runtime_error("no handler came to the gate");
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
  int waiting_ = 0;
};

struct Fixture {
  explicit Fixture(std::function<void(ListenerOptions&)> change = {}, size_t threads = 2, size_t queue = 16)
      : pool(std::make_unique<ThreadPool>(threads, queue)) {
    port = running.on_loop([&] {
      server = std::make_unique<Server>(running.loop(), pool.get(), clock, ids, log);
      ListenerOptions options;
      options.name = "test";
      options.handler = [this](Request request, Reply reply) { handle(std::move(request), std::move(reply)); };
      options.limits.header_bytes = 1024;
      options.limits.body_bytes = 4096;
      if (change) change(options);
      const auto bound = server->listen({"127.0.0.1", 0}, std::move(options));
      REQUIRE(bound);
      return *bound;
    });
  }
  ~Fixture() {
    gate.open();
    pool.reset();
    running.on_loop([&] {
      kept.clear();
      server.reset();
    });
  }

  void handle(Request request, Reply reply) {
    if (request.path == "/gate") gate.pass();
    if (request.path == "/throw") throw std::runtime_error("quotes the body");
    if (request.path == "/drop") return;
    if (request.path == "/keep") return running.loop().post([this, reply] { kept.push_back(reply); });
    if (request.path == "/big") return reply(text(200, std::string(300000, request.query("c").value_or("x")[0])));
    if (request.path == "/file") {
      Response response;
      response.content_type = "text/csv";
      response.long_body = long_body;
      return reply(std::move(response));
    }
    if (request.path == "/empty") return reply(Response{204, {}, "", "", false, Response::Delivery::answer});
    if (request.path == "/headers")
      return reply(Response{200,
                            {{"X-Odd", "a\r\nX-Smuggled: b"}, {"Cache-Control", "max-age=60"}},
                            "hi",
                            "text/html",
                            false,
                            Response::Delivery::answer});
    if (request.path == "/reset" || request.path == "/hang") {
      Response broken;
      broken.delivery = request.path == "/reset" ? Response::Delivery::reset : Response::Delivery::hang;
      return reply(std::move(broken));
    }
    Json out{{"method", request.method}, {"path", request.path},         {"body", request.body},
             {"id", request.request_id}, {"peer", request.peer_address}, {"listener", request.listener}};
    reply(http::json(200, out.dump()));
    reply(http::json(500, "a second answer is dropped"));
  }
  size_t connections() {
    return running.on_loop([&] { return server->connections(); });
  }
  void wait_for_connections(size_t count) {
    while (connections() != count) std::this_thread::yield();
  }

  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  SilentLog log;
  RunningLoop running;
  Gate gate;
  std::vector<Reply> kept;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Server> server;
  int port = 0;
  std::shared_ptr<LongBody> long_body;
};

// `size` octets are promised, `there` are there.
class Alphabet : public LongBody {
 public:
  Alphabet(int64_t size, int64_t there) : size_(size), left_(there) {}
  static char at(int64_t i) { return static_cast<char>('a' + i % 26); }
  int64_t size() const override { return size_; }
  Result<std::string> read(size_t most) override {
    std::string out;
    for (; out.size() < most && left_ > 0; left_--) out += at(next_++);
    most_asked = std::max(most_asked, most);
    return out;
  }
  size_t most_asked = 0;

 private:
  const int64_t size_;
  int64_t left_, next_ = 0;
};

std::string get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

}  // namespace

TEST_CASE("a request is answered with what every answer carries, and the connection is used again") {
  Fixture f;
  RawClient client(f.port);
  for (int i = 0; i < 3; ++i) {
    client.send("POST /a%20b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    const auto response = client.read_response();
    REQUIRE(response);
    CHECK(response->status == 200);
    const Json body = Json::parse(response->body);
    CHECK(body["method"] == "POST");
    CHECK(body["path"] == "/a b");
    CHECK(body["body"] == "hi");
    CHECK(body["peer"] == "127.0.0.1");
    CHECK(body["listener"] == "test");
    CHECK(response->header("content-type") == "application/json");
    CHECK(response->header("cache-control") == "no-store");
    CHECK(response->header("x-content-type-options") == "nosniff");
    CHECK(response->header("x-request-id") == body["id"]);
    CHECK(response->header("x-request-id").size() == 36);
    CHECK(response->header("date").substr(25) == " GMT");
    CHECK(response->header("connection").empty());
    CHECK(response->header("strict-transport-security").empty());
  }
  CHECK(f.connections() == 1);
}

TEST_CASE("a body longer than memory is for leaves piece by piece, and the connection is used again") {
  constexpr int64_t kSize = 5'000'003;
  Fixture f;
  const auto body = std::make_shared<Alphabet>(kSize, kSize);
  f.long_body = body;
  RawClient client(f.port);
  client.send(get("/file") + get("/after"));
  const auto response = client.read_response();
  REQUIRE(response);
  CHECK(response->header("content-length") == "5000003");
  REQUIRE(response->body.size() == static_cast<size_t>(kSize));
  bool is_right = true;
  for (int64_t i = 0; i < kSize; i++) is_right = is_right && response->body[static_cast<size_t>(i)] == Alphabet::at(i);
  CHECK(is_right);
  CHECK(body->most_asked <= 1 << 17);
  CHECK(client.read_response()->status == 200);
}

TEST_CASE("a long body that ends early is a broken connection, and no whole answer") {
  Fixture f;
  f.long_body = std::make_shared<Alphabet>(1'000'000, 400'000);
  RawClient client(f.port);
  client.send(get("/file"));
  CHECK_FALSE(client.read_response());
  f.wait_for_connections(0);
}

TEST_CASE("a client that leaves in the middle of a long body takes its connection with it") {
  Fixture f;
  f.long_body = std::make_shared<Alphabet>(50'000'000, 50'000'000);
  RawClient client(f.port);
  client.send(get("/file"));
  CHECK(client.read_octets(1000));
  client.close();
  f.wait_for_connections(0);
}

TEST_CASE("the client's request id is taken over") {
  Fixture f;
  RawClient client(f.port);
  client.send(get("/", "X-Request-Id: mine-1\r\n") + get("/", "X-Request-Id: not mine\r\n"));
  CHECK(client.read_response()->header("x-request-id") == "mine-1");
  CHECK(client.read_response()->header("x-request-id").size() == 36);
}

TEST_CASE("what is refused is told why, and the connection ends") {
  const std::vector<std::pair<std::string, int>> hostile{
      {"GET / HTTP/1.1\nHost: h\n\n", 400},
      {get("/", "A : b\r\n"), 400},
      {get("/", "A: b\rC: d\r\n"), 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +2\r\n\r\nhi", 400},
      {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {get("/", "A: " + std::string(4000, 'a') + "\r\n"), 431},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'a'), 413},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n" + std::string(0x2000, 'a'), 413},
  };
  Fixture f;
  for (const auto& [octets, status] : hostile) {
    INFO(octets);
    RawClient client(f.port);
    client.send(octets + get("/after"));
    const auto response = client.read_response();
    REQUIRE(response);
    CHECK(response->status == status);
    CHECK(response->header("connection") == "close");
    CHECK(response->header("content-type") == "application/problem+json");
    CHECK(response->header("x-request-id").size() == 36);
    CHECK_FALSE(Json::parse(response->body)["detail"].get<std::string>().empty());
    CHECK(client.read_all().empty());
    CHECK_FALSE(client.was_reset());
  }
}

TEST_CASE("a request that comes octet by octet is answered the same") {
  Fixture f;
  RawClient client(f.port);
  const std::string chunked = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char c : get("/slow") + chunked + "1\r\na\r\n0\r\n\r\n") client.send(std::string_view(&c, 1));
  CHECK(Json::parse(client.read_response()->body)["path"] == "/slow");
  CHECK(Json::parse(client.read_response()->body)["body"] == "a");
}

TEST_CASE("pipelined requests are answered in order, though the client reads late") {
  Fixture f;
  RawClient client(f.port);
  std::string all;
  for (char c = 'a'; c <= 'z'; ++c) all += get(std::string("/big?c=") + c);
  client.send(all);
  for (char c = 'a'; c <= 'z'; ++c) {
    const auto response = client.read_response();
    REQUIRE(response);
    REQUIRE(response->body == std::string(300000, c));
  }
}

TEST_CASE("more pipelined than is buffered is still answered") {
  Fixture f;
  RawClient client(f.port);
  const std::string one = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n" + std::string(3000, 'b');
  client.send(get("/gate"));
  std::thread sender([&] {
    for (int i = 0; i < 200; ++i) client.send(one);
  });
  f.gate.wait_for(1);
  f.gate.open();
  CHECK(client.read_response()->status == 200);
  for (int i = 0; i < 200; ++i)
    REQUIRE(Json::parse(client.read_response()->body)["body"].get<std::string>().size() == 3000);
  sender.join();
}

TEST_CASE("HEAD is answered without the body, with its length") {
  Fixture f;
  RawClient client(f.port);
  client.send("HEAD /big HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(client.read_response(false)->header("content-length") == "300000");
  client.send(get("/empty"));
  const auto empty = client.read_response();
  CHECK(empty->status == 204);
  CHECK(empty->header("content-length").empty());
}

TEST_CASE("a handler's headers cannot break out of their line, and its Cache-Control wins") {
  Fixture f;
  RawClient client(f.port);
  client.send(get("/headers"));
  const auto response = client.read_response();
  CHECK(response->header("x-odd") == "a  X-Smuggled: b");
  CHECK(response->header("x-smuggled").empty());
  CHECK(response->header("cache-control") == "max-age=60");
}

TEST_CASE("Connection: close and HTTP/1.0 are honoured") {
  Fixture f;
  {
    RawClient client(f.port);
    client.send(get("/", "Connection: close\r\n"));
    CHECK(client.read_response()->header("connection") == "close");
    CHECK(client.read_all().empty());
  }
  {
    RawClient client(f.port);
    client.send("GET / HTTP/1.0\r\n\r\n");
    CHECK(client.read_response()->header("connection") == "close");
    CHECK(client.read_all().empty());
  }
  RawClient client(f.port);
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(client.read_response()->header("connection") == "keep-alive");
  client.send(get("/"));
  CHECK(client.read_response()->status == 200);
}

TEST_CASE("100 Continue is sent when the client waits for it") {
  Fixture f;
  RawClient client(f.port);
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  CHECK(Json::parse(client.read_response()->body)["body"] == "hi");
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.read_response()->status == 413);
}

TEST_CASE("a handler that throws, forgets or answers twice gives one answer") {
  Fixture f;
  RawClient client(f.port);
  for (const char* path : {"/throw", "/drop"}) {
    client.send(get(path));
    const auto response = client.read_response();
    REQUIRE(response);
    CHECK(response->status == 500);
    CHECK(response->body.find("quotes") == std::string::npos);
    CHECK(Json::parse(response->body)["requestId"] == response->header("x-request-id"));
  }
  client.send(get("/"));
  CHECK(client.read_response()->status == 200);
}

TEST_CASE("a request that does not arrive in time is answered 408, an idle connection closed") {
  Fixture f([](ListenerOptions& o) {
    o.limits.request_ms = 60;
    o.limits.idle_ms = 60;
  });
  RawClient slow_header(f.port);
  slow_header.send("GET / HTTP/1.1\r\nHo");
  RawClient slow_body(f.port);
  slow_body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  RawClient idle(f.port);
  CHECK(slow_header.read_response()->status == 408);
  CHECK(slow_header.read_all().empty());
  CHECK(slow_body.read_response()->status == 408);
  CHECK(slow_body.read_all().empty());
  CHECK(idle.read_all().empty());
  CHECK_FALSE(idle.was_reset());
}

TEST_CASE("a client that trickles cannot prolong its request") {
  Fixture f([](ListenerOptions& o) {
    o.limits.request_ms = 60;
    o.limits.header_bytes = 100 << 20;
  });
  RawClient client(f.port);
  client.send("GET / HTTP/1.1\r\nA: ");
  std::atomic<bool> is_over = false;
  std::thread trickle([&] {
    while (!is_over && client.send("a")) std::this_thread::yield();
  });
  const auto response = client.read_response();
  is_over = true;
  trickle.join();
  CHECK(response->status == 408);
}

TEST_CASE("a full pool answers 503 at once") {
  Fixture f({}, 1, 1);
  RawClient running(f.port), queued(f.port), refused(f.port);
  running.send(get("/gate"));
  f.gate.wait_for(1);
  queued.send(get("/queued"));
  while (f.pool->queued() != 1) std::this_thread::yield();
  refused.send(get("/refused"));
  const auto response = refused.read_response();
  CHECK(response->status == 503);
  CHECK(response->header("retry-after") == "1");
  f.gate.open();
  CHECK(running.read_response()->status == 200);
  CHECK(queued.read_response()->status == 200);
  refused.send(get("/again"));
  CHECK(refused.read_response()->status == 200);
}

TEST_CASE("connections beyond the limit are told so") {
  Fixture f([](ListenerOptions& o) { o.limits.connections = 2; });
  RawClient a(f.port), b(f.port);
  a.send(get("/"));
  b.send(get("/"));
  CHECK(a.read_response()->status == 200);
  CHECK(b.read_response()->status == 200);
  {
    RawClient c(f.port);
    CHECK(c.read_response()->status == 503);
  }
  a.close();
  f.wait_for_connections(1);
  RawClient d(f.port);
  d.send(get("/"));
  CHECK(d.read_response()->status == 200);
}

TEST_CASE("a client that left before its answer harms nobody") {
  Fixture f;
  RawClient client(f.port);
  client.send(get("/gate"));
  f.gate.wait_for(1);
  client.close();
  f.wait_for_connections(0);
  f.gate.open();
  RawClient next(f.port);
  next.send(get("/"));
  CHECK(next.read_response()->status == 200);
}

TEST_CASE("the sandbox's ways of not answering") {
  Fixture f;
  RawClient reset(f.port), hung(f.port);
  reset.send(get("/reset"));
  CHECK(reset.read_all().empty());
  CHECK(reset.was_reset());
  hung.send(get("/hang") + get("/"));
  f.wait_for_connections(1);
  hung.close();
  f.wait_for_connections(0);
}

TEST_CASE("a graceful stop answers what is in progress and closes what is idle") {
  Fixture f;
  RawClient busy(f.port), idle(f.port), partial(f.port);
  idle.send(get("/"));
  CHECK(idle.read_response()->status == 200);
  partial.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  CHECK(partial.read_until("\r\n\r\n"));
  busy.send(get("/gate") + get("/never"));
  f.gate.wait_for(1);
  std::promise<void> done;
  f.running.on_loop([&] { f.server->stop(10000, [&] { done.set_value(); }); });
  CHECK(idle.read_all().empty());
  CHECK_THROWS(RawClient(f.port));
  partial.send("hi");
  const auto last = partial.read_response();
  CHECK(last->status == 200);
  CHECK(last->header("connection") == "close");
  CHECK(partial.read_all().empty());
  f.gate.open();
  const auto response = busy.read_response();
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->header("connection") == "close");
  CHECK(busy.read_all().empty());
  done.get_future().get();
  CHECK(f.connections() == 0);
}

TEST_CASE("a stop's deadline ends what does not end") {
  Fixture f;
  RawClient client(f.port);
  client.send(get("/keep"));
  while (f.running.on_loop([&] { return f.kept.empty(); })) std::this_thread::yield();
  std::promise<void> done;
  f.running.on_loop([&] {
    f.server->stop(30, [&] {
      f.server.reset();
      done.set_value();
    });
  });
  CHECK(client.read_all().empty());
  done.get_future().get();
  f.running.on_loop([&] { f.kept[0](text(200, "too late")); });
}

TEST_CASE("stopping an idle server is done at once") {
  Fixture f;
  std::promise<void> done;
  f.running.on_loop([&] { f.server->stop(10000, [&] { done.set_value(); }); });
  done.get_future().get();
}

TEST_CASE("an inline handler runs on the loop and may answer at once or later") {
  std::thread::id seen;
  Fixture f([&](ListenerOptions& o) {
    o.inline_handler = true;
    o.handler = [&seen, handler = o.handler](Request request, Reply reply) {
      seen = std::this_thread::get_id();
      handler(std::move(request), std::move(reply));
    };
  });
  RawClient client(f.port);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += get("/" + std::to_string(i));
  client.send(many);
  for (int i = 0; i < 1000; ++i) REQUIRE(Json::parse(client.read_response()->body)["path"] == "/" + std::to_string(i));
  CHECK(seen == f.running.on_loop([] { return std::this_thread::get_id(); }));
  client.send(get("/keep") + get("/next"));
  while (f.running.on_loop([&] { return f.kept.empty(); })) std::this_thread::yield();
  f.running.on_loop([&] { f.kept[0](text(200, "late")); });
  CHECK(client.read_response()->body == "late");
  CHECK(Json::parse(client.read_response()->body)["path"] == "/next");
}

TEST_CASE("a listener speaks TLS, and then sends Strict-Transport-Security") {
  const signet::test::TestCertificate certificate;
  auto tls = TlsContext::server(certificate.certificate_file(), certificate.key_file());
  REQUIRE(tls);
  Fixture f([&](ListenerOptions& o) { o.tls = *tls; });
  std::string received;
  std::promise<void> closed;
  std::unique_ptr<Stream> stream;
  f.running.on_loop([&] {
    StreamOptions options;
    options.tls = TlsContext::client("", false).value();
    options.tls_host = "localhost";
    Stream::Handlers handlers;
    handlers.on_open = [&] { stream->write(get("/one") + get("/big", "Connection: close\r\n")); };
    handlers.on_data = [&](std::string_view octets) { received += octets; };
    handlers.on_close = [&](const Error& error) {
      CHECK(error.text == "closed by peer");
      closed.set_value();
    };
    stream = Stream::connect(f.running.loop(), {"127.0.0.1", f.port}, options, std::move(handlers));
  });
  closed.get_future().get();
  f.running.on_loop([&] { stream.reset(); });
  CHECK(received.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(received.find("\r\nStrict-Transport-Security: max-age=31536000\r\n") != std::string::npos);
  CHECK(received.ends_with(std::string(300000, 'x')));
  RawClient clear(f.port);
  clear.send(get("/"));
  CHECK(clear.read_all().find("HTTP") == std::string::npos);
}

TEST_CASE("X-Forwarded-For is read when the peer is trusted") {
  Fixture f([](ListenerOptions& o) { o.trusted_proxies = {"127.0.0.0/8"}; });
  RawClient client(f.port);
  client.send(get("/", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.5\r\n"));
  CHECK(Json::parse(client.read_response()->body)["peer"] == "203.0.113.5");
}

TEST_CASE("a listener can be taken over from systemd") {
  Fixture f;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  REQUIRE(listen(fd, 16) == 0);
  const int port = f.running.on_loop([&] {
    ListenerOptions options;
    options.name = "adopted";
    options.handler = [](Request request, Reply reply) { reply(text(200, request.listener)); };
    const auto adopted = f.server->adopt(fd, std::move(options));
    REQUIRE(adopted);
    return *adopted;
  });
  RawClient client(port);
  client.send(get("/"));
  CHECK(client.read_response()->body == "adopted");
}

TEST_CASE("faults in a listener's options are told") {
  Fixture f;
  f.running.on_loop([&] {
    ListenerOptions options;
    options.handler = [](Request, Reply) {};
    options.trusted_proxies = {"proxy.example"};
    const auto bad_proxy = f.server->listen({"127.0.0.1", 0}, options);
    REQUIRE_FALSE(bad_proxy);
    CHECK(bad_proxy.error().code == ErrorCode::invalid);
    options.trusted_proxies.clear();
    CHECK_FALSE(f.server->listen({"127.0.0.1", f.port}, options));
  });
}

#include <catch2/catch.hpp>
#include <cstdlib>

#include "providers/curl_transport.h"
#include "providers/host_cache.h"
#include "tests/providers/scripted_server.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

using testing::HttpServer;
using testing::run_until;
using testing::ScriptedServer;

class PlainProvider : public Provider {  // 2xx is accepted, 429 throttled, all else refused
 public:
  explicit PlainProvider(std::string url) : url_(std::move(url)) {}
  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind) const override { return true; }
  bool has_echo() const override { return false; }
  bool has_receipts() const override { return false; }
  HttpRequest build(const Outbound& message) const override {
    return {"POST", url_, {{"X-Attempt", message.echo()}}, message.body.reveal()};
  }
  Outcome parse(const HttpReply& reply) const override {
    Outcome outcome;
    outcome.kind = reply.status / 100 == 2 ? OutcomeKind::accepted
                   : reply.status == 429   ? OutcomeKind::retryable
                                           : OutcomeKind::permanent;
    outcome.reason = outcome.kind == OutcomeKind::accepted ? "" : "refused";
    outcome.status_code = reply.status;
    outcome.provider_reference = reply.body.substr(0, 64);
    for (auto& [name, value] : reply.headers) outcome.provider_code += name + "=" + value + ";";
    return outcome;
  }

 private:
  std::string url_;
};

struct Bench {
  explicit Bench(const std::string& url, TransportOptions options = {}, const Clock* other = nullptr,
                 ProviderSettings settings = {}) {
    settings.name = "p";
    transport = make_curl_transport(loop_of(), other ? *other : clock, log, std::make_shared<PlainProvider>(url),
                                    settings, options);
  }
  static Loop*& current() {
    static Loop* loop = nullptr;
    return loop;
  }
  static Loop& loop_of() { return *current(); }

  void send(const std::string& body, Tick deadline = {INT64_MAX}) {
    auto message = testing::outbound();
    message.body = Phi<std::string>(body);
    started++;
    transport->send(message, deadline, [this](Outcome outcome) { outcomes.push_back(std::move(outcome)); });
  }
  void finish() {
    transport->round();
    run_until(loop_of(), [this] { return int(outcomes.size()) == started; });
    REQUIRE(int(outcomes.size()) == started);
  }
  Outcome once(const std::string& body = "hello", Tick deadline = {INT64_MAX}) {
    send(body, deadline);
    finish();
    return outcomes.back();
  }

  SystemClock clock;
  testing::TestLog log;
  int started = 0;
  std::vector<Outcome> outcomes;
  std::unique_ptr<Transport> transport;
};

struct OneLoop {  // a loop a test, before everything that lives on it
  OneLoop() { Bench::current() = &loop; }
  Loop loop;
};

int free_port(Loop& loop) {
  ScriptedServer server(loop);
  return server.port();
}

}  // namespace

TEST_CASE("a request goes out whole and its reply comes back with lower-case headers") {
  OneLoop one;
  HttpServer server(one.loop);
  std::string head, body;
  server.on_request = [&](const HttpServer::Request& request) {
    head = request.head;
    body = request.body;
    request.connection.stream->write(HttpServer::reply(201, "ref-1", "X-Message-ID:  Abc \r\nEmpty:\r\n"));
  };
  Bench bench(server.url());
  auto outcome = bench.once("text=%00&x");
  CHECK(outcome.kind == OutcomeKind::accepted);
  CHECK(outcome.has_begun);
  CHECK(outcome.provider_reference == "ref-1");
  CHECK(outcome.provider_code == "x-message-id=Abc;empty=;content-length=5;");
  CHECK(head.starts_with("POST /send HTTP/1.1\r\n"));
  CHECK(head.find("X-Attempt: " + testing::outbound().echo() + "\r\n") != std::string::npos);
  CHECK(head.find("Expect") == std::string::npos);
  CHECK(body == "text=%00&x");
}

TEST_CASE("I3 libcurl repeats a POST silently, and the guard stops it and calls it in doubt") {
  for (bool guard : {true, false}) {
    INFO("guard " << guard);
    OneLoop one;
    HttpServer server(one.loop);
    server.on_request = [&](const HttpServer::Request& request) {
      if (request.number == 2) return server.server.close(request.connection.number);  // read whole, no reply byte
      request.connection.stream->write(HttpServer::reply(201, "ok"));
    };
    TransportOptions options;
    options.guard_resend = guard;
    Bench bench(server.url(), options);
    CHECK(bench.once().kind == OutcomeKind::accepted);
    auto second = bench.once();
    if (guard) {
      CHECK(second.kind == OutcomeKind::in_doubt);
      CHECK(second.reason == "reset_after_send");
      CHECK(second.has_begun);
      CHECK(server.requests == 2);
      CHECK(server.server.accepted == 2);  // it had connected anew, and sent nothing there
      CHECK(bench.once().kind == OutcomeKind::accepted);
    } else {
      CHECK(second.kind == OutcomeKind::accepted);
      CHECK(server.requests == 3);  // one message, sent twice, and nobody told
    }
  }
}

TEST_CASE("a reused connection that is reset under the request leaves it in doubt") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [&](const HttpServer::Request& request) {
    if (request.number >= 2) return request.connection.stream->reset();
    request.connection.stream->write(HttpServer::reply(201, "ok"));
  };
  Bench bench(server.url());
  bench.once();
  CHECK(bench.once().kind == OutcomeKind::in_doubt);
  CHECK(server.requests == 2);
}

TEST_CASE("a refused connection is retryable") {
  OneLoop one;
  Bench bench("http://127.0.0.1:" + std::to_string(free_port(one.loop)) + "/");
  auto outcome = bench.once();
  CHECK(outcome.kind == OutcomeKind::retryable);
  CHECK(outcome.reason == "connect_refused");
  CHECK_FALSE(outcome.has_begun);
  CHECK(outcome.scope == FaultScope::provider);
  CHECK(outcome.status_code == 0);
  bench.once();
  CHECK(bench.log.lines.size() == 1);  // told once, until it changes
}

TEST_CASE("a name that does not resolve is retryable") {
  OneLoop one;
  Bench bench("http://no..such/");
  auto outcome = bench.once();
  CHECK(outcome.kind == OutcomeKind::retryable);
  CHECK(outcome.reason == "dns_failed");
}

TEST_CASE("a name is resolved once and used again") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(201, "ok"));
    server.server.close(request.connection.number);
  };
  Bench bench("http://localhost:" + std::to_string(server.server.port()) + "/");
  for (int i = 0; i < 3; i++) CHECK(bench.once().kind == OutcomeKind::accepted);
  CHECK(server.requests == 3);
}

TEST_CASE("a handshake that fails is retryable") {
  OneLoop one;
  ScriptedServer server(one.loop);
  server.on_data = [&](ScriptedServer::Connection& connection, std::string_view input) {
    connection.stream->write("I speak no TLS\r\n");
    return input.size();
  };
  Bench bench("https://127.0.0.1:" + std::to_string(server.port()) + "/");
  auto outcome = bench.once();
  CHECK(outcome.kind == OutcomeKind::retryable);
  CHECK(outcome.reason == "tls_failed");
}

TEST_CASE("TLS verifies the certificate and its name") {
  testing::Certificate certificate;
  for (std::string host : {"127.0.0.1", "localhost"})
    for (bool is_trusted : {true, false}) {
      INFO(host << " " << is_trusted);
      OneLoop one;
      HttpServer server(one.loop, certificate.server);
      server.on_request = [&](const HttpServer::Request& request) {
        request.connection.stream->write(HttpServer::reply(201, "ok"));
      };
      ProviderSettings settings;
      if (is_trusted) settings.values["ca_file"] = certificate.file;
      Bench bench("https://" + host + ":" + std::to_string(server.server.port()) + "/", {}, nullptr, settings);
      for (int i = 0; i < 2; i++) {
        auto outcome = bench.once();
        bool is_good = is_trusted && host == "127.0.0.1";
        CHECK(name(outcome.kind) == (is_good ? "accepted" : "retryable"));
        CHECK(outcome.reason == (is_good ? "" : "tls_failed"));
      }
      CHECK(server.requests == (is_trusted && host == "127.0.0.1" ? 2 : 0));
    }
}

TEST_CASE("a kept connection that ended while idle is replaced without harm") {
  for (bool is_reset : {false, true}) {
    OneLoop one;
    HttpServer server(one.loop);
    std::vector<Stream*> open;
    server.on_request = [&](const HttpServer::Request& request) {
      open.push_back(request.connection.stream.get());
      request.connection.stream->write(HttpServer::reply(201, "ok"));
    };
    Bench bench(server.url());
    for (int i = 1; i <= 5; i++) {
      bench.send("a");
      bench.send("b");
      bench.finish();
      CHECK(server.requests == 2 * i);
      for (auto* stream : open)
        if (is_reset) stream->reset();
      open.clear();
      server.server.close_all();
      bool is_over = false;
      Timer some_rounds(one.loop);
      some_rounds.start(10, [&] { is_over = true; });
      run_until(one.loop, [&] { return is_over; });
    }
    for (auto& outcome : bench.outcomes) CHECK(outcome.kind == OutcomeKind::accepted);
  }
}

TEST_CASE("a reply that a reset follows at once is read, and the next send took no octet and is no doubt") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(201, "ok"));
    request.connection.stream->reset();
  };
  Bench bench(server.url());
  auto message = testing::outbound();
  std::vector<Outcome> outcomes;
  auto keep = [&](Outcome outcome) { outcomes.push_back(std::move(outcome)); };
  bench.transport->send(message, {INT64_MAX}, [&](Outcome first) {
    keep(first);
    bench.transport->send(message, {INT64_MAX}, keep);
    bench.transport->round();  // before the loop can see that the kept connection is gone
  });
  bench.transport->round();
  run_until(one.loop, [&] { return outcomes.size() == 2; });
  CHECK(outcomes[0].kind == OutcomeKind::accepted);
  CHECK(outcomes[1].kind == OutcomeKind::retryable);
  CHECK(outcomes[1].reason == "connection_lost");
  CHECK(server.requests == 1);
}

TEST_CASE("addresses are asked for anew after a minute and used up to ten") {
  Loop loop;
  testing::SetClock clock;
  HostCache hosts(loop, clock);
  CHECK(!hosts.find("localhost"));
  std::optional<Result<Addresses>> answer;
  hosts.ask("localhost", [&](const auto& a) { answer = a; });
  CHECK(!answer);
  run_until(loop, [&] { return answer.has_value(); });
  REQUIRE(answer->ok());
  CHECK(((*answer)->list.find("127.0.0.1") != std::string::npos || (*answer)->list.find("[::1]") != std::string::npos));
  REQUIRE(hosts.find("localhost"));
  clock.tick_.us += 601'000'000;
  CHECK(!hosts.find("localhost"));  // too old to use, and asked for in passing
  run_until(loop, [&] { return hosts.find("localhost") != nullptr; });
  clock.tick_.us += 61'000'000;
  CHECK(hosts.find("localhost"));
  CHECK(is_numeric_host("127.0.0.1"));
  CHECK(is_numeric_host("[::1]"));
  CHECK(!is_numeric_host("localhost"));
}

TEST_CASE("a provider that hangs is timed out and in doubt") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [](const HttpServer::Request&) {};
  TransportOptions options;
  options.request_timeout_ms = 150;
  Bench bench(server.url(), options);
  auto outcome = bench.once();
  CHECK(outcome.kind == OutcomeKind::in_doubt);
  CHECK(outcome.reason == "timed_out");
  CHECK(server.requests == 1);
}

TEST_CASE("a provider that never finishes the handshake is timed out and retryable") {
  OneLoop one;
  ScriptedServer server(one.loop);
  TransportOptions options;
  options.request_timeout_ms = 150;
  Bench bench("https://127.0.0.1:" + std::to_string(server.port()) + "/", options);
  auto outcome = bench.once();
  CHECK(outcome.kind == OutcomeKind::retryable);
  CHECK(outcome.reason == "connect_timed_out");
}

TEST_CASE("a reply that comes slowly, after 100 Continue, or in chunks is read whole") {
  OneLoop one;
  HttpServer server(one.loop);
  std::vector<std::unique_ptr<Timer>> timers;
  std::vector<std::string> pieces = {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20", "1 Created\r\nTransfer-Encoding: chu",
                                     "nked\r\nX: y\r\n\r\n3\r\nabc\r\n2\r", "\nde\r\n0\r\n\r", "\n"};
  server.on_request = [&](const HttpServer::Request& request) {
    auto* stream = request.connection.stream.get();
    for (size_t i = 0; i < pieces.size(); i++) {
      timers.push_back(std::make_unique<Timer>(one.loop));
      timers.back()->start(int64_t(10 * (i + 1)), [&, stream, i] { stream->write(pieces[i]); });
    }
  };
  Bench bench(server.url());
  auto outcome = bench.once();
  CHECK(outcome.kind == OutcomeKind::accepted);
  CHECK(outcome.provider_reference == "abcde");
  CHECK(outcome.provider_code == "transfer-encoding=chunked;x=y;");
}

TEST_CASE("I10 a deadline that has passed sends nothing") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(201, "ok"));
  };
  testing::SetClock clock;
  Bench bench(server.url(), {}, &clock);
  bench.send("a", {1000});
  bench.finish();
  CHECK(bench.outcomes.back().kind == OutcomeKind::accepted);  // the very last moment
  // On a connection that is open, and on one that is not.
  for (bool is_reused : {true, false}) {
    INFO(is_reused);
    if (!is_reused) server.server.close_all();
    bench.send("b", {clock.tick_.us + 5});
    clock.tick_.us += 6;  // after send() and before libcurl gets to write
    bench.finish();
    CHECK(bench.outcomes.back().kind == OutcomeKind::unsent);
    CHECK(bench.outcomes.back().reason == "permit_lapsed");
  }
  CHECK(server.requests == 1);
}

TEST_CASE("a reset or an end after accepting leaves the message in doubt") {
  for (bool is_reset : {true, false}) {
    OneLoop one;
    HttpServer server(one.loop);
    server.on_request = [&](const HttpServer::Request& request) {
      if (is_reset) return request.connection.stream->reset();
      server.server.close(request.connection.number);
    };
    Bench bench(server.url());
    auto outcome = bench.once();
    CHECK(outcome.kind == OutcomeKind::in_doubt);
    CHECK(outcome.reason == "reset_after_send");
    CHECK(server.requests == 1);
  }
}

TEST_CASE("a reply that is cut off proves a refusal but no success") {
  for (int status : {201, 429, 400}) {
    INFO(status);
    OneLoop one;
    HttpServer server(one.loop);
    server.on_request = [&](const HttpServer::Request& request) {
      request.connection.stream->write("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 50\r\n\r\nabc");
      request.connection.stream->finish();
    };
    Bench bench(server.url());
    auto outcome = bench.once();
    CHECK(outcome.status_code == status);
    CHECK(name(outcome.kind) == (status == 201 ? "in_doubt" : status == 429 ? "retryable" : "permanent"));
  }
}

TEST_CASE("rubbish instead of a reply leaves the message in doubt") {
  for (std::string rubbish : {"220 smtp.example ESMTP\r\n", "\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n"}) {
    INFO(rubbish);
    OneLoop one;
    HttpServer server(one.loop);
    server.on_request = [&](const HttpServer::Request& request) {
      request.connection.stream->write(rubbish);
      request.connection.stream->finish();
    };
    Bench bench(server.url());
    CHECK(bench.once().kind == OutcomeKind::in_doubt);
    CHECK(server.requests == 1);
  }
}

TEST_CASE("a reply that is too large is not read on") {
  OneLoop one;
  HttpServer server(one.loop);
  int status = 201;
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(status, std::string(100000, 'x')));
  };
  Bench bench(server.url());
  auto outcome = bench.once();
  CHECK(outcome.kind == OutcomeKind::in_doubt);
  CHECK(outcome.reason == "reply_too_large");
  status = 429;
  CHECK(bench.once().kind == OutcomeKind::retryable);
}

TEST_CASE("a redirect is an answer and not followed, and the environment's proxy is not asked") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(307, "", "Location: " + server.url("/elsewhere") + "\r\n"));
  };
  ::setenv("http_proxy", "http://127.0.0.1:9", 1);
  Bench bench(server.url());
  auto outcome = bench.once();
  ::unsetenv("http_proxy");
  CHECK(outcome.status_code == 307);
  CHECK(server.requests == 1);
}

TEST_CASE("a proxy that is set is used") {
  OneLoop one;
  HttpServer server(one.loop);
  std::string head;
  server.on_request = [&](const HttpServer::Request& request) {
    head = request.head;
    request.connection.stream->write(HttpServer::reply(201, "ok"));
  };
  ProviderSettings settings;
  settings.values["proxy"] = server.url("");
  Bench bench("http://provider.invalid/send", {}, nullptr, settings);
  CHECK(bench.once().kind == OutcomeKind::accepted);
  CHECK(head.starts_with("POST http://provider.invalid/send HTTP/1.1\r\n"));
}

TEST_CASE("five hundred sends over 64 in flight are each answered once") {
  OneLoop one;
  HttpServer server(one.loop);
  std::map<std::string, int> seen;
  server.on_request = [&](const HttpServer::Request& request) {
    seen[request.body]++;
    request.connection.stream->write(HttpServer::reply(201, request.body));
  };
  Bench bench(server.url());
  int answered = 0, most = 0, next = 0;
  std::vector<std::string> references(500);
  auto message = testing::outbound();
  auto pump = [&] {
    for (; next < 500 && bench.transport->has_room(); next++) {
      message.body = Phi<std::string>("m" + std::to_string(next));
      bench.transport->send(message, {INT64_MAX}, [&, n = size_t(next)](Outcome outcome) {
        answered++;
        CHECK(references[n].empty());
        references[n] = outcome.provider_reference;
      });
      most = std::max(most, next + 1 - answered);
    }
    bench.transport->round();
  };
  one.loop.on_round(pump);
  run_until(one.loop, [&] { return answered == 500; });
  one.loop.on_round({});
  CHECK(most == 64);
  CHECK(server.server.accepted <= 64);
  CHECK(server.requests == 500);
  for (int i = 0; i < 500; i++) {
    CHECK(references[size_t(i)] == "m" + std::to_string(i));
    CHECK(seen["m" + std::to_string(i)] == 1);
  }
}

TEST_CASE("a transport that goes takes its attempts along without a word") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [](const HttpServer::Request&) {};
  Bench bench(server.url());
  bench.send("a");
  bench.transport->round();
  run_until(one.loop, [&] { return server.requests == 1; });
  bench.send("b");  // not yet begun
  bench.transport.reset();
  Bench unresolved("http://localhost:1/");
  unresolved.send("c");
  unresolved.transport.reset();
  CHECK(bench.outcomes.empty());
  CHECK(unresolved.outcomes.empty());
}

TEST_CASE("the callback may send again or end the transport") {
  OneLoop one;
  HttpServer server(one.loop);
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(201, "ok"));
  };
  TransportOptions options;
  options.in_flight_max = 1;
  Bench bench(server.url(), options);
  int answered = 0;
  auto message = testing::outbound();
  bench.transport->send(message, {INT64_MAX}, [&](Outcome) {
    answered++;
    REQUIRE(bench.transport->has_room());
    bench.transport->send(message, {INT64_MAX}, [&](Outcome) {
      answered++;
      bench.transport.reset();
    });
    CHECK(!bench.transport->has_room());
  });
  run_until(one.loop, [&] { return answered == 2; });  // without round(): the timer carries it
  CHECK(!bench.transport);
}

}  // namespace signet

#include "providers/http_call.h"

#include <chrono>
#include <future>

#include "tests/providers/scripted_server.h"

using namespace signet;
using namespace signet::testing;

namespace {

// The call on a thread of its own, the server on this one.
Result<HttpReply> answer_of(Loop& loop, const HttpCall& call) {
  auto answer = std::async(std::launch::async, [&call] { return http_call(call); });
  run_until(loop, [&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  return answer.get();
}

HttpCall call_to(const std::string& url) {
  HttpCall call;
  call.url = url;
  return call;
}

}  // namespace

TEST_CASE("a call carries method, headers and body, and gives the whole answer") {
  Loop loop;
  HttpServer server(loop);
  std::string head, body;
  server.on_request = [&](const HttpServer::Request& request) {
    head = request.head, body = request.body;
    request.connection.stream->write(HttpServer::reply(409, "17\n", "Content-Type: text/x.tlog.size\r\n"));
  };
  HttpCall call = call_to(server.url("/add-checkpoint"));
  call.headers = {{"Content-Type", "text/plain"}};
  call.body = std::string("old 3\n\0x", 8);
  auto reply = answer_of(loop, call);
  REQUIRE(reply.ok());
  CHECK(reply->status == 409);
  CHECK(reply->body == "17\n");
  CHECK(reply->headers == std::vector<std::pair<std::string, std::string>>{{"content-type", "text/x.tlog.size"},
                                                                           {"content-length", "3"}});
  CHECK(head.starts_with("POST /add-checkpoint HTTP/1.1\r\n"));
  CHECK(head.find("Content-Type: text/plain\r\n") != std::string::npos);
  CHECK(body == call.body);

  call.method = "GET", call.body = "";
  REQUIRE(answer_of(loop, call).ok());
  CHECK(head.starts_with("GET /add-checkpoint HTTP/1.1\r\n"));
  CHECK(head.find("Content-Length") == std::string::npos);
}

TEST_CASE("a redirection is an answer and is not followed") {
  Loop loop;
  HttpServer server(loop);
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(302, "", "Location: /elsewhere\r\n"));
  };
  auto reply = answer_of(loop, call_to(server.url()));
  REQUIRE(reply.ok());
  CHECK(reply->status == 302);
  CHECK(server.requests == 1);
}

TEST_CASE("an answer that does not come in time, is too long, or cannot come says which it is") {
  Loop loop;
  HttpServer server(loop);
  std::string answer;
  server.on_request = [&](const HttpServer::Request& request) {
    if (!answer.empty()) request.connection.stream->write(answer);
  };
  HttpCall call = call_to(server.url("/secret-in-the-path"));
  call.timeout_ms = 50;
  auto late = answer_of(loop, call);
  REQUIRE(!late.ok());
  CHECK(late.error().code == ErrorCode::timeout);

  call.timeout_ms = 10000;
  answer = HttpServer::reply(200, std::string(kHttpReplyMax + 1, 'x'));
  auto full = answer_of(loop, call);
  REQUIRE(!full.ok());
  CHECK(full.error().code == ErrorCode::limit);
  answer = HttpServer::reply(200, std::string(kHttpReplyMax, 'x'));
  CHECK(answer_of(loop, call).ok());

  server.server.stop_listening();
  server.server.close_all();
  auto refused = http_call(call);
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == ErrorCode::unavailable);
  CHECK(refused.error().text.find("secret") == std::string::npos);

  auto other = http_call(call_to("file:///etc/passwd"));
  REQUIRE(!other.ok());
  CHECK(other.error().code == ErrorCode::invalid);
}

TEST_CASE("a server's certificate is verified") {
  Loop loop;
  Certificate certificate;
  HttpServer server(loop, certificate.server);
  server.on_request = [&](const HttpServer::Request& request) {
    request.connection.stream->write(HttpServer::reply(200, "good"));
  };
  HttpCall call = call_to("https://127.0.0.1:" + std::to_string(server.server.port()) + "/");
  auto unknown = answer_of(loop, call);
  REQUIRE(!unknown.ok());
  CHECK(unknown.error().code == ErrorCode::unavailable);
  CHECK(server.requests == 0);
  call.ca_file = certificate.file;
  auto known = answer_of(loop, call);
  REQUIRE(known.ok());
  CHECK(known->body == "good");
}

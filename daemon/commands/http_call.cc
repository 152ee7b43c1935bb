#include "daemon/commands/http_call.h"

#include <charconv>
#include <optional>

#include "base/loop.h"

namespace signet {
namespace {

constexpr size_t kAnswerMax = 16 * 1024 * 1024;

// Our own server answers with Content-Length, and closes when asked to: the answer is what came until then.
Result<HttpAnswer> parse(std::string_view octets) {
  const Error bad{ErrorCode::invalid, "what answered is not signetd's admin listener: check http.admin.listen"};
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const size_t head = octets.find("\r\n\r\n");
  if (!octets.starts_with(kVersion) || head == std::string_view::npos) return bad;
  HttpAnswer answer;
  const char* digits = octets.data() + kVersion.size();
  if (std::from_chars(digits, digits + 3, answer.status).ptr != digits + 3) return bad;
  answer.body = octets.substr(head + 4);
  return answer;
}

}  // namespace

Result<HttpAnswer> call(const HttpCall& request) {
  Loop loop;
  Timer timeout(loop);
  std::unique_ptr<Stream> stream;
  std::string received;
  std::optional<Error> error;
  StreamOptions options;
  options.tls = request.tls;
  Stream::Handlers handlers;
  handlers.on_open = [&] {
    std::string head = request.method + " " + request.path + " HTTP/1.1\r\nHost: " + request.to.host +
                       "\r\nConnection: close\r\nUser-Agent: signetd\r\nAuthorization: Bearer ";
    head += request.token.octets();
    head += "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n\r\n";
    stream->write(head + request.body);
  };
  handlers.on_data = [&](std::string_view octets) {
    if (received.size() + octets.size() > kAnswerMax) {
      error = Error{ErrorCode::limit, "the answer is too long"};
      loop.stop();
      return;
    }
    received += octets;
  };
  handlers.on_close = [&](const Error& closed) {
    if (received.empty()) error = closed;
    loop.stop();
  };
  timeout.start(request.timeout_ms, [&] {
    error = Error{ErrorCode::timeout, "no answer in time: whether it was done is not known, look before repeating"};
    loop.stop();
  });
  stream = Stream::connect(loop, request.to, options, handlers);
  loop.run();
  stream.reset();
  timeout.stop();
  if (error) return *error;
  return parse(received);
}

}  // namespace signet

#include "daemon/sandbox/callback_client.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>

#include "base/check.h"

namespace signet::sandbox {

namespace {

// What a reply says, as far as a poster of callbacks needs it.
struct ReplyHead {
  int status = 0;
  size_t size = 0;                       // with the empty line
  std::optional<size_t> content_length;  // nothing: the connection is not used again
  bool keep_alive = true;
};

std::optional<ReplyHead> read_head(std::string_view input) {
  const size_t end = input.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  ReplyHead out;
  out.size = end + 4;
  std::string head(input.substr(0, end + 2));
  for (char& c : head)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, out.status);
  out.keep_alive = head.starts_with("http/1.1 ") && head.find("\r\nconnection: close\r\n") == std::string::npos;
  if (out.status == 204) out.content_length = 0;
  if (const size_t at = head.find("\r\ncontent-length: "); at != std::string::npos) {
    size_t length = 0;
    if (std::from_chars(head.data() + at + 18, head.data() + head.size(), length).ec == std::errc{})
      out.content_length = length;
  }
  return out;
}

}  // namespace

Result<CallbackUrl> parse_callback_url(std::string_view url) {
  const Error bad{ErrorCode::invalid, "the callback URL is no http:// or https:// URL"};
  CallbackUrl out;
  out.is_tls = url.starts_with("https://");
  if (!out.is_tls && !url.starts_with("http://")) return bad;
  for (const unsigned char c : url)
    if (c <= 0x20 || c >= 0x7f || c == '#') return bad;
  url.remove_prefix(out.is_tls ? 8 : 7);
  const size_t slash = std::min(url.find_first_of("/?"), url.size());
  out.authority = url.substr(0, slash);
  out.target = url.substr(slash);
  if (!out.target.starts_with('/')) out.target.insert(0, "/");
  std::string with_port = out.authority;
  const size_t bracket = with_port.rfind(']');
  if (with_port.find(':', bracket == std::string::npos ? 0 : bracket) == std::string::npos)
    with_port += out.is_tls ? ":443" : ":80";
  auto endpoint = parse_endpoint(with_port);
  if (!endpoint) return endpoint.error();
  out.endpoint = std::move(*endpoint);
  return out;
}

struct CallbackClient::Call {
  CallbackUrl url;
  std::string request;
  std::function<void(bool)> done;
  int tries = 0;
};

struct CallbackClient::Connection {
  std::unique_ptr<Stream> stream;
  std::shared_ptr<Call> call;  // null: idle, or opening for one
  bool is_open = false;
  std::string input;
  int64_t since_us = 0;
  std::list<std::unique_ptr<Connection>>::iterator self;
};

struct CallbackClient::Server {
  std::deque<std::shared_ptr<Call>> waiting;
  std::list<std::unique_ptr<Connection>> connections;
  std::vector<Connection*> idle;
};

CallbackClient::CallbackClient(Loop& loop, const Clock& clock, CallbackOptions options)
    : loop_(loop), clock_(clock), options_(options), timer_(loop), watch_(loop) {
  watch_.repeat(1000, [this] { drop_overdue(); });
}

CallbackClient::~CallbackClient() = default;

void CallbackClient::post(const CallbackUrl& url, const Headers& headers, std::string_view body, int64_t delay_ms,
                          std::function<void(bool)> done) {
  auto call = std::make_shared<Call>();
  call->url = url;
  call->done = std::move(done);
  call->request.reserve(512 + body.size());
  call->request.append("POST ").append(url.target).append(" HTTP/1.1\r\nHost: ").append(url.authority).append("\r\n");
  for (const auto& [name, value] : headers) call->request.append(name).append(": ").append(value).append("\r\n");
  call->request.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  after(delay_ms, [this, call] { submit(call); });
}

void CallbackClient::after(int64_t delay_ms, std::function<void()> action) {
  due_.emplace(clock_.tick().us + delay_ms * 1000, std::move(action));
  arm();
}

void CallbackClient::arm() {
  if (due_.empty()) return;
  const int64_t first = due_.begin()->first;
  if (timer_.is_active() && armed_for_ <= first) return;
  armed_for_ = first;
  const int64_t left_us = std::max<int64_t>(0, first - clock_.tick().us);
  timer_.start((left_us + 999) / 1000, [this] { run_due(); });
}

void CallbackClient::run_due() {
  const int64_t now = clock_.tick().us;
  while (!due_.empty() && due_.begin()->first <= now) {
    auto node = due_.extract(due_.begin());
    node.mapped()();
  }
  arm();
}

void CallbackClient::submit(std::shared_ptr<Call> call) {
  const CallbackUrl& url = call->url;
  auto& server = servers_[(url.is_tls ? "https://" : "http://") + url.authority];
  if (!server) server = std::make_unique<Server>();
  server->waiting.push_back(std::move(call));
  pump(*server);
}

void CallbackClient::pump(Server& server) {
  while (!server.waiting.empty()) {
    if (!server.idle.empty()) {
      Connection* connection = server.idle.back();
      server.idle.pop_back();
      connection->call = std::move(server.waiting.front());
      server.waiting.pop_front();
      connection->since_us = clock_.tick().us;
      ++connection->call->tries;
      connection->stream->write(connection->call->request);
      continue;
    }
    if (server.connections.size() >= options_.connections) return;
    auto fresh = std::make_unique<Connection>();
    Connection* connection = fresh.get();
    connection->call = std::move(server.waiting.front());
    server.waiting.pop_front();
    connection->since_us = clock_.tick().us;
    ++connection->call->tries;
    server.connections.push_front(std::move(fresh));
    connection->self = server.connections.begin();
    StreamOptions options;
    if (connection->call->url.is_tls) {
      // A test server's certificate is its own; the signature protects the callback.
      auto tls = TlsContext::client("", false);
      SIGNET_CHECK(tls);
      options.tls = *tls;
    }
    Stream::Handlers handlers;
    handlers.on_open = [connection] {
      if (std::exchange(connection->is_open, true)) return;
      connection->stream->write(connection->call->request);
    };
    handlers.on_data = [this, &server, connection](std::string_view octets) {
      connection->input += octets;
      const auto head = read_head(connection->input);
      if (!head) {
        if (connection->input.size() > 65536) give_back(server, *connection, false, false);
        return;
      }
      const size_t size = head->size + head->content_length.value_or(0);
      if (connection->input.size() < size) return;
      const bool is_reusable = head->keep_alive && head->content_length && connection->input.size() == size;
      give_back(server, *connection, head->status >= 200 && head->status < 300, is_reusable);
    };
    handlers.on_close = [this, &server, connection](const Error&) { give_back(server, *connection, false, false); };
    connection->stream = Stream::connect(loop_, connection->call->url.endpoint, options, std::move(handlers));
  }
}

void CallbackClient::give_back(Server& server, Connection& connection, bool is_taken, bool is_reusable) {
  const auto call = std::exchange(connection.call, nullptr);
  connection.input.clear();
  if (is_reusable && call) {
    server.idle.push_back(&connection);
  } else {
    std::erase(server.idle, &connection);
    server.connections.erase(connection.self);
  }
  if (call) {
    if (is_taken) {
      call->done(true);
    } else {
      retry(call);
    }
  }
  pump(server);
}

void CallbackClient::retry(std::shared_ptr<Call> call) {
  if (call->tries >= options_.tries) return call->done(false);
  after(options_.retry_ms << (call->tries - 1), [this, call] { submit(call); });
}

void CallbackClient::drop_overdue() {
  const int64_t limit = clock_.tick().us - options_.timeout_ms * 1000;
  for (const auto& [name, server] : servers_) {
    std::vector<Connection*> overdue;
    for (const auto& connection : server->connections)
      if (connection->call && connection->since_us < limit) overdue.push_back(connection.get());
    for (Connection* connection : overdue) give_back(*server, *connection, false, false);
  }
}

}  // namespace signet::sandbox

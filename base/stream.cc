#include "base/stream.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <uv.h>

#include <charconv>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/socket_address.h"
#include "base/wire.h"

namespace signet {
namespace {

constexpr int kBacklog = 511;

class TcpStream : public Stream {
 public:
  explicit TcpStream(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~TcpStream() override { wire_->abandon(); }
  void set_handlers(Handlers handlers) override { wire_->set_handlers(std::move(handlers)); }
  void write(std::string_view octets) override { wire_->write(octets); }
  size_t queued_bytes() const override { return wire_->queued_bytes(); }
  bool is_open() const override { return wire_->is_open(); }
  void start_tls(std::shared_ptr<TlsContext> context, const std::string& host) override {
    wire_->start_tls(std::move(context), host);
  }
  bool is_tls() const override { return wire_->is_tls(); }
  void pause() override { wire_->pause(); }
  void resume() override { wire_->resume(); }
  void finish() override { wire_->finish(); }
  void reset() override { wire_->reset(); }
  std::string peer_address() const override { return wire_->peer_address(); }

 private:
  std::shared_ptr<Wire> wire_;
};

class TcpListener : public Listener {
 public:
  struct State {  // outlives the listener while its accept handler runs
    Loop& loop;
    std::shared_ptr<TlsContext> tls;
    Accept accept;
    uv_tcp_t* socket = nullptr;
  };

  explicit TcpListener(std::shared_ptr<State> state) : state_(std::move(state)) { state_->socket->data = this; }
  ~TcpListener() override { close(*state_); }

  static void close(State& state) {
    state.socket->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(state.socket),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
  }

  int port() const override {
    SocketAddress at{};
    int size = sizeof at;
    if (uv_tcp_getsockname(state_->socket, &at.any, &size) != 0) return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
  }

  int listen() {
    return uv_listen(reinterpret_cast<uv_stream_t*>(state_->socket), kBacklog, [](uv_stream_t* socket, int status) {
      // A failed accept is one connection lost (ECONNABORTED), or no descriptors, where libuv drops it and goes on.
      if (status == 0 && socket->data != nullptr) static_cast<TcpListener*>(socket->data)->accept_one();
    });
  }

 private:
  void accept_one() {
    const auto state = state_;
    auto* socket = new uv_tcp_t;
    if (uv_tcp_init(state->loop.uv(), socket) != 0) {
      delete socket;
      return;
    }
    const auto wire = std::make_shared<Wire>(state->loop, StreamOptions{.tls = state->tls, .tls_host = ""});
    const int status = uv_accept(reinterpret_cast<uv_stream_t*>(state->socket), reinterpret_cast<uv_stream_t*>(socket));
    wire->accept(socket);
    if (status != 0) return wire->abandon();
    state->accept(std::make_unique<TcpStream>(wire));
    wire->began();
  }

  std::shared_ptr<State> state_;
};

Result<std::unique_ptr<Listener>> listen_on(const std::shared_ptr<TcpListener::State>& state, int status,
                                            const std::string& name) {
  if (status == 0) {
    auto listener = std::make_unique<TcpListener>(state);
    status = listener->listen();
    if (status == 0) return std::unique_ptr<Listener>(std::move(listener));
  } else {
    TcpListener::close(*state);
  }
  std::string text = "cannot listen on " + name + ": " + uv_strerror(status);
  if (status == UV_EADDRINUSE) text += "; stop what listens there (ss -ltnp tells) or choose another port";
  if (status == UV_EACCES) text += "; choose a port from 1024 or let systemd hand the socket over";
  if (status == UV_EADDRNOTAVAIL) text += "; this machine has no such address (ip addr tells)";
  return Error{status == UV_EADDRINUSE ? ErrorCode::conflict : ErrorCode::io, text};
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  const Error bad{ErrorCode::invalid, "not an address with a port: write 127.0.0.1:25, [::1]:25 or name:25"};
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  int port = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || digits.front() == '-' || failed != std::errc() || end != digits.data() + digits.size() ||
      port > 65535)
    return bad;
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return bad;
    host = host.substr(1, host.size() - 2);
    sockaddr_in6 address{};
    if (uv_ip6_addr(std::string(host).c_str(), port, &address) != 0) return bad;
    return Endpoint{std::string(host), port};
  }
  if (host.empty() || host.size() > 253) return bad;
  for (const char c : host)
    if (static_cast<unsigned char>(c) <= ' ' || c == 127 || std::strchr(":[]/@", c) != nullptr) return bad;
  return Endpoint{std::string(host), port};
}

std::unique_ptr<Stream> Stream::connect(Loop& loop, const Endpoint& to, StreamOptions options, Handlers handlers) {
  const auto wire = std::make_shared<Wire>(loop, std::move(options));
  wire->set_handlers(std::move(handlers));
  wire->connect(to);
  return std::make_unique<TcpStream>(wire);
}

Result<std::unique_ptr<Listener>> Listener::bind(Loop& loop, const Endpoint& at, std::shared_ptr<TlsContext> tls,
                                                 Accept accept) {
  auto address = numeric_address(at);
  if (!address) {  // at start, where waiting for the resolver does no harm
    uv_getaddrinfo_t request{};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    const int status =
        uv_getaddrinfo(loop.uv(), &request, nullptr, at.host.c_str(), std::to_string(at.port).c_str(), &hints);
    if (status != 0) return Error{ErrorCode::not_found, "cannot listen on " + name_of(at) + ": " + uv_strerror(status)};
    address.emplace();
    std::memcpy(&*address, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
  }
  auto state = std::make_shared<TcpListener::State>(TcpListener::State{loop, std::move(tls), std::move(accept)});
  state->socket = new uv_tcp_t;
  SIGNET_CHECK(uv_tcp_init(loop.uv(), state->socket) == 0);
  // libuv sets SO_REUSEADDR, so that a restart need not wait for connections in TIME_WAIT.
  return listen_on(state, uv_tcp_bind(state->socket, &address->any, 0), name_of(at));
}

Result<std::unique_ptr<Listener>> Listener::adopt(Loop& loop, int fd, std::shared_ptr<TlsContext> tls, Accept accept) {
  int is_listening = 0, domain = 0;
  socklen_t size = sizeof is_listening;
  const std::string name = "the socket handed over as descriptor " + std::to_string(fd);
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0 || is_listening == 0 ||
      ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || (domain != AF_INET && domain != AF_INET6))
    return Error{ErrorCode::invalid, name + " is not a listening TCP socket: use ListenStream= with an address"};
  auto state = std::make_shared<TcpListener::State>(TcpListener::State{loop, std::move(tls), std::move(accept)});
  state->socket = new uv_tcp_t;
  SIGNET_CHECK(uv_tcp_init(loop.uv(), state->socket) == 0);
  return listen_on(state, uv_tcp_open(state->socket, fd), name);
}

}  // namespace signet

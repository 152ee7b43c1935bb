#include "base/wire.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <uv.h>

#include <cstring>

#include "base/check.h"

namespace signet {
namespace {

constexpr int64_t kHandshakeMs = 10'000;  // of an accepted connection that has to speak TLS first
constexpr int64_t kLingerMs = 1000;       // how long finish() waits for the peer's end
constexpr int64_t kReadOutMs = 1000;      // how long a failed write leaves for what the peer still said
constexpr size_t kReadSize = 65536;

Error error_of(int status, const std::string& what) {
  const auto code = status == UV_ETIMEDOUT ? ErrorCode::timeout : ErrorCode::unavailable;
  return {code, what + ": " + uv_strerror(status)};
}

struct ConnectRequest {
  uv_connect_t uv{};
  std::shared_ptr<Wire> wire;
};
struct ResolveRequest {
  uv_getaddrinfo_t uv{};
  std::shared_ptr<Wire> wire;
};
struct WriteRequest {
  uv_write_t uv{};
  std::shared_ptr<Wire> wire;
  std::string octets;
};
struct ShutdownRequest {
  uv_shutdown_t uv{};
  std::shared_ptr<Wire> wire;
};

}  // namespace

template <class Handler, class... Args>
void Wire::call(Handler handler, Args&&... args) {
  const auto handlers = handlers_;
  const auto& action = (*handlers).*handler;
  if (action && !is_abandoned_) action(std::forward<Args>(args)...);
}

void Wire::connect(const Endpoint& to) {
  name_ = name_of(to);
  if (options_.tls && options_.tls_host.empty()) options_.tls_host = to.host;
  timer_.emplace(loop_);
  timer_->start(options_.connect_timeout_ms, [this] {
    fail({ErrorCode::timeout, "connecting to " + name_ + " took too long"});
  });
  if (const auto address = numeric_address(to)) {
    addresses_.push_back(*address);
    try_next_address();
    return;
  }
  auto* request = new ResolveRequest;
  request->wire = shared_from_this();
  request->uv.data = request;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  resolving_ = &request->uv;
  const int status = uv_getaddrinfo(
      loop_.uv(), &request->uv,
      [](uv_getaddrinfo_t* uv, int outcome, addrinfo* found) {
        const std::unique_ptr<ResolveRequest> done(static_cast<ResolveRequest*>(uv->data));
        done->wire->resolved(outcome, found);
        uv_freeaddrinfo(found);
      },
      to.host.c_str(), std::to_string(to.port).c_str(), &hints);
  if (status != 0) {
    resolving_ = nullptr;
    delete request;
    fail_later(error_of(status, "cannot resolve " + name_));
  }
}

void Wire::resolved(int status, addrinfo* found) {
  resolving_ = nullptr;
  if (state_ != State::resolving) return;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_addrlen > sizeof(SocketAddress)) continue;
    SocketAddress address{};
    std::memcpy(&address, at->ai_addr, at->ai_addrlen);
    addresses_.push_back(address);
  }
  if (status != 0 || addresses_.empty())
    fail(error_of(status != 0 ? status : UV_EAI_NONAME, "cannot resolve " + name_));
  else
    try_next_address();
}

// One after the other; each has its part of the time, so that a dead IPv6 route does not use it all up.
void Wire::try_next_address() {
  state_ = State::connecting;
  int status = UV_EADDRNOTAVAIL;
  while (next_address_ < addresses_.size()) {
    const SocketAddress& address = addresses_[next_address_++];
    close_socket();
    socket_ = new uv_tcp_t;
    socket_->data = this;
    status = uv_tcp_init_ex(loop_.uv(), socket_, address.any.sa_family);
    if (status != 0) {  // out of descriptors; the handle is not the loop's
      delete std::exchange(socket_, nullptr);
      continue;
    }
    uv_tcp_nodelay(socket_, 1);
    int fd = -1;
    if (options_.user_timeout_ms > 0 && uv_fileno(reinterpret_cast<uv_handle_t*>(socket_), &fd) == 0) {
      const auto ms = static_cast<unsigned>(options_.user_timeout_ms);
      ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
    }
    auto* request = new ConnectRequest;
    request->wire = shared_from_this();
    request->uv.data = request;
    status = uv_tcp_connect(&request->uv, socket_, &address.any, [](uv_connect_t* uv, int outcome) {
      const std::unique_ptr<ConnectRequest> done(static_cast<ConnectRequest*>(uv->data));
      // A socket given up for the next address reports too.
      if (outcome != UV_ECANCELED) done->wire->connected(outcome);
    });
    if (status == 0) {
      if (next_address_ < addresses_.size()) {
        attempt_.emplace(loop_);
        attempt_->start(options_.connect_timeout_ms / static_cast<int64_t>(addresses_.size()),
                        [this] { try_next_address(); });
      } else {
        attempt_.reset();
      }
      return;
    }
    delete request;
  }
  fail_later(error_of(status, "cannot connect to " + name_));
}

void Wire::connected(int status) {
  if (state_ != State::connecting) return;
  if (status != 0) {
    if (next_address_ < addresses_.size()) return try_next_address();
    return fail(error_of(status, "cannot connect to " + name_));
  }
  attempt_.reset();
  SocketAddress peer{};
  int size = sizeof peer;
  if (uv_tcp_getpeername(socket_, &peer.any, &size) == 0) peer_ = text_of(peer);
  if (options_.tls) return begin_tls(options_.tls, options_.tls_host);
  opened();
}

void Wire::accept(uv_tcp_t* socket) {
  socket_ = socket;
  socket_->data = this;
  uv_tcp_nodelay(socket_, 1);
  SocketAddress peer{};
  int size = sizeof peer;
  if (uv_tcp_getpeername(socket_, &peer.any, &size) == 0) peer_ = text_of(peer);
  name_ = peer_;
  options_.connect_timeout_ms = kHandshakeMs;
  state_ = State::open;
  if (options_.tls) begin_tls(options_.tls, "");
}

void Wire::began() {
  if (state_ != State::closed) update_reading();
}

void Wire::start_tls(std::shared_ptr<TlsContext> context, const std::string& host) {
  if (state_ == State::closed || is_finishing_) return;
  SIGNET_CHECK(!tls_ && held_.empty() && state_ == State::open);
  begin_tls(std::move(context), host);
}

void Wire::begin_tls(std::shared_ptr<TlsContext> context, const std::string& host) {
  state_ = State::handshake;
  tls_ = std::make_unique<TlsSession>(std::move(context), host);
  if (!timer_) timer_.emplace(loop_);
  timer_->start(options_.connect_timeout_ms, [this] {
    fail({ErrorCode::timeout, "the TLS handshake with " + name_ + " took too long"});
  });
  send(tls_->take_wire());
  update_reading();
}

void Wire::opened() {
  state_ = State::open;
  timer_.reset();
  const bool has_waited = !pending_.empty();
  send_plain(std::exchange(pending_, {}));
  update_reading();
  if (is_finishing_) {
    say_goodbye();
    return go_on_finishing();
  }
  call(&Stream::Handlers::on_open);
  if (has_waited && queued_bytes() == 0) call(&Stream::Handlers::on_drained);
}

void Wire::write(std::string_view octets) {
  if (state_ == State::closed || is_finishing_) return;
  if (state_ == State::open)
    send_plain(octets);
  else
    pending_ += octets;
}

void Wire::send_plain(std::string_view octets) {
  if (octets.empty()) return;
  if (!tls_) return send(octets);
  if (auto taken = tls_->write(octets); !taken) return fail_later(taken.error());
  send(tls_->take_wire());
}

void Wire::say_goodbye() {
  if (!tls_) return;
  tls_->close();
  send(tls_->take_wire());
}

void Wire::send(std::string_view octets) {
  if (octets.empty() || socket_ == nullptr || write_error_) return;
  if (in_flight_ > 0) {
    out_ += octets;
    return;
  }
  uv_buf_t buffer = uv_buf_init(const_cast<char*>(octets.data()), static_cast<unsigned>(octets.size()));
  const int sent = uv_try_write(stream(), &buffer, 1);
  if (sent < 0 && sent != UV_EAGAIN) return write_failed(sent);
  if (sent > 0) octets.remove_prefix(static_cast<size_t>(sent));
  if (octets.empty()) return;
  out_ = octets;
  send_queued();
}

// Hands what waits to libuv in one piece; what comes meanwhile is gathered for the next.
void Wire::send_queued() {
  auto* request = new WriteRequest;
  request->wire = shared_from_this();
  request->uv.data = request;
  request->octets.swap(out_);
  in_flight_ = request->octets.size();
  uv_buf_t buffer = uv_buf_init(request->octets.data(), static_cast<unsigned>(request->octets.size()));
  const int status = uv_write(&request->uv, stream(), &buffer, 1, [](uv_write_t* uv, int outcome) {
    const std::unique_ptr<WriteRequest> done(static_cast<WriteRequest*>(uv->data));
    done->wire->written(outcome);
  });
  if (status == 0) return;
  delete request;
  write_failed(status);
}

void Wire::written(int status) {
  if (state_ == State::closed) return;
  in_flight_ = 0;
  if (status != 0) return write_failed(status);
  if (!out_.empty()) return send_queued();
  if (is_finishing_) return go_on_finishing();
  if (state_ == State::open) call(&Stream::Handlers::on_drained);
}

// The peer may have said why before it went: what it sent is read first, and the end of that is the end.
void Wire::write_failed(int status) {
  out_.clear();
  in_flight_ = 0;
  write_error_ = error_of(status, "connection to " + name_ + " broke");
  if (!is_reading_) return fail_later(*write_error_);
  timer_.emplace(loop_);
  timer_->start(kReadOutMs, [this] { fail(*write_error_); });
}

void Wire::pause() {
  is_paused_ = true;
  update_reading();
}

void Wire::resume() {
  if (!is_paused_) return;
  is_paused_ = false;
  update_reading();
  if (held_.empty() && !held_end_) return;
  loop_.post([self = shared_from_this()] { self->deliver_held(); });
}

void Wire::update_reading() {
  // A handshake has to read whether its owner wants data or not.
  const bool wants = socket_ != nullptr && !held_end_ &&
                     (state_ == State::handshake || (state_ == State::open && (!is_paused_ || is_shut_down_)));
  if (wants == is_reading_) return;
  is_reading_ = wants;
  if (!wants) {
    uv_read_stop(stream());
    return;
  }
  const int status = uv_read_start(
      stream(),
      [](uv_handle_t*, size_t, uv_buf_t* buffer) {
        // One for all streams of a thread: a read is handled before the next begins.
        static thread_local const std::unique_ptr<char[]> space(new char[kReadSize]);
        *buffer = uv_buf_init(space.get(), kReadSize);
      },
      [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
        if (auto* wire = static_cast<Wire*>(stream->data)) wire->read(size, buffer->base);
      });
  if (status != 0) fail_later(error_of(status, "connection to " + name_ + " broke"));
}

void Wire::read(ssize_t size, const char* octets) {
  const auto self = shared_from_this();
  if (size == 0) return;
  if (size > 0) {
    if (is_shut_down_) return;  // after finish() nobody listens; reading on keeps the kernel from sending a reset
    if (tls_)
      take_wire_input({octets, static_cast<size_t>(size)});
    else
      deliver({octets, static_cast<size_t>(size)});
    return;
  }
  if (is_shut_down_) return fail({ErrorCode::io, "closed"});
  if (size != UV_EOF) return end_of_input(error_of(static_cast<int>(size), "connection to " + name_ + " broke"));
  if (!tls_) return end_of_input({ErrorCode::io, "closed by peer"});
  // Without close_notify the end may be an attacker's (RFC 8446 section 6.1): what came may be half of a reply.
  end_of_input({ErrorCode::unavailable,
                state_ == State::handshake ? "closed by " + name_ + " during the TLS handshake"
                                           : "connection to " + name_ + " was cut: it ended without TLS close_notify"});
}

void Wire::take_wire_input(std::string_view octets) {
  std::string plain;
  const auto fed = tls_->feed(octets, plain);
  const auto tls_state = tls_->state();
  send(tls_->take_wire());
  if (state_ == State::handshake && fed && tls_state != TlsSession::State::handshake) opened();
  if (state_ == State::closed) return;
  if (!plain.empty()) deliver(plain);
  if (state_ == State::closed) return;
  if (!fed) {
    const std::string doing = state_ == State::handshake ? "no TLS with " : "TLS with ";
    return end_of_input({fed.error().code, doing + name_ + ": " + fed.error().text});
  }
  if (tls_state == TlsSession::State::closed) {
    say_goodbye();
    end_of_input({ErrorCode::io, "closed by peer"});
  }
}

void Wire::deliver(std::string_view plain) {
  if (is_finishing_) return;
  if (is_paused_ || !held_.empty())
    held_ += plain;
  else
    call(&Stream::Handlers::on_data, plain);
}

void Wire::deliver_held() {
  if (state_ == State::closed || is_paused_) return;
  std::string plain;
  plain.swap(held_);
  const auto self = shared_from_this();
  if (!plain.empty()) deliver(plain);
  if (state_ != State::closed && held_.empty() && held_end_) fail(*held_end_);
}

void Wire::end_of_input(Error error) {
  if (held_.empty()) return fail(std::move(error));
  held_end_ = std::move(error);
  update_reading();
}

void Wire::finish() {
  if (state_ == State::closed || is_finishing_) return;
  if (state_ == State::open) say_goodbye();
  is_finishing_ = true;
  held_.clear();
  held_end_.reset();
  if (write_error_) return;
  loop_.post([self = shared_from_this()] { self->go_on_finishing(); });
}

void Wire::go_on_finishing() {
  if (state_ == State::closed || is_shut_down_ || write_error_) return;
  if (state_ != State::open) {
    if (pending_.empty()) fail({ErrorCode::io, "closed"});
    return;
  }
  if (queued_bytes() > 0) return;
  // Closing with unread input would send a reset, which can destroy what the peer has not read yet. So only our half
  // is closed, and the other is read out for a while.
  is_shut_down_ = true;
  auto* request = new ShutdownRequest;
  request->wire = shared_from_this();
  request->uv.data = request;
  const int status = uv_shutdown(&request->uv, stream(), [](uv_shutdown_t* uv, int) {
    const std::unique_ptr<ShutdownRequest> done(static_cast<ShutdownRequest*>(uv->data));
  });
  if (status != 0) {
    delete request;
    return fail({ErrorCode::io, "closed"});
  }
  timer_.emplace(loop_);
  timer_->start(kLingerMs, [this] { fail({ErrorCode::io, "closed"}); });
  update_reading();
}

void Wire::reset() {
  int fd = -1;
  if (socket_ != nullptr && uv_fileno(reinterpret_cast<uv_handle_t*>(socket_), &fd) == 0) {
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  abandon();
}

void Wire::abandon() {
  is_abandoned_ = true;
  state_ = State::closed;
  close_socket();
  timer_.reset();
  attempt_.reset();
  if (resolving_ != nullptr) uv_cancel(reinterpret_cast<uv_req_t*>(resolving_));
  pending_.clear();
  out_.clear();
  held_.clear();
  in_flight_ = 0;
}

void Wire::fail(Error error) {
  if (state_ == State::closed) return;
  const auto self = shared_from_this();
  const auto handlers = handlers_;
  abandon();
  if (handlers->on_close) handlers->on_close(error);
}

void Wire::fail_later(Error error) {
  loop_.post([self = shared_from_this(), error = std::move(error)] { self->fail(error); });
}

void Wire::close_socket() {
  if (socket_ == nullptr) return;
  socket_->data = nullptr;
  is_reading_ = false;
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(socket_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
}

}  // namespace signet

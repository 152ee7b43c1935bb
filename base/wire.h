// One connection's octets: resolving and connecting, or an accepted socket; clear text or TLS; closing without loss.
// What a Stream is made of, and private to base: others see base/stream.h, whose contracts are these too. Loop thread
// only.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/result.h"
#include "base/socket_address.h"
#include "base/stream.h"
#include "base/tls.h"

struct addrinfo;
struct uv_getaddrinfo_s;
struct uv_stream_s;
struct uv_tcp_s;

namespace signet {

// Shared between the Stream its owner holds and the libuv requests in flight, so that the owner may let go at any
// moment, in a handler of it too. Made by std::make_shared only. Every failure is told once, by on_close.
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  Wire(Loop& loop, StreamOptions options) : loop_(loop), options_(std::move(options)) {}
  ~Wire() { close_socket(); }

  void connect(const Endpoint& to);  // never calls a handler before it returns
  void accept(uv_tcp_s* socket);     // takes the initialised handle over
  void began();                      // of an accepted one, when its owner has set the handlers

  void set_handlers(Stream::Handlers handlers) { handlers_ = std::make_shared<Stream::Handlers>(std::move(handlers)); }
  void write(std::string_view octets);
  size_t queued_bytes() const { return pending_.size() + out_.size() + in_flight_; }
  bool is_open() const { return state_ == State::open && !is_finishing_; }
  void start_tls(std::shared_ptr<TlsContext> context, const std::string& host);
  bool is_tls() const { return tls_ != nullptr; }
  void pause();
  void resume();
  void finish();
  void reset();
  void abandon();  // the owner is gone: closes at once and calls nothing any more
  const std::string& peer_address() const { return peer_; }

 private:
  enum class State { resolving, connecting, handshake, open, closed };

  void try_next_address();
  void connected(int status);
  void resolved(int status, addrinfo* found);
  void begin_tls(std::shared_ptr<TlsContext> context, const std::string& host);
  void opened();
  void update_reading();
  void read(ssize_t size, const char* octets);
  void take_wire_input(std::string_view octets);
  void deliver(std::string_view plain);
  void deliver_held();
  void end_of_input(Error error);
  void send(std::string_view octets);
  void send_queued();
  void written(int status);
  void write_failed(int status);
  void send_plain(std::string_view octets);
  void say_goodbye();
  void go_on_finishing();
  void fail(Error error);
  void fail_later(Error error);
  void close_socket();
  template <class Handler, class... Args>
  void call(Handler handler, Args&&... args);
  uv_stream_s* stream() { return reinterpret_cast<uv_stream_s*>(socket_); }

  Loop& loop_;
  StreamOptions options_;
  // Shared, so that a handler that destroys the stream or replaces the handlers does not destroy itself.
  std::shared_ptr<Stream::Handlers> handlers_ = std::make_shared<Stream::Handlers>();
  State state_ = State::resolving;
  std::string name_;  // for error texts
  std::string peer_;
  std::vector<SocketAddress> addresses_;
  size_t next_address_ = 0;
  uv_tcp_s* socket_ = nullptr;  // freed by its close callback
  uv_getaddrinfo_s* resolving_ = nullptr;
  std::optional<Timer> timer_;    // of connecting, the handshake, then of closing
  std::optional<Timer> attempt_;  // of one address
  std::unique_ptr<TlsSession> tls_;
  std::string pending_;  // clear text until the stream is open
  std::string out_;      // for the wire, behind what is in flight
  size_t in_flight_ = 0;
  std::string held_;  // came while paused
  std::optional<Error> held_end_;
  std::optional<Error> write_error_;
  bool is_paused_ = false;
  bool is_reading_ = false;
  bool is_finishing_ = false;
  bool is_shut_down_ = false;
  bool is_abandoned_ = false;
};

}  // namespace signet

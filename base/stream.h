// A byte stream on a loop: TCP, with TLS from the start or from a later moment (STARTTLS). For Redis, SMTP and the HTTP
// servers alike. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/result.h"
#include "base/tls.h"

namespace signet {

struct Endpoint {
  std::string host;  // a name or an address; names are resolved on libuv's thread pool
  int port = 0;
};
// "127.0.0.1:8420", "[::1]:25", "name:25".
Result<Endpoint> parse_endpoint(std::string_view text);

struct StreamOptions {
  int64_t connect_timeout_ms = 5000;  // for resolving, connecting and the TLS handshake together
  int64_t user_timeout_ms = 0;        // TCP_USER_TIMEOUT; 0 leaves the kernel's
  std::shared_ptr<TlsContext> tls{};  // null: clear text until start_tls
  std::string tls_host{};             // name to verify; empty: the endpoint's host
};

// Destroying a Stream closes it at once and calls nothing. After on_close nothing else is called. Handlers may destroy
// the stream they are called from.
class Stream {
 public:
  struct Handlers {
    std::function<void()> on_open;                  // connected, and TLS established if asked for
    std::function<void(std::string_view)> on_data;  // clear text; the view lives during the call
    std::function<void(const Error&)> on_close;     // unavailable: refused, reset, no such name; timeout; io
                                                    // with the text "closed by peer" for a clean end
    std::function<void()> on_drained;               // optional: everything written has left to the kernel
  };

  static std::unique_ptr<Stream> connect(Loop& loop, const Endpoint& to, StreamOptions options, Handlers handlers);
  virtual ~Stream() = default;
  virtual void set_handlers(Handlers handlers) = 0;
  // Queues without bound: the caller looks at queued_bytes(). Tries the socket at once, so that a small request has
  // left when this returns.
  virtual void write(std::string_view octets) = 0;
  virtual size_t queued_bytes() const = 0;
  virtual bool is_open() const = 0;
  // From now on TLS; on_open is called again when it is established. Only when nothing unread of the clear phase is
  // buffered (the stream itself never buffers clear input).
  virtual void start_tls(std::shared_ptr<TlsContext> context, const std::string& host) = 0;
  virtual bool is_tls() const = 0;
  virtual void pause() = 0;  // stop reading: back-pressure
  virtual void resume() = 0;
  // Sends what is queued, then closes (with close_notify under TLS) and calls on_close with code io "closed".
  virtual void finish() = 0;
  virtual void reset() = 0;  // closes with a TCP reset, without on_close (the sandbox plays a broken provider)
  virtual std::string peer_address() const = 0;  // without port
};

class Listener {
 public:
  using Accept = std::function<void(std::unique_ptr<Stream>)>;  // set_handlers before returning; already open,
                                                                // or with `tls`: on_open follows
  // Binds; port 0 takes a free one. Error text names the address and what to do if it is in use.
  static Result<std::unique_ptr<Listener>> bind(Loop& loop, const Endpoint& at, std::shared_ptr<TlsContext> tls,
                                                Accept accept);
  // Takes a listening socket from systemd.
  static Result<std::unique_ptr<Listener>> adopt(Loop& loop, int fd, std::shared_ptr<TlsContext> tls, Accept accept);
  virtual ~Listener() = default;  // stops listening
  virtual int port() const = 0;
};

}  // namespace signet

// The HTTP/1.1 server (RFC 9112): listeners on one loop, handlers on a pool of threads or in the loop. The loop only
// parses, hands over, and writes the answer. Requests of one connection are handled one at a time, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/result.h"
#include "base/stream.h"
#include "base/thread_pool.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"

namespace signet::http {

// Any thread, once; further calls do nothing. All copies gone without a call: the client gets a 500. What is answered
// after the client has gone or the Server was destroyed is dropped; the Loop must outlive every copy.
using Reply = std::function<void(Response)>;
// Called on the pool's threads (several at once), or on the loop's if the listener is `inline_handler`. An exception
// is answered by 500 and logged by its type (its text may quote a body). The Log must outlive the pool's tasks; an
// inline handler may not destroy the Server.
using Handler = std::function<void(Request, Reply)>;

struct Limits {
  size_t header_bytes = 16384;  // request line and headers; more: 431
  size_t body_bytes = 1048576;  // more: 413
  int64_t idle_ms = 60000;      // between requests, and for a client that does not take its answer: closed
  int64_t request_ms = 30000;   // from a request's first byte to its last, TLS handshake too: 408
  size_t connections = 1024;    // of this listener; more: 503
};

struct ListenerOptions {
  std::string name;  // "admin", "webhooks": Request::listener
  Handler handler;
  bool inline_handler = false;      // run the handler on the loop: it must not block
  std::shared_ptr<TlsContext> tls;  // null: clear
  Limits limits;
  std::vector<std::string> trusted_proxies;  // "10.0.0.1", "10.0.0.0/8", "fd00::/8": whose X-Forwarded-For counts
};

// Loop thread only. Destroying it closes everything at once.
class Server {
 public:
  // `pool` may be null if every listener is inline; a full pool answers 503 with Retry-After.
  Server(Loop& loop, ThreadPool* pool, const Clock& clock, IdSource& ids, Log& log);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port it listens on; errors say what to do. `invalid` for a trusted proxy that is no address.
  Result<int> listen(const Endpoint& at, ListenerOptions options);
  Result<int> adopt(int fd, ListenerOptions options);  // a listening socket from systemd

  // Stops listening, closes idle connections, answers what is in progress with Connection: close. `done` is called on
  // the loop when all are gone, at the latest after deadline_ms, when the rest is reset; it may destroy the Server.
  void stop(int64_t deadline_ms, std::function<void()> done);

  size_t connections() const;  // open now, all listeners

  struct Impl;  // named here for its connections

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet::http

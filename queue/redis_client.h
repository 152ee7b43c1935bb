// A Redis connection on a loop: pipelined calls with time-outs, and reconnecting. hiredis formats and parses; the
// socket and TLS are base/stream.h. Loop thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/stream.h"
#include "base/tls.h"

namespace signet {

struct Reply {  // RESP2
  enum class Type { nil, text, status, integer, array, error };
  Type type = Type::nil;
  std::string text;  // of text, status and error
  int64_t integer = 0;
  std::vector<Reply> elements;
};

struct RedisOptions {
  std::string url = "redis://127.0.0.1:6379";  // redis://host[:port][/db], rediss:// with TLS; [::1] for IPv6
  std::string user;                            // ACL user; empty: "default"
  Secret password;                             // empty: no AUTH
  std::shared_ptr<TlsContext> tls;             // for rediss://
  int64_t connect_timeout_ms = 5000;
  int64_t call_timeout_ms = 2000;
  int64_t backoff_ms_min = 50;         // doubled for each failure in a row, with jitter,
  int64_t backoff_ms_max = 2000;       // up to this
  int64_t ping_ms = 10000;             // a subscriber hears nothing from a dead peer, so it asks
  size_t in_flight_max = 4096;         // calls; more are refused with `limit`
  std::vector<std::string> subscribe;  // channels; such a client takes no calls
};

struct RedisAddress {
  Endpoint endpoint;
  int db = 0;
  bool is_tls = false;
};
// The error names what is wrong; redis.url in its text. A user or password in the URL is refused: they belong in
// redis.user and redis.password_file.
Result<RedisAddress> parse_redis_url(std::string_view url);

class RedisClient {
 public:
  struct Handlers {
    std::function<void()> on_up;                // connected, AUTH and SELECT done
    std::function<void(const Error&)> on_down;  // once for each loss and each failed attempt; the
                                                // text tells a person what to do
    std::function<void(const std::string& channel, const std::string& text)> on_message;
  };
  using Done = std::function<void(Result<Reply>)>;

  // Connects at once and for ever again. options.url must parse (checked). Handlers may not destroy the client.
  RedisClient(Loop& loop, const Clock& clock, Random& random, RedisOptions options, Handlers handlers);
  ~RedisClient();  // pending calls are dropped without an answer
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // `done` comes on the loop, never inside the call: `unavailable` when there is no connection or it goes, `timeout`
  // (this call; the connection is closed, since replies are told apart by position only), `limit`, or by the server's
  // error reply: its text with `unavailable` (LOADING, READONLY, CLUSTERDOWN, ...), `forbidden` (NOPERM, ...),
  // `limit` (OOM) or `invalid`. MOVED and ASK come with their text.
  void call(const std::vector<std::string_view>& arguments, Done done);
  void call(const std::vector<std::string_view>& arguments, int64_t timeout_ms, Done done);
  // Calls between these two leave in one write.
  void begin_batch() { batch_depth_++; }
  void end_batch();
  bool is_up() const { return is_up_; }

 private:
  struct Reader;
  struct Pending {
    Tick deadline;
    Done done;
  };
  void find_address(std::function<void(Result<Endpoint>)> found);
  void connect();
  void greet();
  void subscribe();
  void greeted(std::string_view what, const Result<Reply>& reply);
  void lose(Error error, ErrorCode first_call = ErrorCode::unavailable);
  void feed(std::string_view octets);
  void take(Reply reply);
  void push(const std::vector<std::string_view>& arguments, int64_t timeout_ms, Done done);
  void flush();
  void arm(Tick now);
  void check_deadlines();
  std::string place() const;

  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  const RedisOptions options_;
  const RedisAddress address_;
  const Handlers handlers_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Reader> reader_;
  std::deque<Pending> pending_;
  std::string out_;
  Timer retry_timer_, deadline_timer_, ping_timer_;
  Tick armed_for_;
  Tick heard_at_;
  int failures_ = 0;
  int batch_depth_ = 0;
  uint64_t generation_ = 0;  // of the connection
  bool is_up_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);  // for what is posted
};

}  // namespace signet

// One connection to PostgreSQL on a loop, in libpq's pipeline mode: prepared statements, one exchange at a time, each
// exchange one transaction. Reconnects for ever. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/random.h"
#include "store/pg_session.h"

struct pg_conn;
struct pg_result;
struct uv_poll_s;

namespace signet {

struct PgStatement {
  const char* name;
  const char* sql;
  bool is_planned_ahead = false;  // before the connection is ready: what may not wait for its plan, tens of ms
};

// Statements between two Syncs are one transaction.
struct PgExchange {
  struct Call {
    const char* statement;
    std::vector<std::string> values;  // in binary form
  };
  std::vector<Call> calls;
  std::function<void(const char* statement, const PgRows& rows)> rows;  // of each call that returns some
  std::function<void(const Error*)> done;  // null: committed. `unavailable`: whether it took effect is not known
};

class PgPipeline {
 public:
  struct Handlers {
    std::function<void()> on_change;                     // is_ready() has changed
    std::function<void(const std::string&)> on_failure;  // why it is not ready; may come often
  };
  // The statements live as long as this.
  PgPipeline(Loop& loop, Random& random, const PgOptions& options, const std::vector<PgStatement>& statements,
             Handlers handlers);
  ~PgPipeline();  // the exchange under way ends without a call
  PgPipeline(const PgPipeline&) = delete;
  PgPipeline& operator=(const PgPipeline&) = delete;

  bool is_ready() const { return state_ == State::ready; }
  bool is_free() const { return state_ == State::ready && !exchange_; }
  void start(std::unique_ptr<PgExchange> exchange);  // is_free()

 private:
  enum class State { down, connecting, preparing, ready };
  void connect();
  void close();
  void lost(const std::string& why);
  // For where the caller still holds what lost() frees, or must not be called back inside its own call.
  void lost_soon(const std::string& why);
  void poll_connect();
  void prepare();
  void watch(int events);
  void forget_poll();
  void on_event(int status, int events);
  void flush();
  void read();
  void take(pg_result* result);
  void failed(const pg_result* result);
  int64_t jitter(int64_t ms);

  Loop& loop_;
  Random& random_;
  const PgOptions options_;
  const std::vector<PgStatement>& statements_;
  const Handlers handlers_;
  Timer retry_, limit_;
  int64_t reconnect_ms_;
  pg_conn* pg_ = nullptr;
  uv_poll_s* poll_ = nullptr;
  int watched_socket_ = -1;
  State state_ = State::down;
  size_t at_call_ = 0;
  std::unique_ptr<PgExchange> exchange_;
  bool is_failed_ = false;
  Error error_;
};

}  // namespace signet

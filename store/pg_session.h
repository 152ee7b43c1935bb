// One blocking connection to PostgreSQL, for API handlers and background work; the delivery loops have their own
// (store/journal.h). One thread at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/result.h"
#include "base/secret.h"

namespace signet {

class PgArray;

struct PgOptions {
  std::string url;  // postgresql://user@host[,host]:port/database?target_session_attrs=read-write
  Secret password;
  std::string application_name = "signetd";
  int connect_timeout_s = 5;
  int statement_timeout_ms = 30000;
};

// A parameter in PostgreSQL's binary form, with its type.
class PgValue {
 public:
  static PgValue null();
  PgValue(std::string_view text);
  PgValue(const std::string& text) : PgValue(std::string_view(text)) {}
  PgValue(const char* text) : PgValue(std::string_view(text)) {}
  PgValue(int32_t number);
  PgValue(int64_t number);
  PgValue(bool flag);
  PgValue(const Uuid& id);
  PgValue(WallTime time);
  static PgValue octets(std::string_view bytes);               // bytea
  static PgValue texts(const std::vector<std::string>& list);  // text[]
  static PgValue uuids(const std::vector<Uuid>& list);         // uuid[]
  static PgValue array(PgArray list);                          // the statement says of what by a cast
  template <class T>
  PgValue(const std::optional<T>& value) : PgValue(value ? PgValue(*value) : null()) {}

  uint32_t type = 0;  // OID
  bool is_null = false;
  std::string bytes;

 private:
  PgValue() = default;
};

class PgRows {  // results in binary form
 public:
  PgRows() = default;
  explicit PgRows(std::shared_ptr<void> result);
  int size() const;
  bool is_null(int row, int column) const;
  std::string_view octets(int row, int column) const;  // text or bytea; lives as long as this
  std::string text(int row, int column) const { return std::string(octets(row, column)); }
  int64_t number(int row, int column) const;  // smallint, integer or bigint
  bool flag(int row, int column) const;
  Uuid uuid(int row, int column) const;
  WallTime time(int row, int column) const;
  std::optional<WallTime> optional_time(int row, int column) const;
  std::vector<std::string> texts(int row, int column) const;
  int64_t affected() const;     // rows of an insert, update or delete
  std::string command() const;  // as the server tags it: "COMMIT", "INSERT 0 1"

 private:
  std::shared_ptr<void> result_;
};

class PgSession {
 public:
  // unavailable: no server, or it refused; the text says what to check.
  static Result<std::unique_ptr<PgSession>> open(const PgOptions& options);
  ~PgSession();
  // conflict: unique violation or serialisation failure; invalid: bad data; forbidden: no right; unavailable: the
  // connection is gone, and whether a COMMIT under way took effect is not known.
  Result<PgRows> run(const std::string& sql, const std::vector<PgValue>& values = {});
  Result<void> script(const std::string& sql);  // several statements, no parameters
  bool is_usable() const;
  std::string last_sqlstate() const;

 private:
  struct Impl;
  explicit PgSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// BEGIN at construction, ROLLBACK at destruction unless commit() was called.
class PgTransaction {
 public:
  explicit PgTransaction(PgSession& session);
  ~PgTransaction();
  Result<PgRows> run(const std::string& sql, const std::vector<PgValue>& values = {});
  Result<void> commit();

 private:
  PgSession& session_;
  bool is_open_ = false;
  Error begin_error_;
};

class PgPool {  // any thread
 public:
  PgPool(PgOptions options, int size_max);
  class Lease {
   public:
    Lease(PgPool* pool, std::unique_ptr<PgSession> session) : pool_(pool), session_(std::move(session)) {}
    Lease(Lease&& other) noexcept = default;
    ~Lease();
    PgSession& operator*() { return *session_; }
    PgSession* operator->() { return session_.get(); }

   private:
    PgPool* pool_;
    std::unique_ptr<PgSession> session_;
  };
  // Waits up to wait_ms for a free session (limit if none came).
  Result<Lease> take(int64_t wait_ms = 5000);
  int in_use() const;

 private:
  friend class Lease;
  void give_back(std::unique_ptr<PgSession> session);
  const PgOptions options_;
  const int size_max_;
  mutable std::mutex lock_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<PgSession>> idle_;
  int open_ = 0;
};

}  // namespace signet

#include "store/pg_session.h"

#include <libpq-fe.h>

#include <cstring>

#include "base/bytes.h"
#include "store/pg_array.h"

namespace signet {
namespace {

constexpr uint32_t oid(PgType type) { return static_cast<uint32_t>(type); }

ErrorCode code_of(std::string_view sqlstate) {
  const auto group = sqlstate.substr(0, 2);
  if (sqlstate == "23505" || sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03")
    return ErrorCode::conflict;
  if (group == "42" && sqlstate == "42501") return ErrorCode::forbidden;
  if (sqlstate == "57014") return ErrorCode::timeout;
  if (group == "08" || group == "57" || group == "53" || group == "28") return ErrorCode::unavailable;
  return ErrorCode::invalid;
}

// Only the primary text: DETAIL repeats the row's values.
std::string primary_text(const PGresult* result) {
  const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  return text ? text : "no answer";
}

}  // namespace

PgValue PgValue::null() {
  PgValue value;
  value.is_null = true;
  return value;
}
PgValue::PgValue(std::string_view text) : type(oid(PgType::text)), bytes(text) {}
PgValue::PgValue(int32_t number) : type(oid(PgType::int4)) { append_u32(bytes, static_cast<uint32_t>(number)); }
PgValue::PgValue(int64_t number) : type(oid(PgType::int8)) { append_u64(bytes, static_cast<uint64_t>(number)); }
PgValue::PgValue(bool flag) : type(oid(PgType::boolean)), bytes(1, flag ? '\1' : '\0') {}
PgValue::PgValue(const Uuid& id) : type(oid(PgType::uuid)), bytes(id.view()) {}
PgValue::PgValue(WallTime time) : type(oid(PgType::timestamptz)) {
  append_u64(bytes, static_cast<uint64_t>(time.us - kPgEpochUs));
}
PgValue PgValue::octets(std::string_view octets) {
  PgValue value;
  value.type = oid(PgType::bytea);
  value.bytes = octets;
  return value;
}
PgValue PgValue::texts(const std::vector<std::string>& list) {
  PgArray items(PgType::text);
  for (const auto& item : list) items.add(item);
  PgValue value;
  value.type = oid(PgType::text_array);
  value.bytes = items.bytes();
  return value;
}
PgValue PgValue::uuids(const std::vector<Uuid>& list) {
  PgArray items(PgType::uuid);
  for (const auto& item : list) items.add(item.view());
  PgValue value;
  value.type = oid(PgType::uuid_array);
  value.bytes = items.bytes();
  return value;
}
PgValue PgValue::array(PgArray list) {
  PgValue value;
  value.bytes = list.bytes();
  return value;
}

PgRows::PgRows(std::shared_ptr<void> result) : result_(std::move(result)) {}
static const PGresult* raw(const std::shared_ptr<void>& result) { return static_cast<const PGresult*>(result.get()); }
int PgRows::size() const { return result_ ? PQntuples(raw(result_)) : 0; }
bool PgRows::is_null(int row, int column) const { return PQgetisnull(raw(result_), row, column) != 0; }
std::string_view PgRows::octets(int row, int column) const {
  return {PQgetvalue(raw(result_), row, column), static_cast<size_t>(PQgetlength(raw(result_), row, column))};
}
int64_t PgRows::number(int row, int column) const {
  const auto bytes = octets(row, column);
  const uint64_t value = read_big_endian(bytes);
  switch (bytes.size()) {
    case 2:
      return static_cast<int16_t>(value);
    case 4:
      return static_cast<int32_t>(value);
    default:
      return static_cast<int64_t>(value);
  }
}
bool PgRows::flag(int row, int column) const { return !octets(row, column).empty() && octets(row, column)[0] != 0; }
Uuid PgRows::uuid(int row, int column) const { return Uuid::from_view(octets(row, column)); }
WallTime PgRows::time(int row, int column) const { return {number(row, column) + kPgEpochUs}; }
std::optional<WallTime> PgRows::optional_time(int row, int column) const {
  if (is_null(row, column)) return std::nullopt;
  return time(row, column);
}
std::vector<std::string> PgRows::texts(int row, int column) const {
  auto bytes = octets(row, column);
  std::vector<std::string> out;
  if (bytes.size() < 20) return out;
  const auto count = read_big_endian(bytes.substr(12, 4));
  bytes.remove_prefix(20);
  for (uint64_t i = 0; i < count; i++) {
    const auto size = read_big_endian(bytes.substr(0, 4));
    out.emplace_back(bytes.substr(4, size));
    bytes.remove_prefix(4 + size);
  }
  return out;
}
std::string PgRows::command() const { return result_ ? PQcmdStatus(static_cast<PGresult*>(result_.get())) : ""; }
int64_t PgRows::affected() const {
  const char* text = result_ ? PQcmdTuples(static_cast<PGresult*>(result_.get())) : "";
  return text[0] ? std::atoll(text) : 0;
}

struct PgSession::Impl {
  PGconn* connection = nullptr;
  std::string sqlstate;
  ~Impl() { PQfinish(connection); }

  Error failure(const PGresult* result) {
    const char* state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    sqlstate = state ? state : "";
    if (sqlstate.empty() || PQstatus(connection) != CONNECTION_OK)
      return {ErrorCode::unavailable,
              "PostgreSQL is gone: " + (sqlstate.empty() ? "the connection was lost" : primary_text(result))};
    return {code_of(sqlstate), "PostgreSQL: " + primary_text(result) + " (" + sqlstate + ")"};
  }
};

Result<std::unique_ptr<PgSession>> PgSession::open(const PgOptions& options) {
  const std::string timeout = std::to_string(options.connect_timeout_s);
  // Compiling a plan over months of partitions takes seconds, and none of our statements runs that long.
  const std::string settings = "-c jit=off -c statement_timeout=" + std::to_string(options.statement_timeout_ms) +
                               " -c idle_in_transaction_session_timeout=30000";
  const std::string password(options.password.octets());
  // dbname expands the URL; what stands after it adds to it, what stands before it the URL may change. Keepalives and
  // the user time-out tell a server that vanished without a word.
  const char* names[] = {
      "keepalives_idle",  "keepalives_interval", "keepalives_count", "tcp_user_timeout", "dbname", "password",
      "application_name", "connect_timeout",     "options",          "client_encoding",  nullptr};
  const char* values[] = {"10",
                          "5",
                          "3",
                          "15000",
                          options.url.c_str(),
                          password.empty() ? nullptr : password.c_str(),
                          options.application_name.c_str(),
                          timeout.c_str(),
                          settings.c_str(),
                          "UTF8",
                          nullptr};
  auto impl = std::make_unique<Impl>();
  impl->connection = PQconnectdbParams(names, values, 1);
  if (PQstatus(impl->connection) != CONNECTION_OK) {
    std::string text = PQerrorMessage(impl->connection);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    for (auto& c : text)
      if (c == '\n') c = ' ';
    return Error{ErrorCode::unavailable, "PostgreSQL: " + text + ": check postgres.url and that the server runs"};
  }
  PQsetNoticeProcessor(
      impl->connection, [](void*, const char*) {}, nullptr);
  return std::unique_ptr<PgSession>(new PgSession(std::move(impl)));
}

PgSession::PgSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PgSession::~PgSession() = default;

Result<PgRows> PgSession::run(const std::string& sql, const std::vector<PgValue>& values) {
  std::vector<Oid> types;
  std::vector<const char*> at;
  std::vector<int> sizes, formats;
  for (const auto& value : values) {
    types.push_back(value.type);
    at.push_back(value.is_null ? nullptr : value.bytes.data());
    sizes.push_back(static_cast<int>(value.bytes.size()));
    formats.push_back(1);
  }
  PGresult* result = PQexecParams(impl_->connection, sql.c_str(), static_cast<int>(values.size()), types.data(),
                                  at.data(), sizes.data(), formats.data(), 1);
  std::shared_ptr<void> owned(result, [](void* r) { PQclear(static_cast<PGresult*>(r)); });
  const auto status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return impl_->failure(result);
  return PgRows(std::move(owned));
}

Result<void> PgSession::script(const std::string& sql) {
  PGresult* result = PQexec(impl_->connection, sql.c_str());
  const auto status = PQresultStatus(result);
  Result<void> out;
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) out = impl_->failure(result);
  PQclear(result);
  return out;
}

bool PgSession::is_usable() const {
  return PQstatus(impl_->connection) == CONNECTION_OK && PQtransactionStatus(impl_->connection) == PQTRANS_IDLE;
}
std::string PgSession::last_sqlstate() const { return impl_->sqlstate; }

PgTransaction::PgTransaction(PgSession& session) : session_(session) {
  auto begun = session_.script("begin");
  is_open_ = begun.ok();
  if (!begun) begin_error_ = begun.error();
}
PgTransaction::~PgTransaction() {
  if (is_open_) (void)session_.script("rollback");
}
Result<PgRows> PgTransaction::run(const std::string& sql, const std::vector<PgValue>& values) {
  if (!is_open_) return begin_error_;
  return session_.run(sql, values);
}
Result<void> PgTransaction::commit() {
  if (!is_open_) return begin_error_;
  is_open_ = false;
  auto done = session_.run("commit");
  if (!done) return done.error();
  // After a failed statement the server answers COMMIT with a rollback, and no error.
  if (done->command() != "COMMIT")
    return Error{ErrorCode::conflict, "PostgreSQL rolled the transaction back: a statement in it had failed"};
  return {};
}

PgPool::PgPool(PgOptions options, int size_max) : options_(std::move(options)), size_max_(size_max) {}

Result<PgPool::Lease> PgPool::take(int64_t wait_ms) {
  {
    std::unique_lock guard(lock_);
    if (!freed_.wait_for(guard, std::chrono::milliseconds(wait_ms),
                         [this] { return !idle_.empty() || open_ < size_max_; }))
      return Error{ErrorCode::limit, "all PostgreSQL connections are busy: raise postgres.api_connections"};
    if (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      return Lease(this, std::move(session));
    }
    open_++;
  }
  auto session = PgSession::open(options_);
  if (!session) {
    std::lock_guard guard(lock_);
    open_--;
    freed_.notify_one();
    return session.error();
  }
  return Lease(this, std::move(*session));
}

PgPool::Lease::~Lease() {
  if (session_) pool_->give_back(std::move(session_));
}

void PgPool::give_back(std::unique_ptr<PgSession> session) {
  std::lock_guard guard(lock_);
  if (session->is_usable())
    idle_.push_back(std::move(session));
  else
    open_--;
  freed_.notify_one();
}

int PgPool::in_use() const {
  std::lock_guard guard(lock_);
  return open_ - static_cast<int>(idle_.size());
}

}  // namespace signet

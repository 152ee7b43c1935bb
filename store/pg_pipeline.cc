#include "store/pg_pipeline.h"

#include <libpq-fe.h>
#include <uv.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/crash_point.h"

namespace signet {
namespace {

constexpr int64_t kReconnectMsMin = 50, kReconnectMsMax = 500;
constexpr int64_t kAnswerMarginMs = 1000;

// Plans a prepared statement and keeps the plan, since plans are generic here; runs nothing.
std::string explain_of(const PgStatement& statement) {
  int parameters = 0;
  for (const char* at = statement.sql; (at = std::strchr(at, '$')) != nullptr;)
    parameters = std::max(parameters, std::atoi(++at));
  std::string out = std::string("explain execute ") + statement.name + '(';
  for (int i = 0; i < parameters; i++) out += i == 0 ? "null" : ",null";
  return out + ')';
}

const char* text_of(const PGresult* result, int field, const char* otherwise) {
  const char* text = PQresultErrorField(result, field);
  return text ? text : otherwise;
}

}  // namespace

PgPipeline::PgPipeline(Loop& loop, Random& random, const PgOptions& options, const std::vector<PgStatement>& statements,
                       Handlers handlers)
    : loop_(loop),
      random_(random),
      options_(options),
      statements_(statements),
      handlers_(std::move(handlers)),
      retry_(loop),
      limit_(loop),
      reconnect_ms_(kReconnectMsMin) {
  retry_.start(0, [this] { connect(); });  // later, so that the owner is whole when the first call comes
}

PgPipeline::~PgPipeline() { close(); }

int64_t PgPipeline::jitter(int64_t ms) {
  return ms / 2 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(ms / 2 + 1)));
}

void PgPipeline::connect() {
  const std::string password(options_.password.octets());
  // Generic plans without sequential scans: plans are made once, maybe while a table is empty (store/pg_journal.cc).
  const std::string settings = "-c statement_timeout=" + std::to_string(options_.statement_timeout_ms) +
                               " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off";
  // No longer than an answer is waited for.
  const std::string unacknowledged_ms = std::to_string(options_.statement_timeout_ms + kAnswerMarginMs);
  const char* names[] = {"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "dbname",
                         "password",        "application_name",    "options",          "client_encoding",  nullptr};
  const char* values[] = {"10",
                          "5",
                          "3",
                          unacknowledged_ms.c_str(),
                          options_.url.c_str(),
                          password.empty() ? nullptr : password.c_str(),
                          options_.application_name.c_str(),
                          settings.c_str(),
                          "UTF8",
                          nullptr};
  pg_ = PQconnectStartParams(names, values, 1);
  state_ = State::connecting;
  if (PQstatus(pg_) == CONNECTION_BAD) return lost(PQerrorMessage(pg_));
  limit_.start(options_.connect_timeout_s * 1000, [this] { lost("no answer in time"); });
  watch(UV_WRITABLE);
}

void PgPipeline::close() {
  limit_.stop();
  forget_poll();
  if (pg_) PQfinish(pg_);
  pg_ = nullptr;
}

void PgPipeline::forget_poll() {
  if (poll_) {
    uv_poll_stop(poll_);
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), [](uv_handle_t* h) { delete reinterpret_cast<uv_poll_t*>(h); });
  }
  poll_ = nullptr;
  watched_socket_ = -1;
}

void PgPipeline::lost(const std::string& why) {
  std::string text = why;
  std::replace(text.begin(), text.end(), '\n', ' ');
  close();
  state_ = State::down;
  handlers_.on_failure(text);
  retry_.start(jitter(reconnect_ms_), [this] { connect(); });
  reconnect_ms_ = std::min(reconnect_ms_ * 2, kReconnectMsMax);
  auto exchange = std::move(exchange_);
  handlers_.on_change();
  if (!exchange) return;
  const Error error{ErrorCode::unavailable, "PostgreSQL is gone; whether the batch took effect is not known"};
  exchange->done(&error);
}

void PgPipeline::lost_soon(const std::string& why) {
  limit_.start(0, [this, why] { lost(why); });
}

// libpq may change its socket while it tries one host after the other.
void PgPipeline::watch(int events) {
  const int fd = PQsocket(pg_);
  if (fd < 0) return;
  if (fd != watched_socket_) forget_poll();
  if (!poll_) {
    poll_ = new uv_poll_t;
    if (uv_poll_init(loop_.uv(), poll_, fd) != 0) {
      delete std::exchange(poll_, nullptr);
      return lost_soon("its socket cannot be watched");
    }
    poll_->data = this;
    watched_socket_ = fd;
  }
  uv_poll_start(poll_, events, [](uv_poll_t* poll, int status, int happened) {
    static_cast<PgPipeline*>(poll->data)->on_event(status, happened);
  });
}

void PgPipeline::poll_connect() {
  switch (PQconnectPoll(pg_)) {
    case PGRES_POLLING_READING:
      return watch(UV_READABLE);
    case PGRES_POLLING_WRITING:
      return watch(UV_WRITABLE);
    case PGRES_POLLING_OK:
      return prepare();
    default:
      return lost(PQerrorMessage(pg_));
  }
}

void PgPipeline::prepare() {
  state_ = State::preparing;
  PQsetnonblocking(pg_, 1);
  PQsetNoticeProcessor(
      pg_, [](void*, const char*) {}, nullptr);
  PQenterPipelineMode(pg_);
  for (const auto& statement : statements_) {
    PQsendPrepare(pg_, statement.name, statement.sql, 0, nullptr);
    if (statement.is_planned_ahead)
      PQsendQueryParams(pg_, explain_of(statement).c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1);
  }
  PQpipelineSync(pg_);
  flush();
}

void PgPipeline::on_event(int status, int events) {
  if (state_ == State::connecting) return poll_connect();
  if (status < 0) return lost("its socket failed");
  if (events & UV_READABLE) {
    if (!PQconsumeInput(pg_)) return lost(PQerrorMessage(pg_));
    read();
    if (!pg_) return;
  }
  if (events & UV_WRITABLE) flush();
}

void PgPipeline::flush() {
  const int more = PQflush(pg_);
  if (more < 0) return lost_soon(PQerrorMessage(pg_));
  watch(UV_READABLE | (more ? UV_WRITABLE : 0));
}

void PgPipeline::start(std::unique_ptr<PgExchange> exchange) {
  SIGNET_CHECK(is_free());
  exchange_ = std::move(exchange);
  at_call_ = 0;
  is_failed_ = false;
  // The server's own limit comes first; this one is for a server that is stopped, or no longer reached.
  limit_.start(options_.statement_timeout_ms + kAnswerMarginMs, [this] { lost("no answer in time"); });
  for (const auto& call : exchange_->calls) {
    std::vector<const char*> at;
    std::vector<int> sizes, formats;
    for (const auto& value : call.values) {
      at.push_back(value.data());
      sizes.push_back(static_cast<int>(value.size()));
      formats.push_back(1);
    }
    PQsendQueryPrepared(pg_, call.statement, static_cast<int>(at.size()), at.data(), sizes.data(), formats.data(), 1);
  }
  PQpipelineSync(pg_);
  flush();
  SIGNET_CRASH_POINT(batch_written);
}

void PgPipeline::read() {
  // In pipeline mode a null separates statements' results; two in a row mean that nothing is left.
  int nulls = 0;
  while (pg_ && !PQisBusy(pg_) && nulls < 2) {
    PGresult* result = PQgetResult(pg_);
    if (!result) {
      nulls++;
      continue;
    }
    nulls = 0;
    take(result);
    PQclear(result);
  }
}

void PgPipeline::take(PGresult* result) {
  const auto status = PQresultStatus(result);
  if (state_ == State::preparing) {
    if (status == PGRES_PIPELINE_SYNC) {
      state_ = State::ready;
      reconnect_ms_ = kReconnectMsMin;
      limit_.stop();
      handlers_.on_change();
    } else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      lost_soon(text_of(result, PG_DIAG_MESSAGE_PRIMARY, "a statement could not be prepared") +
                std::string(": run `signetd migrate`"));
    }
    return;
  }
  if (!exchange_) return;
  switch (status) {
    case PGRES_TUPLES_OK:  // lives for the call only: the deleter leaves it alone
      exchange_->rows(exchange_->calls[at_call_++].statement, PgRows(std::shared_ptr<void>(result, [](void*) {})));
      break;
    case PGRES_COMMAND_OK:
      at_call_++;
      break;
    case PGRES_PIPELINE_ABORTED:
      break;
    case PGRES_PIPELINE_SYNC: {
      auto exchange = std::move(exchange_);
      limit_.stop();
      exchange->done(is_failed_ ? &error_ : nullptr);
      break;
    }
    default:
      failed(result);
  }
}

void PgPipeline::failed(const PGresult* result) {
  const std::string state = text_of(result, PG_DIAG_SQLSTATE, "");
  const std::string group = state.substr(0, 2);
  is_failed_ = true;
  // Lock and deadlock victims, and time-outs, may be repeated as they are; the server's own troubles pass.
  error_.code = state == "40P01" || state == "40001" || state == "55P03" || state == "57014" ? ErrorCode::conflict
                : group == "57" || group == "53" || group == "58" || state.empty()           ? ErrorCode::unavailable
                                                                                             : ErrorCode::invalid;
  error_.text = std::string("PostgreSQL: ") + text_of(result, PG_DIAG_MESSAGE_PRIMARY, "no answer");
}

}  // namespace signet

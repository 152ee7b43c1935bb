#include <libpq-fe.h>
#include <uv.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>

#include "base/bytes.h"
#include "store/journal.h"

namespace signet {
namespace {

constexpr uint32_t kInt2 = 21, kText = 25, kBytea = 17, kTimestamptz = 1184, kUuid = 2950, kBool = 16;
constexpr int64_t kEpochUs = 946684800000000;
constexpr int64_t kNoTime = INT64_MIN;  // '-infinity': an absent time inside an array
constexpr int64_t kReconnectMsMin = 50, kReconnectMsMax = 2000;

// Verdicts in the order of the case below are those of PermitVerdict. Laterals with OFFSET 0 are not flattened, so that each
// row is looked up by its key whatever the planner believed about an empty table (design: engine, "Speed").
constexpr char kPermitSql[] = R"sql(
with u as materialized (
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) u(id, lane, provider, why)
), a as materialized (
  select u.*, d.attempt_no, d.priority, d.lane as due_lane, d.sender, d.provider as due_provider, d.due_at, d.send_until,
    m.kind, m.version, m.requeues, m.attempts, m.max_attempts, m.status, m.expires_at, m.event_n, m.event_leaf,
    m.recipient_key,
    case
      when d.message_id is null or m.id is null then 1
      when m.status <> 4 then 2
      when m.cancel_requested then 3
      when m.expires_at <= now() then 4
      when exists (select from suppressions s where s.recipient_key = m.recipient_key) then 5
      when d.due_at > now() then 6
      when d.send_until <= now() then 7
      when d.lane <> u.lane then 8
      when d.provider <> u.provider then 9
      when d.attempt_no > 1 and not exists (select from attempt_result r where r.message_id = u.id
          and r.attempt_no = d.attempt_no - 1 and r.outcome in (2, 5))
        and not exists (select from decision x where x.message_id = u.id and x.attempt_no = d.attempt_no - 1
          and x.decision in ('resend', 'requeue'))
        and not exists (select from attempt_start v where v.message_id = u.id and v.attempt_no = d.attempt_no - 1
          and v.kind = 2 and exists (select from approval p where p.message_id = u.id and p.at > v.permitted_at))
        then 10
      else 0
    end as verdict
  from u
  left join lateral (select * from due where due.message_id = u.id offset 0) d on true
  left join lateral (select * from message where message.id = u.id offset 0) m on true
), g as (
  insert into attempt_start (message_id, attempt_no, kind, epoch, instance, provider, lane, route_reason, permitted_at)
  select id, attempt_no, 1, $5, $6, provider, lane, why, clock_timestamp() from a where verdict = 0 order by id
  on conflict do nothing
  returning message_id, permitted_at
)
select a.id, case when a.verdict = 0 and g.message_id is null then 11 else a.verdict end, a.attempt_no, a.kind,
  a.priority, a.due_lane, a.sender, a.provider, a.why, a.due_at, g.permitted_at, a.send_until,
  a.expires_at, a.version, a.requeues, a.attempts, a.max_attempts, a.status, a.event_n, a.event_leaf, a.recipient_key,
  k.kek_id, k.wrapped, c.version, c.sealed, p.envelope_commit, p.approval_mac, p.policy_id
from a left join g on g.message_id = a.id
left join lateral (select * from content where content.message_id = g.message_id offset 0) c on true
left join lateral (select * from data_key where data_key.message_id = g.message_id offset 0) k on true
left join lateral (select * from approval where approval.message_id = g.message_id and approval.version = a.version
  and approval.decision = 1 order by approval.at desc limit 1) p on true)sql";

// One gate: what follows takes effect only for messages whose head is the expected one.
constexpr char kResultSql[] = R"sql(
with u as materialized (
  select * from unnest($1::uuid[], $2::int2[], $3::int2[], $4::text[], $5::text[], $6::text[], $7::int2[], $8::int2[],
    $9::timestamptz[], $10::timestamptz[], $11::int2[], $12::text[], $13::bool[], $14::bool[], $15::timestamptz[],
    $16::text[], $17::bytea[], $18::uuid[], $19::bytea[], $20::bytea[], $21::text[])
  u(id, attempt_no, outcome, reason, reference, code, status_code, parts, started_at, finished_at, status, failure,
    is_counted, is_proven, next_due, next_provider, head, event_id, canon, leaf, provider)
), m as (
  update message set status = u.status, event_n = event_n + 1, event_leaf = u.leaf,
    attempts = attempts + u.is_counted::int, last_attempt_at = u.finished_at, is_proven = u.is_proven,
    provider = case when u.outcome in (1, 4) then u.provider else message.provider end,
    provider_reference = case when u.reference <> '' then u.reference else message.provider_reference end,
    sent_at = case when u.outcome = 1 then u.finished_at else sent_at end,
    failure_reason = case when u.outcome = 1 then failure_reason when u.failure <> '' then u.failure else u.reason end,
    updated_at = u.finished_at
  from u where message.id = u.id and message.event_leaf = u.head
  returning message.id
), r as (
  insert into attempt_result (message_id, attempt_no, outcome, reason, provider_reference, provider_code, status_code,
    parts, started_at, finished_at)
  select u.id, attempt_no, outcome, reason, reference, code, status_code, parts, started_at, finished_at
  from u join m on m.id = u.id order by u.id on conflict do nothing
), gone as (
  delete from due using u, m where due.message_id = u.id and m.id = u.id and u.next_due = '-infinity'
), next as (
  update due set attempt_no = u.attempt_no + 1, due_at = u.next_due, provider = nullif(u.next_provider, '')
  from u, m where due.message_id = u.id and m.id = u.id and u.next_due > '-infinity'
), e as (
  insert into audit.entry (event_id, canon, leaf, object_id)
  select u.event_id, u.canon, u.leaf, u.id from u join m on m.id = u.id order by u.event_id
)
select id from m)sql";

// A void takes the attempt's key; where a permit holds it already nothing happens here.
constexpr char kEndSql[] = R"sql(
with u as materialized (
  select * from unnest($1::uuid[], $2::int2[], $3::int2[], $4::text[], $5::bool[], $6::bytea[], $7::uuid[], $8::bytea[],
    $9::bytea[]) u(id, attempt_no, status, reason, is_proven, head, event_id, canon, leaf)
), v as (
  insert into attempt_start (message_id, attempt_no, kind, epoch, instance, permitted_at)
  select u.id, u.attempt_no, 2, null, $10, clock_timestamp() from u
  where exists (select from message where message.id = u.id and message.event_leaf = u.head) order by u.id
  on conflict do nothing returning message_id
), m as (
  update message set status = u.status, event_n = event_n + 1, event_leaf = u.leaf, is_proven = u.is_proven,
    failure_reason = u.reason, updated_at = now()
  from u, v where message.id = u.id and v.message_id = u.id and message.event_leaf = u.head
  returning message.id
), gone as (
  delete from due using m where due.message_id = m.id
), e as (
  insert into audit.entry (event_id, canon, leaf, object_id)
  select u.event_id, u.canon, u.leaf, u.id from u join m on m.id = u.id order by u.event_id
)
select id from m)sql";

constexpr char kHeadsSql[] = R"sql(
select m.id, m.status, m.event_n, m.event_leaf, m.cancel_requested, m.is_proven, m.attempts,
  exists (select from attempt_result r where r.message_id = u.id and r.attempt_no = u.attempt_no)
from unnest($1::uuid[], $2::int2[]) u(id, attempt_no)
cross join lateral (select * from message where message.id = u.id offset 0) m)sql";

constexpr char kOpenSql[] = R"sql(
select s.message_id, s.attempt_no, s.provider, s.lane, s.route_reason, s.instance, s.permitted_at, m.event_n,
  m.event_leaf, m.attempts, m.max_attempts, m.expires_at, m.kind, m.priority
from unnest($1::uuid[]) u(id)
cross join lateral (select * from attempt_start a where a.message_id = u.id and a.kind = 1
  and ($2::uuid = '00000000-0000-0000-0000-000000000000' or a.epoch = $2) offset 0) s
cross join lateral (select * from message where message.id = u.id offset 0) m
where not exists (select from attempt_result r where r.message_id = s.message_id and r.attempt_no = s.attempt_no))sql";

constexpr char kClaimSql[] = R"sql(
select d.message_id, d.lane, coalesce(d.provider, '') from due d
where d.due_at <= now() and d.lane <> all ($2::text[])
  and not exists (select from attempt_start s where s.message_id = d.message_id and s.attempt_no = d.attempt_no)
order by d.priority, d.due_at limit $1 for update of d skip locked)sql";

struct Statement {
  const char* name;
  const char* sql;
};
constexpr Statement kStatements[] = {{"permit", kPermitSql}, {"result", kResultSql}, {"end", kEndSql},
                                     {"heads", kHeadsSql},   {"open", kOpenSql},     {"claim", kClaimSql}};

// PostgreSQL's binary array of one dimension without nulls.
class ArrayValue {
 public:
  explicit ArrayValue(uint32_t element) {
    append_u32(bytes_, 1);
    append_u32(bytes_, 0);
    append_u32(bytes_, element);
    append_u32(bytes_, 0);
    append_u32(bytes_, 1);
  }
  void add(std::string_view value) {
    append_u32(bytes_, static_cast<uint32_t>(value.size()));
    bytes_ += value;
    count_++;
  }
  void add_short(int value) {
    append_u32(bytes_, 2);
    append_u16(bytes_, static_cast<uint16_t>(value));
    count_++;
  }
  void add_flag(bool value) { add({value ? "\1" : "\0", 1}); }
  void add_time(WallTime time) { add_raw_time(time.us - kEpochUs); }
  void add_no_time() { add_raw_time(kNoTime); }
  const std::string& done() {
    if (count_ == 0) {
      bytes_.resize(12);
      bytes_.replace(0, 4, std::string(4, '\0'));  // no dimension
    } else {
      std::string count;
      append_u32(count, count_);
      bytes_.replace(12, 4, count);
    }
    return bytes_;
  }

 private:
  void add_raw_time(int64_t us) {
    append_u32(bytes_, 8);
    append_u64(bytes_, static_cast<uint64_t>(us));
    count_++;
  }
  std::string bytes_;
  uint32_t count_ = 0;
};

class Row {
 public:
  Row(const PGresult* result, int row) : result_(result), row_(row) {}
  bool is_null() const { return PQgetisnull(result_, row_, column_) != 0; }
  std::string_view octets() {
    std::string_view out(PQgetvalue(result_, row_, column_), static_cast<size_t>(PQgetlength(result_, row_, column_)));
    column_++;
    return out;
  }
  std::string text() { return std::string(octets()); }
  int64_t number() {
    const auto bytes = octets();
    const uint64_t value = read_big_endian(bytes);
    if (bytes.size() == 2) return static_cast<int16_t>(value);
    if (bytes.size() == 4) return static_cast<int32_t>(value);
    return static_cast<int64_t>(value);
  }
  int small() { return static_cast<int>(number()); }
  bool flag() { const auto b = octets(); return !b.empty() && b[0] != 0; }
  Uuid uuid() { return Uuid::from_view(octets()); }
  WallTime time() { return {number() + kEpochUs}; }
  std::optional<WallTime> optional_time() {
    if (is_null()) { column_++; return std::nullopt; }
    return time();
  }
  Digest digest() { return digest_from(octets()); }

 private:
  const PGresult* result_;
  int row_, column_ = 0;
};

Permit permit_of(const PGresult* result, int i) {
  Row row(result, i);
  Permit p;
  p.id = row.uuid();
  p.verdict = static_cast<PermitVerdict>(row.number());
  if (p.verdict == PermitVerdict::nothing_due) return p;
  p.attempt_no = row.small();
  p.kind = static_cast<Kind>(row.number());
  p.priority = static_cast<Priority>(row.number());
  p.lane = row.text();
  p.sender = row.text();
  p.provider = row.text();
  p.route_reason = row.text();
  p.due_at = row.time();
  p.permitted_at = row.optional_time().value_or(WallTime{});
  p.send_until = row.optional_time();
  p.expires_at = row.optional_time();
  p.version = row.small();
  p.requeues = row.small();
  p.attempts = row.small();
  p.max_attempts = row.small();
  p.status = static_cast<Status>(row.number());
  p.head.n = row.number();
  p.head.leaf = row.digest();
  p.recipient_key = row.text();
  p.kek_id = row.text();
  p.wrapped_key = row.text();
  p.content_version = row.small();
  p.sealed = row.text();
  p.envelope_commit = row.text();
  p.approval_mac = row.text();
  p.policy_id = row.text();
  return p;
}

// What one exchange asks for: statements between two Syncs are one transaction.
struct Exchange {
  struct Call {
    const char* statement;
    std::vector<std::string> values;
  };
  std::vector<Call> calls;
  std::function<void(const char* statement, const PGresult*)> rows;  // for each result set
  std::function<void(const Error*)> done;                            // null: committed
  bool is_failed = false;
  Error error;
};

class PgJournal;

class Connection {
 public:
  Connection(PgJournal& owner, Loop& loop, int64_t reconnect_ms) : owner_(owner), loop_(loop), retry_(loop), limit_(loop),
        reconnect_ms_(reconnect_ms) { connect(); }
  ~Connection() { close(); }
  bool is_ready() const { return state_ == State::ready; }
  bool is_free() const { return state_ == State::ready && !exchange_; }
  bool is_alive() const { return state_ == State::ready; }
  void start(std::unique_ptr<Exchange> exchange);

 private:
  enum class State { down, connecting, preparing, ready };
  void connect();
  void close();
  void lost(const std::string& why);
  // For where the caller still holds what lost() frees, or must not be called back inside its own call.
  void lost_soon(const std::string& why) { limit_.start(0, [this, why] { lost(why); }); }
  void poll_connect();
  void prepare();
  void watch(int events);
  void on_event(int status, int events);
  void flush();
  void read();
  void take(PGresult* result);

  PgJournal& owner_;
  Loop& loop_;
  Timer retry_, limit_;
  int64_t reconnect_ms_;
  PGconn* pg_ = nullptr;
  uv_poll_t* poll_ = nullptr;
  int watched_socket_ = -1;
  State state_ = State::down;
  size_t to_prepare_ = 0;
  size_t at_call_ = 0;
  std::unique_ptr<Exchange> exchange_;
};

class PgJournal : public Journal {
 public:
  PgJournal(Loop& loop, const Clock& clock, Random& random, Log& log, JournalOptions options)
      : loop_(loop), clock_(clock), random_(random), log_(log), options_(std::move(options)) {
    for (int i = 0; i < options_.connections; i++)
      connections_.push_back(std::make_unique<Connection>(*this, loop_, kReconnectMsMin));
  }
  ~PgJournal() override { changed_ = nullptr; freed_ = nullptr; connections_.clear(); }

  bool has_room() const override {
    return std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return c->is_free(); });
  }
  bool is_up() const override {
    return std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return c->is_ready(); });
  }
  void on_change(std::function<void(bool)> changed) override { changed_ = std::move(changed); }
  void on_room(std::function<void()> freed) override { freed_ = std::move(freed); }

  void write(Batch batch, std::function<void(Result<BatchReply>)> done) override;
  void heads(std::vector<std::pair<Uuid, int>> attempts,
             std::function<void(Result<std::vector<Present>>)> done) override;
  void open_permits(std::vector<Uuid> ids, bool only_mine,
                    std::function<void(Result<std::vector<Permit>>)> done) override;
  void claim_due(int count_max, std::vector<std::string> closed_lanes,
                 std::function<void(Result<std::vector<PermitRequest>>)> done) override;

  void changed() {
    const bool up = is_up();
    if (up == was_up_) return;
    was_up_ = up;
    if (up) log_.info("PostgreSQL is there");
    if (changed_) changed_(up);
  }
  void freed() {
    if (freed_) freed_();
  }
  void report(const std::string& text) {
    if (was_up_ || !is_reported_) log_.warn("PostgreSQL is not there; nothing is sent until it is back", {{"reason", text}});
    is_reported_ = true;
  }
  const JournalOptions& options() const { return options_; }
  int64_t jitter(int64_t ms) { return ms / 2 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(ms / 2 + 1))); }

 private:
  void submit(std::unique_ptr<Exchange> exchange) {
    for (auto& connection : connections_)
      if (connection->is_free()) {
        connection->start(std::move(exchange));
        return;
      }
    // Nobody is free: the answer comes later all the same, never inside the call.
    auto shared = std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
    loop_.post([shared] {
      const Error error{ErrorCode::unavailable, "no PostgreSQL connection is free"};
      (*shared)->done(&error);
    });
  }

  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  Log& log_;
  const JournalOptions options_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::function<void(bool)> changed_;
  std::function<void()> freed_;
  bool was_up_ = false, is_reported_ = false;
};

void Connection::connect() {
  const auto& options = owner_.options().postgres;
  const std::string password(options.password.octets());
  // A statement that hangs must not hold a batch for ever; generic plans: see kPermitSql.
  const std::string settings = "-c statement_timeout=" + std::to_string(options.statement_timeout_ms) +
                               " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off";
  const char* names[] = {"dbname", "password", "application_name", "options", "client_encoding", nullptr};
  const char* values[] = {options.url.c_str(), password.empty() ? nullptr : password.c_str(),
                          options.application_name.c_str(), settings.c_str(), "UTF8", nullptr};
  pg_ = PQconnectStartParams(names, values, 1);
  state_ = State::connecting;
  if (PQstatus(pg_) == CONNECTION_BAD) return lost(PQerrorMessage(pg_));
  limit_.start(options.connect_timeout_s * 1000, [this] { lost("no answer in time"); });
  watch(UV_WRITABLE);
}

void Connection::close() {
  limit_.stop();
  if (poll_) {
    uv_poll_stop(poll_);
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), [](uv_handle_t* h) { delete reinterpret_cast<uv_poll_t*>(h); });
    poll_ = nullptr;
  }
  watched_socket_ = -1;
  if (pg_) PQfinish(pg_);
  pg_ = nullptr;
}

void Connection::lost(const std::string& why) {
  std::string text = why;
  for (auto& c : text)
    if (c == '\n') c = ' ';
  close();
  state_ = State::down;
  owner_.report(text);
  retry_.start(owner_.jitter(reconnect_ms_), [this] { connect(); });
  reconnect_ms_ = std::min(reconnect_ms_ * 2, kReconnectMsMax);
  auto exchange = std::move(exchange_);
  owner_.changed();
  if (exchange) {
    const Error error{ErrorCode::unavailable, "PostgreSQL is gone; whether the batch took effect is not known"};
    exchange->done(&error);
  }
}

// libpq may change its socket while it tries one host after the other.
void Connection::watch(int events) {
  const int fd = PQsocket(pg_);
  if (fd < 0) return;
  if (fd != watched_socket_ && poll_) {
    uv_poll_stop(poll_);
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), [](uv_handle_t* h) { delete reinterpret_cast<uv_poll_t*>(h); });
    poll_ = nullptr;
  }
  if (!poll_) {
    poll_ = new uv_poll_t;
    if (uv_poll_init(loop_.uv(), poll_, fd) != 0) {
      delete poll_;
      poll_ = nullptr;
      return;
    }
    poll_->data = this;
    watched_socket_ = fd;
  }
  uv_poll_start(poll_, events, [](uv_poll_t* poll, int status, int events) {
    static_cast<Connection*>(poll->data)->on_event(status, events);
  });
}

void Connection::poll_connect() {
  switch (PQconnectPoll(pg_)) {
    case PGRES_POLLING_READING: return watch(UV_READABLE);
    case PGRES_POLLING_WRITING: return watch(UV_WRITABLE);
    case PGRES_POLLING_OK: return prepare();
    default: return lost(PQerrorMessage(pg_));
  }
}

void Connection::prepare() {
  state_ = State::preparing;
  PQsetnonblocking(pg_, 1);
  PQsetNoticeProcessor(pg_, [](void*, const char*) {}, nullptr);
  PQenterPipelineMode(pg_);
  to_prepare_ = std::size(kStatements);
  for (const auto& statement : kStatements) PQsendPrepare(pg_, statement.name, statement.sql, 0, nullptr);
  PQpipelineSync(pg_);
  flush();
}

void Connection::on_event(int status, int events) {
  if (state_ == State::connecting) return poll_connect();
  if (status < 0) return lost("its socket failed");
  if (events & UV_READABLE) {
    if (!PQconsumeInput(pg_)) return lost(PQerrorMessage(pg_));
    read();
    if (!pg_) return;
  }
  if (events & UV_WRITABLE) flush();
}

void Connection::flush() {
  const int more = PQflush(pg_);
  if (more < 0) return lost_soon(PQerrorMessage(pg_));
  watch(UV_READABLE | (more ? UV_WRITABLE : 0));
}

void Connection::start(std::unique_ptr<Exchange> exchange) {
  exchange_ = std::move(exchange);
  at_call_ = 0;
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
}

void Connection::read() {
  // In pipeline mode a null separates statements' results; nothing more to read shows as busy.
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

void Connection::take(PGresult* result) {
  const auto status = PQresultStatus(result);
  if (state_ == State::preparing) {
    if (status == PGRES_PIPELINE_SYNC) {
      state_ = State::ready;
      reconnect_ms_ = kReconnectMsMin;
      limit_.stop();
      owner_.changed();
      owner_.freed();
    } else if (status != PGRES_COMMAND_OK) {
      const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
      const std::string why = text ? text : "a statement could not be prepared";
      lost_soon(why + ": run `signetd migrate`");  // not here: close() would free what read() still reads
    }
    return;
  }
  if (!exchange_) return;
  switch (status) {
    case PGRES_TUPLES_OK:
      exchange_->rows(exchange_->calls[at_call_++].statement, result);
      break;
    case PGRES_COMMAND_OK: at_call_++; break;
    case PGRES_PIPELINE_SYNC: {
      auto exchange = std::move(exchange_);
      exchange->done(exchange->is_failed ? &exchange->error : nullptr);
      owner_.freed();
      break;
    }
    case PGRES_PIPELINE_ABORTED: break;
    default: {
      const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
      const std::string_view code = state ? state : "";
      exchange_->is_failed = true;
      exchange_->error.code = code == "40P01" || code == "40001" ? ErrorCode::conflict
                              : code.substr(0, 2) == "57" || code.substr(0, 2) == "53" || code.empty()
                                  ? ErrorCode::unavailable
                                  : ErrorCode::invalid;
      exchange_->error.text = std::string("PostgreSQL: ") + (text ? text : "no answer");
    }
  }
}

Exchange::Call result_call(const std::vector<ResultRow>& rows) {
  ArrayValue id(kUuid), no(kInt2), outcome(kInt2), reason(kText), reference(kText), code(kText), status_code(kInt2),
      parts(kInt2), started(kTimestamptz), finished(kTimestamptz), status(kInt2), failure(kText), counted(kBool),
      proven(kBool), next(kTimestamptz), next_provider(kText), head(kBytea), event(kUuid), canon(kBytea), leaf(kBytea),
      provider(kText);
  for (const auto& r : rows) {
    id.add(r.id.view());
    no.add_short(r.attempt_no);
    outcome.add_short(static_cast<int>(r.outcome.kind));
    reason.add(r.outcome.reason);
    reference.add(r.outcome.provider_reference);
    code.add(r.outcome.provider_code);
    status_code.add_short(r.outcome.status_code);
    parts.add_short(r.outcome.parts);
    started.add_time(r.started_at);
    finished.add_time(r.finished_at);
    status.add_short(static_cast<int>(r.status));
    failure.add(r.failure_reason);
    counted.add_flag(r.is_counted);
    proven.add_flag(r.is_proven);
    if (r.next_due) next.add_time(*r.next_due);
    else next.add_no_time();
    next_provider.add(r.next_provider);
    head.add(view(r.head.leaf));
    event.add(r.entry.event_id.view());
    canon.add(r.entry.canon);
    leaf.add(view(r.entry.leaf));
    provider.add(r.provider);
  }
  Exchange::Call call{"result", {}};
  for (auto* value : {&id, &no, &outcome, &reason, &reference, &code, &status_code, &parts, &started, &finished, &status,
                      &failure, &counted, &proven, &next, &next_provider, &head, &event, &canon, &leaf, &provider})
    call.values.push_back(value->done());
  return call;
}

Exchange::Call end_call(const std::vector<EndRow>& rows, const std::string& instance) {
  ArrayValue id(kUuid), no(kInt2), status(kInt2), reason(kText), proven(kBool), head(kBytea), event(kUuid),
      canon(kBytea), leaf(kBytea);
  for (const auto& r : rows) {
    id.add(r.id.view());
    no.add_short(r.attempt_no);
    status.add_short(static_cast<int>(r.status));
    reason.add(r.reason);
    proven.add_flag(r.is_proven);
    head.add(view(r.head.leaf));
    event.add(r.entry.event_id.view());
    canon.add(r.entry.canon);
    leaf.add(view(r.entry.leaf));
  }
  Exchange::Call call{"end", {}};
  for (auto* value : {&id, &no, &status, &reason, &proven, &head, &event, &canon, &leaf})
    call.values.push_back(value->done());
  call.values.push_back(instance);
  return call;
}

Exchange::Call permit_call(const std::vector<PermitRequest>& requests, const JournalOptions& options) {
  ArrayValue id(kUuid), lane(kText), provider(kText), why(kText);
  for (const auto& r : requests) {
    id.add(r.id.view());
    lane.add(r.lane);
    provider.add(r.provider);
    why.add(r.route_reason);
  }
  return {"permit", {id.done(), lane.done(), provider.done(), why.done(), std::string(options.epoch.view()),
                     options.instance}};
}

void PgJournal::write(Batch batch, std::function<void(Result<BatchReply>)> done) {
  // One order for all, or two batches deadlock.
  auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::sort(batch.results.begin(), batch.results.end(), by_id);
  std::sort(batch.ends.begin(), batch.ends.end(), by_id);
  std::sort(batch.permits.begin(), batch.permits.end(), by_id);
  auto exchange = std::make_unique<Exchange>();
  if (!batch.results.empty()) exchange->calls.push_back(result_call(batch.results));
  if (!batch.ends.empty()) exchange->calls.push_back(end_call(batch.ends, options_.instance));
  if (!batch.permits.empty()) exchange->calls.push_back(permit_call(batch.permits, options_));
  struct State {
    BatchReply reply;
    std::vector<Uuid> written;  // sorted
    Tick written_at;
  };
  auto state = std::make_shared<State>();
  state->written_at = clock_.tick();
  exchange->rows = [state, this](const char* statement, const PGresult* result) {
    for (int i = 0; i < PQntuples(result); i++) {
      if (std::strcmp(statement, "permit") == 0) {
        state->reply.permits.push_back(permit_of(result, i));
        state->reply.permits.back().written_at = state->written_at;
        state->reply.permits.back().instance = options_.instance;
      } else {
        state->written.push_back(Row(result, i).uuid());
      }
    }
  };
  std::vector<Uuid> asked;
  for (const auto& r : batch.results) asked.push_back(r.id);
  for (const auto& r : batch.ends) asked.push_back(r.id);
  exchange->done = [state, asked = std::move(asked), done = std::move(done)](const Error* error) {
    if (error) return done(*error);
    std::sort(state->written.begin(), state->written.end());
    for (const auto& id : asked)
      if (!std::binary_search(state->written.begin(), state->written.end(), id)) state->reply.stale.push_back(id);
    done(std::move(state->reply));
  };
  submit(std::move(exchange));
}

void PgJournal::heads(std::vector<std::pair<Uuid, int>> attempts,
                      std::function<void(Result<std::vector<Present>>)> done) {
  ArrayValue id(kUuid), no(kInt2);
  for (const auto& [message_id, attempt_no] : attempts) {
    id.add(message_id.view());
    no.add_short(attempt_no);
  }
  auto exchange = std::make_unique<Exchange>();
  exchange->calls.push_back({"heads", {id.done(), no.done()}});
  auto found = std::make_shared<std::vector<Present>>();
  exchange->rows = [found](const char*, const PGresult* result) {
    for (int i = 0; i < PQntuples(result); i++) {
      Row row(result, i);
      Present p;
      p.id = row.uuid();
      p.status = static_cast<Status>(row.number());
      p.head.n = row.number();
      p.head.leaf = row.digest();
      p.is_cancel_requested = row.flag();
      p.is_proven = row.flag();
      p.attempts = row.small();
      p.has_result = row.flag();
      found->push_back(p);
    }
  };
  exchange->done = [found, done = std::move(done)](const Error* error) {
    if (error) return done(*error);
    done(std::move(*found));
  };
  submit(std::move(exchange));
}

void PgJournal::open_permits(std::vector<Uuid> ids, bool only_mine,
                             std::function<void(Result<std::vector<Permit>>)> done) {
  ArrayValue id(kUuid);
  for (const auto& message_id : ids) id.add(message_id.view());
  auto exchange = std::make_unique<Exchange>();
  exchange->calls.push_back({"open", {id.done(), std::string((only_mine ? options_.epoch : Uuid{}).view())}});
  auto found = std::make_shared<std::vector<Permit>>();
  exchange->rows = [found](const char*, const PGresult* result) {
    for (int i = 0; i < PQntuples(result); i++) {
      Row row(result, i);
      Permit p;
      p.verdict = PermitVerdict::granted;
      p.id = row.uuid();
      p.attempt_no = row.small();
      p.provider = row.text();
      p.lane = row.text();
      p.route_reason = row.text();
      p.instance = row.text();
      p.permitted_at = row.time();
      p.head.n = row.number();
      p.head.leaf = row.digest();
      p.attempts = row.small();
      p.max_attempts = row.small();
      p.expires_at = row.optional_time();
      p.kind = static_cast<Kind>(row.number());
      p.priority = static_cast<Priority>(row.number());
      found->push_back(std::move(p));
    }
  };
  exchange->done = [found, done = std::move(done)](const Error* error) {
    if (error) return done(*error);
    done(std::move(*found));
  };
  submit(std::move(exchange));
}

void PgJournal::claim_due(int count_max, std::vector<std::string> closed_lanes,
                          std::function<void(Result<std::vector<PermitRequest>>)> done) {
  ArrayValue lanes(kText);
  for (const auto& lane : closed_lanes) lanes.add(lane);
  std::string count;
  append_u64(count, static_cast<uint64_t>(count_max));
  auto exchange = std::make_unique<Exchange>();
  exchange->calls.push_back({"claim", {count, lanes.done()}});
  auto found = std::make_shared<std::vector<PermitRequest>>();
  exchange->rows = [found](const char*, const PGresult* result) {
    for (int i = 0; i < PQntuples(result); i++) {
      Row row(result, i);
      PermitRequest r;
      r.id = row.uuid();
      r.lane = row.text();
      r.provider = row.text();
      found->push_back(std::move(r));
    }
  };
  exchange->done = [found, done = std::move(done)](const Error* error) {
    if (error) return done(*error);
    done(std::move(*found));
  };
  submit(std::move(exchange));
}

}  // namespace

std::unique_ptr<Journal> make_pg_journal(Loop& loop, const Clock& clock, Random& random, Log& log,
                                         JournalOptions options) {
  return std::make_unique<PgJournal>(loop, clock, random, log, std::move(options));
}

}  // namespace signet

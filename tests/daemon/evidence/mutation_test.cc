// What a superuser changes by hand, and whether the verification names just that (design: evidence, "Verification, four
// levels"; issue 4, "Accept" 1). A log with messages of every sort is made through the API and the delivery's own
// steps; then every column of every row's sort is changed, rows are deleted, inserted, swapped, and the log is cut.
#include <catch2/catch.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "daemon/delivery/callbacks.h"
#include "daemon/delivery/events.h"
#include "daemon/evidence/fault_record.h"
#include "daemon/evidence/verification.h"
#include "tests/daemon/api/api_world.h"
#include "tests/daemon/api/handed_over.h"
#include "tests/daemon/evidence/log_world.h"

using namespace signet;
using signet::api::Caller;
using Json = nlohmann::json;

namespace {

// What the log's leaves name nothing of; docs/verification.md lists them for people.
const std::set<std::string> kUncovered{
    "attempt_start.epoch",
    "confirmation.id",
    "decision.id",
    "decision.reason",
    "audit.entry.xact",
    "audit.entry.created_at",
    "audit.checkpoint.created_at",
};

struct Table {
  std::string name;
  std::vector<std::string> sorts;  // one condition for each sort of row
  std::string key;                 // as a fault's row_key has it
  std::string message;             // column that names the message; empty: none
};

const std::vector<Table> kTables{
    {"audit.entry", {"action = 'login'", "action = 'reviewed'", "action = 'sent'"}, "t.event_id::text", ""},
    {"audit.log", {"seq = 3", "seq = 300", "seq = (select max(seq) from audit.log)"}, "t.seq::text", ""},
    {"audit.tile", {"idx = 0", "idx = 1"}, "t.level || '/' || t.idx", ""},
    {"audit.checkpoint",
     {"size = (select min(size) from audit.checkpoint)", "size = (select max(size) from audit.checkpoint)"},
     "t.size::text",
     ""},
    {"attempt_start", {"kind = 1", "kind = 2"}, "t.message_id || '/' || t.attempt_no", "message_id"},
    {"attempt_result", {"outcome = 1", "outcome = 3"}, "t.message_id || '/' || t.attempt_no", "message_id"},
    {"confirmation", {"took_effect"}, "t.message_id || '/' || t.id", "message_id"},
    {"callback", {"exists (select from confirmation where callback_id = t.id and took_effect)"}, "t.id::text", ""},
    {"approval",
     {"decision = 2", "decision = 1 and approval_mac is null", "decision = 1 and is_direct",
      "decision = 1 and notes is not null", "decision = 1 and custody = 'user'"},
     "t.message_id || '/' || t.id",
     "message_id"},
    {"provenance", {"true"}, "t.message_id || '/' || t.id", "message_id"},
    {"edit", {"true"}, "t.message_id || '/' || t.version", "message_id"},
    {"decision", {"true"}, "t.message_id || '/' || t.id", "message_id"},
    {"content", {"exists (select from approval where message_id = t.message_id)"}, "t.message_id::text", "message_id"},
    {"data_key", {"exists (select from approval where message_id = t.message_id)"}, "t.message_id::text", "message_id"},
};

struct Mutation {
  std::string what, table, sql;
  std::vector<std::string> keys;  // one of them is named
};

class MutationWorld {
 public:
  MutationWorld() {
    fill();
    {
      Sequencer one(world_.postgres.options("signet_sequencer"), {0, 100}, key_, world_.clock, log_, metrics_);
      while (one.pass()) {
      }
    }
    // What a daemon would have verified by now.
    Verifier first(world_.postgres.options("signet_verify"), {}, key_, world_.clock, world_.ids, log_, metrics_, {});
    REQUIRE(first.verify().ok());
    drop_guards();
  }
  ~MutationWorld() { raise_guards(); }

  VerificationReport verify() {
    auto report =
        verify_log({world_.postgres.options("signet_verify"), key_.name, world_.keyring, world_.clock}, {}, {}, {});
    REQUIRE((report.ok() ? "" : report.error().text) == "");
    return std::move(*report);
  }
  std::string text(const std::string& sql) {
    auto rows = superuser_->run(sql);
    INFO(sql);
    REQUIRE((rows.ok() ? "" : rows.error().text) == "");
    return rows->size() == 0 ? "" : rows->text(0, 0);
  }
  std::vector<std::string> texts(const std::string& sql) {
    auto rows = superuser_->run(sql);
    INFO(sql);
    REQUIRE((rows.ok() ? "" : rows.error().text) == "");
    std::vector<std::string> out;
    for (int i = 0; i < rows->size(); i++) out.push_back(rows->text(i, 0));
    return out;
  }
  // False: the database itself refuses it.
  bool apply(const std::string& sql) {
    const bool is_done = superuser_->script("begin; " + sql + "; commit").ok();
    if (!is_done) (void)superuser_->script("rollback");
    return is_done;
  }
  void restore(const std::string& table) {
    const std::string kept = "kept.\"" + table + "\"";
    auto done = superuser_->script("begin; delete from " + table + "; insert into " + table + " select * from " + kept +
                                   "; commit");
    REQUIRE((done.ok() ? "" : done.error().text) == "");
  }
  std::vector<std::string> new_keys(const std::string& table) {
    const auto at = std::find_if(kTables.begin(), kTables.end(), [&](const Table& t) { return t.name == table; });
    return texts("select " + at->key + " from " + table + " t except select " + at->key + " from kept.\"" + table +
                 "\" t");
  }
  // Another value for a column, by its type; empty: none is tried.
  static std::vector<std::string> others(const std::string& column, const std::string& type, bool is_nullable) {
    std::vector<std::string> out;
    const std::string c = '"' + column + '"';
    if (type == "uuid") out = {"'0192aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa'"};
    if (type == "smallint") out = {c + " + 1", c + " - 1"};
    if (type == "integer" || type == "bigint") out = {c + " + 1"};
    if (type == "text") out = {c + " || 'x'", "'server'", "'user'", "'fail'", "'resend'"};
    if (type == "boolean") out = {"not " + c};
    if (type == "timestamp with time zone") out = {c + " + interval '1 microsecond'"};
    if (type == "bytea") out = {"set_byte(" + c + ", 0, get_byte(" + c + ", 0) # 1)"};
    if (type == "xid8") out = {"'3'::xid8"};
    if (is_nullable) out.push_back("null");
    return out;
  }
  std::vector<Mutation> changes();
  std::vector<Mutation> rows();

 private:
  void fill();
  void deliver(const std::string& id, OutcomeKind outcome, Step step, Status status);
  void drop_guards() {
    std::string sql =
        "alter event trigger signet_ddl disable; alter event trigger signet_drop disable; "
        "create or replace function audit.refuse_change() returns trigger language plpgsql as "
        "'begin if tg_op = ''DELETE'' then return old; end if; return new; end'; "
        "drop schema if exists kept cascade; create schema kept;";
    for (const auto& table : kTables)
      sql += "create table kept.\"" + table.name + "\" as select * from " + table.name + ';';
    auto done = superuser_->script(sql);
    REQUIRE((done.ok() ? "" : done.error().text) == "");
  }
  void raise_guards() {
    (void)superuser_->script(
        "drop schema kept cascade; create or replace function audit.refuse_change() returns trigger language plpgsql "
        "as 'begin raise exception ''% is insert-only'', tg_table_name using errcode = ''insufficient_privilege''; "
        "end'; alter event trigger signet_ddl enable always; alter event trigger signet_drop enable always");
  }

  api::BasicApiWorld<Json> world_;
  LogKey key_ = make_test_log_key();
  QuietLog log_;
  Metrics metrics_;
  std::unique_ptr<PgSession> superuser_ = world_.postgres.session("postgres");
};

// As a delivery loop does, in one transaction.
void MutationWorld::deliver(const std::string& text, OutcomeKind kind, Step step, Status status) {
  const Uuid id = *parse_uuid(text);
  auto session = world_.postgres.session();
  PgTransaction tx(*session);
  auto row = lock_message(tx, id);
  REQUIRE((row.ok() && row->has_value()));
  Permit permit;
  permit.id = id;
  permit.attempt_no = static_cast<int>(*next_attempt_no(tx, id));
  permit.provider = "test";
  permit.lane = "sms";
  permit.route_reason = "weight";
  permit.instance = "signetd-1";
  permit.permitted_at = world_.clock.wall();
  permit.head = (*row)->head;
  Outcome outcome;
  outcome.kind = kind;
  outcome.reason = kind == OutcomeKind::accepted ? "accepted" : "refused";
  outcome.provider_reference = "ref-1";
  outcome.provider_code = "200";
  outcome.status_code = 200;
  Decision decision;
  decision.step = step;
  const WallTime begin = world_.clock.wall();
  world_.clock.advance_ms(5);
  const WallTime end = world_.clock.wall();
  DeliveryEvents events(world_.clock, world_.ids, "signetd-1");
  StatusChange change;
  change.id = id;
  change.status = status;
  change.before = permit.head;
  change.entry = events.of_result(permit, outcome, decision, status, permit.head, begin, end);
  REQUIRE(tx.run("insert into attempt_start (message_id, attempt_no, kind, epoch, instance, provider, lane, "
                 "route_reason, permitted_at) values ($1, $2, 1, $3, $4, $5, $6, $7, $8)",
                 {id, static_cast<int32_t>(permit.attempt_no), world_.ids.next(), permit.instance, permit.provider,
                  permit.lane, permit.route_reason, permit.permitted_at})
              .ok());
  REQUIRE(tx.run("insert into attempt_result (message_id, attempt_no, outcome, reason, provider_reference, "
                 "provider_code, status_code, parts, started_at, finished_at) values ($1, $2, $3, $4, $5, $6, $7, $8, "
                 "$9, $10)",
                 {id, static_cast<int32_t>(permit.attempt_no), static_cast<int32_t>(kind), outcome.reason,
                  outcome.provider_reference, outcome.provider_code, static_cast<int32_t>(outcome.status_code),
                  static_cast<int32_t>(outcome.parts), begin, end})
              .ok());
  REQUIRE(change_status(tx, change).ok());
  REQUIRE(delete_due(tx, {id}).ok());
  REQUIRE(tx.commit().ok());
}

void MutationWorld::fill() {
  world_.is_held_to_records = false;
  world_.services.providers["test"] = std::make_shared<api::TestProvider>();
  const auto staff = world_.user(Role::staff), reviewer = world_.user(Role::reviewer);
  const auto doctor = world_.user(Role::doctor), other = world_.user(Role::doctor);
  // Sent and delivered, with the callback; a second callback changes nothing.
  const auto delivered = world_.queued(staff, reviewer);
  deliver(delivered, OutcomeKind::accepted, Step::accepted, Status::sent);
  world_.clock.advance_ms(10);
  world_.callback("test", delivered + " 1 ref-1 delivered evt-1\n" + delivered + " 1 ref-1 sent evt-2");
  const auto store = make_pg_engine_store(world_.postgres.options(), world_.clock);
  Callbacks callbacks(*store, world_.ids, log_, metrics_, "signetd-1");
  REQUIRE(world_.sql("update callback_due set due_at = now() - interval '1 hour'").affected() == 2);
  while (callbacks.apply()) {
  }
  REQUIRE(world_.status_of(delivered) == "delivered");
  // Failed for good.
  const auto failed = world_.queued(staff, reviewer, {{"recipientPhone", "+61412345679"}});
  deliver(failed, OutcomeKind::permanent, Step::fail, Status::failed);
  // Cancelled before its permit: a void.
  const auto cancelled = world_.queued(staff, reviewer, {{"recipientPhone", "+61412345670"}});
  REQUIRE(world_.call("POST", "/api/messages/" + cancelled + "/cancel", staff).status == 200);
  // Edited, rejected, edited again.
  const auto edited = world_.submitted(staff, {{"recipientPhone", "+61412345671"}});
  REQUIRE(world_.review(reviewer, edited, {{"decision", "rejected"}, {"reviewNotes", "say more"}}).status == 200);
  REQUIRE(world_
              .call("PATCH", "/api/messages/" + edited, staff, R"({"contentDraft":"Your result is very fine."})",
                    world_.if_match(edited))
              .status == 200);
  // High risk: two people.
  const auto risky = world_.submitted(staff, {{"recipientPhone", "+61412345672"}, {"riskLevel", "high"}});
  REQUIRE(world_.review(doctor, risky).status == 202);
  REQUIRE(world_.review(reviewer, risky, {{"reviewNotes", "seen"}}).status == 200);
  // Directly; a letter with an edit of its physician; one handed over with a key of one's own.
  const auto direct = world_.draft(doctor, {{"recipientPhone", "+61412345673"}});
  REQUIRE(world_.send_directly(doctor, direct).status == 200);
  const auto letter = world_.letter(staff, other);
  REQUIRE(world_.approve(other, letter, {{"finalContent", "Dear colleague, all is well."}}).status == 200);
  const auto service = world_.user(Role::service);
  auto key = api::enrolled(world_.postgres, world_.ids, world_.clock, reviewer.id);
  const auto handed = world_.call("POST", "/api/messages", service,
                                  api::handed_over(world_.ids, world_.clock, {{reviewer.id, Role::reviewer, key}}));
  INFO(handed.raw.body);
  REQUIRE(handed.status == 201);
  // One in doubt, given up by policy: as daemon/delivery/reconciler.cc decides.
  const auto doubtful = world_.queued(staff, reviewer, {{"recipientPhone", "+61412345674"}});
  deliver(doubtful, OutcomeKind::in_doubt, Step::doubt, Status::in_doubt);
  {
    auto session = world_.postgres.session();
    PgTransaction tx(*session);
    const Uuid id = *parse_uuid(doubtful);
    auto row = lock_message(tx, id);
    REQUIRE((row.ok() && row->has_value()));
    const WallTime now = world_.clock.wall();
    REQUIRE(insert_decision(tx, world_.ids.next(), id, 1, "fail", "signetd-1", "delivery.in_doubt", now).ok());
    Event event;
    event.id = world_.ids.next();
    event.at = now;
    event.actor = {"signetd-1", "daemon", "", "", ""};
    event.action = "resolve";
    event.object = {"message", doubtful, (*row)->head.n + 1, (*row)->head.leaf};
    event.status = "failed";
    event.detail = {{"attempt", int64_t{1}}, {"decision", std::string("fail")}, {"proven", false}};
    StatusChange change;
    change.id = id;
    change.status = Status::failed;
    change.before = (*row)->head;
    change.entry = entry_of(event, id);
    REQUIRE(change_status(tx, change).ok());
    REQUIRE(tx.commit().ok());
  }
  // Enough entries for two full tiles.
  auto session = world_.postgres.session();
  PgTransaction tx(*session);
  for (int i = 0; i < 600; i++) {
    Event event;
    event.id = world_.ids.next();
    event.at = world_.clock.wall();
    event.actor = {staff.id.text(), "staff", "", "", ""};
    event.action = "login";
    event.object.type = "session";
    REQUIRE(insert_entry(tx, entry_of(event, {})).ok());
  }
  REQUIRE(tx.commit().ok());
}

// Each column of one row of each sort.
std::vector<Mutation> MutationWorld::changes() {
  std::vector<Mutation> out;
  for (const auto& table : kTables) {
    auto columns = superuser_->run(
        "select attname::text, format_type(atttypid, atttypmod), not attnotnull from pg_attribute where attrelid = "
        "$1::text::regclass and attnum > 0 and not attisdropped order by attnum",
        {table.name});
    REQUIRE(columns.ok());
    for (const auto& sort : table.sorts) {
      const std::string key = text("select " + table.key + " from " + table.name + " t where " + sort + " limit 1");
      INFO(table.name << " where " << sort);
      REQUIRE_FALSE(key.empty());
      for (int i = 0; i < columns->size(); i++) {
        const std::string column = columns->text(i, 0);
        if (kUncovered.contains(table.name + '.' + column)) continue;
        for (const auto& other : others(column, columns->text(i, 1), columns->flag(i, 2))) {
          const std::string where = " where " + table.key + " = '" + key + "'";
          const bool is_other = text("select (\"" + column + "\" is distinct from (" + other + "))::text from " +
                                     table.name + " t" + where) == "true";
          if (!is_other || (table.name + column == "contentdetails" && other == "null")) continue;
          const std::string set = "update " + table.name + " t set \"" + column + "\" = " + other + where;
          out.push_back({table.name + '.' + column + " = " + other + " where " + sort, table.name, set, {key}});
        }
      }
    }
  }
  return out;
}

// Rows that are deleted, inserted, swapped; the log cut.
std::vector<Mutation> MutationWorld::rows() {
  std::vector<Mutation> out;
  for (const auto& table : kTables)
    for (const auto& sort : table.sorts) {
      const std::string key = text("select " + table.key + " from " + table.name + " t where " + sort + " limit 1");
      out.push_back({"delete from " + table.name + " where " + sort,
                     table.name,
                     "delete from " + table.name + " t where " + table.key + " = '" + key + "'",
                     {key}});
    }
  const std::string ghost = "0192aaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa";
  auto copy = [&](const std::string& table, const std::string& sort, const std::string& changed, const std::string& as,
                  const std::string& key) {
    // A copy of a row with some columns changed.
    std::string columns, values;
    for (const auto& column : texts("select attname::text from pg_attribute where attrelid = '" + table +
                                    "'::regclass and attnum > 0 and not attisdropped order by attnum")) {
      columns += (columns.empty() ? "\"" : ", \"") + column + '"';
      values += (values.empty() ? "" : ", ") + (column == changed ? as : "t.\"" + column + '"');
    }
    const std::string row = text("select (" + key + ")::text from " + table + " t where " + sort + " limit 1");
    out.push_back({"insert into " + table + " with another " + changed,
                   table,
                   "insert into " + table + " (" + columns + ") select " + values + " from " + table + " t where " +
                       sort + " limit 1",
                   {row}});
  };
  const std::string id = "'" + ghost + "'";
  copy("attempt_start", "kind = 1", "attempt_no", "77", "t.message_id || '/77'");
  copy("attempt_start", "kind = 2", "attempt_no", "77", "t.message_id || '/77'");
  copy("attempt_result", "true", "attempt_no", "77", "t.message_id || '/77'");
  copy("attempt_result", "true", "message_id", id, "'" + ghost + "/' || t.attempt_no");
  copy("approval", "decision = 1", "id", id, "t.message_id || '/" + ghost + "'");
  copy("approval", "decision = 2", "id", id, "t.message_id || '/" + ghost + "'");
  copy("provenance", "true", "id", id, "t.message_id || '/" + ghost + "'");
  copy("edit", "true", "version", "77", "t.message_id || '/77'");
  copy("audit.tile", "idx = 1", "idx", "99", "'0/99'");
  copy("audit.tile", "idx = 1", "level", "3", "'3/1'");
  copy("audit.checkpoint", "size = (select max(size) from audit.checkpoint)", "size", "size - 1", "(t.size - 1)::text");
  out.push_back(
      {"insert a decision",
       "decision",
       "insert into decision select '" + ghost + "', message_id, 77, decision, actor, reason, at from decision limit 1",
       {text("select message_id || '/" + ghost + "' from decision limit 1")}});
  out.push_back({"insert a confirmation that took effect",
                 "confirmation",
                 "insert into confirmation select '" + ghost + "', message_id, attempt_no, kind, '" + ghost +
                     "', provider, provider_code, true, at from confirmation limit 1",
                 {text("select message_id || '/" + ghost + "' from confirmation limit 1")}});
  out.push_back({"insert an entry that the sequencer passed by",
                 "audit.entry",
                 "insert into audit.entry (event_id, xact, canon, leaf, at, action) select '" + ghost +
                     "', '3'::xid8, canon, leaf, at, action from audit.entry where action = 'login' limit 1",
                 {ghost}});
  out.push_back({"append a place",
                 "audit.log",
                 "insert into audit.log select max(seq) + 1, '" + ghost + "', sha256('x') from audit.log",
                 {text("select (max(seq) + 1)::text from audit.log")}});
  // Two at once trade places.
  out.push_back({"swap two places",
                 "audit.log",
                 "delete from audit.log where seq in (10, 11); insert into audit.log select 21 - seq, event_id, leaf "
                 "from kept.\"audit.log\" where seq in (10, 11)",
                 {"10", "11"}});
  out.push_back({"swap two places of different tiles",
                 "audit.log",
                 "delete from audit.log where seq in (100, 400); insert into audit.log select 500 - seq, event_id, "
                 "leaf from kept.\"audit.log\" where seq in (100, 400)",
                 {"100", "400"}});
  out.push_back({"swap two tiles",
                 "audit.tile",
                 "delete from audit.tile; insert into audit.tile select level, 1 - idx, hashes from "
                 "kept.\"audit.tile\" where level = 0",
                 {"0/0", "0/1"}});
  out.push_back({"swap two results",
                 "attempt_result",
                 "delete from attempt_result; insert into attempt_result select lag(message_id, 1, (select "
                 "max(message_id::text)::uuid from kept.attempt_result)) over (order by message_id), attempt_no, "
                 "outcome, reason, provider_reference, provider_code, status_code, parts, started_at, finished_at from "
                 "kept.attempt_result",
                 {text("select message_id || '/' || attempt_no from attempt_result order by message_id limit 1")}});
  out.push_back({"cut the log",
                 "audit.log",
                 "delete from audit.log where seq > (select max(seq) - 5 from audit.log)",
                 {text("select max(seq)::text from audit.log"), text("select (max(seq) - 4)::text from audit.log")}});
  return out;
}

std::string names(const Discrepancies& found) {
  std::string out;
  for (const auto& one : found) out += "\n  " + describe(one) + " (" + one.relation + ' ' + one.row_key + ')';
  return out.empty() ? " nothing" : out;
}

// The row by its key, or, of one that is gone and whose id no leaf has, by its message and the moment of its event.
bool is_named(const Discrepancies& found, const std::string& table, const std::string& key) {
  return std::any_of(found.begin(), found.end(), [&](const Discrepancy& one) {
    const bool is_table = one.relation.find(table) != std::string::npos;
    const size_t slash = key.find('/');
    // A place whose entry is not to be found is told as such: the entry is gone, or the place names another.
    if (table == "audit.log" && one.seq && std::to_string(*one.seq) == key) return true;
    return is_table && (one.row_key == key || (slash != std::string::npos &&
                                               one.row_key.substr(0, slash + 4) == key.substr(0, slash) + "/at/"));
  });
}

}  // namespace

TEST_CASE("each row, tile and checkpoint that is changed, deleted, inserted or swapped is named") {
  MutationWorld world;
  const auto whole = world.verify();
  INFO("before any change:" << names(whole.findings));
  REQUIRE(whole.findings.empty());
  CHECK(whole.messages >= 9);
  CHECK(whole.entries == whole.to);
  CHECK(whole.checkpoints >= 2);
  auto mutations = world.changes();
  const auto rows = world.rows();
  mutations.insert(mutations.end(), rows.begin(), rows.end());
  size_t refused = 0;
  std::set<std::string> missed;
  for (const auto& mutation : mutations) {
    if (!world.apply(mutation.sql)) {
      refused++;  // by a constraint: nothing was changed
      continue;
    }
    const auto report = world.verify();
    const auto new_keys = world.new_keys(mutation.table);  // where the change was one of the key
    for (const auto& key : mutation.keys)
      if (!is_named(report.findings, mutation.table, key) &&
          std::none_of(new_keys.begin(), new_keys.end(),
                       [&](const auto& other) { return is_named(report.findings, mutation.table, other); })) {
        missed.insert(mutation.what);
        UNSCOPED_INFO(mutation.what << ": " << mutation.table << ' ' << key
                                    << " is not named, but:" << names(report.findings));
        CHECK(false);
      }
    world.restore(mutation.table);
  }
  std::printf("{\"mutations\": %zu, \"refused_by_the_database\": %zu, \"named\": %zu}\n", mutations.size(), refused,
              mutations.size() - refused - missed.size());
  CHECK(world.verify().findings.empty());
}

TEST_CASE("changes drawn at random are named") {
  MutationWorld world;
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
  for (int i = 0; i < 40; i++) {
    const Table& table = kTables[random() % kTables.size()];
    const std::string all =
        table.name == "attempt_start" || table.name == "callback" ? " t where " + table.sorts[0] : " t";
    if (table.name == "confirmation") continue;  // those without effect have no leaf
    const auto keys = world.texts("select " + table.key + " from " + table.name + all);
    const std::string key = pick(keys);
    INFO("seed " << seed << ", round " << i << ": " << table.name << ' ' << key);
    REQUIRE(world.apply("delete from " + table.name + " t where " + table.key + " = '" + key + "'"));
    const auto report = world.verify();
    INFO(names(report.findings));
    CHECK(is_named(report.findings, table.name, key));
    world.restore(table.name);
  }
}

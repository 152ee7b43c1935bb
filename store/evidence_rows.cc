#include "store/evidence_rows.h"

#include <algorithm>

namespace signet {
namespace {

// Where rows are that name their message. The condition ends in "and "; its $4 and $5 are the entries' bounds.
struct Source {
  std::string table, id = "message_id", condition = "";
};

class Gathering {
 public:
  Gathering(PgSession& session, std::vector<Uuid> ids, Spread spread, const Uuid& entries_since,
            const Uuid& entries_until)
      : session_(session),
        is_run_(spread == Spread::run),
        entries_since_(entries_since),
        entries_until_(entries_until),
        ids_(std::move(ids)) {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    for (const auto& id : ids_) {
      found_.emplace_back();
      found_.back().id = id;
    }
  }

  // Reads `columns` of the rows t that are of these messages; `more` follows: joins, order. $1 and $2 are the ids'
  // bounds: partitions of other months are put aside when the statement is planned. Single ids ($3) are looked up by
  // their key (laterals with OFFSET 0, as in store/pg_journal.cc); a run is one scan of an index.
  template <class Read>
  Result<void> rows(const std::string& columns, const Source& from, Read read, const std::string& more = "") {
    const std::string id = from.id;
    const std::string chosen = "(select * from " + from.table + " where " + from.condition + id + " between $1 and $2";
    const std::string sql =
        "select t." + id + ", " + columns + " from " +
        (is_run_ ? chosen + " offset 0) t "
                 : "unnest($3::uuid[]) u(key) cross join lateral " + chosen + " and " + id + " = u.key offset 0) t ") +
        more;
    auto rows = session_.run(sql, {ids_.front(), ids_.back(), PgValue::uuids(ids_), entries_since_, entries_until_});
    if (!rows) return rows.error();
    for (int i = 0; i < rows->size(); i++)
      if (MessageEvidence* message = find(rows->uuid(i, 0))) read(*message, *rows, i);
    return {};
  }
  std::vector<MessageEvidence> take() { return std::move(found_); }

 private:
  MessageEvidence* find(const Uuid& id) {  // null: it is no message, though it lies among them
    const auto at = std::lower_bound(found_.begin(), found_.end(), id,
                                     [](const MessageEvidence& m, const Uuid& wanted) { return m.id < wanted; });
    return at == found_.end() || at->id != id ? nullptr : &*at;
  }

  PgSession& session_;
  const bool is_run_;
  const Uuid entries_since_, entries_until_;
  std::vector<Uuid> ids_;
  std::vector<MessageEvidence> found_;
};

std::optional<Digest> digest_at(const PgRows& rows, int i, int c) {
  if (rows.is_null(i, c)) return std::nullopt;
  return digest_from(rows.octets(i, c));
}

Result<void> gather_messages(Gathering& to) {
  return to.rows(
      "t.status, t.version, t.kind, t.event_n, t.event_leaf, t.recipient_key, c.version, c.sealed, c.details, "
      "k.kek_id, k.wrapped",
      {"message", "id"},
      [](MessageEvidence& m, const PgRows& rows, int i) {
        m.is_there = true;
        m.status = static_cast<int>(rows.number(i, 1));
        m.version = static_cast<int>(rows.number(i, 2));
        m.kind = static_cast<int>(rows.number(i, 3));
        m.head = {rows.number(i, 4), rows.octets(i, 5).size() == 32 ? digest_from(rows.octets(i, 5)) : Digest{}};
        m.recipient_key = rows.text(i, 6);
        m.has_content = !rows.is_null(i, 7);
        m.has_data_key = !rows.is_null(i, 10);
        if (m.has_content) m.content.version = static_cast<int>(rows.number(i, 7));
        m.content.sealed = rows.text(i, 8);
        m.content.details = rows.text(i, 9);
        m.content.kek_id = rows.text(i, 10);
        m.content.wrapped_key = rows.text(i, 11);
      },
      "left join lateral (select * from content where content.message_id = t.id offset 0) c on true "
      "left join lateral (select * from data_key where data_key.message_id = t.id offset 0) k on true");
}

Result<void> gather_entries(Gathering& to) {
  return to.rows("t.event_id, t.leaf, t.canon", {"audit.entry", "object_id", "event_id between $4 and $5 and "},
                 [](MessageEvidence& m, const PgRows& rows, int i) {
                   Entry entry;
                   entry.object_id = m.id;
                   entry.event_id = rows.uuid(i, 1);
                   entry.leaf = digest_from(rows.octets(i, 2));
                   entry.canon = rows.text(i, 3);
                   m.entries.push_back(std::move(entry));
                 });
}

AttemptEvidence& attempt_of(MessageEvidence& m, int attempt_no) {
  for (auto& attempt : m.attempts)
    if (attempt.attempt_no == attempt_no) return attempt;
  m.attempts.emplace_back();
  m.attempts.back().attempt_no = attempt_no;
  return m.attempts.back();
}

Result<void> gather_attempts(Gathering& to) {
  auto done = to.rows(
      "t.attempt_no, t.kind, t.epoch is not null, t.instance, t.provider, t.lane, t.route_reason, "
      "t.permitted_at, exists (select from due d where d.message_id = t.message_id and d.attempt_no = "
      "t.attempt_no)",
      {"attempt_start"}, [](MessageEvidence& m, const PgRows& rows, int i) {
        auto& a = attempt_of(m, static_cast<int>(rows.number(i, 1)));
        a.has_start = true;
        a.is_void = rows.number(i, 2) == 2;
        a.has_epoch = rows.flag(i, 3);
        a.instance = rows.text(i, 4);
        a.provider = rows.text(i, 5);
        a.lane = rows.text(i, 6);
        a.route_reason = rows.text(i, 7);
        a.permitted_at = rows.time(i, 8);
        a.is_due = rows.flag(i, 9);
      });
  if (!done) return done;
  return to.rows(
      "t.attempt_no, t.outcome, t.reason, t.provider_reference, t.provider_code, t.status_code, "
      "t.parts, t.started_at, t.finished_at",
      {"attempt_result"}, [](MessageEvidence& m, const PgRows& rows, int i) {
        auto& a = attempt_of(m, static_cast<int>(rows.number(i, 1)));
        a.has_result = true;
        a.outcome = static_cast<int>(rows.number(i, 2));
        a.reason = rows.text(i, 3);
        a.provider_reference = rows.text(i, 4);
        a.provider_code = rows.text(i, 5);
        a.status_code = static_cast<int>(rows.number(i, 6));
        a.parts = static_cast<int>(rows.number(i, 7));
        a.started_at = rows.optional_time(i, 8);
        a.finished_at = rows.time(i, 9);
      });
}

Result<void> gather_confirmations(Gathering& to) {
  return to.rows(
      "t.id, t.attempt_no, t.kind, t.callback_id, t.provider, t.provider_code, t.took_effect, t.at, "
      "c.id is not null, coalesce(c.provider, ''), coalesce(c.event_id, ''), c.message_id, coalesce(c.attempt_no, 0), "
      "coalesce(c.provider_reference, ''), coalesce(c.kind, 0), coalesce(c.provider_code, ''), "
      "coalesce(c.is_partial, false), coalesce(c.sealed_by, ''), c.sealed, c.received_at",
      {"confirmation"},
      [](MessageEvidence& m, const PgRows& rows, int i) {
        ConfirmationEvidence e;
        e.row = {rows.uuid(i, 1),
                 m.id,
                 static_cast<int>(rows.number(i, 2)),
                 static_cast<ReceiptKind>(rows.number(i, 3)),
                 rows.uuid(i, 4),
                 rows.text(i, 5),
                 rows.text(i, 6),
                 rows.flag(i, 7),
                 rows.time(i, 8)};
        if (rows.flag(i, 9)) {
          CallbackRow c;
          c.id = e.row.callback_id;
          c.provider = rows.text(i, 10);
          c.event_id = rows.text(i, 11);
          if (!rows.is_null(i, 12)) c.message_id = rows.uuid(i, 12);
          c.attempt_no = static_cast<int>(rows.number(i, 13));
          c.provider_reference = rows.text(i, 14);
          c.kind = static_cast<ReceiptKind>(rows.number(i, 15));
          c.provider_code = rows.text(i, 16);
          c.is_partial = rows.flag(i, 17);
          c.sealed_by = rows.text(i, 18);
          c.sealed = rows.text(i, 19);
          c.received_at = rows.time(i, 20);
          e.callback = std::move(c);
        }
        m.confirmations.push_back(std::move(e));
      },
      "left join lateral (select * from callback where callback.id = t.callback_id offset 0) c on true");
}

Result<void> gather_approvals(Gathering& to) {
  return to.rows(
      "t.id, t.version, t.decision, t.is_direct, t.signer_id, t.signer_role, t.policy_id, t.envelope_commit, "
      "t.approval_mac, t.notes, t.review_ms, t.at, t.meaning, t.diff_commit, t.validation_sha256, "
      "coalesce(t.key_id, ''), coalesce(t.custody, ''), coalesce(t.algorithm, 0), t.dsse",
      {"approval"},
      [](MessageEvidence& m, const PgRows& rows, int i) {
        ApprovalRow a;
        int c = 1;
        a.id = rows.uuid(i, c++);
        a.message_id = m.id;
        a.version = static_cast<int>(rows.number(i, c++));
        a.is_approved = rows.number(i, c++) == 1;
        a.is_direct = rows.flag(i, c++);
        a.signer_id = rows.uuid(i, c++);
        a.signer_role = static_cast<Role>(rows.number(i, c++));
        a.policy_id = rows.text(i, c++);
        a.envelope_commit = digest_from(rows.octets(i, c++));
        a.mac = digest_at(rows, i, c++);
        a.notes = rows.text(i, c++);
        if (!rows.is_null(i, c)) a.review_ms = rows.number(i, c);
        c++;
        a.at = rows.time(i, c++);
        a.meaning = rows.text(i, c++);
        a.diff_commit = digest_at(rows, i, c++);
        a.validation_sha256 = digest_at(rows, i, c++);
        a.key_id = rows.text(i, c++);
        a.custody = rows.text(i, c++);
        a.algorithm = static_cast<int>(rows.number(i, c++));
        a.dsse = rows.text(i, c++);
        m.approvals.push_back(std::move(a));
      },
      "order by t.at, t.id");
}

Result<void> gather_beside(Gathering& to) {
  auto done = to.rows("t.id, t.version, t.sha256, t.sealed, t.created_at", {"provenance"},
                      [](MessageEvidence& m, const PgRows& rows, int i) {
                        m.provenances.push_back({m.id, rows.uuid(i, 1), static_cast<int>(rows.number(i, 2)),
                                                 digest_from(rows.octets(i, 3)), rows.text(i, 4), rows.time(i, 5)});
                      });
  if (!done) return done;
  done = to.rows("t.version, t.editor_id, t.at, t.sealed", {"edit"}, [](MessageEvidence& m, const PgRows& rows, int i) {
    m.edits.push_back({m.id, static_cast<int>(rows.number(i, 1)), rows.uuid(i, 2), rows.time(i, 3), rows.text(i, 4)});
  });
  if (!done) return done;
  return to.rows(
      "t.id, t.attempt_no, t.decision, t.actor, t.at", {"decision"}, [](MessageEvidence& m, const PgRows& rows, int i) {
        m.decisions.push_back(
            {rows.uuid(i, 1), static_cast<int>(rows.number(i, 2)), rows.text(i, 3), rows.text(i, 4), rows.time(i, 5)});
      });
}

}  // namespace

Result<std::vector<MessageEvidence>> read_evidence(PgSession& session, std::vector<Uuid> ids, Spread spread,
                                                   const Uuid& entries_since, const Uuid& entries_until) {
  if (ids.empty()) return std::vector<MessageEvidence>();
  Gathering to(session, std::move(ids), spread, entries_since, entries_until);
  auto done = gather_messages(to);
  if (done) done = gather_entries(to);
  if (done) done = gather_attempts(to);
  if (done) done = gather_confirmations(to);
  if (done) done = gather_approvals(to);
  if (done) done = gather_beside(to);
  if (!done) return done.error();
  return to.take();
}

Result<std::vector<Uuid>> list_message_ids(PgSession& session, const Uuid& after, int count_max) {
  auto rows = session.run("select id from message where id > $1 order by id limit $2",
                          {after, static_cast<int32_t>(count_max)});
  if (!rows) return rows.error();
  std::vector<Uuid> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->uuid(i, 0));
  return out;
}

Result<std::vector<Uuid>> missing_messages(PgSession& session, const std::vector<Uuid>& ids) {
  auto rows = session.run(
      "select u.id from unnest($1::uuid[]) u(id) where not exists (select from message m where m.id = u.id)",
      {PgValue::uuids(ids)});
  if (!rows) return rows.error();
  std::vector<Uuid> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->uuid(i, 0));
  return out;
}

Result<Uuid> newest_event_id(PgSession& session) {
  auto rows = session.run("select event_id from audit.entry order by event_id desc limit 1");
  if (!rows) return rows.error();
  return rows->size() == 0 ? Uuid{} : rows->uuid(0, 0);
}

Result<std::optional<int64_t>> place_of(PgSession& session, const Uuid& event_id) {
  auto rows = session.run("select seq from audit.log where event_id = $1", {event_id});
  if (!rows) return rows.error();
  return rows->size() == 0 ? std::optional<int64_t>() : std::optional(rows->number(0, 0));
}

// Nothing ends these transactions but their sessions: a long log takes longer than any limit for others. Plans go by
// the indexes, but where whole tables are counted.
constexpr char kReading[] =
    "; set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0; "
    "set local random_page_cost = 1.1; set local work_mem = '64MB'";

Result<std::string> begin_snapshot(PgSession& session) {
  auto begun = session.script(std::string("begin isolation level repeatable read read only") + kReading);
  if (!begun) return begun.error();
  auto rows = session.run("select pg_export_snapshot()");
  if (!rows) return rows.error();
  return rows->text(0, 0);
}

Result<void> join_snapshot(PgSession& session, const std::string& snapshot) {
  return session.script("begin isolation level repeatable read read only; set transaction snapshot '" + snapshot + "'" +
                        kReading);
}

Result<std::vector<SigningKeyRow>> read_public_keys(PgSession& session) {
  auto rows = session.run(
      "select id, user_id, algorithm, custody, key_id, public_key, valid_from, valid_to, revoked_at from signing_keys");
  if (!rows) return rows.error();
  std::vector<SigningKeyRow> out;
  for (int i = 0; i < rows->size(); i++) {
    SigningKeyRow key;
    key.id = rows->uuid(i, 0);
    key.user_id = rows->uuid(i, 1);
    key.algorithm = static_cast<SignatureAlgorithm>(rows->number(i, 2));
    key.custody = static_cast<Custody>(rows->number(i, 3));
    key.key_id = rows->text(i, 4);
    key.public_key = rows->text(i, 5);
    key.valid_from = rows->time(i, 6);
    key.valid_to = rows->optional_time(i, 7);
    key.revoked_at = rows->optional_time(i, 8);
    out.push_back(std::move(key));
  }
  return out;
}

Result<std::vector<StrayRow>> read_stray_rows(PgSession& session, int count_max) {
  struct Table {
    const char *name, *key;
  };
  std::vector<StrayRow> out;
  for (const auto& [name, key] :
       {Table{"attempt_start", "t.message_id || '/' || t.attempt_no"},
        Table{"attempt_result", "t.message_id || '/' || t.attempt_no"},
        Table{"confirmation", "t.message_id || '/' || t.id"}, Table{"approval", "t.message_id || '/' || t.id"},
        Table{"provenance", "t.message_id || '/' || t.id"}, Table{"edit", "t.message_id || '/' || t.version"},
        Table{"decision", "t.message_id || '/' || t.id"}}) {
    auto rows = session.run(std::string("select ") + key + " from " + name +
                                " t where not exists (select from message m where m.id = t.message_id) limit $1",
                            {static_cast<int32_t>(count_max)});
    if (!rows) return rows.error();
    for (int i = 0; i < rows->size(); i++) out.push_back({name, rows->text(i, 0)});
  }
  return out;
}

}  // namespace signet

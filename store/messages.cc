#include "store/messages.h"

#include <algorithm>
#include <sstream>

#include "store/pg_array.h"

namespace signet {
namespace {

constexpr char kColumns[] =
    "m.id, m.kind, m.delivery_method, m.status, m.priority, m.risk_level, m.version, m.requeues, m.attempts, "
    "m.max_attempts, m.is_proven, m.cancel_requested, m.author_id, m.last_editor_id, m.reviewer_id, m.recipient_key, "
    "m.destination, m.tags, m.purpose, m.time_zone, m.client_reference, m.expires_at, m.scheduled_for, m.event_n, "
    "m.event_leaf, coalesce(m.provider, ''), coalesce(m.provider_reference, ''), coalesce(m.failure_reason, ''), "
    "m.submitted_at, m.approved_at, m.last_attempt_at, m.sent_at, m.confirmed_at, d.due_at, m.physician_id, "
    "m.claimed_by, m.claimed_until, m.is_urgent";
constexpr char kFrom[] = " from message m left join due d on d.message_id = m.id ";

MessageRow row_of(const PgRows& rows, int i) {
  MessageRow m;
  int c = 0;
  m.id = rows.uuid(i, c++);
  m.kind = static_cast<Kind>(rows.number(i, c++));
  m.delivery_method = static_cast<DeliveryMethod>(rows.number(i, c++));
  m.status = static_cast<Status>(rows.number(i, c++));
  m.priority = static_cast<Priority>(rows.number(i, c++));
  m.risk_level = static_cast<RiskLevel>(rows.number(i, c++));
  m.version = static_cast<int>(rows.number(i, c++));
  m.requeues = static_cast<int>(rows.number(i, c++));
  m.attempts = static_cast<int>(rows.number(i, c++));
  m.max_attempts = static_cast<int>(rows.number(i, c++));
  m.is_proven = rows.flag(i, c++);
  m.is_cancel_requested = rows.flag(i, c++);
  m.author_id = rows.uuid(i, c++);
  m.last_editor_id = rows.uuid(i, c++);
  if (!rows.is_null(i, c)) m.reviewer_id = rows.uuid(i, c);
  c++;
  m.recipient_key = rows.text(i, c++);
  m.destination = rows.text(i, c++);
  m.tags = rows.texts(i, c++);
  m.purpose = rows.text(i, c++);
  m.time_zone = rows.text(i, c++);
  if (!rows.is_null(i, c)) m.client_reference = rows.text(i, c);
  c++;
  m.expires_at = rows.optional_time(i, c++);
  m.scheduled_for = rows.optional_time(i, c++);
  m.head.n = rows.number(i, c++);
  m.head.leaf = digest_from(rows.octets(i, c++));
  m.provider = rows.text(i, c++);
  m.provider_reference = rows.text(i, c++);
  m.failure_reason = rows.text(i, c++);
  m.submitted_at = rows.optional_time(i, c++);
  m.approved_at = rows.optional_time(i, c++);
  m.last_attempt_at = rows.optional_time(i, c++);
  m.sent_at = rows.optional_time(i, c++);
  m.confirmed_at = rows.optional_time(i, c++);
  m.next_retry_at = rows.optional_time(i, c++);
  if (!rows.is_null(i, c)) m.physician_id = rows.uuid(i, c);
  c++;
  if (!rows.is_null(i, c)) m.claimed_by = rows.uuid(i, c);
  c++;
  m.claimed_until = rows.optional_time(i, c++);
  m.is_urgent = rows.flag(i, c++);
  m.created_at = {m.id.unix_ms() * 1000};
  return m;
}

template <class Number>
PgValue small(Number number) {
  return PgValue(static_cast<int32_t>(number));
}

Result<std::optional<MessageRow>> one_message(PgTransaction& tx, const std::string& sql, const Uuid& id) {
  auto rows = tx.run(sql, {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<MessageRow>();
  return std::optional(row_of(*rows, 0));
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

// Statuses that have an index: migration 0018.
bool is_listed(Status status) {
  return status == Status::pending_review || status == Status::failed || status == Status::in_doubt;
}

}  // namespace

Result<void> insert_message(PgTransaction& tx, const MessageRow& m, const SealedContent& content, const Entry& entry) {
  auto message = tx.run(
      "insert into message (id, kind, delivery_method, status, priority, risk_level, max_attempts, author_id, "
      "last_editor_id, recipient_key, destination, tags, purpose, time_zone, client_reference, expires_at, "
      "scheduled_for, event_n, event_leaf, physician_id, submitted_at, is_urgent) values ($1, $2, $3, $4, $5, $6, $7, "
      "$8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1, $18, $19, $20, $21)",
      {m.id,
       small(m.kind),
       small(m.delivery_method),
       small(m.status),
       small(m.priority),
       small(m.risk_level),
       small(m.max_attempts),
       m.author_id,
       m.last_editor_id,
       m.recipient_key.empty() ? PgValue::null() : PgValue::octets(m.recipient_key),
       m.destination,
       PgValue::texts(m.tags),
       m.purpose,
       m.time_zone,
       PgValue(m.client_reference),
       PgValue(m.expires_at),
       PgValue(m.scheduled_for),
       PgValue::octets(view(entry.leaf)),
       PgValue(m.physician_id),
       PgValue(m.submitted_at),
       m.is_urgent});
  if (!message) return message.error();
  auto sealed = tx.run(
      "with k as (insert into data_key values ($1, $2, $3)) insert into content values ($1, $4, $5, $6)",
      {m.id, content.kek_id, PgValue::octets(content.wrapped_key), small(content.version),
       PgValue::octets(content.sealed), content.details.empty() ? PgValue::null() : PgValue::octets(content.details)});
  if (!sealed) return sealed.error();
  return insert_entry(tx, entry);
}

Result<std::optional<MessageRow>> lock_message(PgTransaction& tx, const Uuid& id) {
  // The join comes after the lock: a due row read in the same statement could be older than the row that was waited
  // for.
  auto locked = tx.run("select from message where id = $1 for no key update", {id});
  if (!locked) return locked.error();
  return read_message(tx, id);
}

Result<std::vector<MessageRow>> lock_free_messages(PgTransaction& tx, const std::vector<Uuid>& ids) {
  auto locked = tx.run("select id from message where id = any ($1) order by id for no key update skip locked",
                       {PgValue::uuids(ids)});
  if (!locked) return locked.error();
  std::vector<Uuid> ours;
  for (int i = 0; i < locked->size(); i++) ours.push_back(locked->uuid(i, 0));
  auto rows =
      tx.run(std::string("select ") + kColumns + kFrom + "where m.id = any ($1) order by m.id", {PgValue::uuids(ours)});
  if (!rows) return rows.error();
  std::vector<MessageRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(row_of(*rows, i));
  return out;
}

Result<std::optional<MessageRow>> read_message(PgTransaction& tx, const Uuid& id) {
  return one_message(tx, std::string("select ") + kColumns + kFrom + "where m.id = $1", id);
}

Result<std::optional<Uuid>> find_by_client_reference(PgTransaction& tx, const Uuid& author_id,
                                                     const std::string& reference) {
  auto rows = tx.run("select id from message where author_id = $1 and client_reference = $2", {author_id, reference});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<Uuid>();
  return std::optional(rows->uuid(0, 0));
}

std::string conditions_of(const MessageFilter& filter, std::vector<PgValue>& values) {
  auto place = [&values](PgValue value) {
    values.push_back(std::move(value));
    return "$" + std::to_string(values.size());
  };
  std::string where = "true";
  std::string scope;
  if (filter.author_id) scope = "m.author_id = " + place(*filter.author_id);
  if (filter.or_in_review) scope += std::string(scope.empty() ? "" : " or ") + "m.listed = 2";
  if (filter.or_reviewer_id)
    scope += std::string(scope.empty() ? "" : " or ") + "m.reviewer_id = " + place(*filter.or_reviewer_id);
  if (filter.or_physician_id)
    scope += std::string(scope.empty() ? "" : " or ") + "m.physician_id = " + place(*filter.or_physician_id);
  if (!scope.empty()) where += " and (" + scope + ")";
  // Written out, not a parameter: the partial index is used only then.
  if (filter.status)
    where += (is_listed(*filter.status) ? " and m.listed = " : " and m.status = ") +
             std::to_string(static_cast<int>(*filter.status));
  if (filter.kind) where += " and m.kind = " + place(small(*filter.kind));
  if (filter.risk_level) where += " and m.risk_level = " + place(small(*filter.risk_level));
  if (filter.priority) where += " and m.priority = " + place(small(*filter.priority));
  if (filter.failure_reason) where += " and m.failure_reason = " + place(*filter.failure_reason);
  if (filter.provider) where += " and m.provider = " + place(*filter.provider);
  if (filter.changed_from) where += " and m.updated_at >= " + place(*filter.changed_from);
  if (filter.changed_before) where += " and m.updated_at < " + place(*filter.changed_before);
  if (filter.by_author_id) where += " and m.author_id = " + place(*filter.by_author_id);
  if (filter.client_reference) where += " and m.client_reference = " + place(*filter.client_reference);
  if (filter.recipient_key) where += " and m.recipient_key = " + place(PgValue::octets(*filter.recipient_key));
  if (filter.patient_key)
    where += " and m.id in (select message_id from message_facts where patient_key = " +
             place(PgValue::octets(*filter.patient_key)) + ")";
  // Ids ascend with time: their bounds are those of the time.
  if (filter.created_from) where += " and m.id >= " + place(Uuid::lowest_at(*filter.created_from));
  if (filter.created_before) where += " and m.id < " + place(Uuid::lowest_at(*filter.created_before));
  if (filter.submitted_before) where += " and m.submitted_at <= " + place(*filter.submitted_before);
  if (filter.after_id)
    where += std::string(" and m.id ") + (filter.is_oldest_first ? ">" : "<") + " " + place(*filter.after_id);
  return where;
}

Result<std::vector<MessageRow>> list_messages(PgTransaction& tx, const MessageFilter& filter) {
  std::vector<PgValue> values;
  const std::string where = conditions_of(filter, values);
  auto rows = tx.run(std::string("select ") + kColumns + kFrom + "where " + where + " order by m.id " +
                         (filter.is_oldest_first ? "asc" : "desc") + " limit " + std::to_string(filter.count_max),
                     values);
  if (!rows) return rows.error();
  std::vector<MessageRow> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(row_of(*rows, i));
  return out;
}

Result<void> write_facts(PgTransaction& tx, const Uuid& id, const MessageFacts& f) {
  auto octets = [](const std::string& key) { return key.empty() ? PgValue::null() : PgValue::octets(key); };
  return done(
      tx.run("insert into message_facts (message_id, patient_key, content_key, primary_model, tokens_consumed) "
             "values ($1, $2, $3, nullif($4, ''), $5) on conflict (message_id) do update set "
             "patient_key = excluded.patient_key, content_key = excluded.content_key, "
             "primary_model = excluded.primary_model, tokens_consumed = excluded.tokens_consumed",
             {id, octets(f.patient_key), octets(f.content_key), f.primary_model, f.tokens_consumed}));
}

Result<int> count_same_text(PgTransaction& tx, const Uuid& id, std::string_view recipient_key,
                            std::string_view content_key, WallTime since) {
  auto rows = tx.run(
      "select count(*)::int from message_facts f join message m on m.id = f.message_id where f.content_key = $1 "
      "and m.recipient_key = $2 and f.message_id <> $3 and m.approved_at >= $4",
      {PgValue::octets(content_key), PgValue::octets(recipient_key), id, since});
  if (!rows) return rows.error();
  return static_cast<int>(rows->number(0, 0));
}

Result<void> update_draft(PgTransaction& tx, const MessageRow& m) {
  return done(
      tx.run("update message set version = $2, last_editor_id = $3, priority = $4, risk_level = $5, max_attempts = $6, "
             "recipient_key = $7, destination = $8, tags = $9, purpose = $10, time_zone = $11, expires_at = $12, "
             "scheduled_for = $13, physician_id = $14, delivery_method = $15, is_urgent = $16, submitted_at = null, "
             "approved_at = null, "
             "claimed_by = null, claimed_until = null where id = $1",
             {m.id, small(m.version), m.last_editor_id, small(m.priority), small(m.risk_level), small(m.max_attempts),
              m.recipient_key.empty() ? PgValue::null() : PgValue::octets(m.recipient_key), m.destination,
              PgValue::texts(m.tags), m.purpose, m.time_zone, PgValue(m.expires_at), PgValue(m.scheduled_for),
              PgValue(m.physician_id), small(m.delivery_method), m.is_urgent}));
}

Result<void> write_claim(PgTransaction& tx, const Uuid& id, const Uuid& user_id, std::optional<WallTime> until) {
  return done(tx.run("update message set claimed_by = $2, claimed_until = $3 where id = $1",
                     {id, until ? PgValue(user_id) : PgValue::null(), PgValue(until)}));
}

Result<std::optional<SealedContent>> read_content(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(
      "select c.version, c.sealed, c.details, k.kek_id, k.wrapped from content c join data_key k using (message_id) "
      "where c.message_id = $1",
      {id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<SealedContent>();
  return std::optional(SealedContent{static_cast<int>(rows->number(0, 0)), rows->text(0, 1), rows->text(0, 2),
                                     rows->text(0, 3), rows->text(0, 4)});
}

Result<void> replace_content(PgTransaction& tx, const Uuid& id, int version, std::string_view sealed,
                             const Uuid& editor_id) {
  auto content = tx.run("update content set version = $2, sealed = $3 where message_id = $1",
                        {id, small(version), PgValue::octets(sealed)});
  if (!content) return content.error();
  return done(
      tx.run("update message set version = $2, last_editor_id = $3 where id = $1", {id, small(version), editor_id}));
}

Result<void> replace_details(PgTransaction& tx, const Uuid& id, std::string_view sealed) {
  return done(tx.run("update content set details = $2 where message_id = $1",
                     {id, sealed.empty() ? PgValue::null() : PgValue::octets(sealed)}));
}

Result<void> change_status(PgTransaction& tx, const StatusChange& change) { return change_statuses(tx, {change}); }

Result<void> change_statuses(PgTransaction& tx, const std::vector<StatusChange>& changes) {
  if (changes.empty()) return {};
  PgArray id(PgType::uuid), status(PgType::int2), head(PgType::bytea), leaf(PgType::bytea), reviewer(PgType::uuid),
      submitted(PgType::timestamptz), approved(PgType::timestamptz), sent(PgType::timestamptz),
      confirmed(PgType::timestamptz), failure(PgType::text), proven(PgType::boolean), cancel(PgType::boolean),
      ends_claim(PgType::boolean), requeue(PgType::boolean);
  const auto add_time = [](PgArray& to, const std::optional<WallTime>& time) {
    time ? to.add_time(*time) : to.add_null();
  };
  std::vector<Entry> entries;
  for (const auto& c : changes) {
    id.add(c.id.view());
    status.add_short(static_cast<int>(c.status));
    head.add(view(c.before.leaf));
    leaf.add(view(c.entry.leaf));
    c.reviewer_id ? reviewer.add(c.reviewer_id->view()) : reviewer.add_null();
    add_time(submitted, c.submitted_at);
    add_time(approved, c.approved_at);
    add_time(sent, c.sent_at);
    add_time(confirmed, c.confirmed_at);
    c.failure_reason ? failure.add(*c.failure_reason) : failure.add_null();
    c.is_proven ? proven.add_flag(*c.is_proven) : proven.add_null();
    cancel.add_flag(c.cancel_requested);
    ends_claim.add_flag(c.ends_claim);
    requeue.add_flag(c.is_requeue);
    entries.push_back(c.entry);
  }
  auto rows = tx.run(
      "update message m set status = u.status, event_n = event_n + 1, event_leaf = u.leaf, "
      "reviewer_id = coalesce(u.reviewer, reviewer_id), submitted_at = coalesce(u.submitted, submitted_at), "
      "approved_at = coalesce(u.approved, approved_at), sent_at = coalesce(u.sent, sent_at), "
      "confirmed_at = coalesce(u.confirmed, confirmed_at), "
      "failure_reason = case when u.requeue then null else coalesce(u.failure, failure_reason) end, "
      "is_proven = u.requeue or coalesce(u.proven, is_proven), requeues = requeues + u.requeue::int, "
      "attempts = case when u.requeue then 0 else attempts end, "
      "cancel_requested = (cancel_requested and not u.requeue) or u.cancel, updated_at = now(), "
      "claimed_by = case when u.ends_claim then null else claimed_by end, "
      "claimed_until = case when u.ends_claim then null else claimed_until end "
      "from unnest($1::uuid[], $2::int2[], $3::bytea[], $4::bytea[], $5::uuid[], $6::timestamptz[], "
      "$7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::bool[], $12::bool[], $13::bool[], "
      "$14::bool[]) u(id, status, head, leaf, reviewer, submitted, approved, sent, confirmed, failure, proven, cancel, "
      "ends_claim, requeue) where m.id = u.id and m.event_leaf = u.head",
      {PgValue::array(id), PgValue::array(status), PgValue::array(head), PgValue::array(leaf), PgValue::array(reviewer),
       PgValue::array(submitted), PgValue::array(approved), PgValue::array(sent), PgValue::array(confirmed),
       PgValue::array(failure), PgValue::array(proven), PgValue::array(cancel), PgValue::array(ends_claim),
       PgValue::array(requeue)});
  if (!rows) return rows.error();
  if (rows->affected() != static_cast<int64_t>(changes.size()))
    return Error{ErrorCode::conflict, "the message was changed by somebody else meanwhile"};
  return insert_entries(tx, entries);
}

Result<void> insert_entry(PgTransaction& tx, const Entry& entry) { return insert_entries(tx, {entry}); }

Result<void> insert_entries(PgTransaction& tx, const std::vector<Entry>& entries) {
  if (entries.empty()) return {};
  PgArray id(PgType::uuid), canon(PgType::bytea), leaf(PgType::bytea), object(PgType::uuid), action(PgType::text),
      actor(PgType::uuid), status(PgType::int2), provider(PgType::text), at(PgType::timestamptz);
  for (const auto& e : entries) {
    id.add(e.event_id.view());
    canon.add(e.canon);
    leaf.add(view(e.leaf));
    e.object_id.is_nil() ? object.add_null() : object.add(e.object_id.view());
    action.add(e.action);
    e.actor_id.is_nil() ? actor.add_null() : actor.add(e.actor_id.view());
    e.status == 0 ? status.add_null() : status.add_short(e.status);
    e.provider.empty() ? provider.add_null() : provider.add(e.provider);
    at.add_time(e.at);
  }
  return done(tx.run(
      "insert into audit.entry (event_id, canon, leaf, object_id, action, actor_id, status, provider, at) "
      "select * from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::uuid[], $5::text[], $6::uuid[], "
      "$7::int2[], $8::text[], $9::timestamptz[])",
      {PgValue::array(id), PgValue::array(canon), PgValue::array(leaf), PgValue::array(object), PgValue::array(action),
       PgValue::array(actor), PgValue::array(status), PgValue::array(provider), PgValue::array(at)}));
}

Result<void> insert_due(PgTransaction& tx, const DueRow& d) {
  return done(
      tx.run("insert into due (message_id, attempt_no, priority, lane, sender, provider, due_at, send_until, "
             "shard, avoid) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
             {d.message_id, small(d.attempt_no), small(d.priority), d.lane, d.sender,
              d.provider.empty() ? PgValue::null() : PgValue(d.provider), d.due_at, PgValue(d.send_until),
              small(shard_of(d.message_id)), d.avoid.empty() ? PgValue::null() : PgValue(d.avoid)}));
}

Result<std::optional<DueRow>> read_due(PgTransaction& tx, const Uuid& id) {
  auto rows = read_due(tx, std::vector{id});
  if (!rows) return rows.error();
  return rows->empty() ? std::optional<DueRow>() : std::optional(std::move(rows->front()));
}

Result<std::vector<DueRow>> read_due(PgTransaction& tx, const std::vector<Uuid>& ids) {
  auto rows = tx.run(
      "select message_id, attempt_no, priority, lane, sender, coalesce(provider, ''), due_at, send_until, "
      "coalesce(avoid, '') from due where message_id = any ($1)",
      {PgValue::uuids(ids)});
  if (!rows) return rows.error();
  std::vector<DueRow> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({rows->uuid(i, 0), static_cast<int>(rows->number(i, 1)), static_cast<Priority>(rows->number(i, 2)),
                   rows->text(i, 3), rows->text(i, 4), rows->text(i, 5), rows->time(i, 6), rows->optional_time(i, 7),
                   rows->text(i, 8)});
  return out;
}

Result<bool> insert_void(PgTransaction& tx, const Uuid& id, int attempt_no, const std::string& instance, WallTime at) {
  auto rows = tx.run(
      "insert into attempt_start (message_id, attempt_no, kind, instance, permitted_at) values ($1, $2, 2, $3, $4) "
      "on conflict do nothing",
      {id, small(attempt_no), instance, at});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<void> delete_due(PgTransaction& tx, const std::vector<Uuid>& ids) {
  if (ids.empty()) return {};
  return done(tx.run("delete from due where message_id = any ($1)", {PgValue::uuids(ids)}));
}

Result<int> next_attempt_no(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run("select coalesce(max(attempt_no), 0)::int + 1 from attempt_start where message_id = $1", {id});
  if (!rows) return rows.error();
  return static_cast<int>(rows->number(0, 0));
}

Result<int> newest_attempt_no(PgTransaction& tx, const Uuid& id) {
  auto rows = tx.run(
      "select greatest(0, (select max(attempt_no) from attempt_start where message_id = $1), "
      "(select attempt_no from due where message_id = $1))::int",
      {id});
  if (!rows) return rows.error();
  return static_cast<int>(rows->number(0, 0));
}

std::vector<std::string> references_of(const std::string& provider_reference) {
  std::vector<std::string> out;
  std::istringstream words(provider_reference);
  for (std::string word; words >> word;) out.push_back(word);
  return out;
}

Result<std::vector<AttemptRow>> list_attempts(PgTransaction& tx, const Uuid& id) {
  auto rows = list_attempts(tx, std::vector{id});
  if (!rows) return rows.error();
  return std::move((*rows)[id]);
}

Result<std::map<Uuid, std::vector<AttemptRow>>> list_attempts(PgTransaction& tx, const std::vector<Uuid>& ids) {
  std::map<Uuid, std::vector<AttemptRow>> out;
  if (ids.empty()) return out;
  // Each by its key, and only in the partitions of these ids (design: engine, "Speed").
  const auto [low, high] = std::minmax_element(ids.begin(), ids.end());
  auto rows = tx.run(
      "select s.message_id, s.attempt_no, s.kind, s.provider, s.instance, s.permitted_at, r.outcome, "
      "coalesce(r.reason, ''), coalesce(r.provider_reference, ''), coalesce(r.provider_code, ''), r.finished_at "
      "from unnest($1::uuid[]) u(id) cross join lateral (select * from attempt_start a where a.message_id = u.id "
      "and a.message_id between $2 and $3 offset 0) s left join lateral (select * from attempt_result a where "
      "a.message_id = s.message_id and a.message_id between $2 and $3 and a.attempt_no = s.attempt_no offset 0) r "
      "on true order by 1, 2",
      {PgValue::uuids(ids), *low, *high});
  if (!rows) return rows.error();
  for (int i = 0; i < rows->size(); i++) {
    AttemptRow a{static_cast<int>(rows->number(i, 1)),
                 rows->number(i, 2) == 2,
                 rows->text(i, 3),
                 rows->text(i, 4),
                 rows->time(i, 5),
                 std::nullopt,
                 rows->text(i, 7),
                 rows->text(i, 8),
                 rows->text(i, 9),
                 rows->optional_time(i, 10)};
    if (!rows->is_null(i, 6)) a.outcome = static_cast<OutcomeKind>(rows->number(i, 6));
    out[rows->uuid(i, 0)].push_back(std::move(a));
  }
  return out;
}

Result<std::vector<std::string>> list_events(PgTransaction& tx, const Uuid& object_id) {
  auto rows = tx.run("select canon from audit.entry where object_id = $1 order by event_id", {object_id});
  if (!rows) return rows.error();
  std::vector<std::string> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->text(i, 0));
  return out;
}

Result<void> insert_decision(PgTransaction& tx, const Uuid& id, const Uuid& message_id, int attempt_no,
                             const std::string& decision, const std::string& actor, const std::string& reason,
                             WallTime at) {
  return done(tx.run("insert into decision values ($1, $2, $3, $4, $5, $6, $7)",
                     {id, message_id, small(attempt_no), decision, actor, reason, at}));
}

}  // namespace signet

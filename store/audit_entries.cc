#include "store/audit_entries.h"

namespace signet {
namespace {

// An event's id is made with the event, but one of a delivery may be written down later than it happened.
constexpr int64_t kIdLateUsMax = 86'400'000'000;
constexpr int64_t kIdEarlyUsMax = 1'000'000;

class Where {
 public:
  std::string place(PgValue value) {
    values.push_back(std::move(value));
    return "$" + std::to_string(values.size());
  }
  void add(const std::string& condition) { text += " and " + condition; }

  std::string text = " where true";
  std::vector<PgValue> values;
};

Where where_of(const EntryFilter& f) {
  Where w;
  // Ids ascend with time and bound the partitions; `at` is exact.
  if (f.from)
    w.add("e.event_id >= " + w.place(Uuid::lowest_at({f.from->us - kIdEarlyUsMax})) +
          " and e.at >= " + w.place(*f.from));
  if (f.before)
    w.add("e.event_id < " + w.place(Uuid::lowest_at({f.before->us + kIdLateUsMax})) + " and e.at < " +
          w.place(*f.before));
  if (f.actor_id) w.add("e.actor_id = " + w.place(*f.actor_id));
  if (f.message_id) w.add("e.object_id = " + w.place(*f.message_id));
  if (f.action) w.add("e.action = " + w.place(*f.action));
  if (f.provider) w.add("e.provider = " + w.place(*f.provider));
  if (f.status) w.add("e.status = " + w.place(static_cast<int32_t>(*f.status)));
  if (f.kind) w.add("m.kind = " + w.place(static_cast<int32_t>(*f.kind)));
  if (f.reference) w.add("m.client_reference = " + w.place(*f.reference));
  if (f.recipient_key) w.add("m.recipient_key = " + w.place(PgValue::octets(*f.recipient_key)));
  if (f.patient_key)
    w.add("e.object_id in (select message_id from message_facts where patient_key = " +
          w.place(PgValue::octets(*f.patient_key)) + ")");
  if (f.own_id) {
    const std::string me = w.place(*f.own_id);
    std::string scope = "(e.actor_id = " + me;
    if (f.or_in_scope)
      scope +=
          " or m.author_id = " + me + " or m.reviewer_id = " + me + " or m.physician_id = " + me + " or m.status = 2";
    w.add(scope + ")");
  }
  if (f.after_id) w.add("e.event_id < " + w.place(*f.after_id));
  return w;
}

constexpr char kFrom[] = " from audit.entry e left join message m on m.id = e.object_id ";

}  // namespace

Result<std::vector<EntryRow>> list_entries(PgTransaction& tx, const EntryFilter& filter) {
  const Where w = where_of(filter);
  // What is joined is as of the event: nothing that came later shows in it.
  auto rows = tx.run(
      "select e.event_id, e.canon, l.seq, m.id, m.kind, p.signer_id, p.at, a.retries, a.last_at, r.reason, "
      "f.primary_model, coalesce(f.tokens_consumed, 0) from (select e.event_id, e.canon, e.at, e.object_id" +
          std::string(kFrom) + w.text + " order by e.event_id desc limit " + std::to_string(filter.count_max) +
          ") e left join audit.log l on l.event_id = e.event_id left join message m on m.id = e.object_id "
          "left join message_facts f on f.message_id = m.id "
          "left join lateral (select signer_id, at from approval where approval.message_id = m.id "
          "and approval.at <= e.at order by approval.at desc limit 1) p on true "
          "left join lateral (select greatest(count(*) - 1, 0)::int as retries, "
          "case when count(*) > 1 then max(permitted_at) end as last_at from attempt_start "
          "where attempt_start.message_id = m.id and attempt_start.kind = 1 and attempt_start.permitted_at <= e.at) a "
          "on true "
          "left join lateral (select reason from attempt_result where attempt_result.message_id = m.id "
          "and attempt_result.outcome <> 1 and attempt_result.finished_at <= e.at order by finished_at desc limit 1) r "
          "on true order by e.event_id desc",
      w.values);
  if (!rows) return rows.error();
  std::vector<EntryRow> out;
  for (int i = 0; i < rows->size(); i++) {
    EntryRow e;
    e.event_id = rows->uuid(i, 0);
    e.canon = rows->text(i, 1);
    if (!rows->is_null(i, 2)) e.seq = rows->number(i, 2);
    if (!rows->is_null(i, 3)) {
      e.message_id = rows->uuid(i, 3);
      e.kind = static_cast<Kind>(rows->number(i, 4));
      e.retry_count = static_cast<int>(rows->number(i, 7));
    }
    if (!rows->is_null(i, 5)) e.reviewer_id = rows->uuid(i, 5);
    e.reviewed_at = rows->optional_time(i, 6);
    e.last_retry_at = rows->optional_time(i, 8);
    e.failure_reason = rows->text(i, 9);
    e.primary_model = rows->text(i, 10);
    e.tokens_consumed = rows->number(i, 11);
    out.push_back(std::move(e));
  }
  return out;
}

Result<EntryStatistics> count_entries(PgTransaction& tx, const EntryFilter& filter) {
  const Where w = where_of(filter);
  auto rows =
      tx.run("with e as materialized (select e.action, e.actor_id, e.status, (e.at at time zone 'UTC')::date as day" +
                 std::string(kFrom) + w.text +
                 ") select 0, '', count(*) from e "
                 "union all (select 1, action, count(*) from e group by action) "
                 "union all (select 2, coalesce(actor_id::text, ''), count(*) from e group by actor_id) "
                 "union all (select 3, status::text, count(*) from e where status is not null group by status) "
                 "union all (select 4, day::text, count(*) from e group by day) order by 1, 2",
             w.values);
  if (!rows) return rows.error();
  EntryStatistics out;
  for (int i = 0; i < rows->size(); i++) {
    EntryCount row{rows->text(i, 1), rows->number(i, 2)};
    switch (rows->number(i, 0)) {
      case 0:
        out.total = row.count;
        break;
      case 1:
        out.by_action.push_back(std::move(row));
        break;
      case 2:
        out.by_actor.push_back(std::move(row));
        break;
      case 3:
        row.key = name(static_cast<Status>(std::stoi(row.key)));
        out.by_status.push_back(std::move(row));
        break;
      default:
        out.by_day.push_back(std::move(row));
    }
  }
  return out;
}

Result<bool> has_user_agent(PgTransaction& tx, const Digest& sha256) {
  auto rows = tx.run("select from audit.user_agent where sha256 = $1", {PgValue::octets(view(sha256))});
  if (!rows) return rows.error();
  return rows->size() > 0;
}

Result<void> insert_user_agent(PgTransaction& tx, const Digest& sha256, const std::string& sealed_by,
                               std::string_view sealed) {
  auto rows = tx.run(
      "insert into audit.user_agent (sha256, sealed_by, sealed) values ($1, $2, $3) on conflict do nothing",
      {PgValue::octets(view(sha256)), sealed_by, PgValue::octets(sealed)});
  if (!rows) return rows.error();
  return {};
}

Result<void> insert_note(PgTransaction& tx, const NoteRow& n) {
  auto rows = tx.run("insert into audit.note (event_id, message_id, sealed_by, sealed) values ($1, $2, $3, $4)",
                     {n.event_id, PgValue(n.message_id), n.sealed_by, PgValue::octets(n.sealed)});
  if (!rows) return rows.error();
  return {};
}

Result<std::optional<NoteRow>> read_note(PgTransaction& tx, const Uuid& event_id) {
  auto rows = tx.run("select message_id, sealed_by, sealed from audit.note where event_id = $1", {event_id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<NoteRow>();
  NoteRow note;
  note.event_id = event_id;
  if (!rows->is_null(0, 0)) note.message_id = rows->uuid(0, 0);
  note.sealed_by = rows->text(0, 1);
  note.sealed = rows->text(0, 2);
  return std::optional(std::move(note));
}

}  // namespace signet

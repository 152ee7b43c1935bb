#include "store/entry_query.h"

namespace signet {
namespace {

// An event's id is made with the event, but one of a delivery may be written down later than it happened.
constexpr int64_t kIdLateUsMax = 86'400'000'000;
constexpr int64_t kIdEarlyUsMax = 1'000'000;

}  // namespace

std::string EntryWhere::place(PgValue value) {
  values.push_back(std::move(value));
  return "$" + std::to_string(values.size());
}

EntryWhere entry_where(const EntryFilter& f) {
  EntryWhere w;
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
          " or m.author_id = " + me + " or m.reviewer_id = " + me + " or m.physician_id = " + me + " or m.listed = 2";
    w.add(scope + ")");
  }
  if (f.after_id) w.add("e.event_id < " + w.place(*f.after_id));
  return w;
}

EntryRow entry_row(const PgRows& rows, int i, bool has_metadata) {
  EntryRow e;
  e.event_id = rows.uuid(i, 0);
  e.canon = rows.text(i, 1);
  if (!rows.is_null(i, 2)) e.seq = rows.number(i, 2);
  if (!rows.is_null(i, 3)) {
    e.message_id = rows.uuid(i, 3);
    e.kind = static_cast<Kind>(rows.number(i, 4));
  }
  e.leaf = digest_from(rows.octets(i, 5));
  e.at = rows.time(i, 6);
  e.action = rows.text(i, 7);
  if (!has_metadata) return e;
  if (!rows.is_null(i, 8)) e.reviewer_id = rows.uuid(i, 8);
  e.reviewed_at = rows.optional_time(i, 9);
  if (e.message_id) e.retry_count = static_cast<int>(rows.number(i, 10));
  e.last_retry_at = rows.optional_time(i, 11);
  e.failure_reason = rows.text(i, 12);
  e.primary_model = rows.text(i, 13);
  e.tokens_consumed = rows.number(i, 14);
  return e;
}

}  // namespace signet

#include "store/dead_letters.h"

namespace signet {
namespace {

constexpr char kIsExpired[] = "coalesce(m.expires_at <= now(), false)";
constexpr char kIsSuppressed[] = "exists (select from suppressions s where s.recipient_key = m.recipient_key)";
constexpr char kIsErased[] = "not exists (select from content c where c.message_id = m.id)";

std::string dead_until(MessageFilter& filter, WallTime as_of, std::vector<PgValue>& values) {
  filter.status = Status::failed;
  std::string where = conditions_of(filter, values);
  values.push_back(as_of);
  return where + " and m.updated_at <= $" + std::to_string(values.size());
}

}  // namespace

Result<DeadLetters> count_dead_letters(PgTransaction& tx, MessageFilter filter, std::optional<WallTime> as_of) {
  auto now = tx.run("select now()");
  if (!now) return now.error();
  DeadLetters out;
  out.as_of = as_of.value_or(now->time(0, 0));
  std::vector<PgValue> values;
  const std::string where = dead_until(filter, out.as_of, values);
  auto rows = tx.run(std::string("select bar, failure_reason, count(*) from (select case when ") + kIsErased +
                         " then 3 when " + kIsExpired + " then 1 when " + kIsSuppressed +
                         " then 2 else 0 end as bar, coalesce(m.failure_reason, '') as failure_reason from message m "
                         "where " +
                         where + ") x group by 1, 2",
                     values);
  if (!rows) return rows.error();
  for (int i = 0; i < rows->size(); i++) {
    const int64_t count = rows->number(i, 2);
    switch (rows->number(i, 0)) {
      case 1:
        out.expired += count;
        break;
      case 2:
        out.suppressed += count;
        break;
      case 3:
        out.erased += count;
        break;
      default:
        out.count += count;
        out.by_reason[rows->text(i, 1)] += count;
    }
  }
  return out;
}

Result<std::vector<Uuid>> list_dead_letters(PgTransaction& tx, MessageFilter filter, WallTime as_of, int count_max) {
  filter.is_oldest_first = true;
  std::vector<PgValue> values;
  const std::string where = dead_until(filter, as_of, values);
  auto rows =
      tx.run("select m.id from message m where " + where + " and not " + kIsExpired + " and not " + kIsSuppressed +
                 " and not (" + kIsErased + ") order by m.id limit " + std::to_string(count_max),
             values);
  if (!rows) return rows.error();
  std::vector<Uuid> out;
  for (int i = 0; i < rows->size(); i++) out.push_back(rows->uuid(i, 0));
  return out;
}

}  // namespace signet

#include "store/queue_figures.h"

namespace signet {

Result<std::vector<LaneFigures>> read_lane_figures(PgTransaction& tx) {
  auto rows = tx.run(
      "select priority, lane, count(*) filter (where due_at <= now()), count(*) filter (where due_at > now()), "
      "coalesce((extract(epoch from now() - min(due_at) filter (where due_at <= now())) * 1000)::bigint, 0) "
      "from due group by 1, 2 order by 1, 2");
  if (!rows) return rows.error();
  std::vector<LaneFigures> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back({static_cast<Priority>(rows->number(i, 0)), rows->text(i, 1), rows->number(i, 2), rows->number(i, 3),
                   rows->number(i, 4)});
  return out;
}

}  // namespace signet

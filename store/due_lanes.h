// Where due rows are, as the beginning of a statement.
#pragma once

namespace signet {

// Names `l (shard, priority, lane)`: those that have a due row. From one to the next by the index due_scan, so that it
// takes milliseconds whatever stands in them.
inline constexpr char kDueLanes[] =
    "with recursive l as ((select shard, priority, lane from due order by shard, priority, lane limit 1) union all "
    "select n.* from l cross join lateral (select shard, priority, lane from due d where (d.shard, d.priority, d.lane) "
    "> (l.shard, l.priority, l.lane) order by shard, priority, lane limit 1) n) ";
// The due rows of one of them, as a table's condition on `d`.
inline constexpr char kDueInLane[] = "d.shard = l.shard and d.priority = l.priority and d.lane = l.lane ";

}  // namespace signet

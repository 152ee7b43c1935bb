// What services are still to be told of their messages, and how far in the log that has been looked for. Times are the
// server's. Each function is one step inside the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

struct StatusNotice {
  Uuid id;
  std::string service;
  int64_t seq = 0;  // of the event in the log
  Uuid event_id, message_id;
  std::optional<WallTime> due_at;  // none: given up
  int tries = 0;
  std::string failure;
  WallTime made_at;
};

// The next place to look at, locked: who else thinks that it makes this service's notices waits. A service seen for the
// first time begins at the log's end.
Result<int64_t> lock_status_cursor(PgTransaction& tx, const std::string& service);
Result<void> move_status_cursor(PgTransaction& tx, const std::string& service, int64_t seq);

struct StatusSlice {
  std::vector<StatusNotice> found;  // service, seq, event_id, message_id
  int64_t next = 0;                 // the place after the last one looked at
  bool has_more = false;
};
// Up to `count_max` places of the log: the events among them that a service is told of, whose message an account of
// the name `service` handed over.
Result<StatusSlice> read_status_slice(PgTransaction& tx, const std::string& service, int64_t from, int count_max);
Result<void> insert_status_notice(PgTransaction& tx, const StatusNotice& notice);  // due now; once for each seq

// Due ones, the oldest events first; for `lease_ms` nobody else gets them.
Result<std::vector<StatusNotice>> claim_status_notices(PgTransaction& tx, const std::string& service, int count_max,
                                                       int64_t lease_ms);
struct StatusContent {
  std::string canon;  // the event
  std::optional<std::string> client_reference;
};
// None: the event or its message is gone.
Result<std::optional<StatusContent>> read_status_content(PgTransaction& tx, const StatusNotice& notice);
Result<void> drop_status_notice(PgTransaction& tx, const Uuid& id);  // it arrived
// Tried in vain: due again in `delay_ms`; none: given up.
Result<void> note_status_failure(PgTransaction& tx, const Uuid& id, const std::string& failure,
                                 const std::optional<int64_t>& delay_ms);
Result<void> forget_dead_notices(PgTransaction& tx, int days);

struct StatusBacklog {
  std::string service;
  int64_t waiting = 0, dead = 0;
  int64_t behind = 0;  // places of the log that have not been looked at
};
Result<std::vector<StatusBacklog>> read_status_backlogs(PgTransaction& tx);  // by service
// Waiting or dead ones, the newest first, before this one if given.
Result<std::vector<StatusNotice>> list_status_notices(PgTransaction& tx, bool is_dead,
                                                      const std::optional<std::string>& service,
                                                      const std::optional<Uuid>& before, int count_max);
Result<std::optional<StatusNotice>> lock_status_notice(PgTransaction& tx, const Uuid& id);
Result<void> retry_status_notice(PgTransaction& tx, const Uuid& id);  // due now, as if it had never been tried

}  // namespace signet

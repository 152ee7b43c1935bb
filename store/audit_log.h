// The log's tables, for the sequencer, which gives each entry its place, and the verifier, which reads it again
// (design: evidence, "The audit log is a Merkle log"). What hashes mean is the business of audit/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "store/entry.h"
#include "store/pg_session.h"

namespace signet {

// The place of one, held while the session lives. A session that stops speaking loses it within 10 s, one that stops
// in the middle of a transaction within 5. False: somebody else holds it.
enum class Elected : int64_t {
  sequencer = 7460917,
  verifier = 7460918,
  anchors = 7460919,
  purge = 7460921,
  rewrap = 7460922,
  alerts = 7460925,
  relay = 7460926,
  reconciler = 7460927,
  notifier = 7460928,
};
Result<bool> take_place(PgSession& session, Elected place);

struct Backlog {
  int64_t size = 0;         // entries that have their place
  int64_t oldest_ms = 0;    // how long the first that has none has waited; 0: none waits
  bool is_waiting = false;  // there is something to do
};
Result<Backlog> read_backlog(PgSession& session);

struct LogCursor {
  std::string xact = "0";  // xid8, in digits
  Uuid event_id;
  int64_t size = 0;
  std::string foreign_xact = "0";
  bool is_rescan = false;
  bool is_ahead = false;  // of the cluster's own count: this database was restored from another's dump
};
// Locks the cursor until the transaction ends: what follows is one sequencer's, whoever else thinks that it leads.
Result<LogCursor> lock_cursor(PgTransaction& tx);

struct Sequenced {
  std::vector<Digest> leaves;  // from cursor.size on
  LogCursor cursor;            // as it is afterwards
};
// Gives up to `count_max` entries past the cursor their places, in the order of their transactions: those whose
// transaction, and every one before it, has ended. Moves the cursor.
Result<Sequenced> sequence(PgTransaction& tx, const LogCursor& cursor, int count_max);
// After a restore. begin_rescan() notes it; then rescan() looks through all entries for those without a place, past
// `from` (the nil place at first), whatever their transaction's number; end_rescan() goes on from `xact`.
Result<std::string> begin_rescan(PgTransaction& tx);  // the xact to end with
Result<Sequenced> rescan(PgTransaction& tx, const LogCursor& cursor, const LogCursor& from, int count_max);
Result<void> end_rescan(PgTransaction& tx, const std::string& xact);

Result<void> insert_tile(PgTransaction& tx, int level, int64_t index, std::string_view hashes);
Result<void> insert_checkpoint(PgTransaction& tx, int64_t size, const Digest& root, const std::string& note);

Result<std::vector<Digest>> read_leaves(PgSession& session, int64_t from, int64_t count);
Result<std::optional<std::string>> read_tile(PgSession& session, int level, int64_t index);  // 8192 octets
// Full tiles of one level, by index: from <= index < to.
Result<std::vector<std::pair<int64_t, std::string>>> read_tiles(PgSession& session, int level, int64_t from,
                                                                int64_t to);
struct CheckpointRow {
  int64_t size = 0;
  Digest root{};
  std::string note;
  std::optional<int64_t> previous = {};  // the size of the one before
};
Result<std::optional<int64_t>> checkpoint_at_most(PgSession& session, int64_t size);  // the newest up to that size
// Those of from < size <= to, by size.
Result<std::vector<CheckpointRow>> read_checkpoints(PgSession& session, int64_t from, int64_t to);
Result<std::optional<CheckpointRow>> newest_checkpoint(PgSession& session);
Result<std::optional<CheckpointRow>> newest_checkpoint(PgTransaction& tx);

struct LogRow {
  int64_t seq = 0;
  Digest leaf{};  // of the log
  bool has_entry = false;
  Entry entry;  // event_id always
};
Result<std::vector<LogRow>> read_log(PgSession& session, int64_t from, int count_max);

struct ObjectEntry {
  Uuid object_id;
  Digest leaf{};
  std::string canon;
};
// Rows that the log's own size leaves no room for: places outside of [0, size), tiles that are not full at it. And
// entries that the sequencer has passed by without giving them a place.
struct Surplus {
  std::vector<int64_t> places;
  std::vector<std::pair<int, int64_t>> tiles;
  std::vector<Uuid> entries;
};
Result<Surplus> read_surplus(PgSession& session, int64_t size, int count_max);

// Every entry about these objects.
Result<std::vector<ObjectEntry>> read_object_entries(PgSession& session, const std::vector<Uuid>& objects);
Result<std::vector<std::pair<Uuid, Head>>> read_heads(PgSession& session, const std::vector<Uuid>& messages);

struct Verification {
  int level = 0;
  int64_t size = 0;
  std::optional<Digest> root;
  WallTime at;
};
Result<std::vector<Verification>> read_verifications(PgSession& session);
Result<void> write_verification(PgSession& session, const Verification& verification);

struct IntegrityFault {  // nobody mends it but a person
  Uuid id;
  int level = 0;
  std::string what;  // "leaf", "projection", ...: daemon/evidence/verifier.h
  std::optional<int64_t> seq;
  std::optional<Uuid> event_id;
  WallTime at;
  std::string relation, row_key;  // the row; empty: none of its own
  bool is_acknowledged = false;   // as read: a person has looked at it
};
Result<bool> insert_fault(PgSession& session, const IntegrityFault& fault);  // false: it is known already
// Those that nobody has acknowledged first, the newest of them first.
Result<std::vector<IntegrityFault>> read_faults(PgSession& session, int count_max);
Result<int64_t> count_faults(PgSession& session);  // those that nobody has acknowledged

// Default partitions that hold rows: a month is missing, or an id is no UUIDv7 of our time.
Result<std::vector<std::string>> filled_default_partitions(PgSession& session);

}  // namespace signet

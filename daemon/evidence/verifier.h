// Reads again what is stored and says what does not verify (design: evidence, "Verification, four levels"). L0, every
// 10 s: the newest checkpoint is signed by the log, its root is that of the log's leaves, it extends the one verified
// before. L1, every 60 s: each entry that came is what was committed. Nothing is ever mended. One daemon of all does
// it, as the login signet_verify, which can write nothing but what it found. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/evidence/faults.h"
#include "daemon/evidence/place.h"
#include "daemon/evidence/sequencer.h"

namespace signet {

// IntegrityFault::what. With the place and the event where there is one:
//   canon         not an event
//   leaf          the entry's leaf is not SHA-256(00 || canon)
//   log_leaf      the log's leaf is not the entry's
//   entry_missing the log's entry is gone
//   projection    a searched column does not say what canon says
//   chain         a message's events are not numbered without gaps, each holding the leaf before
//   head          the message's head is not its last event
// of the log itself, seq being a size:
//   log_gap       the log is shorter than its checkpoint, or misses a place
//   tile          a tile is not what the leaves make it; seq is its first leaf
//   note          a checkpoint's signature or text
//   root          a checkpoint's root is not the leaves'
//   consistency   a checkpoint does not extend the one verified before
struct VerifierSettings {
  int64_t checkpoint_every_ms = 10000;  // L0
  int64_t entries_every_ms = 60000;     // L1
  int batch = 2048;
};

class Verifier {
 public:
  // `postgres` is the login signet_verify's. `alarmed` hears of each fault once, when it is recorded.
  Verifier(PgOptions postgres, VerifierSettings settings, const LogKey& key, const Clock& clock, IdSource& ids,
           Log& log, Metrics& metrics, Alarmed alarmed)
      : place_(std::move(postgres), Elected::verifier, clock),
        settings_(settings),
        key_(key),
        clock_(clock),
        ids_(ids),
        log_(log),
        metrics_(metrics),
        alarmed_(std::move(alarmed)) {}

  // What is due. Called every few seconds, or the place is lost to another. True: there is more to read at once.
  bool pass();
  // Both levels now, whatever the time; for tests and on demand. Unavailable: another daemon verifies.
  Result<void> verify();

 private:
  bool take_lead();
  void lose(const Error& error);
  Result<void> verify_checkpoint_chain();  // L0
  Result<bool> verify_entries();           // L1; true: there is more
  Result<void> resume();
  Result<bool> grow(int64_t size);  // false: the log does not reach so far
  Result<void> check_rows(const std::vector<LogRow>& rows);
  void check_row(const LogRow& row);
  Result<void> check_chains(const std::vector<LogRow>& rows);
  Result<void> look_at_partitions();
  void found(int level, std::string what, std::optional<int64_t> seq, std::optional<Uuid> event_id);
  Result<void> record();

  Place place_;
  const VerifierSettings settings_;
  const LogKey& key_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const Alarmed alarmed_;
  bool is_partition_told_ = false;
  std::string told_;
  std::optional<Tick> checkpoint_at_, entries_at_;
  std::optional<TileBuilder> tree_;     // of the leaves, as far as the checkpoint verified last
  std::optional<Digest> pinned_;        // the root of that one, from the database after a start
  int64_t entries_size_ = -1;           // L1 has come so far; -1: not read yet
  std::vector<IntegrityFault> faults_;  // found in this pass
};

struct Integrity {
  int64_t log_size = 0;
  std::vector<Verification> levels;
  int64_t faults = 0;
  std::vector<IntegrityFault> newest;  // up to 100
};
// For /readyz and GET /api/integrity; any login that may read the log's tables.
Result<Integrity> read_integrity(PgSession& session);
// One line that names what failed: "leaf at 17, event 0193…".
std::string describe(const IntegrityFault& fault);

}  // namespace signet

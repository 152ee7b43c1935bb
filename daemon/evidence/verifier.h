// Reads again what is stored and says what does not verify (design: evidence, "Verification, four levels"). L0, every
// 10 s: the newest checkpoint is signed by the log, its root is that of the log's leaves, it extends the one verified
// before. L1, every 60 s: each entry that came is what was committed. L2, every 60 s: a slice of the log with all that
// it names, so that a day goes through all of it. L3, once a night: all at once, as a task (verification_task.h).
// Nothing is ever mended. One daemon of all does it, as the login signet_verify, which can write nothing but what it
// found. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/evidence/background_share.h"
#include "daemon/evidence/fault_record.h"
#include "daemon/evidence/sequencer.h"
#include "store/keyring.h"
#include "store/place.h"

namespace signet {

// IntegrityFault::what is one of the words that docs/verification.md explains.
struct VerifierSettings {
  int64_t checkpoint_every_ms = 10000;  // L0
  int64_t entries_every_ms = 60000;     // L1
  int batch = 2048;
  int64_t slice_every_ms = 60000;  // L2
  int64_t slice_min = 4096;        // entries
  int64_t nightly_hour = 2;        // UTC
};

class Verifier {
 public:
  // `postgres` is the login signet_verify's. `alarmed` hears of each fault once, when it is recorded. `keys` open what
  // L2 reads: without them there is none. `nightly` is told when the whole log is to be verified. `share`: of L1 and
  // L2; null: they read at full speed.
  Verifier(PgOptions postgres, VerifierSettings settings, const LogKey& key, const Clock& clock, IdSource& ids,
           Log& log, Metrics& metrics, Alarmed alarmed, const Keyring* keys = nullptr,
           std::function<void()> nightly = {}, BackgroundShare* share = nullptr)
      : place_(std::move(postgres), Elected::verifier, clock),
        settings_(settings),
        key_(key),
        clock_(clock),
        log_(log),
        metrics_(metrics),
        record_(clock, ids, log, metrics, std::move(alarmed)),
        keys_(keys),
        nightly_(std::move(nightly)),
        share_(share) {}

  // What is due. Called every few seconds, or the place is lost to another. True: there is more to read at once.
  bool pass();
  // L0 and L1 now, whatever the time; for tests. Unavailable: another daemon verifies.
  Result<void> verify();
  // The next slice of L2 now, after verify(); for tests.
  Result<void> verify_slice();

 private:
  bool take_lead();
  void lose(const Error& error);
  Result<void> verify_checkpoint_chain();  // L0
  Result<bool> verify_entries();           // L1; true: there is more
  Result<void> resume();
  Result<bool> grow(int64_t size);  // false: the log does not reach so far
  Result<void> check_rows(const std::vector<LogRow>& rows);
  Result<void> check_chains(const std::vector<LogRow>& rows);
  Result<void> look_at_partitions();
  Result<void> ask_for_nightly();
  void found(std::string what, std::optional<int64_t> seq, std::optional<Uuid> event_id, std::string relation,
             std::string row_key);
  Result<void> record(int level);

  Place place_;
  const VerifierSettings settings_;
  const LogKey& key_;
  const Clock& clock_;
  Log& log_;
  Metrics& metrics_;
  const FaultRecord record_;
  const Keyring* const keys_;
  const std::function<void()> nightly_;
  BackgroundShare* const share_;
  bool is_partition_told_ = false;
  std::string told_;
  std::optional<Tick> checkpoint_at_, entries_at_, slice_at_, nightly_at_;
  bool is_slice_faulty_ = false;
  std::optional<TileBuilder> tree_;  // of the leaves, as far as the checkpoint verified last
  std::optional<Digest> pinned_;     // the root of that one, from the database after a start
  int64_t entries_size_ = -1;        // L1 has come so far; -1: not read yet
  Discrepancies faults_;             // found in this pass
};

struct Integrity {
  int64_t log_size = 0;
  std::vector<Verification> levels;
  int64_t faults = 0;                  // that nobody has acknowledged
  std::vector<IntegrityFault> newest;  // up to 100
};
// For /readyz and GET /api/integrity; any login that may read the log's tables.
Result<Integrity> read_integrity(PgSession& session);

}  // namespace signet

// Gives every entry its place in the log, keeps the tree's tiles, signs checkpoints (design: evidence, "The audit log
// is a Merkle log"). One daemon of all does: elected by an advisory lock on a session of its own login. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "audit/note.h"
#include "audit/tile.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/metrics.h"
#include "store/audit_log.h"
#include "store/place.h"

namespace signet {

struct LogKey {  // who signs checkpoints; the name is the log's origin
  NoteKey name;
  SigningKey key;
};

struct SequencerSettings {
  int64_t checkpoint_every_ms = 10000;
  int batch = 4096;
};

// Reads tiles and leaves as they are stored. The session outlives it.
TileReader stored_tiles(PgSession& session);

class Sequencer {
 public:
  // `postgres` is the login signet_sequencer's.
  Sequencer(PgOptions postgres, SequencerSettings settings, const LogKey& key, const Clock& clock, Log& log,
            Metrics& metrics)
      : place_(std::move(postgres), Elected::sequencer, clock),
        settings_(settings),
        key_(key),
        clock_(clock),
        log_(log),
        metrics_(metrics) {}

  // One batch and, when it is time, one checkpoint. True: more waits. Called every second at least, or the place is
  // lost to another.
  bool pass();
  bool is_leader() const { return place_.is_held(); }

 private:
  bool take_lead();
  void lose(const Error& error);
  Result<int> take_batch();  // how many entries it was
  Result<void> look_through();
  Result<void> resume(int64_t size);
  Result<void> place(PgTransaction& tx, const std::vector<Digest>& leaves);
  Result<void> sign_when_due();
  void watch(const Backlog& backlog);

  Place place_;
  const SequencerSettings settings_;
  const LogKey& key_;
  const Clock& clock_;
  Log& log_;
  Metrics& metrics_;
  bool is_behind_ = false;
  std::string told_;  // the failure that the log has heard of
  std::optional<Tick> signed_at_;
  std::optional<TileBuilder> tree_;  // as far as the cursor; none: to be read anew
  int64_t signed_size_ = 0;
};

}  // namespace signet

#include "daemon/evidence/sequencer.h"

#include <utility>

#include "audit/checkpoint.h"

namespace signet {
namespace {

constexpr int64_t kBehindMs = 10'000;  // design: more than 10 s behind alarms

}  // namespace

TileReader stored_tiles(PgSession& session) {
  return recomputing([&session](int level, uint64_t index, int width) -> Result<std::vector<Digest>> {
    if (width == kTileWidth) {
      auto tile = read_tile(session, level, static_cast<int64_t>(index));
      if (!tile) return tile.error();
      if (tile->has_value()) return tile_hashes(**tile);
      return Error{ErrorCode::corrupt, "the log has no " + tile_path(level, index)};
    }
    return read_leaves(session, static_cast<int64_t>(index) * kTileWidth, width);  // only leaves stand in part
  });
}

bool Sequencer::pass() {
  if (!take_lead()) return false;
  auto backlog = read_backlog(place_.session());  // also tells the server that the leader lives
  if (!backlog) {
    lose(backlog.error());
    return false;
  }
  watch(*backlog);
  int taken = 0;
  if (backlog->is_waiting) {
    auto batch = take_batch();
    if (!batch) {
      lose(batch.error());
      return false;
    }
    taken = *batch;
  }
  if (!tree_ && backlog->size > 0) {  // something may wait to be signed
    if (auto done = resume(backlog->size); !done) {
      lose(done.error());
      return false;
    }
  }
  if (auto done = sign_when_due(); !done) {
    lose(done.error());
    return false;
  }
  told_.clear();
  return taken == settings_.batch;
}

bool Sequencer::take_lead() {
  const bool was_leader = place_.is_held();
  auto taken = place_.take();
  if (!taken) {
    lose(taken.error());
    return false;
  }
  if (*taken && !was_leader) {
    metrics_.set("signet_sequencer_leader", "", 1);
    log_.info("this daemon sequences the log");
  }
  return *taken;
}

// Whatever failed: the session goes, and with it the place. Another daemon, or this one in a moment, goes on from what
// is committed.
void Sequencer::lose(const Error& error) {
  if (told_ != error.text) log_.warn("the log is not sequenced from here for now", {{"reason", error.text}});
  told_ = error.text;
  place_.leave();
  tree_.reset();
  metrics_.set("signet_sequencer_leader", "", 0);
}

Result<int> Sequencer::take_batch() {
  std::optional<LogCursor> cursor;
  {
    PgTransaction tx(place_.session());
    auto locked = lock_cursor(tx);
    if (!locked) return locked.error();
    cursor = *locked;
    if (!cursor->is_ahead && !cursor->is_rescan) {
      if (!tree_ || tree_->size() != static_cast<uint64_t>(cursor->size))
        if (auto done = resume(cursor->size); !done) return done.error();
      auto taken = sequence(tx, *cursor, settings_.batch);
      if (!taken) return taken.error();
      if (auto done = place(tx, taken->leaves); !done) return done.error();
      if (auto done = tx.commit(); !done) return done.error();
      return static_cast<int>(taken->leaves.size());
    }
  }
  if (auto done = look_through(); !done) return done.error();
  return settings_.batch;
}

// The database was restored from a dump: its entries bear numbers of another cluster's transactions. Each entry that
// has no place gets one, once.
Result<void> Sequencer::look_through() {
  log_.warn("the database was restored; entries without a place in the log are looked for");
  std::string end;
  {
    PgTransaction tx(place_.session());
    if (auto locked = lock_cursor(tx); !locked) return locked.error();
    auto begun = begin_rescan(tx);
    if (!begun) return begun.error();
    end = *begun;
    if (auto done = tx.commit(); !done) return done;
  }
  LogCursor from;
  for (;;) {
    PgTransaction tx(place_.session());
    auto cursor = lock_cursor(tx);
    if (!cursor) return cursor.error();
    if (!tree_ || tree_->size() != static_cast<uint64_t>(cursor->size))
      if (auto done = resume(cursor->size); !done) return done;
    auto taken = rescan(tx, *cursor, from, settings_.batch);
    if (!taken) return taken.error();
    from = taken->cursor;
    const bool is_end = taken->leaves.empty();
    if (auto done = is_end ? end_rescan(tx, end) : place(tx, taken->leaves); !done) return done;
    if (auto done = tx.commit(); !done) return done;
    if (is_end) return {};
  }
}

// The tree's right edge from what is stored. What was signed must be a beginning of it: a log never signs two
// histories.
Result<void> Sequencer::resume(int64_t size) {
  const TileReader read = stored_tiles(place_.session());
  auto tree = TileBuilder::resume(static_cast<uint64_t>(size), read);
  if (!tree) return tree.error();
  auto newest = newest_checkpoint(place_.session());
  if (!newest) return newest.error();
  signed_size_ = 0;
  if (newest->has_value()) {
    const CheckpointRow& last = **newest;
    if (last.size > size)
      return Error{ErrorCode::corrupt, "the log is shorter than its checkpoint of " + std::to_string(last.size)};
    if (last.size > 0) {
      auto proof = ProofBuilder(read, static_cast<uint64_t>(size)).consistency(static_cast<uint64_t>(last.size));
      if (!proof) return proof.error();
      auto extends = verify_consistency(static_cast<uint64_t>(last.size), static_cast<uint64_t>(size), *proof,
                                        last.root, tree->root());
      if (!extends)
        return Error{ErrorCode::corrupt, "the log does not extend its checkpoint of " + std::to_string(last.size) +
                                             ": it is not signed any further"};
    }
    signed_size_ = last.size;
  }
  tree_ = std::move(*tree);
  return {};
}

Result<void> Sequencer::place(PgTransaction& tx, const std::vector<Digest>& leaves) {
  std::vector<Tile> full;
  tree_->append(leaves, full);
  for (const auto& tile : full)
    if (auto done = insert_tile(tx, tile.level, static_cast<int64_t>(tile.index), tile_octets(tile.hashes)); !done)
      return done;
  return {};
}

Result<void> Sequencer::sign_when_due() {
  if (!tree_ || static_cast<int64_t>(tree_->size()) <= signed_size_) return {};
  const Tick now = clock_.tick();
  if (signed_at_ && now.us - signed_at_->us < settings_.checkpoint_every_ms * 1000) return {};
  const Checkpoint checkpoint{key_.name.name(), tree_->size(), tree_->root()};
  auto note = sign_checkpoint(checkpoint, key_.name, key_.key);
  if (!note) return note.error();
  PgTransaction tx(place_.session());
  auto cursor = lock_cursor(tx);
  if (!cursor) return cursor.error();
  if (cursor->size != static_cast<int64_t>(checkpoint.size))
    return Error{ErrorCode::conflict, "somebody else sequenced the log meanwhile"};
  auto inserted = insert_checkpoint(tx, cursor->size, checkpoint.root, *note);
  if (!inserted) return inserted;
  if (auto done = tx.commit(); !done) return done;
  signed_size_ = cursor->size;
  signed_at_ = now;
  metrics_.set("signet_log_signed_size", "", signed_size_);
  return {};
}

void Sequencer::watch(const Backlog& backlog) {
  metrics_.set("signet_log_size", "", backlog.size);
  metrics_.set("signet_log_lag_ms", "", backlog.oldest_ms);
  const bool is_behind = backlog.oldest_ms > kBehindMs;
  if (is_behind && !is_behind_) {
    metrics_.add("signet_alarm", "reason=\"log_behind\"");
    log_.error("ALARM: the log is behind; a transaction that stays open holds it back, or the server is too slow",
               {{"oldest_ms", std::to_string(backlog.oldest_ms)}});
  }
  is_behind_ = is_behind;
}

}  // namespace signet

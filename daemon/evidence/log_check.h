// Reads the log in its order and holds each place, each full tile and each checkpoint against the others: entry ->
// leaf -> tile -> root -> signature. Where a tile and the places below it disagree, it follows both until a signed root
// says which is right, so that the one that was changed is named and not what follows from it.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "audit/event.h"
#include "audit/note.h"
#include "audit/tile.h"
#include "daemon/evidence/discrepancy.h"
#include "store/audit_log.h"

namespace signet {

// One place and its entry, by themselves. Gives the event, if the bytes are what was committed and one.
std::optional<EventProjection> check_row(const LogRow& row, Discrepancies& to);

class LogCheck {
 public:
  // From `from` on, which is a multiple of 256: the tree before it is taken from its tiles, and a root that does not
  // fit afterwards may be the fault of one of those. Session and key outlive it.
  LogCheck(PgSession& session, const NoteKey& key, int64_t from) : session_(session), key_(key), size_(from) {}

  // The rows of the places [size(), to), which may miss some. `to` is a multiple of 256 or the log's end.
  Result<void> take(const std::vector<LogRow>& rows, int64_t to);
  // No more comes: what no signed root could decide is told as it looks.
  Result<void> finish();

  int64_t size() const { return size_; }
  int64_t checkpoints() const { return checkpoints_; }
  std::optional<Digest> root() const;  // none: it is not known, places are missing
  Discrepancies take_findings() { return std::exchange(findings_, {}); }
  // The messages whose first event was among what was taken.
  std::vector<Uuid> take_begun() { return std::exchange(begun_, {}); }

 private:
  struct Reading {  // one way to read the leaves
    TileBuilder tree;
    Discrepancies findings;                       // if it is the right one
    std::vector<std::optional<Digest>> leaves{};  // of the batch
    bool is_blind = false;                        // a leaf is missing: no root can be told
  };
  Result<void> begin();
  void disagree(int64_t tile, const std::vector<Digest>& stored);
  Result<void> grow(Reading& reading, int64_t to, int64_t batch_from);
  void judge(const CheckpointRow& row);
  void append(const Discrepancies& found);

  PgSession& session_;
  const NoteKey& key_;
  int64_t size_;
  bool has_begun_ = false;
  std::vector<Reading> readings_;  // the log's rows; after a disagreement also the tiles'
  std::optional<int64_t> last_checkpoint_;
  int64_t checkpoints_ = 0;
  std::vector<int64_t> unrooted_;  // sizes of checkpoints whose root did not fit, since the last that did
  Discrepancies findings_;
  std::vector<Uuid> begun_;
};

}  // namespace signet

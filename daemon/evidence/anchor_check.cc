#include "daemon/evidence/anchor_check.h"

#include <algorithm>

#include "audit/checkpoint.h"
#include "audit/tile.h"
#include "audit/witness.h"
#include "base/timestamp.h"
#include "daemon/evidence/sequencer.h"

namespace signet {
namespace {

constexpr int kSlice = 256;  // of each kind, of one call

}  // namespace

std::vector<std::string> AnchorSources::kinds() const {
  std::vector<std::string> out;
  if (folder) out.push_back(kAnchorFolder);
  if (witness) out.push_back(kAnchorWitness);
  if (!tsa_ca_file.empty()) out.push_back(kAnchorTsa);
  return out;
}

struct AnchorCheck::LogNow {
  PgSession& session;
  int64_t size = 0;  // of the newest checkpoint

  // Why this checkpoint is no part of the log; empty: it is.
  Result<std::string> objection(const Checkpoint& checkpoint) {
    if (checkpoint.size > static_cast<uint64_t>(size)) {  // it may have grown meanwhile
      auto newest = newest_checkpoint(session);
      if (!newest) return newest.error();
      size = newest->has_value() ? (*newest)->size : 0;
    }
    if (checkpoint.size > static_cast<uint64_t>(size))
      return "the log is shorter: " + std::to_string(size) + " entries are signed";
    auto root = ProofBuilder(stored_tiles(session), checkpoint.size).root();
    if (!root && root.error().code == ErrorCode::unavailable) return root.error();
    if (!root) return "the log's root at this size cannot be worked out: " + root.error().text;
    return std::string(*root == checkpoint.root ? "" : "the log has another root at this size");
  }
};

Result<std::vector<AnchorFault>> AnchorCheck::check(PgSession& session) {
  LogNow now{session};
  std::vector<AnchorFault> out;
  if (sources_.folder)
    if (auto done = check_files(now, out); !done) return done.error();
  for (const auto& kind : sources_.kinds())
    if (auto done = check_rows(now, kind, out); !done) return done.error();
  return out;
}

Result<void> AnchorCheck::check_files(LogNow& now, std::vector<AnchorFault>& out) {
  auto sizes = sources_.folder->sizes();
  if (!sizes) return sizes.error();
  if (sizes->empty()) return {};
  const auto from = std::upper_bound(sizes->begin(), sizes->end(), file_past_);
  const auto to = from + std::min<std::ptrdiff_t>(kSlice, sizes->end() - from);
  file_past_ = to == sizes->end() ? -1 : *(to - 1);
  std::vector<int64_t> chosen(from, to);
  if (to != sizes->end() || chosen.empty()) chosen.push_back(sizes->back());
  for (const int64_t size : chosen) {
    auto objection = object_to_file(now, size);
    if (!objection) return objection.error();
    if (!objection->empty()) out.push_back({"anchor_folder", size, sources_.folder->path(size) + ": " + *objection});
  }
  return {};
}

Result<std::string> AnchorCheck::object_to_file(LogNow& now, int64_t size) {
  auto note = sources_.folder->read(size);
  if (!note) return note.error();
  const auto checkpoint = verify_checkpoint(*note, log_);
  if (checkpoint && checkpoint->checkpoint.size == static_cast<uint64_t>(size))
    return now.objection(checkpoint->checkpoint);
  // Half a file of a daemon that died while it wrote proves nothing; there is no row of it.
  auto stored = checkpoint_note(now.session, size);
  if (!stored) return stored.error();
  if (*stored != *note && stored->starts_with(*note)) return std::string();
  return std::string("it is no checkpoint of this log and size");
}

Result<void> AnchorCheck::check_rows(LogNow& now, const std::string& kind, std::vector<AnchorFault>& out) {
  int64_t& past = row_past_.try_emplace(kind, -1).first->second;
  auto rows = read_anchored(now.session, kind, past, kSlice);
  if (!rows) return rows.error();
  past = rows->size() < kSlice ? -1 : rows->back().anchor.size;
  if (past != -1) {
    auto newest = newest_anchor(now.session, kind);
    if (!newest) return newest.error();
    auto last = read_anchored(now.session, kind, (*newest)->size - 1, 1);
    if (!last) return last.error();
    rows->push_back(std::move(last->front()));
  }
  for (const auto& row : *rows) {
    auto fault = check_row(now, row);
    if (!fault) return fault.error();
    if (fault->has_value()) out.push_back(std::move(**fault));
  }
  return {};
}

Result<std::optional<AnchorFault>> AnchorCheck::check_row(LogNow& now, const AnchoredCheckpoint& row) {
  const int64_t size = row.anchor.size;
  auto fault = [size](const char* what, std::string text) -> Result<std::optional<AnchorFault>> {
    return std::optional(AnchorFault{what, size, std::move(text)});
  };
  if (row.anchor.kind == kAnchorFolder) {
    auto note = sources_.folder->read(size);
    if (!note && note.error().code != ErrorCode::not_found) return note.error();
    if (!note) return fault("anchor_folder", sources_.folder->path(size) + " is gone");
    if (view(sha256(*note)) != row.anchor.token)
      return fault("anchor_folder", sources_.folder->path(size) + " is not what was written");
    return std::optional<AnchorFault>();
  }
  const bool is_stamp = row.anchor.kind == kAnchorTsa;
  const char* const what = is_stamp ? "time_stamp" : "witness";
  if (row.note.empty()) return fault(what, "the checkpoint that was anchored is gone");
  if (is_stamp) {
    if (auto stamp = verify_time_stamp(row.anchor.token, row.note, sources_.tsa_ca_file); !stamp) {
      if (stamp.error().code != ErrorCode::corrupt) return stamp.error();
      return fault(what, stamp.error().text);
    }
  } else if (auto line = take_cosignature(row.note, row.anchor.token, *sources_.witness); !line) {
    return fault(what, "the witness did not sign the checkpoint that is stored: " + line.error().text);
  }
  const auto checkpoint = verify_checkpoint(row.note, log_);
  if (!checkpoint) return fault(what, checkpoint.error().text);
  auto objection = now.objection(checkpoint->checkpoint);
  if (!objection) return objection.error();
  if (!objection->empty()) return fault(what, *objection);
  return std::optional<AnchorFault>();
}

}  // namespace signet

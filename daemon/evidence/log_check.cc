#include "daemon/evidence/log_check.h"

#include <algorithm>

#include "audit/checkpoint.h"
#include "daemon/evidence/projection.h"
#include "daemon/evidence/sequencer.h"

namespace signet {
namespace {

std::string tile_key(int level, int64_t index) { return std::to_string(level) + '/' + std::to_string(index); }

}  // namespace

std::optional<EventProjection> check_row(const LogRow& row, Discrepancies& to) {
  auto fault = [&](const char* what, const char* relation, std::string key) {
    to.push_back({what, row.seq, row.entry.event_id, relation, std::move(key)});
    return std::nullopt;
  };
  const std::string event = row.entry.event_id.text();
  if (!row.has_entry) return fault("entry_missing", "audit.entry", event);
  if (leaf_hash(row.entry.canon) != row.entry.leaf) return fault("leaf", "audit.entry", event);
  if (row.leaf != row.entry.leaf) return fault("log_leaf", "audit.log", std::to_string(row.seq));
  auto read = parse_event(row.entry.canon);
  if (!read) return fault("canon", "audit.entry", event);
  if (!is_projection(*read, row.entry)) fault("projection", "audit.entry", event);
  return std::move(*read);
}

Result<void> LogCheck::begin() {
  has_begun_ = true;
  auto tree = TileBuilder::resume(static_cast<uint64_t>(size_), stored_tiles(session_));
  if (!tree && tree.error().code == ErrorCode::unavailable) return tree.error();
  readings_.push_back({tree ? std::move(*tree) : TileBuilder(), {}, {}, !tree.ok()});
  auto before = checkpoint_at_most(session_, size_);
  if (!before) return before.error();
  last_checkpoint_ = *before;
  return {};
}

Result<void> LogCheck::take(const std::vector<LogRow>& rows, int64_t to) {
  if (!has_begun_)
    if (auto done = begin(); !done) return done;
  const int64_t from = size_;
  const auto count = static_cast<size_t>(to - from);
  for (auto& reading : readings_) reading.leaves.assign(count, std::nullopt);
  for (const auto& row : rows) {
    if (const auto event = check_row(row, findings_); event && event->n == 1) begun_.push_back(row.entry.object_id);
    for (auto& reading : readings_) reading.leaves[static_cast<size_t>(row.seq - from)] = row.leaf;
  }
  const auto& leaves = readings_.front().leaves;
  for (size_t i = 0; rows.size() < count && i < count; i++)
    if (!leaves[i])
      findings_.push_back({"log_gap", from + static_cast<int64_t>(i), std::nullopt, "audit.log",
                           std::to_string(from + static_cast<int64_t>(i))});
  auto stored = read_tiles(session_, 0, from / kTileWidth, to / kTileWidth);
  if (!stored) return stored.error();
  auto checkpoints = read_checkpoints(session_, from, to);
  if (!checkpoints) return checkpoints.error();
  // Tile by tile, so that each disagreement is judged by the first root behind it.
  auto tile = stored->begin();
  auto checkpoint = checkpoints->begin();
  for (int64_t begin = from; begin < to; begin += kTileWidth) {
    const int64_t end = std::min(to, begin + kTileWidth);
    const int64_t index = begin / kTileWidth;
    if (tile != stored->end() && tile->first == index) {
      const auto hashes = tile_hashes((tile++)->second);
      if (hashes && hashes->size() == kTileWidth) disagree(index, *hashes);
    } else if (end - begin == kTileWidth) {
      findings_.push_back({"tile_missing", begin, std::nullopt, "audit.tile", tile_key(0, index)});
    }
    for (; checkpoint != checkpoints->end() && checkpoint->size <= end; checkpoint++) {
      for (auto& reading : readings_)
        if (auto done = grow(reading, checkpoint->size, from); !done) return done;
      judge(*checkpoint);
    }
    for (auto& reading : readings_)
      if (auto done = grow(reading, end, from); !done) return done;
  }
  size_ = to;
  return {};
}

// A full tile of the lowest level has the leaves themselves.
void LogCheck::disagree(int64_t tile, const std::vector<Digest>& stored) {
  const auto at = static_cast<size_t>(tile * kTileWidth - size_);
  Discrepancies places;
  bool has_gap = false;
  const auto& rows = readings_.front().leaves;
  for (size_t i = 0; i < stored.size(); i++) {
    if (rows[at + i] == stored[i]) continue;
    const int64_t seq = tile * kTileWidth + static_cast<int64_t>(i);
    if (rows[at + i])
      places.push_back({"place", seq, std::nullopt, "audit.log", std::to_string(seq)});
    else
      has_gap = true;  // told already
  }
  if (places.empty() && !has_gap) return;
  if (readings_.size() == 1) {
    append(std::exchange(readings_.front().findings, {}));  // of what both share
    readings_.push_back(readings_.front());
  }
  auto& by_rows = readings_.front();
  auto& by_tiles = readings_.back();
  std::copy(stored.begin(), stored.end(), by_tiles.leaves.begin() + static_cast<std::ptrdiff_t>(at));
  by_tiles.findings.insert(by_tiles.findings.end(), places.begin(), places.end());
  if (!places.empty())
    by_rows.findings.push_back({"tile", tile * kTileWidth, std::nullopt, "audit.tile", tile_key(0, tile)});
}

// Takes in leaves up to `to`; the higher tiles that they complete must be those stored.
Result<void> LogCheck::grow(Reading& reading, int64_t to, int64_t batch_from) {
  if (reading.is_blind) return {};
  const auto begin = static_cast<size_t>(static_cast<int64_t>(reading.tree.size()) - batch_from);
  const auto end = static_cast<size_t>(to - batch_from);
  std::vector<Digest> leaves;
  leaves.reserve(end - begin);
  for (size_t i = begin; i < end; i++) {
    if (!reading.leaves[i]) {
      reading.is_blind = true;
      return {};
    }
    leaves.push_back(*reading.leaves[i]);
  }
  std::vector<Tile> full;
  reading.tree.append(leaves, full);
  for (const auto& tile : full) {
    if (tile.level == 0) continue;
    const auto index = static_cast<int64_t>(tile.index);
    auto stored = read_tile(session_, tile.level, index);
    if (!stored) return stored.error();
    if (*stored && **stored == tile_octets(tile.hashes)) continue;
    reading.findings.push_back({*stored ? "tile" : "tile_missing", index << (8 * (tile.level + 1)), std::nullopt,
                                "audit.tile", tile_key(tile.level, index)});
  }
  return {};
}

void LogCheck::judge(const CheckpointRow& row) {
  checkpoints_++;
  const std::string key = std::to_string(row.size);
  const auto previous = std::exchange(last_checkpoint_, row.size);
  const auto read = verify_checkpoint(row.note, key_);
  const bool is_sound =
      read && static_cast<int64_t>(read->checkpoint.size) == row.size && read->checkpoint.root == row.root;
  if (!is_sound) findings_.push_back({"note", row.size, std::nullopt, "audit.checkpoint", key});
  if (row.previous != previous) {
    // One that is gone, or a row that says so.
    const bool is_gone = row.previous && *row.previous < row.size && (!previous || *row.previous > *previous);
    if (is_gone)
      findings_.push_back(
          {"checkpoint_missing", *row.previous, std::nullopt, "audit.checkpoint", std::to_string(*row.previous)});
    if (is_sound) findings_.push_back({"checkpoint_chain", row.size, std::nullopt, "audit.checkpoint", key});
  }
  if (!is_sound) return;
  auto fits = [&](const Reading& r) { return !r.is_blind && r.tree.root() == row.root; };
  if (std::any_of(readings_.begin(), readings_.end(), fits)) {
    // Both may fit, where they differ only behind this size.
    std::erase_if(readings_, [&](const Reading& r) { return !fits(r); });
    if (readings_.size() == 1) append(std::exchange(readings_.front().findings, {}));
    // Those before were wrong by themselves: the leaves are what this one signed.
    for (const auto size : unrooted_)
      findings_.push_back({"root", size, std::nullopt, "audit.checkpoint", std::to_string(size)});
    unrooted_.clear();
  } else if (std::any_of(readings_.begin(), readings_.end(), [](const Reading& r) { return !r.is_blind; })) {
    unrooted_.push_back(row.size);
  }
}

Result<void> LogCheck::finish() {
  if (!has_begun_)
    if (auto done = begin(); !done) return done;
  // From the first on nothing fits: it is not the checkpoints that were changed but what lies before the first.
  if (!unrooted_.empty())
    findings_.push_back(
        {"root", unrooted_.front(), std::nullopt, "audit.checkpoint", std::to_string(unrooted_.front())});
  unrooted_.clear();
  // No root tells them apart: each suspect is named.
  for (auto& reading : readings_) append(std::exchange(reading.findings, {}));
  return {};
}

void LogCheck::append(const Discrepancies& found) { findings_.insert(findings_.end(), found.begin(), found.end()); }

std::optional<Digest> LogCheck::root() const {
  for (const auto& reading : readings_)
    if (!reading.is_blind) return reading.tree.root();
  return std::nullopt;
}

}  // namespace signet

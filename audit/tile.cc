#include "audit/tile.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace signet {
namespace {

constexpr int kHeight = 8;  // of a tile: 2^8 is its width

// The largest power of two below n > 1, where RFC 9162 splits a tree.
uint64_t split(uint64_t n) { return std::bit_floor(n - 1); }

// The root of a power of two of hashes.
Digest fold(std::span<const Digest> hashes) {
  SIGNET_CHECK(std::has_single_bit(hashes.size()));
  return root_of(hashes);
}

}  // namespace

std::string tile_path(int level, uint64_t index, int width) {
  std::string number = std::to_string(index);
  number.insert(0, (3 - number.size() % 3) % 3, '0');
  std::string path = "tile/" + std::to_string(level);
  for (size_t i = 0; i < number.size(); i += 3) path += (i + 3 < number.size() ? "/x" : "/") + number.substr(i, 3);
  if (width < kTileWidth) path += ".p/" + std::to_string(width);
  return path;
}

std::string tile_octets(std::span<const Digest> hashes) {
  std::string out;
  out.reserve(hashes.size() * 32);
  for (const auto& hash : hashes) out += view(hash);
  return out;
}

Result<std::vector<Digest>> tile_hashes(std::string_view octets) {
  if (octets.size() % 32 != 0 || octets.size() > 32 * kTileWidth)
    return Error{ErrorCode::corrupt, "a tile is not up to 256 hashes of 32 octets"};
  std::vector<Digest> hashes;
  hashes.reserve(octets.size() / 32);
  for (; !octets.empty(); octets.remove_prefix(32)) hashes.push_back(digest_from(octets.substr(0, 32)));
  return hashes;
}

int tile_width(int level, uint64_t index, uint64_t size) {
  if (level < 0 || level >= kTileLevels) return 0;
  const uint64_t hashes = size >> (kHeight * level);
  if (index > hashes >> kHeight) return 0;
  return static_cast<int>(std::min<uint64_t>(kTileWidth, hashes - (index << kHeight)));
}

TileReader recomputing(TileReader stored) {
  return [stored = std::move(stored)](int level, uint64_t index, int width) -> Result<std::vector<Digest>> {
    if (level == 0 || width == kTileWidth) return stored(level, index, width);
    std::vector<Digest> hashes;
    for (int i = 0; i < width; i++) {
      auto below = stored(level - 1, (index << kHeight) + static_cast<uint64_t>(i), kTileWidth);
      if (!below) return below;
      if (below->size() != kTileWidth) return Error{ErrorCode::corrupt, "a tile of the log is not whole"};
      hashes.push_back(fold(*below));
    }
    return hashes;
  };
}

Result<TileBuilder> TileBuilder::resume(uint64_t size, const TileReader& read) {
  TileBuilder builder;
  builder.size_ = size;
  for (int level = 0; level < kTileLevels; level++) {
    const uint64_t hashes = size >> (kHeight * level);
    const int width = static_cast<int>(hashes % kTileWidth);
    if (width == 0) continue;
    auto tile = read(level, hashes >> kHeight, width);
    if (!tile) return tile.error();
    if (tile->size() != static_cast<size_t>(width)) return Error{ErrorCode::corrupt, "a tile of the log is cut"};
    builder.levels_[static_cast<size_t>(level)] = std::move(*tile);
  }
  return builder;
}

void TileBuilder::append(std::span<const Digest> leaves, std::vector<Tile>& full) {
  for (const auto& leaf : leaves) {
    levels_[0].push_back(leaf);
    size_++;
    for (size_t level = 0; levels_[level].size() == kTileWidth; level++) {
      Tile tile{static_cast<int>(level), (size_ >> (kHeight * (level + 1))) - 1, std::move(levels_[level])};
      levels_[level].clear();
      SIGNET_CHECK(level + 1 < levels_.size());
      levels_[level + 1].push_back(fold(tile.hashes));
      full.push_back(std::move(tile));
    }
  }
}

Digest TileBuilder::root() const {
  std::vector<Digest> peaks;
  for (size_t level = levels_.size(); level-- > 0;) {
    std::span<const Digest> rest = levels_[level];
    while (!rest.empty()) {
      const size_t width = std::bit_floor(rest.size());
      peaks.push_back(fold(rest.first(width)));
      rest = rest.subspan(width);
    }
  }
  return root_of_peaks(peaks);
}

Result<Digest> ProofBuilder::node(int height, uint64_t index) {
  const int level = height / kHeight, within = height % kHeight;
  const uint64_t first = index << within, tile_index = first >> kHeight;
  auto known = tiles_.find({level, tile_index});
  if (known == tiles_.end()) {
    const int width = tile_width(level, tile_index, size_);
    auto tile = read_(level, tile_index, width);
    if (!tile) return tile.error();
    if (tile->size() != static_cast<size_t>(width)) return Error{ErrorCode::corrupt, "a tile of the log is cut"};
    known = tiles_.emplace(std::pair{level, tile_index}, std::move(*tile)).first;
  }
  return fold(std::span<const Digest>(known->second).subspan(first % kTileWidth, size_t{1} << within));
}

Result<Digest> ProofBuilder::subtree(uint64_t from, uint64_t to) {
  const uint64_t n = to - from;
  if (std::has_single_bit(n)) {
    const int height = std::countr_zero(n);
    return node(height, from >> height);
  }
  const uint64_t middle = from + split(n);
  auto left = subtree(from, middle);
  if (!left) return left;
  auto right = subtree(middle, to);
  if (!right) return right;
  return node_hash(*left, *right);
}

Result<Digest> ProofBuilder::root() {
  if (size_ == 0) return empty_root();
  return subtree(0, size_);
}

Result<void> ProofBuilder::path(uint64_t index, uint64_t from, uint64_t to, std::vector<Digest>& out) {
  if (to - from == 1) return {};
  const uint64_t middle = from + split(to - from);
  const bool is_left = index < middle;
  auto below = is_left ? path(index, from, middle, out) : path(index, middle, to, out);
  if (!below) return below;
  auto sibling = is_left ? subtree(middle, to) : subtree(from, middle);
  if (!sibling) return sibling.error();
  out.push_back(*sibling);
  return {};
}

Result<std::vector<Digest>> ProofBuilder::inclusion(uint64_t index) {
  if (index >= size_) return Error{ErrorCode::invalid, "there is no leaf with this index in a tree of this size"};
  std::vector<Digest> out;
  if (auto done = path(index, 0, size_, out); !done) return done.error();
  return out;
}

Result<void> ProofBuilder::subproof(uint64_t old_size, uint64_t from, uint64_t to, bool is_known,
                                    std::vector<Digest>& out) {
  if (old_size == to) {
    if (is_known) return {};
    auto whole = subtree(from, to);
    if (!whole) return whole.error();
    out.push_back(*whole);
    return {};
  }
  const uint64_t middle = from + split(to - from);
  const bool is_left = old_size <= middle;
  auto below = is_left ? subproof(old_size, from, middle, is_known, out) : subproof(old_size, middle, to, false, out);
  if (!below) return below;
  auto other = is_left ? subtree(middle, to) : subtree(from, middle);
  if (!other) return other.error();
  out.push_back(*other);
  return {};
}

Result<std::vector<Digest>> ProofBuilder::consistency(uint64_t old_size) {
  if (old_size == 0 || old_size > size_)
    return Error{ErrorCode::invalid, "the old size is not between 1 and the size of the tree"};
  std::vector<Digest> out;
  if (auto done = subproof(old_size, 0, size_, true, out); !done) return done.error();
  return out;
}

}  // namespace signet

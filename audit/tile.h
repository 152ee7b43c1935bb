// Tiles: the tree's hashes as it is stored, 256 wide (c2sp.org/tlog-tiles). Hash i of level L's tile N is the root of
// the 256^L leaves from (256 N + i) 256^L on. Any proof is made of tiles.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "audit/merkle.h"

namespace signet {

constexpr int kTileWidth = 256;
constexpr int kTileLevels = 8;  // 256^8 leaves are 2^64

struct Tile {
  int level = 0;
  uint64_t index = 0;
  std::vector<Digest> hashes;  // kTileWidth, or fewer at the right edge
};

// "tile/0/x001/x234/067", with ".p/112" if it is partial.
std::string tile_path(int level, uint64_t index, int width = kTileWidth);
std::string tile_octets(std::span<const Digest> hashes);  // 32 octets each, in a row
Result<std::vector<Digest>> tile_hashes(std::string_view octets);

// How many hashes stand in this tile of a tree of `size` leaves: 0 to 256.
int tile_width(int level, uint64_t index, uint64_t size);

// Gives the first `width` hashes of a tile. It fails if they are not there; what it gives is not trusted but checked
// against a signed root by whoever uses the proof.
using TileReader = std::function<Result<std::vector<Digest>>(int level, uint64_t index, int width)>;

// Where only whole tiles are stored above level 0: a partial tile is worked out from those below it.
TileReader recomputing(TileReader stored);

// The sequencer's half: takes leaves in, gives whole tiles out, knows the root. Not safe for threads.
class TileBuilder {
 public:
  TileBuilder() = default;
  static Result<TileBuilder> resume(uint64_t size, const TileReader& read);

  // Appends to `full` each tile that became whole, lower levels first.
  void append(std::span<const Digest> leaves, std::vector<Tile>& full);
  uint64_t size() const { return size_; }
  Digest root() const;
  const std::vector<Digest>& partial(int level) const { return levels_[static_cast<size_t>(level)]; }  // right edge

 private:
  uint64_t size_ = 0;
  std::array<std::vector<Digest>, kTileLevels> levels_;
};

// Proofs for a tree of `size` leaves. Reads each tile once; not safe for threads.
class ProofBuilder {
 public:
  ProofBuilder(TileReader read, uint64_t size) : read_(std::move(read)), size_(size) {}

  Result<Digest> root();
  // RFC 9162 section 2.1.3.1, the leaf's sibling first; invalid unless index < size.
  Result<std::vector<Digest>> inclusion(uint64_t index);
  // RFC 9162 section 2.1.4.1; invalid unless 0 < old_size <= size. Empty if they are equal.
  Result<std::vector<Digest>> consistency(uint64_t old_size);

 private:
  Result<Digest> subtree(uint64_t from, uint64_t to);  // the root of [from, to)
  Result<Digest> node(int height, uint64_t index);     // of 2^height leaves
  Result<void> path(uint64_t index, uint64_t from, uint64_t to, std::vector<Digest>& out);
  Result<void> subproof(uint64_t old_size, uint64_t from, uint64_t to, bool is_known, std::vector<Digest>& out);

  TileReader read_;
  uint64_t size_;
  std::map<std::pair<int, uint64_t>, std::vector<Digest>> tiles_;
};

}  // namespace signet

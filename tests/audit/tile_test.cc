#include "audit/tile.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "audit/event.h"
#include "tests/audit/vectors.h"
#include "tests/fakes/random.h"

namespace signet {
namespace {

const nlohmann::json& audit_vectors() {
  static const auto loaded = nlohmann::json::parse(audit_vectors_text());
  return loaded;
}

std::vector<Digest> leaves(size_t count) {
  std::vector<Digest> out;
  for (size_t i = 0; i < count; i++) out.push_back(leaf_hash(std::to_string(i)));
  return out;
}

// As the store does: whole tiles of every level, and the leaves.
struct StoredTiles {
  std::map<std::pair<int, uint64_t>, std::vector<Digest>> whole;
  std::vector<Digest> log;
  mutable int reads = 0;

  void put(std::vector<Tile> tiles) {
    for (auto& tile : tiles) whole[{tile.level, tile.index}] = std::move(tile.hashes);
  }
  TileReader reader() const {
    return recomputing([this](int level, uint64_t index, int width) -> Result<std::vector<Digest>> {
      reads++;
      if (const auto found = whole.find({level, index}); found != whole.end())
        return std::vector(found->second.begin(), found->second.begin() + width);
      const size_t from = index * kTileWidth;
      if (level != 0 || from + static_cast<size_t>(width) > log.size())
        return Error{ErrorCode::not_found, "no such tile"};
      const auto first = log.begin() + static_cast<std::ptrdiff_t>(from);
      return std::vector(first, first + width);
    });
  }
};

}  // namespace

TEST_CASE("tiles are named in groups of three digits") {
  CHECK(tile_path(0, 0) == "tile/0/000");
  CHECK(tile_path(0, 273, 112) == "tile/0/273.p/112");
  CHECK(tile_path(0, 1'234'067) == "tile/0/x001/x234/067");
  CHECK(tile_path(1, 1234) == "tile/1/x001/234");
  CHECK(tile_path(2, 999'999, 1) == "tile/2/x999/999.p/1");
}

TEST_CASE("a tree of 70,000 leaves has the tiles of the specification") {
  const auto& expected = audit_vectors()["tlog_tiles"]["size_70000"];
  TileBuilder builder;
  std::vector<Tile> full;
  const auto all = leaves(70'000);
  builder.append(all, full);
  std::map<int, int> whole;
  for (const auto& tile : full) {
    CHECK(tile.hashes.size() == kTileWidth);
    CHECK(tile_octets(tile.hashes).size() == 8192);
    CHECK(tile.index == static_cast<uint64_t>(whole[tile.level]++));
  }
  CHECK(whole[0] == expected["level0_full"]);
  CHECK(whole[1] == expected["level1_full"]);
  CHECK(builder.partial(0).size() == expected["level0_partial"]);
  CHECK(builder.partial(1).size() == expected["level1_partial"]);
  CHECK(builder.partial(2).size() == expected["level2_partial"]);
  CHECK(tile_width(0, 273, 70'000) == 112);
  CHECK(tile_width(0, 272, 70'000) == 256);
  CHECK(tile_width(0, 274, 70'000) == 0);
  CHECK(tile_width(1, 1, 70'000) == 17);
  CHECK(tile_width(2, 0, 70'000) == 1);
  CHECK(tile_width(3, 0, 70'000) == 0);
  CHECK(builder.root() ==
        digest_of_hex(audit_vectors()["merkle_rfc6962_rfc9162"]["ascii_decimal_leaves_roots"]["70000"]));
}

TEST_CASE("a builder that resumes goes on as if it had never stopped") {
  SeededRandom random(3);
  const auto all = leaves(70'000);
  StoredTiles stored;
  TileBuilder whole;
  Frontier frontier;
  for (size_t at = 0; at < all.size();) {
    const size_t count = std::min<size_t>(1 + random.below(4096), all.size() - at);
    const auto batch = std::span(all).subspan(at, count);
    auto resumed = TileBuilder::resume(whole.size(), stored.reader());
    REQUIRE(resumed.ok());
    std::vector<Tile> once, again;
    whole.append(batch, once);
    resumed->append(batch, again);
    for (const auto& leaf : batch) frontier.append(leaf);
    REQUIRE(whole.root() == frontier.root());
    REQUIRE(resumed->root() == frontier.root());
    REQUIRE(once.size() == again.size());
    stored.put(std::move(again));
    stored.log.insert(stored.log.end(), batch.begin(), batch.end());
    at += count;
  }
  CHECK(whole.size() == 70'000);
}

TEST_CASE("each proof made from tiles verifies, in each tree up to 520 leaves") {
  const auto all = leaves(520);
  std::vector<Digest> roots{empty_root()};
  StoredTiles stored;
  TileBuilder builder;
  for (size_t size = 1; size <= all.size(); size++) {
    std::vector<Tile> full;
    builder.append(std::span(all).subspan(size - 1, 1), full);
    stored.put(std::move(full));
    stored.log.push_back(all[size - 1]);
    roots.push_back(builder.root());
    ProofBuilder proofs(stored.reader(), size);
    REQUIRE(proofs.root().value() == roots[size]);
    if (size % 37 != 0 && size > 20 && size != 256 && size != 257 && size != 512 && size != 513) continue;
    for (size_t index = 0; index < size; index++)
      REQUIRE(verify_inclusion(index, size, all[index], proofs.inclusion(index).value(), roots[size]).ok());
    for (size_t before = 1; before <= size; before++)
      REQUIRE(verify_consistency(before, size, proofs.consistency(before).value(), roots[before], roots[size]).ok());
    CHECK_FALSE(proofs.inclusion(size).ok());
    CHECK_FALSE(proofs.consistency(0).ok());
    CHECK_FALSE(proofs.consistency(size + 1).ok());
  }
}

TEST_CASE("the proofs of the reference tree are made to the letter") {
  const auto& merkle = audit_vectors()["merkle_rfc6962_rfc9162"];
  StoredTiles stored;
  for (const auto& hash : merkle["leaf_hashes"]) stored.log.push_back(digest_of_hex(hash));
  for (const auto& v : merkle["inclusion"]) {
    const auto proof = ProofBuilder(stored.reader(), v["size"]).inclusion(v["index"]).value();
    REQUIRE(proof.size() == v["proof"].size());
    for (size_t i = 0; i < proof.size(); i++) CHECK(proof[i] == digest_of_hex(v["proof"][i]));
  }
  for (const auto& v : merkle["consistency"]) {
    const auto proof = ProofBuilder(stored.reader(), v["new"]).consistency(v["old"]).value();
    REQUIRE(proof.size() == v["proof"].size());
    for (size_t i = 0; i < proof.size(); i++) CHECK(proof[i] == digest_of_hex(v["proof"][i]));
  }
}

TEST_CASE("proofs of a tree three tiles high verify, and one hash changed in a tile makes them fail") {
  const auto all = leaves(70'000);
  StoredTiles stored;
  stored.log = all;
  TileBuilder builder;
  std::vector<Tile> full;
  builder.append(all, full);
  stored.put(std::move(full));
  const Digest root = builder.root();
  const Digest old_root = root_of(std::span(all).first(65'537));
  ProofBuilder proofs(stored.reader(), all.size());
  CHECK(proofs.root().value() == root);
  for (const size_t index : {size_t{0}, size_t{255}, size_t{256}, size_t{65'535}, size_t{65'536}, size_t{69'999}})
    CHECK(verify_inclusion(index, all.size(), all[index], proofs.inclusion(index).value(), root).ok());
  CHECK(verify_consistency(65'537, all.size(), proofs.consistency(65'537).value(), old_root, root).ok());

  stored.whole[{0, 3}][5][0] ^= 1;  // not in the path of leaf 700, its neighbour's subtree in the same tile is
  ProofBuilder again(stored.reader(), all.size());
  CHECK_FALSE(verify_inclusion(900, all.size(), all[900], again.inclusion(900).value(), root).ok());
  CHECK(verify_inclusion(200, all.size(), all[200], again.inclusion(200).value(), root).ok());
  stored.whole[{0, 2}].pop_back();
  ProofBuilder cut(
      [&](int level, uint64_t index, int) -> Result<std::vector<Digest>> {
        return stored.whole[{level, index}];
      },
      1024);
  CHECK(cut.inclusion(600).error().code == ErrorCode::corrupt);
}

TEST_CASE("a reader that fails makes the proof fail with its error") {
  const TileReader none = [](int, uint64_t, int) -> Result<std::vector<Digest>> {
    return Error{ErrorCode::unavailable, "the database is away"};
  };
  CHECK(ProofBuilder(none, 10).inclusion(3).error().code == ErrorCode::unavailable);
  CHECK(ProofBuilder(none, 10).consistency(3).error().code == ErrorCode::unavailable);
  CHECK(ProofBuilder(none, 10).root().error().code == ErrorCode::unavailable);
  CHECK(ProofBuilder(none, 0).root().value() == empty_root());
  CHECK(TileBuilder::resume(10, none).error().code == ErrorCode::unavailable);
  CHECK(TileBuilder::resume(0, none).ok());
}

TEST_CASE("a tile's octets read back, and other sizes are refused") {
  const auto hashes = leaves(17);
  CHECK(tile_hashes(tile_octets(hashes)).value() == hashes);
  CHECK(tile_hashes("").value().empty());
  CHECK_FALSE(tile_hashes("31 octets").ok());
  CHECK_FALSE(tile_hashes(std::string(32 * 257, 'x')).ok());
}

}  // namespace signet

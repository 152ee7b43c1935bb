#include "audit/merkle.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "audit/event.h"
#include "tests/audit/vectors.h"

namespace signet {
namespace {

const nlohmann::json& audit_vectors() {
  static const auto loaded = nlohmann::json::parse(audit_vectors_text());
  return loaded;
}

const nlohmann::json& merkle() { return audit_vectors()["merkle_rfc6962_rfc9162"]; }

std::vector<Digest> leaves(size_t count) {  // leaf i is the decimal i
  std::vector<Digest> out;
  for (size_t i = 0; i < count; i++) out.push_back(leaf_hash(std::to_string(i)));
  return out;
}

std::vector<Digest> digests(const nlohmann::json& hexadecimals) {
  std::vector<Digest> out;
  for (const auto& text : hexadecimals) out.push_back(digest_of_hex(text));
  return out;
}

// RFC 6962 section 2.1 to the letter, as a second opinion.
Digest by_definition(std::span<const Digest> d) {
  if (d.empty()) return empty_root();
  if (d.size() == 1) return d[0];
  size_t k = 1;
  while (k * 2 < d.size()) k *= 2;
  return node_hash(by_definition(d.first(k)), by_definition(d.subspan(k)));
}
void path_by_definition(size_t m, std::span<const Digest> d, std::vector<Digest>& out) {
  if (d.size() == 1) return;
  size_t k = 1;
  while (k * 2 < d.size()) k *= 2;
  path_by_definition(m < k ? m : m - k, m < k ? d.first(k) : d.subspan(k), out);
  out.push_back(by_definition(m < k ? d.subspan(k) : d.first(k)));
}

std::optional<Digest> hash_of(const nlohmann::json& base64) {
  if (!base64.is_string()) return std::nullopt;
  const auto hash = parse_hash(base64.get<std::string>());
  return hash ? std::optional(*hash) : std::nullopt;
}
// Where a probe's roots do not matter they read "don't care 2": another hash stands for such a text, equal if it is.
Digest root_or_stand_in(const nlohmann::json& base64) {
  return hash_of(base64).value_or(sha256(base64.get<std::string>()));
}
std::optional<std::vector<Digest>> proof_of(const nlohmann::json& list) {
  std::vector<Digest> proof;
  if (list.is_null()) return proof;
  for (const auto& text : list) {
    const auto hash = hash_of(text);
    if (!hash) return std::nullopt;
    proof.push_back(*hash);
  }
  return proof;
}

}  // namespace

TEST_CASE("nodes and empty trees are hashed as RFC 6962 says") {
  CHECK(empty_root() == digest_of_hex(merkle()["empty_root"]));
  CHECK(leaf_hash("L123456") == digest_of_hex(merkle()["hasher"]["leaf_L123456"]));
  std::string node("\1N123N456", 9);
  CHECK(sha256(node) == digest_of_hex(merkle()["hasher"]["node_N123_N456"]));
  const Digest left = sha256("l"), right = sha256("r");
  CHECK(node_hash(left, right) == sha256('\1' + std::string(view(left)) + std::string(view(right))));
}

TEST_CASE("the reference tree grows through its roots") {
  std::vector<Digest> hashes;
  Frontier frontier;
  CHECK(frontier.root() == empty_root());
  for (size_t i = 0; i < 8; i++) {
    hashes.push_back(leaf_hash(octets_of_hex(merkle()["leaves"][i])));
    CHECK(hashes.back() == digest_of_hex(merkle()["leaf_hashes"][i]));
    frontier.append(hashes.back());
    CHECK(frontier.size() == i + 1);
    CHECK(frontier.root() == digest_of_hex(merkle()["roots_size_1_to_8"][i]));
    CHECK(root_of(hashes) == frontier.root());
  }
}

TEST_CASE("large trees of decimal leaves have the published roots") {
  Frontier frontier;
  for (const auto& [size, root] : merkle()["ascii_decimal_leaves_roots"].items()) {
    INFO(size);
    const auto all = leaves(std::stoul(size));
    CHECK(root_of(all) == digest_of_hex(root));
  }
}

TEST_CASE("a frontier is restored from its peaks") {
  const auto all = leaves(300);
  Frontier whole;
  for (size_t i = 0; i < all.size(); i++) {
    auto restored = Frontier::restore(whole.size(), whole.peaks());
    REQUIRE(restored.ok());
    restored->append(all[i]);
    whole.append(all[i]);
    CHECK(restored->root() == whole.root());
    CHECK(whole.root() == by_definition(std::span(all).first(i + 1)));
  }
  CHECK_FALSE(Frontier::restore(3, whole.peaks()).ok());
}

TEST_CASE("the inclusion and consistency proofs of the reference tree verify") {
  const auto roots = digests(merkle()["roots_size_1_to_8"]);
  const auto hashes = digests(merkle()["leaf_hashes"]);
  CHECK(merkle()["inclusion"].size() == 24);
  for (const auto& v : merkle()["inclusion"]) {
    const size_t index = v["index"], size = v["size"];
    CHECK(verify_inclusion(index, size, hashes[index], digests(v["proof"]), roots[size - 1]).ok());
  }
  for (const auto& v : merkle()["consistency"]) {
    const size_t before = v["old"], after = v["new"];
    CHECK(verify_consistency(before, after, digests(v["proof"]), roots[before - 1], roots[after - 1]).ok());
  }
}

TEST_CASE("each inclusion probe of transparency-dev is judged as published") {
  size_t count = 0;
  for (const auto& probe : merkle()["probes"]["inclusion"]) {
    INFO(probe["file"]);
    const auto proof = proof_of(probe["proof"]);
    const auto leaf = hash_of(probe["leafHash"]), root = hash_of(probe["root"]);
    const bool is_good =
        proof && leaf && root && verify_inclusion(probe["leafIdx"], probe["treeSize"], *leaf, *proof, *root).ok();
    CHECK(is_good == !probe["wantErr"].get<bool>());
    count++;
  }
  CHECK(count == 66);
}

TEST_CASE("each consistency probe of transparency-dev is judged as published") {
  size_t count = 0;
  for (const auto& probe : merkle()["probes"]["consistency"]) {
    INFO(probe["file"]);
    const auto proof = proof_of(probe["proof"]);
    const Digest before = root_or_stand_in(probe["root1"]), after = root_or_stand_in(probe["root2"]);
    const bool is_good = proof && verify_consistency(probe["size1"], probe["size2"], *proof, before, after).ok();
    CHECK(is_good == !probe["wantErr"].get<bool>());
    count++;
  }
  CHECK(count == 66);
}

TEST_CASE("an inclusion proof that is changed, cut, extended or moved is refused") {
  const auto all = leaves(23);
  const Digest root = root_of(all);
  for (size_t index = 0; index < all.size(); index++) {
    std::vector<Digest> proof;
    path_by_definition(index, all, proof);
    REQUIRE(verify_inclusion(index, all.size(), all[index], proof, root).ok());
    CHECK_FALSE(verify_inclusion(index, all.size(), sha256("other"), proof, root).ok());
    CHECK_FALSE(verify_inclusion(index, all.size(), all[index], proof, sha256("other")).ok());
    for (size_t other = 0; other < all.size(); other++)
      if (other != index) CHECK_FALSE(verify_inclusion(other, all.size(), all[index], proof, root).ok());
    CHECK_FALSE(verify_inclusion(all.size(), all.size(), all[index], proof, root).ok());
    CHECK_FALSE(verify_inclusion(index, 0, all[index], proof, root).ok());
    for (size_t i = 0; i < proof.size(); i++) {
      auto changed = proof;
      changed[i][7] ^= 1;
      CHECK_FALSE(verify_inclusion(index, all.size(), all[index], changed, root).ok());
    }
    auto longer = proof, shorter = proof;
    longer.push_back(root);
    shorter.pop_back();
    CHECK_FALSE(verify_inclusion(index, all.size(), all[index], longer, root).ok());
    CHECK_FALSE(verify_inclusion(index, all.size(), all[index], shorter, root).ok());
  }
}

TEST_CASE("nothing follows from an empty tree, and a tree never shrinks") {
  const auto all = leaves(8);
  const Digest root = root_of(all);
  CHECK_FALSE(verify_consistency(0, 8, {}, empty_root(), root).ok());
  CHECK_FALSE(verify_consistency(0, 0, {}, empty_root(), empty_root()).ok());
  CHECK_FALSE(verify_consistency(8, 4, {}, root, root).ok());
  CHECK(verify_consistency(8, 8, {}, root, root).ok());
  CHECK_FALSE(verify_consistency(8, 8, {}, root, sha256("other")).ok());
  CHECK_FALSE(verify_consistency(8, 8, std::vector{root}, root, root).ok());
  CHECK_FALSE(verify_consistency(4, 8, {}, root, root).ok());
}

TEST_CASE("a hash is 32 octets in base64 and nothing else") {
  const Digest hash = sha256("x");
  CHECK(parse_hash(hash_text(hash)).value() == hash);
  for (const std::string& bad : {std::string(), to_base64("short"), to_base64(std::string(33, 'x')), to_hex(view(hash)),
                                 hash_text(hash) + "=", hash_text(hash) + "\n"})
    CHECK_FALSE(parse_hash(bad).ok());
}

}  // namespace signet

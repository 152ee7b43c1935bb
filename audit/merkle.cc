#include "audit/merkle.h"

#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace signet {
namespace {

Error untrue(const char* why) { return {ErrorCode::corrupt, why}; }

}  // namespace

Digest node_hash(const Digest& left, const Digest& right) {
  char data[65];
  data[0] = 1;
  std::memcpy(data + 1, left.data(), 32);
  std::memcpy(data + 33, right.data(), 32);
  return sha256({data, sizeof data});
}

Digest empty_root() { return sha256(""); }

Digest root_of(std::span<const Digest> leaves) {
  Frontier frontier;
  for (const auto& leaf : leaves) frontier.append(leaf);
  return frontier.root();
}

Digest root_of_peaks(std::span<const Digest> peaks) {
  if (peaks.empty()) return empty_root();
  Digest root = peaks.back();
  for (size_t i = peaks.size() - 1; i > 0; i--) root = node_hash(peaks[i - 1], root);
  return root;
}

std::string hash_text(const Digest& hash) { return to_base64(view(hash)); }

Result<Digest> parse_hash(std::string_view base64) {
  auto octets = from_base64(base64);
  if (!octets || octets->size() != 32) return Error{ErrorCode::invalid, "a hash is not 32 octets in base64"};
  return digest_from(*octets);
}

Result<Frontier> Frontier::restore(uint64_t size, std::vector<Digest> peaks) {
  if (peaks.size() != static_cast<size_t>(std::popcount(size)))
    return Error{ErrorCode::invalid, "the peaks do not fit the size of the tree"};
  Frontier frontier;
  frontier.size_ = size;
  frontier.peaks_ = std::move(peaks);
  return frontier;
}

void Frontier::append(const Digest& leaf) {
  Digest node = leaf;
  for (uint64_t rest = size_; rest & 1; rest >>= 1) {
    node = node_hash(peaks_.back(), node);
    peaks_.pop_back();
  }
  peaks_.push_back(node);
  size_++;
}

Result<void> verify_inclusion(uint64_t index, uint64_t size, const Digest& leaf, std::span<const Digest> proof,
                              const Digest& root) {
  if (index >= size) return untrue("the leaf's index is not below the size of the tree");
  uint64_t fn = index, sn = size - 1;
  Digest r = leaf;
  for (const auto& p : proof) {
    if (sn == 0) return untrue("the inclusion proof is longer than the tree is high");
    if ((fn & 1) == 1 || fn == sn) {
      r = node_hash(p, r);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      r = node_hash(r, p);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return untrue("the inclusion proof ends below the root");
  if (r != root) return untrue("the inclusion proof leads to another root");
  return {};
}

Result<void> verify_consistency(uint64_t old_size, uint64_t new_size, std::span<const Digest> proof,
                                const Digest& old_root, const Digest& new_root) {
  if (old_size == 0) return untrue("nothing follows from an empty tree");
  if (old_size > new_size) return untrue("the tree has become smaller");
  if (old_size == new_size) {
    if (!proof.empty()) return untrue("trees of one size need no proof");
    if (old_root != new_root) return untrue("two trees of one size have different roots");
    return {};
  }
  if (proof.empty()) return untrue("the consistency proof is empty");
  // A tree of 2^k leaves is a node of every later tree: its root begins the path and is not sent.
  const bool is_node = std::has_single_bit(old_size);
  const Digest& first = is_node ? old_root : proof.front();
  uint64_t fn = old_size - 1, sn = new_size - 1;
  while (fn & 1) {
    fn >>= 1;
    sn >>= 1;
  }
  Digest fr = first, sr = first;
  for (const auto& c : proof.subspan(is_node ? 0 : 1)) {
    if (sn == 0) return untrue("the consistency proof is longer than the tree is high");
    if ((fn & 1) == 1 || fn == sn) {
      fr = node_hash(c, fr);
      sr = node_hash(c, sr);
      while ((fn & 1) == 0 && fn != 0) {
        fn >>= 1;
        sn >>= 1;
      }
    } else {
      sr = node_hash(sr, c);
    }
    fn >>= 1;
    sn >>= 1;
  }
  if (sn != 0) return untrue("the consistency proof ends below the root");
  if (fr != old_root) return untrue("the consistency proof does not lead to the old root");
  if (sr != new_root) return untrue("the consistency proof does not lead to the new root");
  return {};
}

}  // namespace signet

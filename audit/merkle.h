// The Merkle tree of RFC 6962 section 2.1 and RFC 9162 section 2.1: hashes, roots, and the two proofs. A leaf's hash is
// audit/event.h's leaf_hash(); leaves count from 0. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/result.h"

namespace signet {

Digest node_hash(const Digest& left, const Digest& right);  // SHA-256(01 || left || right)
Digest empty_root();                                        // SHA-256 of nothing
Digest root_of(std::span<const Digest> leaves);
// The root of subtrees side by side, each whole and smaller than the one before; the empty root for none.
Digest root_of_peaks(std::span<const Digest> peaks);

// As it stands in checkpoints and proofs: base64 (RFC 4648 section 4) of exactly 32 octets.
std::string hash_text(const Digest& hash);
Result<Digest> parse_hash(std::string_view base64);

// The right edge of a growing tree: one hash for each bit of its size that is set. Appending costs one node hash on
// average, the root at most 63. Not safe for threads.
class Frontier {
 public:
  Frontier() = default;
  // `peaks` as peaks() gave them at `size`; invalid if their number is not that of the bits set.
  static Result<Frontier> restore(uint64_t size, std::vector<Digest> peaks);

  void append(const Digest& leaf);
  uint64_t size() const { return size_; }
  Digest root() const { return root_of_peaks(peaks_); }
  const std::vector<Digest>& peaks() const { return peaks_; }  // the largest subtree first

 private:
  uint64_t size_ = 0;
  std::vector<Digest> peaks_;
};

// RFC 9162 section 2.1.3.2: the leaf stands at `index` of the tree of `size` leaves with this root. Else corrupt.
Result<void> verify_inclusion(uint64_t index, uint64_t size, const Digest& leaf, std::span<const Digest> proof,
                              const Digest& root);
// RFC 9162 section 2.1.4.2: the tree of `new_size` extends that of `old_size`. Else corrupt. Equal sizes take an empty
// proof and equal roots. An old size of 0 is refused: it would prove nothing.
Result<void> verify_consistency(uint64_t old_size, uint64_t new_size, std::span<const Digest> proof,
                                const Digest& old_root, const Digest& new_root);

}  // namespace signet

// The shortest way from one sequence of tokens to another, and its clean-up into what a person would call the changes.
// Pure, deterministic, bounded by counts and never by a clock; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace signet {

// Tokens a[a_begin, a_end) were replaced by b[b_begin, b_end). A script is in ascending order, its edits neither empty
// nor touching; what lies between them is equal in both.
struct Edit {
  size_t a_begin = 0, a_end = 0, b_begin = 0, b_end = 0;
  size_t deleted() const { return a_end - a_begin; }
  size_t inserted() const { return b_end - b_begin; }
  bool operator==(const Edit&) const = default;
};

// A token as the clean-up weighs it. Equal tokens have equal ids, in both sequences.
struct WeighedToken {
  uint32_t id = 0;
  std::string_view text;  // UTF-8; its ends tell where a cut looks natural
  size_t weight = 1;      // its length
  bool is_kept = false;   // an equality with it in it is never given up for being short
};
using WeighedTokens = std::vector<WeighedToken>;

// Myers (Wu's O(NP) form, by libdtl). Takes what it compares off `budget`; none if that does not suffice.
// Memory is at most about 100 octets for each comparison allowed.
std::optional<std::vector<Edit>> shortest_edits(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b,
                                                size_t& budget);

// diff-match-patch's cleanupSemantic, cleanupMerge's joining and cleanupSemanticLossless (Apache-2.0), over tokens:
// gives up equalities no longer than the edits on both their sides, takes out what an edit's two halves share, slides
// lone edits to where words, lines and paragraphs end. `edits` may touch or be empty.
std::vector<Edit> cleanup_semantic(const WeighedTokens& a, const WeighedTokens& b, const std::vector<Edit>& edits);

}  // namespace signet

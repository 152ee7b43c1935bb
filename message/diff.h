// What changed between the draft and the final text, word by word (design: evidence, "Diff"). Pure, deterministic,
// bounded by counts of comparisons and never by a clock; any thread. Texts are valid UTF-8 (a precondition).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "message/token.h"

namespace signet {

enum class DiffType { equal, deletion, insertion };

// In order: those equal or deleted are the original, those equal or inserted the final text. A deletion stands before
// the insertion that takes its place.
struct DiffOp {
  DiffType type = DiffType::equal;
  std::string text;
  bool operator==(const DiffOp&) const = default;
};

enum class ChangeType { addition, deletion, modification };
std::string_view name(ChangeType type);  // "addition", ...: as in JSON

struct TextSpan {  // where in a text; of no length where the other text has something and this one nothing
  size_t offset = 0, length = 0;              // in code points
  size_t offset_utf16 = 0, length_utf16 = 0;  // in UTF-16 code units
  bool operator==(const TextSpan&) const = default;
};

struct TextChange {  // a deletion and an insertion side by side are one modification
  ChangeType type = ChangeType::modification;
  size_t index = 0;  // in the order of the text, from 0 over all changes
  std::string original_text, new_text;
  TextSpan original, final;
  ClinicalKinds clinical;  // of what was deleted or inserted
  bool is_clinical() const { return clinical.any(); }
};

struct TextDiff {
  std::vector<DiffOp> ops;
  std::vector<TextChange> changes;
  // Changed words / max(words of either text) * 100, to two decimals. Words are words and numbers, a number with its
  // unit is one; changed are the words deleted or the words inserted, whichever are more. So 0 to 100; 0 where only
  // white space and punctuation changed, unless no text has a word at all: then 100 if they differ.
  double percent_changed = 0;
  size_t clinical_changes() const;
};

// Where the words of two texts are too many and too different, paragraphs are compared first, within those changed
// sentences if need be, and then words; what is too different still is one deletion and one insertion.
TextDiff diff_text(std::string_view original, std::string_view final);

// RFC 8785 form of {additions[], deletions[], modifications[], percentChanged}; each entry {clinical, final, index,
// original}, both halves {length, lengthUtf16, offset, offsetUtf16} and, where they have one, `text`.
std::string canonical(const TextDiff& diff);

}  // namespace signet

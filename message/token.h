// A text in tokens: what a diff compares and what it calls clinical (design: evidence, "Diff"). Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace signet {

enum class TokenKind { word, number, space, line_break, punctuation };

// Why a token matters to a clinician. `drug` is a hint and not a dictionary: the stems of international names (-olol,
// -pril, -statin, ...) and a short list; it misses brand names. Words are English.
struct ClinicalKinds {
  bool number = false, unit = false, drug = false, negation = false;
  bool any() const { return number || unit || drug || negation; }
  void add(const ClinicalKinds& other);
  bool operator==(const ClinicalKinds&) const = default;
};

struct Token {
  std::string_view text;    // of the text that was cut; lives as long as that
  size_t offset = 0;        // of code points
  size_t offset_utf16 = 0;  // of UTF-16 code units
  size_t length = 0;        // in code points
  size_t length_utf16 = 0;  // in UTF-16 code units
  TokenKind kind = TokenKind::word;
  ClinicalKinds clinical;
};

// Cuts valid UTF-8 (a precondition) into tokens that, in order, are the whole text.
// A word is a run of letters, marks and digits of any script, with apostrophes inside; a Han or Kana character is one
// by itself. A number is a value with all that gives it its meaning: sign or comparison, decimals, range, ratio, date
// or time, and its unit after at most one blank ("<5 mg/kg", "45 %", "120/80 mmHg", "3-5", "2026-03-12").
std::vector<Token> tokens_of(std::string_view utf8);

}  // namespace signet

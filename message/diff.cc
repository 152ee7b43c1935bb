#include "message/diff.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/check.h"
#include "message/edit_script.h"

namespace signet {
namespace {

// One comparison costs some 20 ns and 24 octets that dtl keeps, so one search stays below 20 MB and all searches of a
// diff below a tenth of a second; a letter of 50 KB with a hundred edits needs a tenth of one search.
constexpr size_t kComparisonsMax = 300'000;
constexpr size_t kComparisonsOfAllMax = 1'800'000;

using Ids = std::vector<uint32_t>;

class Interner {
 public:
  uint32_t id(std::string_view text) { return ids_.emplace(text, static_cast<uint32_t>(ids_.size())).first->second; }
  void reserve(size_t size) { ids_.reserve(size); }

 private:
  std::unordered_map<std::string_view, uint32_t> ids_;
};

Ids ids_of(const std::vector<Token>& tokens, Interner& interner) {
  Ids out;
  out.reserve(tokens.size());
  for (const auto& token : tokens) out.push_back(interner.id(token.text));
  return out;
}

struct Side {
  std::vector<Token> tokens;
  Ids ids;
};

enum class Part { paragraph, sentence };

// Where the parts of tokens [begin, end) begin, and the end. A paragraph ends with its line break; a sentence with the
// white space behind a full stop.
std::vector<size_t> parts_of(const std::vector<Token>& tokens, size_t begin, size_t end, Part part) {
  std::vector<size_t> begins{begin};
  for (size_t i = begin; i + 1 < end; ++i) {
    const bool is_stop = i > begin && tokens[i].kind == TokenKind::space &&
                         (tokens[i - 1].text == "." || tokens[i - 1].text == "!" || tokens[i - 1].text == "?");
    if (tokens[i].kind == TokenKind::line_break || (part == Part::sentence && is_stop)) begins.push_back(i + 1);
  }
  if (end > begin) begins.push_back(end);
  return begins;
}

std::string_view text_of(const std::vector<Token>& tokens, size_t begin, size_t end) {
  if (begin == end) return {};
  const std::string_view first = tokens[begin].text, last = tokens[end - 1].text;
  return {first.data(), static_cast<size_t>(last.data() + last.size() - first.data())};
}

// The search for what changed: word by word, and where that would take too long part by part first.
class Search {
 public:
  Search(const Side& a, const Side& b) : a_(a), b_(b) {}

  std::vector<Edit> run() {
    refine({0, a_.tokens.size(), 0, b_.tokens.size()}, {Part::paragraph, Part::sentence});
    return std::move(found_);
  }

 private:
  std::optional<std::vector<Edit>> spend(const Ids& a, const Ids& b) {
    const size_t allowed = std::min(kComparisonsMax, left_);
    size_t budget = allowed;
    auto edits = shortest_edits(a, b, budget);
    left_ -= allowed - budget;
    return edits;
  }

  void refine(const Edit& whole, std::vector<Part> coarser) {
    const auto slice = [](const Ids& ids, size_t begin, size_t end) {
      return Ids(ids.begin() + static_cast<ptrdiff_t>(begin), ids.begin() + static_cast<ptrdiff_t>(end));
    };
    if (const auto words =
            spend(slice(a_.ids, whole.a_begin, whole.a_end), slice(b_.ids, whole.b_begin, whole.b_end))) {
      for (const Edit& edit : *words)
        found_.push_back({whole.a_begin + edit.a_begin, whole.a_begin + edit.a_end, whole.b_begin + edit.b_begin,
                          whole.b_begin + edit.b_end});
      return;
    }
    if (!coarser.empty()) {
      const Part part = coarser.front();
      coarser.erase(coarser.begin());
      const auto a = parts_of(a_.tokens, whole.a_begin, whole.a_end, part);
      const auto b = parts_of(b_.tokens, whole.b_begin, whole.b_end, part);
      Interner interner;
      if (const auto parts = spend(part_ids(a_.tokens, a, interner), part_ids(b_.tokens, b, interner))) {
        for (const Edit& changed : *parts)
          refine({a[changed.a_begin], a[changed.a_end], b[changed.b_begin], b[changed.b_end]}, coarser);
        return;
      }
    }
    found_.push_back(whole);
  }

  static Ids part_ids(const std::vector<Token>& tokens, const std::vector<size_t>& begins, Interner& interner) {
    Ids out;
    for (size_t i = 0; i + 1 < begins.size(); ++i)
      out.push_back(interner.id(text_of(tokens, begins[i], begins[i + 1])));
    return out;
  }

  const Side& a_;
  const Side& b_;
  size_t left_ = kComparisonsOfAllMax;
  std::vector<Edit> found_;
};

WeighedTokens weighed(const Side& side) {
  WeighedTokens out;
  out.reserve(side.tokens.size());
  for (size_t i = 0; i < side.tokens.size(); ++i) {
    const Token& token = side.tokens[i];
    // A number that both texts have is shown as kept, however much changed around it.
    out.push_back({side.ids[i], token.text, token.length, token.clinical.any()});
  }
  return out;
}

TextSpan span_of(const std::vector<Token>& tokens, size_t begin, size_t end) {
  TextSpan span;
  if (begin < tokens.size()) {
    span.offset = tokens[begin].offset;
    span.offset_utf16 = tokens[begin].offset_utf16;
  } else if (!tokens.empty()) {
    span.offset = tokens.back().offset + tokens.back().length;
    span.offset_utf16 = tokens.back().offset_utf16 + tokens.back().length_utf16;
  }
  if (begin < end) {
    span.length = tokens[end - 1].offset + tokens[end - 1].length - span.offset;
    span.length_utf16 = tokens[end - 1].offset_utf16 + tokens[end - 1].length_utf16 - span.offset_utf16;
  }
  return span;
}

size_t words_in(const std::vector<Token>& tokens, size_t begin, size_t end) {
  return static_cast<size_t>(std::count_if(
      tokens.begin() + static_cast<ptrdiff_t>(begin), tokens.begin() + static_cast<ptrdiff_t>(end),
      [](const Token& token) { return token.kind == TokenKind::word || token.kind == TokenKind::number; }));
}

double percent(const Side& a, const Side& b, const std::vector<Edit>& edits) {
  if (edits.empty()) return 0;
  size_t deleted = 0, inserted = 0;
  for (const Edit& edit : edits) {
    deleted += words_in(a.tokens, edit.a_begin, edit.a_end);
    inserted += words_in(b.tokens, edit.b_begin, edit.b_end);
  }
  const size_t words = std::max(words_in(a.tokens, 0, a.tokens.size()), words_in(b.tokens, 0, b.tokens.size()));
  if (words == 0) return 100;
  const double share = static_cast<double>(std::max(deleted, inserted)) / static_cast<double>(words);
  return std::round(share * 10'000) / 100;
}

void append_half(std::string& to, const TextSpan& span, std::string_view text) {
  to += "{\"length\":" + std::to_string(span.length) + ",\"lengthUtf16\":" + std::to_string(span.length_utf16) +
        ",\"offset\":" + std::to_string(span.offset) + ",\"offsetUtf16\":" + std::to_string(span.offset_utf16);
  if (!text.empty()) {
    to += ",\"text\":";
    append_json_string(to, text);
  }
  to += '}';
}

void append_changes(std::string& to, const TextDiff& diff, ChangeType type) {
  bool is_first = true;
  to += '[';
  for (const auto& change : diff.changes) {
    if (change.type != type) continue;
    if (!is_first) to += ',';
    is_first = false;
    to += change.is_clinical() ? "{\"clinical\":true,\"final\":" : "{\"clinical\":false,\"final\":";
    append_half(to, change.final, change.new_text);
    to += ",\"index\":" + std::to_string(change.index) + ",\"original\":";
    append_half(to, change.original, change.original_text);
    to += '}';
  }
  to += ']';
}

}  // namespace

std::string_view name(ChangeType type) {
  switch (type) {
    case ChangeType::addition:
      return "addition";
    case ChangeType::deletion:
      return "deletion";
    case ChangeType::modification:
      return "modification";
  }
  return "unknown";
}

size_t TextDiff::clinical_changes() const {
  return static_cast<size_t>(
      std::count_if(changes.begin(), changes.end(), [](const TextChange& change) { return change.is_clinical(); }));
}

TextDiff diff_text(std::string_view original, std::string_view final) {
  SIGNET_CHECK(is_utf8(original) && is_utf8(final));
  TextDiff diff;
  if (original == final) {
    if (!original.empty()) diff.ops.push_back({DiffType::equal, std::string(original)});
    return diff;
  }
  Side a{tokens_of(original), {}}, b{tokens_of(final), {}};
  Interner interner;
  interner.reserve(a.tokens.size() / 4);
  a.ids = ids_of(a.tokens, interner);
  b.ids = ids_of(b.tokens, interner);
  const auto edits = cleanup_semantic(weighed(a), weighed(b), Search(a, b).run());
  const auto add = [&diff](DiffType type, std::string_view text) {
    if (!text.empty()) diff.ops.push_back({type, std::string(text)});
  };
  size_t at = 0;  // in the original's tokens
  for (const Edit& edit : edits) {
    TextChange change;
    change.index = diff.changes.size();
    change.original_text = text_of(a.tokens, edit.a_begin, edit.a_end);
    change.new_text = text_of(b.tokens, edit.b_begin, edit.b_end);
    change.original = span_of(a.tokens, edit.a_begin, edit.a_end);
    change.final = span_of(b.tokens, edit.b_begin, edit.b_end);
    change.type = edit.deleted() == 0    ? ChangeType::addition
                  : edit.inserted() == 0 ? ChangeType::deletion
                                         : ChangeType::modification;
    for (size_t i = edit.a_begin; i < edit.a_end; ++i) change.clinical.add(a.tokens[i].clinical);
    for (size_t i = edit.b_begin; i < edit.b_end; ++i) change.clinical.add(b.tokens[i].clinical);
    add(DiffType::equal, text_of(a.tokens, at, edit.a_begin));
    add(DiffType::deletion, change.original_text);
    add(DiffType::insertion, change.new_text);
    at = edit.a_end;
    diff.changes.push_back(std::move(change));
  }
  add(DiffType::equal, text_of(a.tokens, at, a.tokens.size()));
  diff.percent_changed = percent(a, b, edits);
  return diff;
}

std::string canonical(const TextDiff& diff) {
  std::string out = "{\"additions\":";
  append_changes(out, diff, ChangeType::addition);
  out += ",\"deletions\":";
  append_changes(out, diff, ChangeType::deletion);
  out += ",\"modifications\":";
  append_changes(out, diff, ChangeType::modification);
  out += ",\"percentChanged\":" + canonical_number(diff.percent_changed) + '}';
  return out;
}

}  // namespace signet

#include "message/edit_script.h"

#include <algorithm>
#include <dtl/dtl.hpp>

namespace signet {
namespace {

// dtl takes neither a bound nor a stop. Its comparator is the place for both: elements carry where they stand, and
// once the budget is spent it calls only those equal that lie on the diagonal on which dtl's search ends, so that it
// runs out at once; what it then found is thrown away.
struct Element {
  uint32_t id;
  int64_t to_end;  // how far its place is from the end of its sequence; equal on that diagonal
};

class Counting {
 public:
  Counting() = default;
  explicit Counting(size_t* left) : left_(left) {}
  bool impl(const Element& x, const Element& y) const {
    if (*left_ == 0) return x.to_end == y.to_end;
    --*left_;
    return x.id == y.id;
  }

 private:
  size_t* left_ = nullptr;
};

std::vector<Element> elements_of(const uint32_t* begin, const uint32_t* end) {
  std::vector<Element> out;
  out.reserve(static_cast<size_t>(end - begin));
  for (const uint32_t* id = begin; id != end; ++id) out.push_back({*id, static_cast<int64_t>(end - id)});
  return out;
}

// An edit that grows from what is appended in order.
void append(std::vector<Edit>& edits, const Edit& edit) {
  if (edit.deleted() == 0 && edit.inserted() == 0) return;
  if (!edits.empty() && edits.back().a_end == edit.a_begin && edits.back().b_end == edit.b_begin) {
    edits.back().a_end = edit.a_end;
    edits.back().b_end = edit.b_end;
  } else {
    edits.push_back(edit);
  }
}

class Script {
 public:
  Script(const WeighedTokens& a, const WeighedTokens& b) : a_(a), b_(b), a_sums_(sums(a)), b_sums_(sums(b)) {}

  std::vector<Edit> clean(const std::vector<Edit>& edits) const {
    return trimmed(overlaps_split(trimmed(slid(trimmed(without_short_equalities(trimmed(edits)))))));
  }

 private:
  bool is_same(size_t a, size_t b) const { return a_[a].id == b_[b].id; }
  struct Sum {
    size_t weight = 0, kept = 0;
  };
  // sums[i] is of the tokens before i, so that a run is weighed in constant time.
  static std::vector<Sum> sums(const WeighedTokens& tokens) {
    std::vector<Sum> out(tokens.size() + 1);
    for (size_t i = 0; i < tokens.size(); ++i)
      out[i + 1] = {out[i].weight + tokens[i].weight, out[i].kept + (tokens[i].is_kept ? 1 : 0)};
    return out;
  }
  size_t weight_a(size_t begin, size_t end) const { return a_sums_[end].weight - a_sums_[begin].weight; }
  size_t weight_b(size_t begin, size_t end) const { return b_sums_[end].weight - b_sums_[begin].weight; }

  // Joined, and without what both halves of an edit begin or end with.
  std::vector<Edit> trimmed(const std::vector<Edit>& edits) const {
    std::vector<Edit> joined, out;
    for (const Edit& edit : edits) append(joined, edit);
    for (Edit edit : joined) {
      while (edit.deleted() > 0 && edit.inserted() > 0 && is_same(edit.a_begin, edit.b_begin))
        edit.a_begin++, edit.b_begin++;
      while (edit.deleted() > 0 && edit.inserted() > 0 && is_same(edit.a_end - 1, edit.b_end - 1))
        edit.a_end--, edit.b_end--;
      append(out, edit);
    }
    return out;
  }

  // An equality is given up if it weighs no more than the edits on either side. Given up, it makes one edit of them,
  // which is then held against the equality before: a stack, so that the whole is linear.
  std::vector<Edit> without_short_equalities(const std::vector<Edit>& edits) const {
    struct Both {
      size_t deleted, inserted;
      size_t heavier() const { return std::max(deleted, inserted); }
    };
    std::vector<Edit> out;
    std::vector<Both> weights;
    for (const Edit& edit : edits) {
      Edit now = edit;
      Both heavy{weight_a(edit.a_begin, edit.a_end), weight_b(edit.b_begin, edit.b_end)};
      while (!out.empty()) {
        const size_t begin = out.back().a_end;
        const size_t equal = weight_a(begin, now.a_begin);
        const bool is_kept = a_sums_[now.a_begin].kept > a_sums_[begin].kept;
        if (is_kept || equal > weights.back().heavier() || equal > heavy.heavier()) break;
        now.a_begin = out.back().a_begin;
        now.b_begin = out.back().b_begin;
        heavy.deleted += equal + weights.back().deleted;
        heavy.inserted += equal + weights.back().inserted;
        out.pop_back();
        weights.pop_back();
      }
      out.push_back(now);
      weights.push_back(heavy);
    }
    return out;
  }

  // Two line breaks in a row before or behind, carriage returns or not, in however many tokens.
  static bool is_blank_line(const WeighedTokens& tokens, size_t at) {
    int before = 0, after = 0;
    const auto counts = [](int& breaks, char c) {
      if (c == '\n') ++breaks;
      return breaks < 2 && (c == '\n' || c == '\r');
    };
    for (size_t i = at; i > 0; --i)
      if (!std::all_of(tokens[i - 1].text.rbegin(), tokens[i - 1].text.rend(),
                       [&](char c) { return counts(before, c); }))
        break;
    for (size_t i = at; i < tokens.size(); ++i)
      if (!std::all_of(tokens[i].text.begin(), tokens[i].text.end(), [&](char c) { return counts(after, c); })) break;
    return before == 2 || after == 2;
  }

  // How natural a cut between two neighbours looks: 6 an end of the text, down to 0 within a word.
  static int naturalness(const WeighedTokens& tokens, size_t at) {
    if (at == 0 || at == tokens.size()) return 6;
    const std::string_view before = tokens[at - 1].text, after = tokens[at].text;
    const auto is_plain = [](char c) {
      return static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
             (c >= 'A' && c <= 'Z');
    };
    const auto is_break = [](char c) { return c == '\n' || c == '\r'; };
    const auto is_space = [&](char c) { return c == ' ' || c == '\t' || is_break(c); };
    const char left = before.back(), right = after.front();
    if (is_blank_line(tokens, at)) return 5;
    if (is_break(left) || is_break(right)) return 4;
    if (!is_plain(left) && !is_space(left) && is_space(right)) return 3;  // the end of a sentence
    if (is_space(left) || is_space(right)) return 2;
    return !is_plain(left) || !is_plain(right) ? 1 : 0;
  }

  // A lone insertion or deletion between two equalities may stand further left or right with the same effect.
  std::vector<Edit> slid(std::vector<Edit> edits) const {
    for (size_t i = 0; i < edits.size(); ++i) {
      Edit& edit = edits[i];
      const bool is_insertion = edit.deleted() == 0;
      if (!is_insertion && edit.inserted() > 0) continue;
      const size_t room_left = edit.a_begin - (i == 0 ? 0 : edits[i - 1].a_end);
      const size_t room_right = (i + 1 == edits.size() ? a_.size() : edits[i + 1].a_begin) - edit.a_end;
      if (room_left == 0 || room_right == 0) continue;
      const WeighedTokens& tokens = is_insertion ? b_ : a_;
      size_t begin = is_insertion ? edit.b_begin : edit.a_begin;
      size_t end = is_insertion ? edit.b_end : edit.a_end;
      const size_t start = begin;
      size_t steps = 0;
      while (steps < room_left && tokens[begin - 1].id == tokens[end - 1].id) --begin, --end, ++steps;
      size_t best = begin;
      int best_score = naturalness(tokens, begin) + naturalness(tokens, end);
      for (size_t step = 0; step < steps + room_right && tokens[begin].id == tokens[end].id; ++step) {
        ++begin, ++end;
        const int score = naturalness(tokens, begin) + naturalness(tokens, end);
        if (score >= best_score) best = begin, best_score = score;  // on a tie the later one, as upstream
      }
      const ptrdiff_t shift = static_cast<ptrdiff_t>(best) - static_cast<ptrdiff_t>(start);
      for (size_t* bound : {&edit.a_begin, &edit.a_end, &edit.b_begin, &edit.b_end})
        *bound = static_cast<size_t>(static_cast<ptrdiff_t>(*bound) + shift);
    }
    return edits;
  }

  // How many tokens the end of one run and the beginning of another share, at most.
  static size_t overlap(const WeighedTokens& x, size_t x_begin, size_t x_end, const WeighedTokens& y, size_t y_begin,
                        size_t y_end) {
    // The failure function of Knuth, Morris and Pratt over y's run, walked along x's: linear.
    const size_t size = std::min(x_end - x_begin, y_end - y_begin);
    if (size == 0) return 0;
    std::vector<size_t> back(size + 1, 0);
    for (size_t i = 1, k = 0; i < size; ++i) {
      while (k > 0 && y[y_begin + i].id != y[y_begin + k].id) k = back[k];
      if (y[y_begin + i].id == y[y_begin + k].id) ++k;
      back[i + 1] = k;
    }
    size_t k = 0;
    for (size_t i = x_end - size; i < x_end; ++i) {
      while (k > 0 && (k == size || x[i].id != y[y_begin + k].id)) k = back[k];
      if (x[i].id == y[y_begin + k].id) ++k;
    }
    return k;
  }

  // "abcxxx" -> "xxxdef" reads as abc deleted, def inserted, if what they share is at least half of either.
  std::vector<Edit> overlaps_split(const std::vector<Edit>& edits) const {
    std::vector<Edit> out;
    for (const Edit& edit : edits) {
      const size_t first = overlap(a_, edit.a_begin, edit.a_end, b_, edit.b_begin, edit.b_end);
      const size_t second = overlap(b_, edit.b_begin, edit.b_end, a_, edit.a_begin, edit.a_end);
      const size_t first_weight = weight_a(edit.a_end - first, edit.a_end);
      const size_t second_weight = weight_b(edit.b_end - second, edit.b_end);
      const size_t least = std::min(weight_a(edit.a_begin, edit.a_end), weight_b(edit.b_begin, edit.b_end));
      const size_t shared = std::max(first_weight, second_weight);
      if (shared == 0 || 2 * shared < least) {
        out.push_back(edit);
      } else if (first_weight >= second_weight) {
        out.push_back({edit.a_begin, edit.a_end - first, edit.b_begin, edit.b_begin});
        out.push_back({edit.a_end, edit.a_end, edit.b_begin + first, edit.b_end});
      } else {
        out.push_back({edit.a_begin, edit.a_begin, edit.b_begin, edit.b_end - second});
        out.push_back({edit.a_begin + second, edit.a_end, edit.b_end, edit.b_end});
      }
    }
    return out;
  }

  const WeighedTokens& a_;
  const WeighedTokens& b_;
  std::vector<Sum> a_sums_, b_sums_;
};

}  // namespace

std::optional<std::vector<Edit>> shortest_edits(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b,
                                                size_t& budget) {
  size_t front = 0, back = 0;
  const size_t least = std::min(a.size(), b.size());
  while (front < least && a[front] == b[front]) ++front;
  while (back < least - front && a[a.size() - 1 - back] == b[b.size() - 1 - back]) ++back;
  const size_t a_size = a.size() - front - back, b_size = b.size() - front - back;
  if (a_size == 0 || b_size == 0) {
    std::vector<Edit> edits;
    append(edits, {front, front + a_size, front, front + b_size});
    return edits;
  }
  if (budget == 0) return std::nullopt;
  dtl::Diff<Element, std::vector<Element>, Counting> diff(elements_of(a.data() + front, a.data() + front + a_size),
                                                          elements_of(b.data() + front, b.data() + front + b_size),
                                                          Counting(&budget));
  diff.compose();
  if (budget == 0) return std::nullopt;
  std::vector<Edit> edits;
  size_t at_a = front, at_b = front;
  for (const auto& [element, info] : diff.getSes().getSequence()) {
    const size_t deleted = info.type != dtl::SES_ADD ? 1 : 0, inserted = info.type != dtl::SES_DELETE ? 1 : 0;
    if (info.type != dtl::SES_COMMON) append(edits, {at_a, at_a + deleted, at_b, at_b + inserted});
    at_a += deleted;
    at_b += inserted;
  }
  return edits;
}

std::vector<Edit> cleanup_semantic(const WeighedTokens& a, const WeighedTokens& b, const std::vector<Edit>& edits) {
  return Script(a, b).clean(edits);
}

}  // namespace signet

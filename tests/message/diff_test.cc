#include "message/diff.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "base/bytes.h"
#include "base/canonical_json.h"
#include "message/edit_script.h"

namespace signet {
namespace {

using Ops = std::vector<DiffOp>;
constexpr auto kEqual = DiffType::equal, kDeletion = DiffType::deletion, kInsertion = DiffType::insertion;

std::string rebuilt(const TextDiff& diff, DiffType half) {
  std::string out;
  for (const auto& op : diff.ops)
    if (op.type == kEqual || op.type == half) out += op.text;
  return out;
}

std::u32string code_points(std::string_view utf8) {
  std::u32string out;
  for (size_t i = 0; i < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    const size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    char32_t c = size == 1 ? first : first & (0x7f >> size);
    for (size_t k = 1; k < size; ++k) c = c << 6 | (static_cast<unsigned char>(utf8[i + k]) & 0x3f);
    out += c;
    i += size;
  }
  return out;
}

std::u16string code_units(std::string_view utf8) {
  std::u16string out;
  for (const char32_t c : code_points(utf8)) {
    if (c > 0xffff) out += static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10));
    out += static_cast<char16_t>(c > 0xffff ? 0xdc00 + ((c - 0x10000) & 0x3ff) : c);
  }
  return out;
}

void check_half(std::string_view text, const TextSpan& span, const std::string& part) {
  CHECK(code_points(text).substr(span.offset, span.length) == code_points(part));
  CHECK(code_units(text).substr(span.offset_utf16, span.length_utf16) == code_units(part));
  CHECK(span.length == code_points(part).size());
  CHECK(span.length_utf16 == code_units(part).size());
}

// What holds of every diff.
void check_invariants(const std::string& a, const std::string& b) {
  const TextDiff diff = diff_text(a, b);
  REQUIRE(rebuilt(diff, kDeletion) == a);
  REQUIRE(rebuilt(diff, kInsertion) == b);
  const TextDiff again = diff_text(a, b);
  CHECK(again.ops == diff.ops);
  CHECK(canonical(again) == canonical(diff));
  CHECK(*canonicalize(canonical(diff)) == canonical(diff));
  CHECK(diff.percent_changed >= 0);
  CHECK(diff.percent_changed <= 100);
  CHECK(diff.changes.empty() == (a == b));
  for (size_t i = 0; i < diff.changes.size(); ++i) {
    const auto& change = diff.changes[i];
    CHECK(change.index == i);
    check_half(a, change.original, change.original_text);
    check_half(b, change.final, change.new_text);
    CHECK((change.type == ChangeType::addition) == change.original_text.empty());
    CHECK((change.type == ChangeType::deletion) == change.new_text.empty());
    CHECK(change.original_text != change.new_text);
    if (i > 0)
      CHECK(change.original.offset > diff.changes[i - 1].original.offset + diff.changes[i - 1].original.length);
  }
}

nlohmann::json vectors() {
  // google/diff-match-patch @62f2e68 (Apache-2.0), testDiffCleanupSemantic and testDiffCleanupSemanticLossless.
  return nlohmann::json::parse(R"([
    {"name": "no elimination 1", "in": [[-1, "ab"], [1, "cd"], [0, "12"], [-1, "e"]],
     "out": [[-1, "ab"], [1, "cd"], [0, "12"], [-1, "e"]]},
    {"name": "no elimination 2", "in": [[-1, "abc"], [1, "ABC"], [0, "1234"], [-1, "wxyz"]],
     "out": [[-1, "abc"], [1, "ABC"], [0, "1234"], [-1, "wxyz"]]},
    {"name": "backpass", "in": [[-1, "ab"], [0, "cd"], [-1, "e"], [0, "f"], [1, "g"]],
     "out": [[-1, "abcdef"], [1, "cdfg"]]},
    {"name": "multiple",
     "in": [[1, "1"], [0, "A"], [-1, "B"], [1, "2"], [0, "_"], [1, "1"], [0, "A"], [-1, "B"], [1, "2"]],
     "out": [[-1, "AB_AB"], [1, "1A2_1A2"]]},
    {"name": "no overlap", "in": [[-1, "abcxx"], [1, "xxdef"]], "out": [[-1, "abcxx"], [1, "xxdef"]]},
    {"name": "overlap", "in": [[-1, "abcxxx"], [1, "xxxdef"]], "out": [[-1, "abc"], [0, "xxx"], [1, "def"]]},
    {"name": "reverse overlap", "in": [[-1, "xxxabc"], [1, "defxxx"]], "out": [[1, "def"], [0, "xxx"], [-1, "abc"]]},
    {"name": "slide to a word's end", "in": [[0, "The c"], [1, "ow and the c"], [0, "at."]],
     "out": [[0, "The "], [1, "cow and the "], [0, "cat."]]},
    {"name": "slide to a blank line", "in": [[0, "AAA\r\n\r\nBBB"], [1, "\r\nDDD\r\n\r\nBBB"], [0, "\r\nEEE"]],
     "out": [[0, "AAA\r\n\r\n"], [1, "BBB\r\nDDD\r\n\r\n"], [0, "BBB\r\nEEE"]]},
    {"name": "two overlaps", "in": [[-1, "abcd1212"], [1, "1212efghi"], [0, "----"], [-1, "A3"], [1, "3BC"]],
     "out": [[-1, "abcd"], [0, "1212"], [1, "efghi"], [0, "----"], [-1, "A"], [0, "3"], [1, "BC"]]},
    {"name": "slide to a line's end", "in": [[0, "AAA\r\nBBB"], [1, " DDD\r\nBBB"], [0, " EEE"]],
     "out": [[0, "AAA\r\n"], [1, "BBB DDD\r\n"], [0, "BBB EEE"]]},
    {"name": "slide to a sentence's end", "in": [[0, "The xxx. The "], [1, "zzz. The "], [0, "yyy."]],
     "out": [[0, "The xxx."], [1, " The zzz."], [0, " The yyy."]]},
    {"name": "slide to the start", "in": [[0, "a"], [-1, "a"], [0, "ax"]], "out": [[-1, "a"], [0, "aax"]]},
    {"name": "slide to the end", "in": [[0, "xa"], [-1, "a"], [0, "a"]], "out": [[0, "xaa"], [-1, "a"]]},
    {"name": "nothing", "in": [], "out": []}
  ])");
}

TEST_CASE("the clean-up is that of diff-match-patch, character by character") {
  for (const auto& vector : vectors()) {
    INFO(vector["name"]);
    std::string a, b;
    std::vector<Edit> edits;
    for (const auto& op : vector["in"]) {
      const std::string text = op[1];
      Edit edit{a.size(), a.size(), b.size(), b.size()};
      if (op[0] != 1) a += text;
      if (op[0] != -1) b += text;
      edit.a_end = a.size();
      edit.b_end = b.size();
      if (op[0] != 0) edits.push_back(edit);
    }
    const auto tokens = [](const std::string& text) {
      WeighedTokens out;
      for (size_t i = 0; i < text.size(); ++i)
        out.push_back({static_cast<uint32_t>(text[i]), std::string_view(text).substr(i, 1)});
      return out;
    };
    nlohmann::json out = nlohmann::json::array();
    size_t at = 0;
    const auto add = [&out](int type, const std::string& text) {
      if (!text.empty()) out.push_back({type, text});
    };
    for (const Edit& edit : cleanup_semantic(tokens(a), tokens(b), edits)) {
      add(0, a.substr(at, edit.a_begin - at));
      add(-1, a.substr(edit.a_begin, edit.deleted()));
      add(1, b.substr(edit.b_begin, edit.inserted()));
      at = edit.a_end;
    }
    add(0, a.substr(at));
    CHECK(out == vector["out"]);
  }
}

TEST_CASE("words are compared as wholes, and numbers with all that belongs to them") {
  struct Row {
    std::string a, b;
    Ops ops;
  };
  const Row rows[] = {
      {"Your LVEF is 45% and the LAD stenosis is moderate. Please call the clinic on Monday.",
       "Your LVEF is 55%, and the LAD stenosis is mild. Please call our clinic before Monday.",
       {{kEqual, "Your LVEF is "},
        {kDeletion, "45%"},
        {kInsertion, "55%,"},
        {kEqual, " and the LAD stenosis is "},
        {kDeletion, "moderate"},
        {kInsertion, "mild"},
        {kEqual, ". Please call "},
        {kDeletion, "the"},
        {kInsertion, "our"},
        {kEqual, " clinic "},
        {kDeletion, "on"},
        {kInsertion, "before"},
        {kEqual, " Monday."}}},
      {"EF 45 % now", "EF 55 % now", {{kEqual, "EF "}, {kDeletion, "45 %"}, {kInsertion, "55 %"}, {kEqual, " now"}}},
      {"take 1.5 mg", "take 15 mg", {{kEqual, "take "}, {kDeletion, "1.5 mg"}, {kInsertion, "15 mg"}}},
      {"take 5 mg", "take 5 mcg", {{kEqual, "take "}, {kDeletion, "5 mg"}, {kInsertion, "5 mcg"}}},
      {"There is a murmur.",
       "There is no murmur.",
       {{kEqual, "There is "}, {kDeletion, "a"}, {kInsertion, "no"}, {kEqual, " murmur."}}},
      {"a b", "a b", {{kEqual, "a b"}}},
      {"", "", {}},
      {"", "new", {{kInsertion, "new"}}},
      {"old", "", {{kDeletion, "old"}}},
      {"You are well. Goodbye.",
       "You are well. Come again. Goodbye.",
       {{kEqual, "You are well."}, {kInsertion, " Come again."}, {kEqual, " Goodbye."}}},
      // The number that stayed is not drawn into the change of the words around it.
      {"Severe stenosis 45 % proximally",
       "Insignificant narrowing 45 % distally",
       {{kDeletion, "Severe stenosis"},
        {kInsertion, "Insignificant narrowing"},
        {kEqual, " 45 % "},
        {kDeletion, "proximally"},
        {kInsertion, "distally"}}},
  };
  for (const auto& row : rows) {
    INFO(row.a << " -> " << row.b);
    const auto diff = diff_text(row.a, row.b);
    CHECK(diff.ops == row.ops);
    check_invariants(row.a, row.b);
  }
}

TEST_CASE("a change of a number, a unit, a drug or a negation is clinical, others are not") {
  struct Row {
    std::string a, b;
    ClinicalKinds kinds;
  };
  const Row rows[] = {
      {"EF was 45 today", "EF was 55 today", {.number = true}},
      {"EF 45 %", "EF 45 mm", {.number = true, .unit = true}},
      {"measured in mg daily", "measured in mcg daily", {.unit = true}},
      {"start metoprolol now", "start bisoprolol now", {.drug = true}},
      {"start warfarin now", "start something now", {.drug = true}},
      {"she denies pain", "she reports pain", {.negation = true}},
      {"there is pain", "there isn't pain", {.negation = true}},
      {"there is pain", "there isn\xe2\x80\x99t pain", {.negation = true}},
      {"with pain", "without pain", {.negation = true}},
      {"pain \xe2\x89\xa4 5", "pain \xe2\x89\xa5 5", {.number = true}},
      {"twice a day", "thrice a day", {.number = true}},
      {"HbA1c raised", "Hb raised", {.number = true}},
      {"Dear Dr Smith", "Dear Dr Jones", {}},
      {"the clinic", "our clinic", {}},
      {"well.", "well!", {}},
  };
  for (const auto& row : rows) {
    INFO(row.a << " -> " << row.b);
    const auto diff = diff_text(row.a, row.b);
    REQUIRE(diff.changes.size() == 1);
    CHECK(diff.changes[0].clinical == row.kinds);
    CHECK(diff.clinical_changes() == (row.kinds.any() ? 1U : 0U));
  }
}

TEST_CASE("the share of words changed is that of the longer text") {
  struct Row {
    std::string a, b;
    double percent;
  };
  const Row rows[] = {
      {"", "", 0},         {"a b c d", "a b c d", 0}, {"a b c d", "a b c x", 25}, {"a b c", "", 100},
      {"", "a b", 100},    {"a b", "a b c d", 50},    {"a b c", "x b c", 33.33},  {"a b", "a, b", 0},
      {"...", "!!!", 100}, {"a", "b c d e", 100},     {"EF 45 %", "EF 55 %", 50},
  };
  for (const auto& row : rows) {
    INFO(row.a << " -> " << row.b);
    CHECK(diff_text(row.a, row.b).percent_changed == Approx(row.percent).margin(0.001));
  }
}

TEST_CASE("the canonical form has each change in its list, with offsets in code points and UTF-16") {
  CHECK(canonical(diff_text("x", "x")) == R"({"additions":[],"deletions":[],"modifications":[],"percentChanged":0})");
  CHECK(canonical(diff_text("\xf0\x9f\x98\x80 EF 45 %", "\xf0\x9f\x98\x80 EF 55 %")) ==
        R"({"additions":[],"deletions":[],"modifications":[{"clinical":true,)"
        R"("final":{"length":4,"lengthUtf16":4,"offset":5,"offsetUtf16":6,"text":"55 %"},"index":0,)"
        R"("original":{"length":4,"lengthUtf16":4,"offset":5,"offsetUtf16":6,"text":"45 %"}}],"percentChanged":50})");
  CHECK(
      canonical(diff_text("a b", "a b c")) ==
      R"({"additions":[{"clinical":false,"final":{"length":2,"lengthUtf16":2,"offset":3,"offsetUtf16":3,"text":" c"},)"
      R"("index":0,"original":{"length":0,"lengthUtf16":0,"offset":3,"offsetUtf16":3}}],"deletions":[],)"
      R"("modifications":[],"percentChanged":33.33})");
}

class Writer {  // texts of few words, so that they have much in common
 public:
  explicit Writer(uint32_t seed) : random_(seed) {}
  size_t below(size_t bound) { return random_() % bound; }
  std::string word() {
    static const std::vector<std::string> words{"no",        "LVEF",
                                                "45 %",      "5 mg/kg",
                                                "the",       " ",
                                                " ",         " ",
                                                " ",         "\n",
                                                "\r\n",      "\n\n",
                                                ".",         ", ",
                                                "a",         "b",
                                                "stenosis",  "3-5",
                                                "1,5",       "warfarin",
                                                "-",         "<5",
                                                "don't",     "\t",
                                                "\xc2\xa0",  "Ärzte",
                                                "π",         "\xe2\x80\x99",
                                                "患者",      "\xf0\x9f\x98\x80",
                                                "e\xcc\x81", "120/80 mmHg",
                                                "(",         ")",
                                                "%",         "2026-03-12"};
    return words[below(words.size())];
  }
  std::string text(size_t words) {
    std::string out;
    for (size_t i = 0; i < words; ++i) out += word();
    return out;
  }

 private:
  std::mt19937 random_;
};

TEST_CASE("both texts can be rebuilt from the diff of any two, and every offset is right") {
  const uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  Writer writer(seed);
  for (int i = 0; i < 300; ++i) {
    const std::string a = writer.text(writer.below(40));
    std::string b;
    if (writer.below(3) == 0) {
      b = writer.text(writer.below(40));
    } else {
      for (const auto& token : tokens_of(a)) {
        const size_t what = writer.below(12);
        if (what != 0) b += token.text;
        if (what < 2) b += writer.word();
      }
    }
    INFO(a << "\n---\n" << b);
    check_invariants(a, b);
    CHECK(diff_text(a, a).changes.empty());
  }
}

TEST_CASE("tokens are the whole text, in order") {
  const uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  Writer writer(seed);
  for (int i = 0; i < 300; ++i) {
    const std::string text = writer.text(writer.below(60));
    std::string joined;
    for (const auto& token : tokens_of(text)) {
      CHECK(token.offset == code_points(joined).size());
      CHECK(token.offset_utf16 == code_units(joined).size());
      joined += token.text;
    }
    CHECK(joined == text);
  }
}

TEST_CASE("a clinical value is one token") {
  for (const std::string value : {"1.5",
                                  "1,5",
                                  "45%",
                                  "45 %",
                                  "5 mg",
                                  "5mg/kg",
                                  "5 mg/kg/day",
                                  "120/80 mmHg",
                                  "3-5",
                                  "3\xe2\x80\x93"
                                  "5",
                                  "12/03/2026",
                                  "2026-03-12",
                                  "2026-03-12T10:30",
                                  "10:30",
                                  "<5",
                                  "< 5 mg",
                                  "\xe2\x89\xa5 70 %",
                                  "1,000.5",
                                  "37.5 \xc2\xb0"
                                  "C",
                                  "38C",
                                  "50 \xc2\xb5g",
                                  "90 mL/min/1.73m2",
                                  "45%-55%",
                                  "5 mg-10 mg",
                                  "1:1000",
                                  "2nd",
                                  "-3.5",
                                  "\xc2\xbd",
                                  "70\xc2\xa0kg",
                                  "72 bpm",
                                  "isn't",
                                  "metoprolol"}) {
    INFO(value);
    const auto tokens = tokens_of(value);
    REQUIRE(tokens.size() == 1);
    CHECK(tokens[0].clinical.any());
    const std::string sentence = "It is " + value + ", we think.";
    const auto all = tokens_of(sentence);
    CHECK(std::count_if(all.begin(), all.end(), [&](const Token& token) { return token.text == value; }) == 1);
  }
}

TEST_CASE("a number takes along only what belongs to it") {
  struct Row {
    std::string text;
    std::vector<std::string> tokens;
  };
  const Row rows[] = {
      {"5 apples", {"5", " ", "apples"}},
      {"at 2 in bed", {"at", " ", "2", " ", "in", " ", "bed"}},
      {"5.", {"5", "."}},
      {"LAD-2", {"LAD", "-", "2"}},
      {"5  mg", {"5", "  ", "mg"}},
      {"5\nmg", {"5", "\n", "mg"}},
      {"B12 level", {"B12", " ", "level"}},
      {"follow-up", {"follow", "-", "up"}},
      {"a \n\n b", {"a", " ", "\n\n", " ", "b"}},
      {"5 mg/night shift", {"5 mg/night", " ", "shift"}},
      {"5 mg/other", {"5 mg", "/", "other"}},
      {"患者5", {"患", "者", "5"}},
  };
  for (const auto& row : rows) {
    std::vector<std::string> texts;
    for (const auto& token : tokens_of(row.text)) texts.emplace_back(token.text);
    CHECK(texts == row.tokens);
  }
}

TEST_CASE("texts too large and too different to compare word by word are compared by paragraphs") {
  std::mt19937 random(7);
  const auto paragraph = [&random] {
    std::string out;
    for (int i = 0; i < 120; ++i) out += "w" + std::to_string(random() % 100000) + ' ';
    return out + '\n';
  };
  std::string a, b;
  for (int i = 0; i < 60; ++i) {
    const std::string same = paragraph();
    a += paragraph() + same;
    b += paragraph() + same;
  }
  check_invariants(a, b);
  const auto diff = diff_text(a, b);
  size_t kept = 0;
  for (const auto& op : diff.ops)
    if (op.type == kEqual && op.text.size() > 600) ++kept;
  CHECK(kept == 60);

  std::string one, other;  // no paragraph to hold on to
  for (int i = 0; i < 30000; ++i) {
    one += std::to_string(random()) + 'x';
    other += std::to_string(random()) + 'y';
    one += ' ';
    other += ' ';
  }
  check_invariants(one, other);
  CHECK(diff_text(one, other).percent_changed == 100);
}

TEST_CASE("a search for the shortest edits ends with its budget") {
  std::vector<uint32_t> a, b;
  for (uint32_t i = 0; i < 2000; ++i) a.push_back(i), b.push_back(10000 + i);
  size_t budget = 1000;
  CHECK_FALSE(shortest_edits(a, b, budget).has_value());
  CHECK(budget == 0);
  budget = 100000;
  const auto edits = shortest_edits({1, 2, 3, 4}, {1, 9, 3, 4}, budget);
  REQUIRE(edits.has_value());
  CHECK(*edits == std::vector<Edit>{{1, 2, 1, 2}});
  budget = 0;
  CHECK(shortest_edits({1, 2}, {1, 2}, budget)->empty());
}

}  // namespace
}  // namespace signet

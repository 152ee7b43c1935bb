#include "message/token.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/check.h"
#include "base/utf8.h"

namespace signet {
namespace {

using Words = std::unordered_set<std::string_view>;

// All lower case, as they are compared.
const Words kUnits{"%",     "‰",       "°",        "°c",      "°f",    "g",    "kg",    "mg",      "mcg",      "µg",
                   "μg",    "ug",      "ng",       "pg",      "l",     "dl",   "ml",    "cl",      "µl",       "μl",
                   "ul",    "fl",      "m",        "cm",      "mm",    "nm",   "µm",    "μm",      "m2",       "m²",
                   "cm2",   "cm²",     "mm2",      "mm²",     "cm3",   "cm³",  "m3",    "m³",      "mm3",      "mm³",
                   "h",     "hr",      "hrs",      "hour",    "hours", "min",  "mins",  "minute",  "minutes",  "s",
                   "sec",   "secs",    "second",   "seconds", "ms",    "d",    "day",   "days",    "week",     "weeks",
                   "month", "months",  "year",     "years",   "yr",    "yrs",  "mol",   "mmol",    "µmol",     "μmol",
                   "umol",  "nmol",    "pmol",     "meq",     "iu",    "u",    "miu",   "unit",    "units",    "mmhg",
                   "kpa",   "cmh2o",   "bpm",      "beat",    "beats", "hz",   "khz",   "mhz",     "kj",       "kcal",
                   "mv",    "ma",      "kv",       "gy",      "cgy",   "mgy",  "msv",   "sv",      "mci",      "mbq",
                   "gbq",   "inch",    "inches",   "ft",      "lb",    "lbs",  "oz",    "tablet",  "tablets",  "tab",
                   "tabs",  "capsule", "capsules", "drop",    "drops", "puff", "puffs", "ampoule", "ampoules", "dose",
                   "doses", "times",   "percent",  "french",  "mosm",  "wood", "mets"};
// Behind a number only where no blank stands between: "38C", but "2 in the morning".
const Words kGrownUnits{"c", "f", "k", "j", "v", "w", "x", "a", "in", "fr"};
// Units that are words of their own wherever they stand; the others mean something else without a number.
const Words kUnitWords{"mg",  "mcg", "µg",   "μg",    "ug",      "kg",   "ng",   "ml",   "dl",  "µl", "μl",
                       "cm",  "mm",  "mmol", "µmol",  "μmol",    "umol", "nmol", "pmol", "meq", "iu", "mmhg",
                       "kpa", "bpm", "unit", "units", "percent", "cm2",  "cm²",  "msv",  "mgy", "gy", "mv"};
// What a unit may be counted by: "mg/kg/day".
const Words kPer{"kg",  "g",    "mg",   "l",  "dl", "ml",  "h",   "hr",  "hour", "min",  "minute", "s",    "d",
                 "day", "week", "dose", "m2", "m²", "cm2", "cm²", "mol", "mmol", "beat", "night",  "month"};
const Words kNegations{"no",      "not",      "non",      "nil",     "none",    "nor",      "neither", "never",
                       "without", "denies",   "denied",   "deny",    "denying", "negative", "absent",  "absence",
                       "cannot",  "excluded", "excludes", "exclude", "nothing", "unlikely", "lacks"};
const Words kNumberWords{"two",      "three",  "four",   "five",   "six",    "seven",  "eight",  "nine",
                         "ten",      "eleven", "twelve", "twenty", "thirty", "forty",  "fifty",  "hundred",
                         "thousand", "half",   "once",   "twice",  "thrice", "double", "triple", "zero"};
const Words kDrugs{"warfarin",      "aspirin",       "insulin",     "metformin",     "heparin",        "digoxin",
                   "amiodarone",    "furosemide",    "frusemide",   "morphine",      "fentanyl",       "codeine",
                   "oxycodone",     "tramadol",      "paracetamol", "acetaminophen", "ibuprofen",      "naproxen",
                   "diclofenac",    "lithium",       "prednisone",  "prednisolone",  "dexamethasone",  "levothyroxine",
                   "thyroxine",     "methotrexate",  "allopurinol", "colchicine",    "spironolactone", "eplerenone",
                   "hydralazine",   "nitroglycerin", "glyceryl",    "ezetimibe",     "gabapentin",     "pregabalin",
                   "phenytoin",     "carbamazepine", "valproate",   "levetiracetam", "adrenaline",     "epinephrine",
                   "noradrenaline", "adenosine",     "atropine",    "ivabradine",    "sacubitril",     "salbutamol",
                   "albuterol",     "tiotropium",    "verapamil",   "diltiazem",     "clopidogrel",    "naloxone",
                   "ketamine",      "propofol",      "haloperidol", "penicillin",    "vancomycin",     "gentamicin",
                   "ceftriaxone",   "trimethoprim",  "flecainide",  "statin",        "nsaid",          "opioid"};
// Stems of international non-proprietary names, with at least two letters before them.
constexpr std::array<std::string_view, 27> kStems{
    "olol",     "pril",    "sartan",  "statin", "azole",  "cillin", "mycin",    "oxetine",   "zepam",
    "zolam",    "dipine",  "xaban",   "gatran", "grelor", "grel",   "gliptin",  "gliflozin", "glutide",
    "floxacin", "cycline", "triptan", "setron", "mab",    "tinib",  "thiazide", "parin",     "semide"};

// ASCII, fractions, Arabic-Indic, Devanagari, full width.
bool is_digit(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 0xbc && c <= 0xbe) || (c >= 0x660 && c <= 0x669) ||
         (c >= 0x6f0 && c <= 0x6f9) || (c >= 0x966 && c <= 0x96f) || (c >= 0x2150 && c <= 0x215e) ||
         (c >= 0xff10 && c <= 0xff19);
}
bool is_line_break(char32_t c) { return c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029; }
bool is_blank(char32_t c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

// What is no letter, mark or digit beyond ASCII, by block (Unicode 15, Blocks.txt): symbols and punctuation.
bool is_symbol(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  static constexpr std::array kSymbols{
      Range{0x80, 0xa9},     Range{0xab, 0xb1},     Range{0xb4, 0xb4},      Range{0xb6, 0xb8},
      Range{0xbb, 0xbb},     Range{0xbf, 0xbf},     Range{0xd7, 0xd7},      Range{0xf7, 0xf7},
      Range{0x37e, 0x37e},   Range{0x387, 0x387},   Range{0x589, 0x58a},    Range{0x5be, 0x5be},
      Range{0x60c, 0x60d},   Range{0x61b, 0x61f},   Range{0x66a, 0x66d},    Range{0x6d4, 0x6d4},
      Range{0x964, 0x965},   Range{0xe3f, 0xe3f},   Range{0x200b, 0x200b},  Range{0x200e, 0x2027},
      Range{0x202a, 0x206f}, Range{0x20a0, 0x20cf}, Range{0x2100, 0x214f},  Range{0x2190, 0x2bff},
      Range{0x2e00, 0x2e7f}, Range{0x3001, 0x3004}, Range{0x3008, 0x3020},  Range{0x3030, 0x3030},
      Range{0x303d, 0x303f}, Range{0xfd3e, 0xfd3f}, Range{0xfe10, 0xfe1f},  Range{0xfe30, 0xfe6f},
      Range{0xfeff, 0xfeff}, Range{0xff01, 0xff0f}, Range{0xff1a, 0xff20},  Range{0xff3b, 0xff40},
      Range{0xff5b, 0xff65}, Range{0xffe0, 0xffff}, Range{0x1f000, 0x1faff}};
  const auto* range = std::upper_bound(kSymbols.begin(), kSymbols.end(), c,
                                       [](char32_t value, const Range& r) { return value < r.first; });
  return range != kSymbols.begin() && c <= std::prev(range)->last;
}

bool is_ideograph(char32_t c) {
  return (c >= 0x3041 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x323af);
}

bool is_word(char32_t c) {
  if (c < 0x80) return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  return !is_blank(c) && !is_line_break(c) && !is_symbol(c);
}
bool is_letter(char32_t c) { return is_word(c) && !is_digit(c); }
bool is_apostrophe(char32_t c) { return c == '\'' || c == 0x2019; }
bool is_dash(char32_t c) { return c == '-' || c == 0x2010 || c == 0x2011 || c == 0x2012 || c == 0x2013 || c == 0x2212; }
bool is_sign(char32_t c) {
  return c == '<' || c == '>' || c == '~' || c == '+' || c == '-' || c == 0xb1 || c == 0x2212 || c == 0x2248 ||
         c == 0x2264 || c == 0x2265;
}
// Between two digits they are part of the number: decimals, thousands, ratios, dates, times, products.
bool is_inner(char32_t c) { return c == '.' || c == ',' || c == '/' || c == ':' || is_dash(c) || c == 0xd7; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

ClinicalKinds kinds_of_word(std::string_view text) {
  ClinicalKinds kinds;
  std::string word = lower(text);
  for (size_t at = word.find("\xe2\x80\x99"); at != std::string::npos; at = word.find("\xe2\x80\x99")) {
    word.erase(at, 2);
    word[at] = '\'';
  }
  kinds.negation = kNegations.contains(word) || word.ends_with("n't");
  kinds.number = kNumberWords.contains(word) ||
                 std::any_of(word.begin(), word.end(), [](char c) { return is_digit(static_cast<unsigned char>(c)); });
  kinds.unit = kUnitWords.contains(word);
  if (word.size() > 2 && word.ends_with("'s")) word.resize(word.size() - 2);
  if (word.size() > 4 && word.back() == 's' && !kDrugs.contains(word)) word.pop_back();
  kinds.drug = kDrugs.contains(word) || std::any_of(kStems.begin(), kStems.end(), [&](std::string_view stem) {
                 return word.size() >= stem.size() + 2 && word.ends_with(stem);
               });
  return kinds;
}

class Cutter {
 public:
  explicit Cutter(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> out;
    out.reserve(text_.size() / 3 + 1);
    while (at_ < text_.size()) {
      Token token;
      token.offset = offset_;
      token.offset_utf16 = offset_utf16_;
      const size_t begin = at_;
      cut(token);
      SIGNET_CHECK(at_ > begin);
      token.text = text_.substr(begin, at_ - begin);
      token.length = offset_ - token.offset;
      token.length_utf16 = offset_utf16_ - token.offset_utf16;
      if (token.kind == TokenKind::word) token.clinical = kinds_of(token.text);
      out.push_back(token);
    }
    return out;
  }

 private:
  ClinicalKinds kinds_of(std::string_view word) {
    const auto [known, is_new] = kinds_.try_emplace(word);
    if (is_new) known->second = kinds_of_word(word);
    return known->second;
  }

  // The code point `ahead` places on; 0 beyond the end.
  char32_t peek(size_t ahead = 0) const {
    size_t at = at_;
    while (ahead-- > 0 && at < text_.size()) at += code_point_at(text_, at).octets;
    return at < text_.size() ? code_point_at(text_, at).value : 0;
  }
  void take() {
    const CodePoint c = code_point_at(text_, at_);
    at_ += c.octets;
    offset_ += 1;
    offset_utf16_ += c.value > 0xffff ? 2 : 1;
    last_ = c.value;
  }
  template <class Is>
  void take_while(Is is) {
    while (at_ < text_.size() && is(peek())) take();
  }

  void cut(Token& token) {
    const char32_t c = peek();
    if (is_line_break(c)) {
      token.kind = TokenKind::line_break;
      take_while(is_line_break);
    } else if (is_blank(c)) {
      token.kind = TokenKind::space;
      take_while(is_blank);
    } else if (starts_number()) {
      token.kind = TokenKind::number;
      take_number(token.clinical);
    } else if (is_ideograph(c)) {
      take();
    } else if (is_word(c)) {
      take_word();
    } else {
      token.kind = TokenKind::punctuation;
      token.clinical.number = c == '<' || c == '>' || c == 0x2264 || c == 0x2265 || c == 0xb1;
      token.clinical.unit = c == '%' || c == 0x2030 || c == 0xb0;
      take();
    }
  }

  bool starts_number() const {
    const char32_t c = peek();
    if (is_digit(c)) return true;
    if (!is_sign(c)) return false;
    // "LAD-2" and "(a)-5" have no negative number in them, "-5" and "(-5" do.
    if ((c == '-' || c == '+' || c == 0x2212) && (is_word(last_) || last_ == ')')) return false;
    if (is_digit(peek(1))) return true;
    return peek(1) == ' ' && is_digit(peek(2)) && c != '-' && c != '+' && c != 0x2212;
  }

  void take_word() {
    while (at_ < text_.size()) {
      const char32_t c = peek();
      if (c < 0x80 && is_word(c)) {  // nearly all of a text; spared the decoding
        ++at_;
        ++offset_;
        ++offset_utf16_;
        last_ = c;
        continue;
      }
      if (!(is_word(c) && !is_ideograph(c)) && !(is_apostrophe(c) && is_letter(last_) && is_letter(peek(1)))) return;
      take();
    }
  }

  void take_number(ClinicalKinds& kinds) {
    kinds.number = true;
    if (is_sign(peek())) {
      take();
      take_while([](char32_t c) { return c == ' '; });
    }
    for (;;) {
      while (is_digit(peek()) || (is_inner(peek()) && is_digit(last_) && is_digit(peek(1)))) take();
      kinds.unit = take_unit() || kinds.unit;
      // "45%-55%", "2026-03-12T10:30": still one value.
      if (!is_digit(peek(1)) || !(is_dash(peek()) || (is_inner(peek()) && is_digit(last_)))) return;
      take();
    }
  }

  // The unit behind a number, after at most one blank; or letters grown to it ("2nd", "3x"), which belong to it.
  bool take_unit() {
    const size_t gap = is_blank(peek()) && kUnits.contains(lower(word_at(1))) ? 1 : 0;
    const std::string grown = gap == 0 ? lower(word_at(0)) : "";
    if (gap == 0 && !kUnits.contains(grown) && !kGrownUnits.contains(grown)) {
      if (is_word(peek()) && !is_ideograph(peek())) take_word();
      return false;
    }
    if (gap == 1) take();
    take_symbol_or_word();
    for (;;) {  // "mg/kg/min", "mL/min/1.73m2"
      if (peek() != '/' && peek() != 0xb7) return true;
      if (is_digit(peek(1))) {
        take();
        while (is_digit(peek()) || (is_inner(peek()) && is_digit(peek(1)))) take();
        take_word();
      } else if (kPer.contains(lower(word_at(1)))) {
        take();
        take_word();
      } else {
        return true;
      }
    }
  }

  void take_symbol_or_word() {
    if (is_word(peek()))
      take_word();
    else
      take();
    if (last_ == 0xb0 && is_word(peek())) take_word();
  }

  // The word or unit sign that begins `ahead` places on; empty for anything else.
  std::string_view word_at(size_t ahead) const {
    size_t begin = at_;
    while (ahead-- > 0 && begin < text_.size()) begin += code_point_at(text_, begin).octets;
    size_t end = begin;
    if (end < text_.size()) {
      const CodePoint first = code_point_at(text_, end);
      if (first.value == '%' || first.value == 0x2030) return text_.substr(begin, first.octets);
      if (first.value == 0xb0) end += first.octets;
    }
    size_t count = 0;
    while (end < text_.size() && ++count <= 16) {
      const CodePoint c = code_point_at(text_, end);
      if (!is_word(c.value)) break;
      end += c.octets;
    }
    return text_.substr(begin, end - begin);
  }

  std::string_view text_;
  size_t at_ = 0, offset_ = 0, offset_utf16_ = 0;
  char32_t last_ = 0;                                          // what was taken last
  std::unordered_map<std::string_view, ClinicalKinds> kinds_;  // of the words seen: texts repeat theirs
};

}  // namespace

void ClinicalKinds::add(const ClinicalKinds& other) {
  number = number || other.number;
  unit = unit || other.unit;
  drug = drug || other.drug;
  negation = negation || other.negation;
}

std::vector<Token> tokens_of(std::string_view utf8) { return Cutter(utf8).run(); }

}  // namespace signet

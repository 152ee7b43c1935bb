#include "message/reply_word.h"

#include <algorithm>
#include <cctype>

namespace signet {
namespace {

constexpr size_t kTextMax = 64;  // octets: what is longer is no word

// Letters of Latin-1 (UTF-8 C3 80 to C3 BF) without their accents; '.': none of them.
constexpr char kPlain[] = "aaaaaaaceeeeiiii.nooooo.ouuuuy..aaaaaaaceeeeiiii.nooooo.ouuuuy.y";

// Lower case without accents; what is no letter or digit parts words, and they are joined by one space.
std::string fold(std::string_view text) {
  std::string out;
  bool is_parted = false;
  auto add = [&](std::string_view letter) {
    if (is_parted && !out.empty()) out += ' ';
    is_parted = false;
    out += letter;
  };
  for (size_t i = 0; i < text.size(); i++) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (c < 0x80) {
      if (std::isalnum(c))
        add(std::string(1, static_cast<char>(std::tolower(c))));
      else
        is_parted = true;
    } else if (c == 0xc2 && next >= 0x80) {  // spaces and signs: no-break space, inverted marks
      is_parted = true;
      i++;
    } else if (c == 0xc3 && next >= 0x80 && next < 0xc0 && kPlain[next - 0x80] != '.') {
      add(std::string(1, kPlain[next - 0x80]));
      i++;
    } else {
      add(text.substr(i, 1));  // letters of other scripts as they are
    }
  }
  return out;
}

}  // namespace

std::string_view name(ReplyWord word) {
  switch (word) {
    case ReplyWord::stop:
      return "stop";
    case ReplyWord::start:
      return "start";
    case ReplyWord::help:
      return "help";
  }
  return "unknown";
}

ReplyWords::ReplyWords(const std::vector<std::string>& stop, const std::vector<std::string>& start,
                       const std::vector<std::string>& help) {
  const std::vector<std::string>* lists[]{&stop, &start, &help};
  for (size_t i = 0; i < std::size(lists); i++)
    for (const auto& word : *lists[i]) words_[i].push_back(fold(word));
}

std::optional<ReplyWord> ReplyWords::find(std::string_view text) const {
  if (text.size() > kTextMax) return std::nullopt;
  const std::string folded = fold(text);
  if (folded.empty()) return std::nullopt;
  for (const auto word : {ReplyWord::stop, ReplyWord::start, ReplyWord::help}) {
    const auto& list = words_[static_cast<size_t>(word) - 1];
    if (std::find(list.begin(), list.end(), folded) != list.end()) return word;
  }
  return std::nullopt;
}

}  // namespace signet

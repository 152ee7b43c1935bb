// What somebody who writes back may ask for with a single word: to get no more, to get messages again, who this is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace signet {

enum class ReplyWord : int16_t { stop = 1, start = 2, help = 3 };  // as stored (store/migrations): append only
std::string_view name(ReplyWord word);

class ReplyWords {
 public:
  ReplyWords() = default;
  ReplyWords(const std::vector<std::string>& stop, const std::vector<std::string>& start,
             const std::vector<std::string>& help);
  // The whole text is one of the words: case, accents, space and punctuation around it do not count. None: it is
  // something else, such as a sentence with the word in it. Where lists share a word, stop is first.
  std::optional<ReplyWord> find(std::string_view text) const;

 private:
  std::vector<std::string> words_[3];  // folded; by ReplyWord
};

}  // namespace signet

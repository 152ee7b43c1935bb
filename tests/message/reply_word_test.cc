#include "message/reply_word.h"

#include <catch2/catch.hpp>

using namespace signet;

namespace {

const ReplyWords kWords({"STOP", "OPT OUT", "ARRÊT", "стоп"}, {"START"}, {"HELP", "STOP"});

}  // namespace

TEST_CASE("a word is found whatever its case, accents, and what stands around it") {
  const struct {
    const char* text;
    std::optional<ReplyWord> word;
  } rows[] = {
      {"STOP", ReplyWord::stop},
      {"stop", ReplyWord::stop},
      {" Stop.\n", ReplyWord::stop},
      {"\"STOP!\"", ReplyWord::stop},
      {"\xc2\xa0STOP\xc2\xa0", ReplyWord::stop},
      {"opt-out", ReplyWord::stop},
      {"OPT   OUT", ReplyWord::stop},
      {"arret", ReplyWord::stop},
      {"Arrêt", ReplyWord::stop},
      {"ARRÊT", ReplyWord::stop},
      {"стоп", ReplyWord::stop},
      {"Start", ReplyWord::start},
      {"help?", ReplyWord::help},
      {"", {}},
      {"...", {}},
      {"STOP it", {}},
      {"please stop", {}},
      {"STOPP", {}},
      {"S T O P", {}},
      {"nonstop", {}},
      {"\xff\xfe", {}},
      {"\xc3", {}},
      {"STOP\xc3", {}},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK(kWords.find(row.text) == row.word);
  }
}

TEST_CASE("a word that several lists have is the first's, stop before start before help") {
  CHECK(kWords.find("stop") == ReplyWord::stop);
}

TEST_CASE("what is longer than a word may be is none") {
  CHECK(kWords.find("STOP" + std::string(60, ' ')) == ReplyWord::stop);
  CHECK_FALSE(kWords.find("STOP" + std::string(61, ' ')));
  CHECK_FALSE(kWords.find(std::string(1'000'000, 'x')));
}

TEST_CASE("without words nothing is one") { CHECK_FALSE(ReplyWords().find("STOP")); }

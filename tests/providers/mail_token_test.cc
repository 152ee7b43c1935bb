#include "providers/mail_token.h"

#include <catch2/catch.hpp>
#include <cctype>
#include <set>

namespace signet {
namespace {

const Echo kEcho{*parse_uuid("0193b3c4-0000-7000-8000-00000000abcd"), 2};

MailTokens tokens(std::initializer_list<const char*> keys = {"first key of the relay's"},
                  const std::string& provider = "relay") {
  std::vector<Secret> secrets;
  for (auto key : keys) secrets.emplace_back(key);
  return {std::move(secrets), provider};
}

bool is_of(const std::optional<Echo>& found, const Echo& echo) {
  return found && found->message_id == echo.message_id && found->attempt_no == echo.attempt_no;
}

}  // namespace

TEST_CASE("a token names its attempt, whatever stands around it and whichever case it comes back in") {
  const auto all = tokens();
  for (int attempt : {1, 2, 255, 256, 32767}) {
    const Echo echo{kEcho.message_id, attempt};
    const auto token = all.make(echo);
    CHECK(token.size() == kMailTokenSize);
    CHECK(token.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == token.npos);
    CHECK(token == all.make(echo));
    std::string upper = token;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    for (const auto& text :
         {token, upper, "<bounces+" + token + "@example.org>", "bounces+" + upper + "@EXAMPLE.ORG",
          echo_of(echo.message_id, attempt) + "." + token, "prvs=0123abcdef=bounces+" + token + "@x.y",
          "rfc822;" + token + "@example.org", token.substr(1) + "@first.example, " + token})
      CHECK(is_of(all.find(text), echo));
  }
}

TEST_CASE("no text without a whole token of ours names anything") {
  const auto all = tokens();
  const auto token = all.make(kEcho);
  for (const auto& text : {std::string(), std::string("bounces@example.org"), token.substr(1), "a" + token, token + "b",
                           token.substr(0, 24) + "-" + token.substr(24), std::string(48, 'a'), std::string(4800, 'a'),
                           kEcho.message_id.text() + ".2", std::string(48, '\0'), std::string(48, '\xff')})
    CHECK(!all.find(text));
  for (size_t i = 0; i < token.size(); i++) {  // no character of it can be another
    auto other = token;
    other[i] = other[i] == 'a' ? 'b' : 'a';
    INFO(i);
    CHECK(!all.find(other));
  }
}

TEST_CASE("a token is of one key and one provider, and the keys before are still believed") {
  const auto token = tokens().make(kEcho);
  CHECK(!tokens({"another key"}).find(token));
  CHECK(!tokens({"first key of the relay's"}, "relay2").find(token));
  CHECK(!MailTokens().find(token));
  CHECK(is_of(tokens({"another key", "first key of the relay's"}).find(token), kEcho));
  CHECK(tokens({"another key", "first key of the relay's"}).make(kEcho) == tokens({"another key"}).make(kEcho));
}

TEST_CASE("each attempt of each message has a token of its own") {
  const auto all = tokens();
  std::set<std::string> made;
  for (int i = 0; i < 50; i++)
    for (int attempt = 1; attempt <= 4; attempt++) {
      Echo echo = kEcho;
      echo.message_id.bytes[15] = static_cast<uint8_t>(i);
      echo.attempt_no = attempt;
      made.insert(all.make(echo));
    }
  CHECK(made.size() == 200);
}

}  // namespace signet

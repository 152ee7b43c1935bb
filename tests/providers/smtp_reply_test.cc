#include <catch2/catch.hpp>

#include "providers/smtp_reply.h"

namespace signet {
namespace {

// All replies of the octets, as "250 5.1.1 a|b;", fed in pieces of `size`; "!" at the end if they are rubbish.
std::string parsed(std::string_view octets, size_t size) {
  SmtpReplyParser parser;
  std::vector<SmtpReply> replies;
  bool is_bad = false;
  for (size_t at = 0; at < octets.size() && !is_bad; at += size)
    is_bad = !parser.feed(octets.substr(at, size), replies);
  std::string out;
  for (auto& reply : replies) {
    out += std::to_string(reply.code) + "[" + reply.enhanced + "]";
    for (auto& line : reply.lines) out += line + "|";
    out += ";";
  }
  return out + (is_bad ? "!" : parser.is_midway() ? "+" : "");
}

}  // namespace

TEST_CASE("SMTP replies are read whatever pieces they come in") {
  struct Row {
    std::string octets, expected;
  };
  for (auto& row : std::vector<Row>{
           {"220 hello\r\n", "220[]hello|;"},
           {"250-a\r\n250-b\r\n250 c\r\n", "250[]a|b|c|;"},
           {"250\r\n", "250[]|;"},
           {"250-\r\n250 \r\n", "250[]||;"},
           {"250 a\n354 b\r\n", "250[]a|;354[]b|;"},
           {"550 5.1.1 <x>: no\r\n", "550[5.1.1]5.1.1 <x>: no|;"},
           {"451 4.7.123 wait\r\n", "451[4.7.123]4.7.123 wait|;"},
           {"550-5.7.1 a\r\n550 5.7.2 b\r\n", "550[5.7.1]5.7.1 a|5.7.2 b|;"},
           {"250 2.1.0\r\n", "250[2.1.0]2.1.0|;"},
           {"550 4.1.1 another class\r\n", "550[]4.1.1 another class|;"},
           {"550 5.1 short\r\n", "550[]5.1 short|;"},
           {"550 5.1.1234 long\r\n", "550[]5.1.1234 long|;"},
           {"550 5..1 x\r\n", "550[]5..1 x|;"},
           {"250 half", "+"},
           {"250-half\r\n", "+"},
       }) {
    for (size_t size : {size_t(1), size_t(2), size_t(7), size_t(1000)}) {
      INFO(row.octets << " in pieces of " << size);
      CHECK(parsed(row.octets, size) == row.expected);
    }
  }
}

TEST_CASE("what is no SMTP reply is refused") {
  for (std::string octets : {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "25\r\n", "2x0 a\r\n", "150 a\r\n", "650 a\r\n",
                             "250_a\r\n", "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", "-250 a\r\n", "\x80\xff\x01\r\n"}) {
    INFO(octets);
    CHECK(parsed(octets, 1000).ends_with("!"));
  }
  CHECK(parsed("220 ok\r\nrubbish\r\n", 1000) == "220[]ok|;!");
  CHECK(parsed(std::string(3000, '2'), 1000) == "!");
  CHECK(parsed("250 " + std::string(2000, 'a') + "\r\n", 100).size() == 2000 + 7);
  std::string many;
  for (int i = 0; i < 200; i++) many += "250-a\r\n";
  CHECK(parsed(many, 64) == "!");
}

TEST_CASE("a dot at the start of a line is doubled and lone line ends are made whole") {
  struct Row {
    std::string data, wire;
  };
  for (auto& row : std::vector<Row>{
           {"", ".\r\n"},
           {"a", "a\r\n.\r\n"},
           {"a\r\n", "a\r\n.\r\n"},
           {".", "..\r\n.\r\n"},
           {"a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
           {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
           {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
           {"a\n.\r\nMAIL FROM:<x@y>\r\n", "a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"},
           {"..a\r\n", "...a\r\n.\r\n"},
           {"a.b\r\n\r\n", "a.b\r\n\r\n.\r\n"},
       }) {
    INFO(row.data);
    CHECK(dot_stuffed(row.data) == row.wire);
    CHECK(row.wire.substr(row.wire.size() - kFinalDotSize) == ".\r\n");
  }
}

TEST_CASE("an envelope id is written as xtext") {
  CHECK(xtext("0193b3c4-0000.1") == "0193b3c4-0000.1");
  CHECK(xtext("a+b=c d\r\n\xc3\xa4") == "a+2Bb+3Dc+20d+0D+0A+C3+A4");
}

}  // namespace signet

#include "providers/sms_text.h"

#include <catch2/catch.hpp>

#include "base/bytes.h"

namespace signet {
namespace {

const std::string kEuro = "\xe2\x82\xac", kSmile = "\xf0\x9f\x98\x80";

std::string times(int count, const std::string& text) {
  std::string out;
  for (int i = 0; i < count; i++) out += text;
  return out;
}

std::string in(std::string_view text, SmsAlphabet alphabet) {
  auto octets = encode_sms(text, alphabet);
  return octets ? to_hex(*octets) : "none";
}

}  // namespace

TEST_CASE("a text is encoded as its alphabet has it, or not at all") {
  struct Row {
    std::string text, gsm, latin1, ucs2;
  };
  for (const auto& row : std::vector<Row>{
           {"", "", "", ""},
           {"@A_z", "0041117a", "40415f7a", "00400041005f007a"},
           {"\xc3\xa9\xc3\xa0\xc3\xbc\xc3\x9f", "057f7e1e", "e9e0fcdf", "00e900e000fc00df"},
           {"{[~]}\\^|", "1b281b3c1b3d1b3e1b291b2f1b141b40", "7b5b7e5d7d5c5e7c", "007b005b007e005d007d005c005e007c"},
           {kEuro, "1b65", "none", "20ac"},
           {"\xce\x94\xce\xa9\xce\x9e", "10151a", "none", "039403a9039e"},
           {"\xc3\xa7", "none", "e7", "00e7"},  // only the capital is in GSM 03.38
           {"\xc3\x87", "09", "c7", "00c7"},
           {"`", "none", "60", "0060"},
           {"a\nb\r", "610a620d", "610a620d", "0061000a0062000d"},
           {"\xd0\x9f\xd1\x80\xd0\xb8", "none", "none", "041f04400438"},
           {kSmile, "none", "none", "d83dde00"},
           {std::string("a\0", 2), "none", "6100", "00610000"},
           {"\xff", "none", "none", "none"},
           {"\xed\xa0\x80", "none", "none", "none"},  // a surrogate is no UTF-8
       }) {
    INFO(row.text);
    CHECK(in(row.text, SmsAlphabet::gsm) == row.gsm);
    CHECK(in(row.text, SmsAlphabet::latin1) == row.latin1);
    CHECK(in(row.text, SmsAlphabet::ucs2) == row.ucs2);
    for (auto alphabet : {SmsAlphabet::gsm, SmsAlphabet::latin1, SmsAlphabet::ucs2})
      if (auto octets = encode_sms(row.text, alphabet)) CHECK(decode_sms(*octets, alphabet) == row.text);
  }
}

TEST_CASE("all that GSM 03.38 has is there and back") {
  std::string octets;
  for (int i = 0; i < 128; i++)
    if (i != 0x1b) octets += static_cast<char>(i);
  for (char septet : std::string("\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65")) octets += std::string("\x1b") + septet;
  const auto text = decode_sms(octets, SmsAlphabet::gsm);
  CHECK(text.find("\xef\xbf\xbd") == text.npos);
  CHECK(encode_sms(text, SmsAlphabet::gsm) == octets);
}

TEST_CASE("what stands for nothing is read as U+FFFD") {
  const std::string unknown = "\xef\xbf\xbd";
  CHECK(decode_sms("\x80", SmsAlphabet::gsm) == unknown);
  CHECK(decode_sms("\x1b", SmsAlphabet::gsm) == unknown);
  CHECK(decode_sms("\x1b\x01", SmsAlphabet::gsm) == unknown + "\xc2\xa3");
  CHECK(decode_sms("\xd8\x3d", SmsAlphabet::ucs2) == unknown);
  CHECK(decode_sms(std::string("\xde\x00\x00\x61", 4), SmsAlphabet::ucs2) == unknown + "a");
  CHECK(decode_sms(std::string("\xd8\x3d\x00\x61", 4), SmsAlphabet::ucs2) == unknown + "a");
  CHECK(decode_sms(std::string("\x00\x61\x00", 3), SmsAlphabet::ucs2) == "a");  // half a unit is none
}

TEST_CASE("a text goes in as few parts as can be, and no character is cut in two") {
  struct Row {
    std::string text;
    SmsAlphabet alphabet;
    SmsJoin join;
    std::vector<size_t> sizes;
  };
  using enum SmsAlphabet;
  using enum SmsJoin;
  for (const auto& row : std::vector<Row>{
           {"", gsm, header, {0}},
           {times(160, "a"), gsm, header, {160}},
           {times(161, "a"), gsm, header, {153, 8}},
           {times(306, "a"), gsm, header, {153, 153}},
           {times(307, "a"), gsm, tlv, {153, 153, 1}},
           {times(161, "a"), gsm, wide_header, {152, 9}},
           {times(80, kEuro), gsm, header, {160}},
           {times(81, kEuro), gsm, header, {152, 10}},  // 153 would cut the 77th
           {times(152, "a") + kEuro + times(20, "a"), gsm, header, {152, 22}},
           {times(70, "\xd0\x9f"), ucs2, header, {140}},
           {times(71, "\xd0\x9f"), ucs2, header, {134, 8}},
           {times(71, "\xd0\x9f"), ucs2, wide_header, {132, 10}},
           {times(35, kSmile), ucs2, header, {140}},
           {times(36, kSmile), ucs2, header, {132, 12}},  // 67 units would cut the 34th
           {times(140, "\xc3\xa9"), latin1, header, {140}},
           {times(141, "\xc3\xa9"), latin1, header, {134, 7}},
           {times(141, "\xc3\xa9"), latin1, wide_header, {133, 8}},
       }) {
    INFO(row.text);
    const auto octets = encode_sms(row.text, row.alphabet);
    REQUIRE(octets);
    std::vector<size_t> sizes;
    std::string again;
    for (const auto& part : split_sms(*octets, row.alphabet, row.join)) {
      sizes.push_back(part.size());
      again += decode_sms(part, row.alphabet);
    }
    CHECK(sizes == row.sizes);
    CHECK(again == row.text);
  }
}

TEST_CASE("a part says of how many it is which") {
  CHECK(to_hex(sms_header(SmsJoin::header, 0x1234, 3, 2)) == "050003340302");
  CHECK(to_hex(sms_header(SmsJoin::wide_header, 0x1234, 3, 2)) == "06080412340302");
  for (auto join : {SmsJoin::header, SmsJoin::wide_header})
    CHECK(without_sms_header(sms_header(join, 7, 2, 1) + "text") == "text");
  CHECK(without_sms_header("").empty());
  CHECK(without_sms_header("\x09"
                           "abc") ==
        "\x09"
        "abc");
}

}  // namespace signet

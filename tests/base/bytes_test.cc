#include "base/bytes.h"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

using namespace signet;

namespace {

struct Pair {
  std::string octets, text;
};

std::string form(std::string_view value) {
  std::string out;
  append_form(out, value);
  return out;
}

}  // namespace

TEST_CASE("hexadecimal is written in lower case and read in both") {
  const std::vector<Pair> table = {{"", ""}, {std::string("\0\x01\xfe\xff", 4), "0001feff"}, {"\xde\xad", "dead"}};
  for (const auto& [octets, text] : table) {
    CHECK(to_hex(octets) == text);
    CHECK(from_hex(text).value() == octets);
  }
  CHECK(from_hex("DEad").value() == "\xde\xad");
}

TEST_CASE("what is not hexadecimal is refused") {
  for (const char* bad : {"0", "0g", "g0", "0x00", " 00", "00 ", "0\n"}) CHECK_FALSE(from_hex(bad).ok());
  CHECK_FALSE(from_hex(std::string_view("0\0", 2)).ok());
}

TEST_CASE("base64 gives the vectors of RFC 4648") {
  const std::vector<Pair> table = {{"", ""},
                                   {"f", "Zg=="},
                                   {"fo", "Zm8="},
                                   {"foo", "Zm9v"},
                                   {"foob", "Zm9vYg=="},
                                   {"fooba", "Zm9vYmE="},
                                   {"foobar", "Zm9vYmFy"},
                                   {"\xfb\xff", "+/8="}};
  for (const auto& [octets, text] : table) {
    CHECK(to_base64(octets) == text);
    CHECK(from_base64(text).value() == octets);
  }
}

TEST_CASE("base64 that is cut, padded wrongly, of another alphabet or of a second spelling is refused") {
  for (const char* bad :
       {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zg==Zg==", "Zm9v\n", "Zm 9", "-_8=", "Zh==", "Zm9=", "Z=g="})
    CHECK_FALSE(from_base64(bad).ok());
}

TEST_CASE("base64url has neither padding nor + nor /") {
  const std::vector<Pair> table = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"\xfb\xff", "-_8"}};
  for (const auto& [octets, text] : table) {
    CHECK(to_base64url(octets) == text);
    CHECK(from_base64url(text).value() == octets);
  }
  for (const char* bad : {"Z", "Zg==", "+/8", "Zh", "Zm9", "Zm9vY"}) CHECK_FALSE(from_base64url(bad).ok());
}

TEST_CASE("a form value is written as browsers write it and read back") {
  CHECK(form("a b&c=d+e/ü~*-._") == "a+b%26c%3Dd%2Be%2F%C3%BC%7E*-._");
  CHECK(form(std::string_view("\0\n", 2)) == "%00%0A");
  std::string all;
  for (int c = 0; c < 256; c++) all += static_cast<char>(c);
  CHECK(from_form(form(all)).value() == all);
  CHECK(from_form("%c3%BC+x").value() == "ü x");
}

TEST_CASE("a form value with half an escape is refused") {
  for (const char* bad : {"%", "a%", "%1", "a%1", "%g0", "%0g", "%%41", "% 1"}) CHECK_FALSE(from_form(bad).ok());
}

TEST_CASE("numbers are big endian") {
  std::string out;
  append_u16(out, 0x0102);
  append_u32(out, 0x03040506);
  append_u64(out, 0x0708090a0b0c0d0e);
  CHECK(to_hex(out) == "0102030405060708090a0b0c0d0e");
  CHECK(read_big_endian(std::string_view(out).substr(0, 2)) == 0x0102);
  CHECK(read_big_endian(std::string_view(out).substr(6)) == 0x0708090a0b0c0d0e);
  CHECK(read_big_endian("") == 0);
  CHECK(read_big_endian("\xff\xff\xff\xff\xff\xff\xff\xff") == UINT64_MAX);
}

TEST_CASE("constant time comparison tells every changed byte") {
  const std::string text = "the quick brown fox";
  CHECK(is_equal_constant_time(text, text));
  CHECK(is_equal_constant_time("", ""));
  CHECK_FALSE(is_equal_constant_time(text, "the quick brown"));
  CHECK_FALSE(is_equal_constant_time("", "x"));
  for (size_t i = 0; i < text.size(); i++) {
    std::string changed = text;
    changed[i] ^= 1;
    CHECK_FALSE(is_equal_constant_time(text, changed));
  }
}

TEST_CASE("UTF-8 of every length is accepted at its bounds") {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Grüße 🙂"})
    CHECK(is_utf8(good));
  CHECK(is_utf8(std::string_view("\0", 1)));
}

TEST_CASE("overlong forms, surrogates, cut sequences and points past U+10FFFF are not UTF-8") {
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe0\xa0",
                          "\xed\xa0\x80", "\xed\xbf\xbf", "\xef\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "ok\xfe", "\xe2\x82\x41"})
    CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("lower case is ASCII's alone") {
  CHECK(lower_case("Retry-AFTER \xc3\x84 [@Z`") == "retry-after \xc3\x84 [@z`");
  CHECK(lower_case("") == "");
}

#include "base/canonical_json.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/base/files.h"
#include "tests/fakes/random.h"

using namespace signet;
using Catch::Matchers::Contains;

namespace {

const nlohmann::json& vectors() {
  static const auto loaded = nlohmann::json::parse(read_file(SIGNET_SOURCE_DIR "/tests/base/jcs_vectors.json"));
  return loaded;
}

double double_of(const std::string& hexadecimal) {
  return std::bit_cast<double>(read_big_endian(from_hex(hexadecimal).value()));
}

std::string canonical(std::string_view json) { return canonicalize(json).value(); }
std::string refusal(std::string_view json) {
  const auto result = canonicalize(json);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::invalid);
  return result.error().text;
}

}  // namespace

TEST_CASE("the objects of the JCS test data take their canonical form") {
  for (const auto& vector : vectors()["objects"]) {
    INFO(vector["name"]);
    const std::string form = canonical(vector["input_utf8"].get<std::string>());
    CHECK(form == vector["canonical_utf8"].get<std::string>());
    CHECK(to_hex(form) == vector["canonical_hex"].get<std::string>());
    CHECK(to_hex(view(sha256(form))) == vector["sha256"].get<std::string>());
    CHECK(canonical(form) == form);
  }
}

TEST_CASE("the numbers of RFC 8785 appendix B are written as ECMAScript does") {
  for (const auto& vector : vectors()["numbers_ieee754_hex_to_text"]) {
    const std::string text = vector["text"];
    CHECK(canonical_number(double_of(vector["hex"])) == text);
    CHECK(canonical(text) == text);
  }
}

TEST_CASE("numbers that overflow a double are refused") {
  for (const char* bad : {"1e309", "-1e309", "[1e400]", "1E+99999"}) CHECK_THAT(refusal(bad), Contains("overflows"));
  for (const char* bad : {"Infinity", "NaN", "-Infinity"}) refusal(bad);
  CHECK(canonical("1e-400") == "0");
}

TEST_CASE("each written number reads back as the same double") {
  SeededRandom random(1);
  for (int i = 0; i < 100'000; i++) {
    const double value = std::bit_cast<double>(random.next());
    if (!std::isfinite(value)) continue;
    const std::string text = canonical_number(value);
    REQUIRE(std::strtod(text.c_str(), nullptr) == value);
    if (i % 16 == 0) REQUIRE(canonical(text) == text);
  }
}

TEST_CASE("the numbers of the ECMAScript test file are written to the byte") {
  const auto& file = vectors()["es6_number_file"];
  std::string lines;
  size_t written = 0;
  const auto write = [&](uint64_t bits) {
    std::string octets;
    append_u64(octets, bits);
    std::string digits = to_hex(octets);
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    lines += digits + ',' + canonical_number(std::bit_cast<double>(bits)) + '\n';
    written++;
    const std::string count = std::to_string(written);
    if (!file["sha256"].contains(count)) return;
    CHECK(lines.size() == file["bytes"][count]);
    CHECK(to_hex(view(sha256(lines))) == file["sha256"][count]);
  };
  for (const std::string bits : file["first_bits"]) write(read_big_endian(from_hex(bits).value()));
  for (uint64_t i = 0; i < 2000; i++) write((uint64_t{1} << 52) + i);
  Digest block{};
  while (written < 10'000) {
    block = sha256(view(block));
    for (size_t i = 0; i < block.size() && written < 10'000; i += 8) {
      const uint64_t bits = __builtin_bswap64(read_big_endian(view(block).substr(i, 8)));
      const double value = std::bit_cast<double>(bits);
      if (value != 0 && std::isfinite(value)) write(bits);
    }
  }
}

TEST_CASE("the bounds of plain notation are those of ECMAScript") {
  CHECK(canonical_number(1e20) == "100000000000000000000");
  CHECK(canonical_number(1e21) == "1e+21");
  CHECK(canonical_number(123456789012345680000.0) == "123456789012345680000");
  CHECK(canonical_number(1.5e300) == "1.5e+300");
  CHECK(canonical_number(1e-6) == "0.000001");
  CHECK(canonical_number(1.25e-7) == "1.25e-7");
  CHECK(canonical_number(-0.0) == "0");
  CHECK(canonical_number(100) == "100");
  CHECK(canonical_number(-12.5) == "-12.5");
}

TEST_CASE("integers beyond 2^53 round as doubles do") {
  CHECK(canonical("9007199254740993") == "9007199254740992");
  CHECK(canonical("18446744073709551615") == "18446744073709552000");
  CHECK(canonical("-9223372036854775808") == "-9223372036854776000");
  CHECK(canonical("100000000000000000000000") == "1e+23");
  CHECK(canonical("-0") == "0");
  CHECK(canonical("-0.0e0") == "0");
}

TEST_CASE("members are sorted by UTF-16 code units") {
  // RFC 8785 section 3.2.3: U+FB33 comes after the surrogate pair of U+1F600.
  CHECK(
      canonical(R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",)"
                R"("\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O"})") ==
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"ö\":\"Latin Small Letter O\",\"€\":\"Euro "
      "Sign\",\"😀\":\"Emoji: Grinning Face\",\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
  CHECK(canonical("{\"ab\":1,\"a\":2,\"\":3,\"B\":4}") == R"({"":3,"B":4,"a":2,"ab":1})");
  CHECK(canonical("{\"\xed\x9f\xbf\":1,\"\xf4\x8f\xbf\xbf\":2,\"\xee\x80\x80\":3,\"\xf0\x90\x80\x80\":4}") ==
        "{\"\xed\x9f\xbf\":1,\"\xf0\x90\x80\x80\":4,\"\xf4\x8f\xbf\xbf\":2,\"\xee\x80\x80\":3}");
}

TEST_CASE("a member that is there twice is refused by name, however it is spelled") {
  CHECK_THAT(refusal(R"({"to":1,"text":2,"to":3})"), Contains("\"to\""));
  CHECK_THAT(refusal(R"({"a":{"b":1,"\u0062":2}})"), Contains("\"b\""));
  CHECK(canonical(R"([{"a":1},{"a":1}])") == R"([{"a":1},{"a":1}])");
}

TEST_CASE("lone surrogates and bad UTF-8 are refused") {
  for (const char* bad : {R"("\ud800")", R"("\udc00")", R"("\ud800\ud800")", R"("\ud800x")", R"({"\udead":1})"})
    refusal(bad);
  for (const char* bad : {"\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"", "{\"\x80\":1}"}) refusal(bad);
}

TEST_CASE("strings are escaped in the one way") {
  std::string text;
  append_json_string(text, std::string_view("\0\b\t\n\f\r\x1f\"\\/\x7f€", 14));
  CHECK(text == "\"\\u0000\\b\\t\\n\\f\\r\\u001f\\\"\\\\/\x7f€\"");
  CHECK(canonical(text) == text);
}

TEST_CASE("what is not JSON is refused without quoting it") {
  for (const char* bad :
       {"",          " ",     "{",   "[1,]", "{\"a\":}",   "{a:1}", "'a'",     "01",     "1.",
        ".5",        "+1",    "0x1", "nul",  "true false", "[1] 2", "// c\n1", "\"\n\"", "\xef\xbb\xbf{}",
        "{\"a\" 1}", "[1 2]", "-"})
    refusal(bad);
  refusal(std::string_view("{}\0{}", 5));
  refusal(std::string_view("\"a\0b\"", 5));
  CHECK_THAT(refusal("{\"to\": Margarete}"), !Contains("Marg"));
}

TEST_CASE("sixty-four levels are the most") {
  const auto nested = [](size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  CHECK(canonical(nested(64)) == nested(64));
  CHECK_THAT(refusal(nested(65)), Contains("64 levels"));
  refusal(std::string(1'000'000, '['));
  std::string objects;
  for (int i = 0; i < 65; i++) objects += "{\"a\":";
  CHECK_THAT(refusal(objects), Contains("64 levels"));
}

TEST_CASE("white space goes and values of every kind stay") {
  CHECK(canonical(" \t\r\n{ \"b\" : [ ] , \"a\" : { } , \"c\" : [ null , true , false , \"\" , 1.50 ] } \n") ==
        R"({"a":{},"b":[],"c":[null,true,false,"",1.5]})");
  CHECK(canonical(R"(["",""])") == R"(["",""])");
  CHECK(canonical("[[],[]]") == "[[],[]]");
  CHECK(canonical("\"x\"") == "\"x\"");
}

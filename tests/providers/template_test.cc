#include "providers/template.h"

#include <catch2/catch.hpp>

namespace signet {
namespace {

std::string filled(const std::string& text, TemplateFormat format, const std::string& value) {
  const auto made = Template::parse(text, {"to", "to_digits"});
  REQUIRE(made);
  return made->fill(format, [&](std::string_view name) { return name == "to" ? value : "1"; });
}

}  // namespace

TEST_CASE("a template's places are filled, and other braces stand for themselves") {
  const struct {
    const char *text, *result;
  } rows[] = {{"", ""},
              {"no places", "no places"},
              {"{to}", "x"},
              {"{to}{to_digits}{to}", "x1x"},
              {R"({"to":"{to}","more":{}})", R"({"to":"x","more":{}})"},
              {"{{to}}", "{x}"},
              {"{to", "{to"},
              {"{To} {1} { to } {}", "{To} {1} { to } {}"},
              {"}{", "}{"}};
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK(filled(row.text, TemplateFormat::plain, "x") == row.result);
  }
}

TEST_CASE("what is written into a template cannot leave its place") {
  const std::string value = "a\"b\\c\n<d>&'e=\x01\xff";
  const struct {
    TemplateFormat format;
    const char* result;
  } rows[] = {{TemplateFormat::plain, "[a\"b\\c\n<d>&'e=\x01\xff]"},
              {TemplateFormat::json, "[a\\\"b\\\\c\\n<d>&'e=\\u0001\xef\xbf\xbd]"},
              {TemplateFormat::form, "[a%22b%5Cc%0A%3Cd%3E%26%27e%3D%01%FF]"},
              {TemplateFormat::xml, "[a&quot;b\\c\n&lt;d&gt;&amp;&apos;e= \xff]"}};
  for (const auto& row : rows) CHECK(filled("[{to}]", row.format, value) == row.result);
  CHECK(filled("{to}", TemplateFormat::plain, "{to}") == "{to}");
}

TEST_CASE("a template with a place that nobody knows is refused by its name") {
  const auto made = Template::parse("{to} {patient}", {"to", "id"});
  REQUIRE(!made);
  CHECK(made.error().text.find("{patient}") != std::string::npos);
  CHECK(made.error().text.find("{id}") != std::string::npos);
  CHECK(Template::parse("{id}", {"id"})->has("id"));
  CHECK_FALSE(Template::parse("id", {"id"})->has("id"));
}

}  // namespace signet

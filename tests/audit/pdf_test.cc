// What pdftotext (poppler) reads back. To look at one: SIGNET_SAMPLES=/tmp/x audit_test "[pdf]", then pdftoppm -png.
#include "audit/pdf.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "tests/base/files.h"
#include "tests/fakes/output_of.h"

using namespace signet;

namespace {

PdfStyle style(const std::string& title) {
  PdfStyle out;
  out.title = title;
  out.footer = "Signet. A test's document.";
  out.created_at = {1'767'225'600'000'000};
  return out;
}

std::string finished(PdfDocument& document) {
  StringSink sink;
  REQUIRE(document.finish(sink).ok());
  return sink.text;
}

std::string text_of(const std::string& pdf, const std::string& name) {
  TestDir folder;
  const char* kept = std::getenv("SIGNET_SAMPLES");
  const std::string path = kept ? std::string(kept) + "/" + name + ".pdf" : folder / (name + ".pdf");
  std::ofstream(path, std::ios::binary) << pdf;
  return output_of("pdftotext -q -layout " + path + " -");
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a document says what was put in, in any script the font has", "[pdf]") {
  auto document = PdfDocument::make(style("Audit export"));
  REQUIRE(document.ok());
  (*document)->heading(1, "Audit export");
  (*document)->paragraph("Grüße, Ελληνικά, Кириллица, naïve café, “quotes” – 45 % → 55 %, ½ × 2");
  (*document)->heading(2, "A second heading");
  (*document)->paragraph("first line\nsecond line");
  (*document)->paragraph(std::string("broken \xff octet, \xf0\x9f\x98\x80 beyond, control \x01."));
  const std::string text = text_of(finished(**document), "scripts");
  for (const char* part :
       {"Audit export", "Grüße, Ελληνικά, Кириллица, naïve café, “quotes” – 45 % → 55 %, ½ × 2", "A second heading",
        "first line\n", "second line", "broken \ufffd octet, \ufffd beyond, control \ufffd.", "page 1 of 1",
        "Signet. A test's document."}) {
    CAPTURE(part, text);
    CHECK(has(text, part));
  }
}

TEST_CASE("a table goes over pages, each with its head and number, and long words stay in their column", "[pdf]") {
  PdfStyle wide = style("Audit export 2026-01-01 to 2026-02-01");
  wide.is_landscape = true;
  wide.footer =
      "SHA-256 of the data 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08; checkpoint of "
      "size 1234567 with root 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
  auto document = PdfDocument::make(wide);
  REQUIRE(document.ok());
  (*document)->heading(1, "Audit export");
  (*document)->paragraph("Purpose: compliance. Filters: action, from, to.");
  (*document)->table(
      {{"seq", 4, true}, {"at", 12}, {"action", 10}, {"actor", 14}, {"object", 14}, {"status", 7}, {"detail", 22}});
  for (int i = 0; i < 200; i++)
    (*document)->row(
        {std::to_string(100000 + i), "2026-01-01T00:00:00.123Z", i % 3 ? "delivery_confirmed" : "content_read",
         "0190a000-0000-7000-8000-00000000000a", "message 0190a000-0000-7000-8000-00000000000c", "delivered",
         i == 7 ? std::string(900, 'x') : "attempt=1, final=true, outcome=accepted, provider=twilio-main"});
  (*document)->end_table();
  (*document)->paragraph("The end.");
  const std::string pdf = finished(**document);
  CHECK(pdf.size() < 400'000);  // compressed, and only the font's used glyphs
  const std::string text = text_of(pdf, "table");
  const size_t pages = static_cast<size_t>(std::count(text.begin(), text.end(), '\f'));
  CHECK(pages > 5);
  for (size_t i = 1; i <= pages; i++) CHECK(has(text, "page " + std::to_string(i) + " of " + std::to_string(pages)));
  size_t heads = 0;
  for (size_t at = 0; (at = text.find("seq ", at)) != std::string::npos; at++) heads++;
  CHECK(heads == pages);
  for (int i = 0; i < 200; i++) CHECK(has(text, std::to_string(100000 + i)));
  CHECK(std::count(text.begin(), text.end(), 'x') >= 900);
  CHECK(has(text, "The end."));
}

TEST_CASE("a table that begins at a page's foot goes to the next one, with one head", "[pdf]") {
  int heads = 0, pages_most = 0;
  for (int lines = 40; lines < 90; lines++) {  // among these the paper ends right above the table
    auto document = PdfDocument::make(style("Foot"));
    REQUIRE(document.ok());
    for (int i = 0; i < lines; i++) (*document)->paragraph("a line");
    (*document)->table({{"Onlyhead", 1}});
    (*document)->row({"cell"});
    (*document)->end_table();
    const std::string text = text_of(finished(**document), "foot");
    pages_most = std::max(pages_most, has(text, "page 2 of 2") ? 2 : 1);
    for (size_t at = text.find("Onlyhead"); at != std::string::npos; at = text.find("Onlyhead", at + 1)) heads++;
  }
  CHECK(pages_most == 2);
  CHECK(heads == 50);
}

TEST_CASE("a row longer than a page is cut, not lost", "[pdf]") {
  auto document = PdfDocument::make(style("Long"));
  REQUIRE(document.ok());
  (*document)->table({{"a"}, {"b"}});
  std::string words;
  for (int i = 0; i < 3000; i++) words += "w" + std::to_string(i) + " ";
  (*document)->row({words, "short"});
  (*document)->end_table();
  const std::string text = text_of(finished(**document), "long");
  CHECK(std::count(text.begin(), text.end(), '\f') > 1);
  for (int i = 0; i < 3000; i++) CHECK(has(text, "w" + std::to_string(i)));
}

TEST_CASE("a font that is not there is named with its package", "[pdf]") {
  PdfStyle no_font = style("x");
  no_font.font_path = "/nowhere/DejaVuSans.ttf";
  const auto refused = PdfDocument::make(no_font);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::not_found);
  CHECK(has(refused.error().text, "fonts-dejavu-core"));
}

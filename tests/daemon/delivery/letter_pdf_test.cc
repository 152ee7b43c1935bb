#include "daemon/delivery/letter_pdf.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/base/files.h"
#include "tests/daemon/delivery/delivery_world.h"
#include "tests/fakes/output_of.h"

using namespace signet;
using namespace signet::test;

namespace {

std::string text_of(const std::string& pdf) {
  TestDir folder;
  std::ofstream(folder / "letter.pdf", std::ios::binary) << pdf;
  return output_of("pdftotext -q -layout " + (folder / "letter.pdf") + " -");
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a letter's PDF says its subject and its text, line by line, on as many pages as that takes") {
  std::string body = "Grüße aus der Praxis.\n\nHb 6.2 g/dL\n";
  for (int i = 0; i < 200; i++) body += "line " + std::to_string(i) + "\n";
  const auto pdf = letter_pdf("Befund, 22. November", body, WallTime{1'795'305'600'000'000});
  REQUIRE(pdf.ok());
  CHECK(pdf->starts_with("%PDF-"));
  const auto text = text_of(*pdf);
  for (const char* part :
       {"Befund, 22. November", "Grüße aus der Praxis.", "Hb 6.2 g/dL", "line 0\n", "line 199", "page 1 of "})
    CHECK(has(text, part));
  CHECK_FALSE(has(text, "page 1 of 1\n"));
  CHECK(*pdf == *letter_pdf("Befund, 22. November", body, WallTime{1'795'305'600'000'000}));
  const auto bare = letter_pdf("", "Only this.", WallTime{1'795'305'600'000'000});
  REQUIRE(bare.ok());
  CHECK(has(text_of(*bare), "Only this."));
}

TEST_CASE_METHOD(World,
                 "a provider that wants a letter's PDF gets it beside the approved text, and no e-mail has one") {
  routes = Routes{{Route{Kind::letter, {}, {}, {{"relay", 100}}}, Route{Kind::email, {}, {}, {{"relay", 100}}}}};
  start();
  const Uuid letter = approve(Priority::normal, Kind::letter, "Dear Anna, all is well.");
  at(letter).due->lane = "letter";
  offer(letter);
  REQUIRE(comes([&] { return status(letter) == Status::sent; }));
  const Uuid email = offered(Priority::normal, Kind::email);
  REQUIRE(comes([&] { return status(email) == Status::sent; }));
  REQUIRE(script.sent.size() == 2);
  CHECK(script.sent[0].body.reveal() == "Dear Anna, all is well.");
  const auto text = text_of(script.sent[0].pdf.reveal());
  CHECK(has(text, "Dear Anna, all is well."));
  CHECK(has(text, "subject"));
  CHECK(script.sent[1].pdf.reveal().empty());
}

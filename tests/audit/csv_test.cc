#include "audit/csv.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace signet;

namespace {

std::string row(const std::vector<std::string>& cells) {
  StringSink sink;
  CsvWriter csv(sink);
  REQUIRE(csv.row(cells).ok());
  return sink.text;
}

}  // namespace

TEST_CASE("a row ends with CRLF, and only what needs quotes has them") {
  CHECK(row({"a", "", "b c", "Ångström Ελληνικά"}) == "a,,b c,Ångström Ελληνικά\r\n");
  CHECK(row({"a,b", "say \"so\"", "two\nlines", " blank "}) ==
        "\"a,b\",\"say \"\"so\"\"\",\"two\nlines\",\" blank \"\r\n");
  CHECK(row({}) == "\r\n");
}

TEST_CASE("what a spreadsheet would run as a formula gets an apostrophe in front") {
  for (const std::string cell :
       {"=1+1", "+61491570006", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n-1", "＝1", "＋1", "－1", "＠1"})
    CHECK(row({cell}) == "\"'" + cell + "\"\r\n");
  for (const std::string cell : {"a=1", "1-2", "x@example.org", "", " ", "'=1"}) {
    CAPTURE(cell);
    CHECK(row({cell}).find("'" + cell + "'") == std::string::npos);
    CHECK_FALSE(row({cell}).starts_with("\"'"));
  }
  CHECK(row({"=HYPERLINK(\"http://x\")"}) == "\"'=HYPERLINK(\"\"http://x\"\")\"\r\n");
}

TEST_CASE("a sink that takes no more is told of") {
  struct Full : Sink {
    Result<void> write(std::string_view) override { return Error{ErrorCode::limit, "full"}; }
  } full;
  const auto refused = CsvWriter(full).row(std::vector<std::string>{"a"});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::limit);
}

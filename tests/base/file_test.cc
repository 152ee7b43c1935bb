#include "base/file.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/base/files.h"

using namespace signet;

TEST_CASE("a new file is written once, with the mode asked for") {
  TestDir dir;
  const std::string path = dir / "8.checkpoint";
  REQUIRE(write_new_file(path, "first", 0444).ok());
  auto again = write_new_file(path, "second", 0444);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == ErrorCode::conflict);
  CHECK(read_file(path) == "first");
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::mask) == std::filesystem::perms(0444));
  auto nowhere = write_new_file(dir / "none/file", "x", 0600);
  REQUIRE_FALSE(nowhere.ok());
  CHECK_THAT(nowhere.error().text, Catch::Contains(dir / "none/file"));
}

TEST_CASE("a file is replaced as a whole, also over what a crash left") {
  TestDir dir;
  dir.put("state.new", "a part of something longer");
  REQUIRE(replace_file(dir / "state", "one", 0600).ok());
  REQUIRE(replace_file(dir / "state", "two", 0600).ok());
  CHECK(read_file(dir / "state") == "two");
  CHECK_FALSE(std::filesystem::exists(dir / "state.new"));
  CHECK(read_octets(dir / "state", 3).value() == "two");
  CHECK(read_octets(dir / "state", 2).error().code == ErrorCode::limit);
  CHECK(read_octets(dir / "other", 3).error().code == ErrorCode::not_found);
}

TEST_CASE("folders are made for their owner only") {
  TestDir dir;
  REQUIRE(make_folders(dir / "a/b").ok());
  REQUIRE(make_folders(dir / "a/b").ok());
  CHECK((std::filesystem::status(dir / "a/b").permissions() & std::filesystem::perms::mask) ==
        std::filesystem::perms(0700));
}

TEST_CASE("any text is one name in a folder, and another for another text") {
  CHECK(file_name_of("signet/audit") == "signet%2Faudit");
  CHECK(file_name_of("signet%2Faudit") == "signet%252Faudit");
  CHECK(file_name_of("..") == "%2E.");
  CHECK(file_name_of("a b+c") == "a+b%2Bc");
}

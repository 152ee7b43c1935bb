// What must always hold has numbers, I1 to I16 (design: engine). Each has a test whose name begins with its number, so
// that `ctest` and a reader find it: TEST_CASE("I3 one send per attempt, though libcurl repeats a POST silently").

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kInvariants = 16;

// Number -> the names of its tests. A name may stand on the line after the macro, and after the name of a fixture.
std::map<int, std::vector<std::string>> numbered_tests(const std::string& text) {
  static const std::regex test(R"re(\b[A-Z_]*TEST[A-Z_]*\(\s*(?:\w+,\s*)?"(I([0-9]+) [^"]+)")re");
  std::map<int, std::vector<std::string>> out;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), test); at != std::sregex_iterator(); ++at)
    out[std::stoi((*at)[2])].push_back((*at)[1]);
  return out;
}

}  // namespace

TEST_CASE("a numbered test is found under each macro, on one line or two") {
  const auto found = numbered_tests(
      "TEST_CASE(\"I3 a\") {\nTEST_CASE_METHOD(Fixture,\n    \"I11 b\", \"[x]\") {\nQUEUE_TEST(\"I12 c\")\n"
      "TEMPLATE_TEST_CASE(\n    \"I3 d\", \"\", A, B)\nTEST_CASE(\"It is none\")\nCHECK(\"I4 none\")\n"
      "TEST_CASE(\"I5\")\n");
  CHECK(found == std::map<int, std::vector<std::string>>{{3, {"I3 a", "I3 d"}}, {11, {"I11 b"}}, {12, {"I12 c"}}});
}

TEST_CASE("each of I1 to I16 has a test whose name begins with its number, and there is no other number") {
  std::map<int, std::vector<std::string>> found;
  for (const auto& file : std::filesystem::recursive_directory_iterator(SIGNET_SOURCE_DIR "/tests")) {
    if (file.path().extension() != ".cc" || file.path().filename() == "invariants_test.cc") continue;
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    for (auto& [number, names] : numbered_tests(text.str()))
      found[number].insert(found[number].end(), names.begin(), names.end());
  }
  for (int number = 1; number <= kInvariants; number++) {
    INFO("I" << number);
    CHECK(found.contains(number));
  }
  CHECK(found.upper_bound(kInvariants) == found.end());
  CHECK_FALSE(found.contains(0));
}

#include "base/result.h"

#include <catch2/catch.hpp>
#include <memory>

using namespace signet;

namespace {

Result<int> half(int of) {
  if (of % 2 != 0) return Error{ErrorCode::invalid, "odd"};
  return of / 2;
}
Result<void> nothing(bool fails) {
  if (fails) return Error{ErrorCode::limit, "full"};
  return {};
}

}  // namespace

TEST_CASE("a result holds either the value or the error") {
  const auto good = half(8);
  REQUIRE(good);
  CHECK(*good == 4);
  const auto bad = half(7);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == ErrorCode::invalid);
  CHECK(bad.error().text == "odd");
  CHECK(nothing(false).ok());
  CHECK(nothing(true).error().code == ErrorCode::limit);
}

TEST_CASE("a value that can only be moved is moved out of its result") {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = std::move(made).value();
  CHECK(*taken == 3);
}

TEST_CASE("an error may be the value of a result's neighbour type") {
  Result<std::string> text = std::string("x");
  CHECK(text->size() == 1);
  text->append("y");
  CHECK(*text == "xy");
}

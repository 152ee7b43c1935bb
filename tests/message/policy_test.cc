#include "message/policy.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/fakes/role_table.h"

namespace signet {
namespace {

void check_table(const std::string& path) {
  INFO(path);
  const auto rows = role_table(path);
  REQUIRE(rows.size() == all_actions().size() + 1);
  REQUIRE(rows[0].size() == 7);
  for (int role = 1; role <= 6; ++role) CHECK(name(static_cast<Role>(role)) == rows[0][static_cast<size_t>(role)]);
  for (size_t i = 0; i < all_actions().size(); ++i) {
    const Action action = all_actions()[i];
    const auto& row = rows[i + 1];
    REQUIRE(row.size() == 7);
    CHECK(title(action) == row[0]);
    for (int role = 1; role <= 6; ++role) {
      INFO(name(action) << " by " << name(static_cast<Role>(role)));
      CHECK(cell(static_cast<Role>(role), action) == row[static_cast<size_t>(role)]);
    }
  }
}

TEST_CASE("each cell of the role table is as documented") { check_table(SIGNET_SOURCE_DIR "/docs/roles.md"); }

TEST_CASE("the documented role table is the designed one, where the design is at hand") {
  const std::string design = SIGNET_SOURCE_DIR "/../shared/design/product.md";
  if (std::filesystem::exists(design)) check_table(design);
}

TEST_CASE("equal cells of a row are equal grants, and different ones different") {
  for (const Action action : all_actions())
    for (int a = 1; a <= 6; ++a)
      for (int b = 1; b <= 6; ++b) {
        const auto x = static_cast<Role>(a), y = static_cast<Role>(b);
        CHECK((grant(x, action) == grant(y, action)) == (cell(x, action) == cell(y, action)));
        CHECK((grant(x, action) == grant(y, action)) == (name(grant(x, action)) == name(grant(y, action))));
      }
}

TEST_CASE("each word is read back as what it names") {
  for (int i = 1; i <= 6; ++i) CHECK(parse_role(name(static_cast<Role>(i))) == static_cast<Role>(i));
  for (int i = 1; i <= 11; ++i) CHECK(parse_status(name(static_cast<Status>(i))) == static_cast<Status>(i));
  for (int i = 1; i <= 4; ++i) CHECK(parse_priority(name(static_cast<Priority>(i))) == static_cast<Priority>(i));
  for (int i = 1; i <= 3; ++i) {
    CHECK(parse_kind(name(static_cast<Kind>(i))) == static_cast<Kind>(i));
    CHECK(parse_delivery_method(name(static_cast<DeliveryMethod>(i))) == static_cast<DeliveryMethod>(i));
  }
  for (int i = 1; i <= 2; ++i) CHECK(parse_risk_level(name(static_cast<RiskLevel>(i))) == static_cast<RiskLevel>(i));
  CHECK_FALSE(parse_role("Staff").has_value());
  CHECK_FALSE(parse_status("").has_value());
}

}  // namespace
}  // namespace signet

#include "message/policy.h"

#include <catch2/catch.hpp>
#include <map>

namespace signet {
namespace {

// Columns: staff, reviewer, doctor, admin, auditor, service; typed in from design/product.md, "Roles".
const std::map<std::string, std::array<std::string, 6>> kTable{
    {"draft", {"yes", "yes", "yes", "yes", "no", "yes"}},
    {"review", {"no", "yes", "yes", "no", "no", "no"}},
    {"approve_letter", {"no", "no", "named", "no", "no", "no"}},
    {"second_signature", {"no", "yes", "yes", "no", "no", "no"}},
    {"send_directly", {"no", "yes", "yes", "yes", "no", "no"}},
    {"cancel", {"own", "yes", "yes", "yes", "no", "own"}},
    {"resolve", {"no", "yes", "letters", "no", "no", "no"}},
    {"operate", {"no", "no", "no", "yes", "no", "no"}},
    {"administer", {"no", "no", "no", "yes", "no", "no"}},
    {"read_messages", {"own", "scope", "scope", "metadata", "metadata", "own"}},
    {"read_audit", {"own", "scope", "scope", "yes", "yes", "no"}},
    {"export_evidence", {"no", "no", "no", "yes", "yes", "no"}},
};

TEST_CASE("each cell of the role table is as designed") {
  CHECK(all_actions().size() == kTable.size());
  for (const Action action : all_actions()) {
    const auto row = kTable.find(std::string(name(action)));
    REQUIRE(row != kTable.end());
    for (int role = 1; role <= 6; ++role) {
      INFO(name(action) << " by " << name(static_cast<Role>(role)));
      CHECK(name(grant(static_cast<Role>(role), action)) == row->second[static_cast<size_t>(role) - 1]);
    }
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

#include "message/approval.h"

#include <catch2/catch.hpp>
#include <functional>

namespace signet {
namespace {

Uuid person(int number) {
  Uuid id;
  id.bytes[15] = static_cast<uint8_t>(number);
  return id;
}

ApprovalFacts good() {
  ApprovalFacts f;
  f.status = Status::pending_review;
  f.author_id = person(1);
  f.last_editor_id = person(1);
  f.reviewer_id = person(2);
  f.has_content = f.has_recipient = true;
  return f;
}

std::vector<std::string> codes(const ApprovalFacts& facts) {
  std::vector<std::string> out;
  for (const auto& obstacle : obstacles(facts)) {
    CHECK_FALSE(obstacle.text.empty());
    CHECK(obstacle.is_forbidden == (obstacle.code == "SELF_REVIEW"));
    out.push_back(obstacle.code);
  }
  return out;
}

using Codes = std::vector<std::string>;

TEST_CASE("nothing stands in the way of a good draft") { CHECK(codes(good()).empty()); }

TEST_CASE("each obstacle is named") {
  struct Row {
    std::function<void(ApprovalFacts&)> change;
    std::string code;
  };
  const Row rows[] = {
      {[](auto& f) {
         f.reviewer_id = f.author_id;
         f.last_editor_id = person(3);
       },
       "SELF_REVIEW"},
      {[](auto& f) { f.last_editor_id = f.reviewer_id; }, "SELF_REVIEW"},
      {[](auto& f) { f.has_content = false; }, "CONTENT_EMPTY"},
      {[](auto& f) { f.has_recipient = false; }, "RECIPIENT_MISSING"},
      {[](auto& f) { f.is_suppressed = true; }, "RECIPIENT_SUPPRESSED"},
      {[](auto& f) { f.has_route = false; }, "NO_ROUTE"},
      {[](auto& f) { f.is_expired = true; }, "EXPIRED"},
      {[](auto& f) {
         f.is_direct = true;
         f.risk = RiskLevel::high;
       },
       "HIGH_RISK"},
  };
  for (const auto& row : rows) {
    auto facts = good();
    row.change(facts);
    CHECK(codes(facts) == Codes{row.code});
  }
}

TEST_CASE("only what waits for review is reviewed; a draft may be sent directly") {
  for (int number = 1; number <= 11; ++number) {
    auto facts = good();
    facts.status = static_cast<Status>(number);
    INFO(name(facts.status));
    CHECK(codes(facts).empty() == (facts.status == Status::pending_review));
    facts.is_direct = true;
    const bool is_draft =
        facts.status == Status::pending || facts.status == Status::rejected || facts.status == Status::pending_review;
    CHECK(codes(facts).empty() == is_draft);
  }
}

TEST_CASE("one's own message may be sent directly, not reviewed") {
  auto facts = good();
  facts.reviewer_id = facts.author_id;
  CHECK(codes(facts) == Codes{"SELF_REVIEW"});
  facts.is_direct = true;
  CHECK(codes(facts).empty());
}

TEST_CASE("what is only filed needs no recipient and no route, but a text") {
  auto facts = good();
  facts.method = DeliveryMethod::none;
  facts.has_recipient = facts.has_route = false;
  facts.is_suppressed = facts.is_expired = true;
  CHECK(codes(facts).empty());
  facts.has_content = false;
  CHECK(codes(facts) == Codes{"CONTENT_EMPTY"});
}

TEST_CASE("all obstacles are told at once") {
  ApprovalFacts facts;
  facts.status = Status::sent;
  facts.has_route = false;
  CHECK(codes(facts) == Codes{"NOT_REVIEWABLE", "SELF_REVIEW", "CONTENT_EMPTY", "RECIPIENT_MISSING", "NO_ROUTE"});
}

}  // namespace
}  // namespace signet

#include "message/quorum.h"

#include <catch2/catch.hpp>

namespace signet {
namespace {

constexpr int64_t kHourUs = 3600LL * 1'000'000;
constexpr WallTime kNow{1'800'000'000'000'000};

Uuid person(int number) {
  Uuid id;
  id.bytes[15] = static_cast<uint8_t>(number);
  return id;
}

// 1 author, 2 last editor, 3 physician, 4 delegate, others strangers.
QuorumFacts high_risk(Kind kind, int signer, Role role) {
  QuorumFacts f;
  f.kind = kind;
  f.version = 2;
  f.is_high_risk = true;
  f.author_id = person(1);
  f.last_editor_id = person(2);
  if (kind == Kind::letter) f.physician_id = person(3), f.delegates = {person(4)};
  f.signer = person(signer);
  f.role = role;
  f.now = kNow;
  return f;
}

Signature signed_by(int signer, Role role, int64_t hours_ago = 1, int version = 2) {
  return {person(signer), role, WallTime{kNow.us - hours_ago * kHourUs}, version};
}

std::string told(const QuorumState& state) {
  const std::string counts = std::to_string(state.signatures) + "/" + std::to_string(state.required);
  switch (state.next) {
    case QuorumNext::complete:
      CHECK(state.reason.empty());
      return "complete " + counts;
    case QuorumNext::more_needed:
      CHECK(state.reason.empty());
      return "more " + counts;
    case QuorumNext::refused:
      CHECK_FALSE(state.text.empty());
      CHECK((state.reason == "NOT_THE_PHYSICIAN") == (state.text == "Cannot approve another user's letter"));
      return state.reason + ' ' + counts;
  }
  return "";
}

using Before = std::vector<Signature>;

TEST_CASE("a high-risk message takes two people, one a doctor") {
  struct Row {
    Before before;
    int signer;
    Role role;
    std::string answer;
  };
  const Row rows[] = {
      {{}, 7, Role::reviewer, "more 1/2"},
      {{}, 7, Role::doctor, "more 1/2"},
      {{signed_by(7, Role::reviewer)}, 8, Role::doctor, "complete 2/2"},
      {{signed_by(7, Role::doctor)}, 8, Role::reviewer, "complete 2/2"},
      {{signed_by(7, Role::doctor)}, 8, Role::doctor, "complete 2/2"},
      {{signed_by(7, Role::reviewer)}, 8, Role::reviewer, "DOCTOR_NEEDED 1/2"},
      {{signed_by(7, Role::doctor)}, 7, Role::doctor, "ALREADY_SIGNED 1/2"},
      {{signed_by(7, Role::reviewer)}, 7, Role::doctor, "ALREADY_SIGNED 1/2"},
      // Who wrote or last edited it does not sign.
      {{}, 1, Role::doctor, "SELF_REVIEW 0/2"},
      {{}, 2, Role::reviewer, "SELF_REVIEW 0/2"},
      {{signed_by(7, Role::doctor)}, 2, Role::doctor, "SELF_REVIEW 1/2"},
      {{}, 7, Role::staff, "ROLE 0/2"},
      {{}, 7, Role::admin, "ROLE 0/2"},
      {{signed_by(7, Role::doctor)}, 8, Role::admin, "ROLE 1/2"},
      {{signed_by(7, Role::doctor)}, 8, Role::service, "ROLE 1/2"},
      {{signed_by(7, Role::doctor)}, 8, Role::auditor, "ROLE 1/2"},
      // Lapsed after 24 hours to the microsecond; void after an edit.
      {{signed_by(7, Role::doctor, 23)}, 8, Role::reviewer, "complete 2/2"},
      {{signed_by(7, Role::doctor, 24)}, 8, Role::reviewer, "more 1/2"},
      {{signed_by(7, Role::doctor, 24)}, 7, Role::doctor, "more 1/2"},
      {{signed_by(7, Role::doctor, 1, 1)}, 8, Role::reviewer, "more 1/2"},
      {{signed_by(7, Role::doctor, 1, 1)}, 7, Role::doctor, "more 1/2"},
      // One person twice counts once, whatever is on record.
      {{signed_by(7, Role::reviewer, 3), signed_by(7, Role::reviewer, 2)}, 8, Role::doctor, "complete 2/2"},
  };
  for (const auto kind : {Kind::sms, Kind::email})
    for (const auto& row : rows) {
      INFO(row.signer << " " << name(row.role) << " expects " << row.answer);
      CHECK(told(quorum(high_risk(kind, row.signer, row.role), row.before, {})) == row.answer);
    }
}

TEST_CASE("two signatures of one person do not make a quorum of three") {
  HighRiskPolicy policy;
  policy.quorum = 3;
  const Before twice{signed_by(7, Role::doctor, 3), signed_by(7, Role::doctor, 2)};
  CHECK(told(quorum(high_risk(Kind::sms, 8, Role::reviewer), twice, policy)) == "more 2/3");
  const Before two{signed_by(7, Role::reviewer), signed_by(8, Role::reviewer)};
  CHECK(told(quorum(high_risk(Kind::sms, 9, Role::reviewer), two, policy)) == "DOCTOR_NEEDED 2/3");
  CHECK(told(quorum(high_risk(Kind::sms, 9, Role::doctor), two, policy)) == "complete 3/3");
}

TEST_CASE("a site may lower the quorum to one, or ask for a reviewer only") {
  HighRiskPolicy one;
  one.quorum = 1;
  CHECK(told(quorum(high_risk(Kind::sms, 7, Role::doctor), {}, one)) == "complete 1/1");
  CHECK(told(quorum(high_risk(Kind::sms, 7, Role::reviewer), {}, one)) == "DOCTOR_NEEDED 0/1");
  CHECK(told(quorum(high_risk(Kind::sms, 1, Role::doctor), {}, one)) == "SELF_REVIEW 0/1");
  CHECK(told(quorum(high_risk(Kind::letter, 3, Role::doctor), {}, one)) == "complete 1/1");
  HighRiskPolicy reviewers;
  reviewers.needs_role = Role::reviewer;
  CHECK(told(quorum(high_risk(Kind::sms, 8, Role::reviewer), {signed_by(7, Role::reviewer)}, reviewers)) ==
        "complete 2/2");
  CHECK(told(quorum(high_risk(Kind::sms, 8, Role::doctor), {signed_by(7, Role::doctor)}, reviewers)) == "complete 2/2");
  HighRiskPolicy hasty;
  hasty.lapse_ms = 30 * 60 * 1000;
  CHECK(told(quorum(high_risk(Kind::sms, 8, Role::doctor), {signed_by(7, Role::reviewer)}, hasty)) == "more 1/2");
}

TEST_CASE("a high-risk letter is signed first by its physician or delegate, then by a reviewer or another doctor") {
  struct Row {
    Before before;
    int signer;
    Role role;
    std::string answer;
  };
  const Row rows[] = {
      {{}, 3, Role::doctor, "more 1/2"},
      {{}, 4, Role::doctor, "more 1/2"},
      {{}, 7, Role::doctor, "NOT_THE_PHYSICIAN 0/2"},
      {{}, 7, Role::reviewer, "NOT_THE_PHYSICIAN 0/2"},
      {{}, 7, Role::admin, "NOT_THE_PHYSICIAN 0/2"},
      {{}, 3, Role::reviewer, "NOT_THE_PHYSICIAN 0/2"},  // he is no doctor any more
      {{}, 4, Role::staff, "NOT_THE_PHYSICIAN 0/2"},
      {{signed_by(3, Role::doctor)}, 7, Role::reviewer, "complete 2/2"},
      {{signed_by(3, Role::doctor)}, 7, Role::doctor, "complete 2/2"},
      {{signed_by(4, Role::doctor)}, 7, Role::doctor, "complete 2/2"},
      {{signed_by(3, Role::doctor)}, 4, Role::doctor, "complete 2/2"},
      {{signed_by(3, Role::doctor)}, 3, Role::doctor, "ALREADY_SIGNED 1/2"},
      {{signed_by(3, Role::doctor)}, 7, Role::admin, "ROLE 1/2"},
      {{signed_by(3, Role::doctor)}, 1, Role::reviewer, "SELF_REVIEW 1/2"},
      {{signed_by(3, Role::doctor, 24)}, 7, Role::doctor, "NOT_THE_PHYSICIAN 0/2"},
      {{signed_by(3, Role::doctor, 1, 1)}, 7, Role::doctor, "NOT_THE_PHYSICIAN 0/2"},
      {{signed_by(7, Role::doctor)}, 8, Role::doctor, "NOT_THE_PHYSICIAN 1/2"},
  };
  for (const auto& row : rows) {
    INFO(row.signer << " " << name(row.role) << " expects " << row.answer);
    CHECK(told(quorum(high_risk(Kind::letter, row.signer, row.role), row.before, {})) == row.answer);
  }
}

TEST_CASE("a letter's physician may have written it, and signs it all the same") {
  for (const bool is_high : {false, true}) {
    auto facts = high_risk(Kind::letter, 3, Role::doctor);
    facts.author_id = facts.last_editor_id = person(3);
    facts.is_high_risk = is_high;
    CHECK(told(quorum(facts, {}, {})) == (is_high ? "more 1/2" : "complete 1/1"));
  }
}

TEST_CASE("a letter of normal risk takes its physician or delegate, and nobody else") {
  struct Row {
    int signer;
    Role role;
    std::string answer;
  };
  const Row rows[] = {{3, Role::doctor, "complete 1/1"},          {4, Role::doctor, "complete 1/1"},
                      {7, Role::doctor, "NOT_THE_PHYSICIAN 0/1"}, {7, Role::reviewer, "NOT_THE_PHYSICIAN 0/1"},
                      {3, Role::admin, "NOT_THE_PHYSICIAN 0/1"},  {7, Role::service, "NOT_THE_PHYSICIAN 0/1"}};
  for (const auto& row : rows) {
    auto facts = high_risk(Kind::letter, row.signer, row.role);
    facts.is_high_risk = false;
    CHECK(told(quorum(facts, {}, {})) == row.answer);
  }
  auto nobodys = high_risk(Kind::letter, 7, Role::doctor);
  nobodys.physician_id = {};
  nobodys.signer = {};
  CHECK(told(quorum(nobodys, {}, {})) == "NOT_THE_PHYSICIAN 0/2");
}

TEST_CASE("a message of normal risk takes one reviewer or doctor") {
  for (const Role role : {Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service}) {
    auto facts = high_risk(Kind::email, 7, role);
    facts.is_high_risk = false;
    const bool may = role == Role::reviewer || role == Role::doctor;
    CHECK(told(quorum(facts, {}, {})) == (may ? "complete 1/1" : "ROLE 0/1"));
  }
}

}  // namespace
}  // namespace signet

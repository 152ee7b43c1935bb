#include "audit/actions.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <set>
#include <string>

namespace signet {
namespace {

bool is_lower_snake(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

}  // namespace

TEST_CASE("each action is found by its name, and nothing else is") {
  for (const auto& action : audit_actions()) {
    INFO(action.name);
    REQUIRE(find_action(action.name) == &action);
    CHECK(is_lower_snake(action.name));
    CHECK_FALSE(action.meaning.empty());
    CHECK(find_action(std::string(action.name) + "x") == nullptr);
  }
  for (const char* none : {"", "message.sent", "Sent", "zzz", "a"}) CHECK(find_action(none) == nullptr);
}

TEST_CASE("detail members are named once an action, in alphabetical order, in camel case") {
  for (const auto& action : audit_actions()) {
    std::string_view before;
    for (const auto& member : action.detail()) {
      INFO(action.name << " " << member.name);
      CHECK(before < member.name);
      CHECK(std::all_of(member.name.begin(), member.name.end(), [](char c) { return std::isalnum(c) != 0; }));
      before = member.name;
    }
  }
}

// An event may hold codes and hashes. What people type, and what is about a patient, stays sealed beside it.
TEST_CASE("no action has a member for free text or for a patient") {
  const std::set<std::string_view> forbidden{"body",    "content", "email", "flaggedText", "name",  "note",
                                             "notes",   "patient", "phone", "recipient",   "text",  "reviewNotes",
                                             "subject", "to_",     "value", "patientId",   "query", "dismissedReason"};
  for (const auto& action : audit_actions())
    for (const auto& member : action.detail()) {
      INFO(action.name << " " << member.name);
      CHECK(forbidden.count(member.name) == 0);
    }
}

TEST_CASE("what changes a message counts in its chain; reads and refusals do not") {
  for (const char* name : {"draft_generated", "draft_edited", "submitted_for_review", "reviewed", "signed", "queued",
                           "sent", "delivery_confirmed", "delivery_failed", "delivery_in_doubt", "delivery_unsent",
                           "suppressed", "expired", "cancelled", "cancel_requested", "resolve"}) {
    INFO(name);
    REQUIRE(find_action(name) != nullptr);
    CHECK(find_action(name)->chained == Chained::always);
  }
  for (const char* name : {"content_read", "metadata_read", "messages_listed", "messages_searched", "timeline_read",
                           "diff_read", "provenance_read", "audit_read", "audit_searched", "refused", "external_note",
                           "login", "login_refused", "break_glass_opened", "integrity_check", "schema_migrated"}) {
    INFO(name);
    REQUIRE(find_action(name) != nullptr);
    CHECK(find_action(name)->chained == Chained::never);
  }
}

}  // namespace signet

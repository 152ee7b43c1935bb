#include "message/policy.h"

#include <array>

#include "base/check.h"

namespace signet {
namespace {

using enum Grant;

struct Row {
  Action action;
  std::string_view text;
  std::string_view title;
  std::array<Grant, 6> grants;  // staff, reviewer, doctor, admin, auditor, service: as Role counts them
};

const std::array kRows{
    Row{Action::draft, "draft", "draft, edit, submit own", {yes, yes, yes, yes, no, draft_only}},
    Row{Action::review, "review", "review another's SMS or e-mail", {no, yes, yes, no, no, no}},
    Row{Action::approve_letter, "approve_letter", "approve a letter", {no, no, named, no, no, no}},
    Row{Action::second_signature, "second_signature", "second signature, high risk", {no, yes, yes, no, no, no}},
    Row{Action::send_directly,
        "send_directly",
        "send directly (normal risk, SMS and e-mail)",
        {no, yes, yes, yes, no, no}},
    Row{Action::cancel, "cancel", "cancel", {own, yes, yes, yes, no, own}},
    Row{Action::resolve,
        "resolve",
        "resolve one in doubt (with a reason; `delivered` only with evidence)",
        {no, yes, letters, no, no, no}},
    Row{Action::operate, "operate", "requeue, pause, providers, suppressions", {no, no, no, yes, no, no}},
    Row{Action::administer,
        "administer",
        "users, roles, tokens, retention, report schedules, alerts",
        {no, no, no, yes, no, no}},
    Row{Action::read_messages,
        "read_messages",
        "read messages",
        {own, scope, scope, metadata_or_break_glass, metadata_or_granted, own}},
    Row{Action::read_audit, "read_audit", "read audit", {own, scope, scope, yes, yes, no}},
    Row{Action::export_evidence, "export_evidence", "export, verify, reports", {no, no, no, yes, yes, no}},
};

}  // namespace

std::string_view name(Action action) {
  for (const auto& row : kRows)
    if (row.action == action) return row.text;
  return "unknown";
}

std::string_view name(Grant grant) {
  switch (grant) {
    case no:
      return "no";
    case yes:
      return "yes";
    case draft_only:
      return "draft_only";
    case own:
      return "own";
    case scope:
      return "scope";
    case named:
      return "named";
    case metadata_or_break_glass:
      return "metadata_or_break_glass";
    case metadata_or_granted:
      return "metadata_or_granted";
    case letters:
      return "letters";
  }
  return "unknown";
}

Grant grant(Role role, Action action) {
  const auto column = static_cast<size_t>(role) - 1;
  for (const auto& row : kRows)
    if (row.action == action) {
      SIGNET_CHECK(column < row.grants.size());
      return row.grants[column];
    }
  return no;
}

std::string_view title(Action action) {
  for (const auto& row : kRows)
    if (row.action == action) return row.title;
  return "unknown";
}

std::string_view cell(Role role, Action action) {
  const bool is_audit = action == Action::read_audit;  // the one row in which "all" is the opposite of "own"
  switch (grant(role, action)) {
    case no:
      return "-";
    case yes:
      return is_audit ? "all" : "yes";
    case draft_only:
      return "draft (or approved, with a DSSE approval by an enrolled key)";
    case own:
      return is_audit ? "own entries" : "own";
    case scope:
      return is_audit ? "own and scope" : "own and in review scope";
    case named:
      return "its own physician or named delegate";
    case metadata_or_break_glass:
      return "metadata; content by break-glass";
    case metadata_or_granted:
      return "metadata; content if granted";
    case letters:
      return "yes (letters: only)";
  }
  return "unknown";
}

const std::vector<Action>& all_actions() {
  static const std::vector<Action> actions = [] {
    std::vector<Action> all;
    for (const auto& row : kRows) all.push_back(row.action);
    return all;
  }();
  return actions;
}

}  // namespace signet

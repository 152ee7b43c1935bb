#include "message/policy.h"

#include <array>

#include "base/check.h"

namespace signet {
namespace {

using enum Grant;

struct Row {
  Action action;
  std::string_view text;
  std::array<Grant, 6> grants;  // staff, reviewer, doctor, admin, auditor, service: as Role counts them
};

const std::array kRows{
    Row{Action::draft, "draft", {yes, yes, yes, yes, no, yes}},
    Row{Action::review, "review", {no, yes, yes, no, no, no}},
    Row{Action::approve_letter, "approve_letter", {no, no, named, no, no, no}},
    Row{Action::second_signature, "second_signature", {no, yes, yes, no, no, no}},
    Row{Action::send_directly, "send_directly", {no, yes, yes, yes, no, no}},
    Row{Action::cancel, "cancel", {own, yes, yes, yes, no, own}},
    Row{Action::resolve, "resolve", {no, yes, letters, no, no, no}},
    Row{Action::operate, "operate", {no, no, no, yes, no, no}},
    Row{Action::administer, "administer", {no, no, no, yes, no, no}},
    Row{Action::read_messages, "read_messages", {own, scope, scope, metadata, metadata, own}},
    Row{Action::read_audit, "read_audit", {own, scope, scope, yes, yes, no}},
    Row{Action::export_evidence, "export_evidence", {no, no, no, yes, yes, no}},
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
    case own:
      return "own";
    case scope:
      return "scope";
    case named:
      return "named";
    case metadata:
      return "metadata";
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

const std::vector<Action>& all_actions() {
  static const std::vector<Action> actions = [] {
    std::vector<Action> all;
    for (const auto& row : kRows) all.push_back(row.action);
    return all;
  }();
  return actions;
}

}  // namespace signet

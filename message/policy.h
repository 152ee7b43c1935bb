// Who may do what: the role table of docs/roles.md, in code; a test holds the two equal cell by cell. GET /api/policy
// serves it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "message/message.h"

namespace signet {

enum class Action {
  draft,   // draft, edit, submit own
  review,  // another's SMS or e-mail
  approve_letter,
  second_signature,
  send_directly,
  cancel,
  resolve,
  operate,     // requeue, pause, providers, suppressions
  administer,  // users, roles, tokens, retention, report schedules, alerts
  read_messages,
  read_audit,
  export_evidence,  // export, verify, reports
};

enum class Grant {
  no,
  yes,
  draft_only,               // to draft, in anybody's name, or to hand over what an enrolled key has approved; no edit
  own,                      // what one wrote oneself
  scope,                    // own, and what waits for review or one has reviewed
  named,                    // a letter's physician or named delegate
  metadata_or_break_glass,  // not the content, but by break-glass
  metadata_or_granted,      // not the content, but by a right granted to the person
  letters,                  // letters: only this role
};

std::string_view name(Action action);
std::string_view name(Grant grant);
Grant grant(Role role, Action action);
// As docs/roles.md writes them: the row's first cell, and the cell of a role in it.
std::string_view title(Action action);
std::string_view cell(Role role, Action action);
const std::vector<Action>& all_actions();

constexpr std::string_view kPolicyId = "signet-1";  // what an approval was given under; in every approval MAC

// What the daemon itself writes (reports, alerts): by nobody who could log in, under a policy of its own that covers
// recipients of the configuration only. A user's row by this id is made by store/migrations/0010.
constexpr std::string_view kSystemPolicyId = "system";
constexpr Uuid kSystemUser{{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 's', 'y', 's', 't', 'e', 'm'}};

}  // namespace signet

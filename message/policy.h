// Who may do what: the role table of design/product.md, in code. GET /api/policy serves it.
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
  own,       // what one wrote oneself
  scope,     // own, and what waits for review or one has reviewed
  named,     // a letter's physician or named delegate
  metadata,  // not the content (break-glass, or the right to content)
  letters,   // letters: only this role
};

std::string_view name(Action action);
std::string_view name(Grant grant);
Grant grant(Role role, Action action);
const std::vector<Action>& all_actions();

constexpr std::string_view kPolicyId = "signet-1";  // what an approval was given under; in every approval MAC

}  // namespace signet

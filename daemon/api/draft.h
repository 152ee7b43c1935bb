// A message as a client writes it: the body of POST and PATCH, an envelope of the intake stream. Reading it needs no
// database.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/api/body.h"
#include "daemon/api/content.h"
#include "daemon/api/handover.h"
#include "store/messages.h"

namespace signet::api {

struct Draft {
  MessageRow row;
  Content content;
  std::optional<WallTime> retain_until = {};
  std::optional<Handover> handover = {};          // its approvals came with it
  std::optional<std::string> urgent_reason = {};  // as written; "none" takes it back
  std::string source = {};                        // how it came, for its first event; empty: over HTTP
};

// A new message. `where` is put before the names in faults: "" or "[3].".
Draft read_draft(const JsonValue& value, const std::string& where, std::vector<Fault>& faults, WallTime now);
// What an edit may bring; the kind is known.
void read_edit(Members& members, Draft& draft, WallTime now);

}  // namespace signet::api

// One event of the audit log: its canonical bytes (RFC 8785) and its leaf (RFC 6962). Closed members, no free text, no
// PHI (design: evidence, "The audit log is a Merkle log").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace signet {

struct Actor {
  std::string id;    // a user's UUID, or the daemon's instance
  std::string role;  // of the user then, or "daemon"
  std::string session;
  std::string ip;
  std::string ua_hash;  // SHA-256 of the user agent, hexadecimal
};

struct EventObject {
  std::string type = "message";
  std::string id;
  // n counts the state-changing events of one message from 1 and prev is the leaf before, so that a filtered export
  // proves one message's history complete. Reads and refusals carry neither.
  std::optional<int64_t> n;
  std::optional<Digest> prev;
};

struct EventAttempt {
  int no = 0;
  std::string provider;
  WallTime permit_at;
};

using DetailValue = std::variant<bool, int64_t, std::string>;  // integers below 2^53

struct Event {
  Uuid id;
  WallTime at;
  Actor actor;
  std::string action;
  EventObject object;
  std::string status;       // after the event; empty: none
  std::string reason_code;  // empty: none
  std::optional<EventAttempt> attempt;
  std::optional<Digest> envelope_commit, provenance_sha256, attempt_sha256, callback_sha256;
  std::string request_id;
  std::vector<std::pair<std::string, DetailValue>> detail;
};

// Members in sorted order; what is empty is left out, except object.n and object.prev, which are null then.
std::string canonical(const Event& event);
// SHA-256(00 || canon)
Digest leaf_hash(std::string_view canon);

}  // namespace signet

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
#include "base/result.h"

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

// Why the event is none of the table in audit/actions.h: its action is not there, its detail holds a member or type
// that the action does not have, or object.n is there or missing against the table. Empty: it is one.
std::string misfit(const Event& event);
// Members in sorted order; what is empty is left out, except object.n and object.prev, which are null then. Aborts on a
// misfit: that is a bug where the event was made.
std::string canonical(const Event& event);
// SHA-256(00 || canon)
Digest leaf_hash(std::string_view canon);

// What is stored beside `canon` in columns to search by; checked against it by verification.
struct EventProjection {
  Uuid id;
  WallTime at;
  std::string actor_id, actor_role, action, object_type, object_id, status, reason_code, request_id;
  std::optional<int64_t> n;
  std::optional<Digest> prev;
  int attempt_no = 0;    // 0: none
  WallTime permit_at;    // of the attempt
  std::string provider;  // of the attempt, or of detail
  // What it says of rows elsewhere.
  std::optional<Digest> envelope_commit, provenance_sha256, attempt_sha256, callback_sha256;
  std::vector<std::pair<std::string, DetailValue>> detail;

  const std::string& word(std::string_view name) const;        // of detail; empty: none
  std::optional<int64_t> number(std::string_view name) const;  // likewise
  bool is_set(std::string_view name) const;                    // likewise; none: false
};
// Corrupt if it is no event in its RFC 8785 form: other bytes that say the same were never committed. Takes any action,
// and members that it does not know: another version may have others.
Result<EventProjection> parse_event(std::string_view canon);

}  // namespace signet

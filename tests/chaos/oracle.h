// Judges a run: what providers saw (a journal on disk, written before each answer) against what PostgreSQL holds once
// the system has come to rest. One checker for crashes, chaos and the accept runs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "store/pg_session.h"

namespace signet {

// One request as a provider saw it: a line of the judge's journal, or of the sandbox's (daemon/sandbox/journal.h).
struct SeenRequest {
  WallTime at;
  std::string provider;     // its name; of the sandbox's lines the channel: "sms", "email"
  std::string echo;         // messageId.attempt; messages without it cannot be judged and are a fault
  std::string verdict;      // "accepted" (the provider has it), or any word else: it has not
  std::string answer;       // the code that was answered; any word else ("none", "reset", "garbage"): no definite reply
  bool has_effect = false;  // accepted, and not the repeat of a key that it knows
  std::optional<WallTime> since = {};  // before which it cannot have come; none: it came at `at`
};
// Throws on a line that is none; a torn last line is left out.
std::vector<SeenRequest> read_seen(const std::string& journal_file);

enum class EffectRule {
  once,      // idempotent and queryable providers: one effect, and one more a requeue
  resolved,  // blind ones: one effect, and one more a recorded resend or requeue
};

struct Evidence {
  std::vector<SeenRequest> seen;
  std::map<std::string, EffectRule> rules{};           // of providers; `resolved` where none is named
  std::vector<Uuid> acknowledged{};                    // a caller was told that they are accepted
  std::vector<std::pair<Uuid, WallTime>> cancelled{};  // a caller was told so, and when
  int64_t permit_start_ms = 5000;
  // How much later than its bound a request may be read by the provider: time in sockets and of a busy machine.
  int64_t tolerance_ms = 1000;
};

struct Finding {
  std::string rule;      // "lost", "twice_once", ...: the names in oracle.cc
  std::string contract;  // "I1": the number in design/engine.md
  int64_t count = 0;
  std::string examples;  // a few ids and attempts
};

struct Judgement {
  std::vector<Finding> faults;  // each breaks a contract
  std::map<std::string, int64_t>
      counts;  // what there was: messages, requests, effects, in_doubt, pending, resends, ...
  bool is_clean() const { return faults.empty(); }
  std::string text() const;  // a line a fault, then one JSON line of counts
};

// `session`: the superuser's, of its own: temporary tables are left on it. Throws when the database refuses.
Judgement judge(PgSession& session, const Evidence& evidence);

}  // namespace signet

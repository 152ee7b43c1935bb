// The audit log as people read it: entries by filter, newest first, and counts. What a canon says is for audit/.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/crypto.h"
#include "message/message.h"
#include "store/pg_session.h"

namespace signet {

struct EntryFilter {
  std::optional<WallTime> from, before;  // of the event
  std::optional<Uuid> actor_id, message_id;
  std::optional<std::string> action, provider;
  std::optional<Status> status;
  std::optional<Kind> kind;                               // channel: of the message it is about
  std::optional<std::string> patient_key, recipient_key;  // 32 octets
  std::optional<std::string> reference;                   // clientReference of the message
  // Scope: what this person did; and where `or_in_scope`, what is about messages he wrote, reviewed, answers for as
  // physician, or that wait for review.
  std::optional<Uuid> own_id;
  bool or_in_scope = false;
  std::optional<Uuid> after_id;  // cursor: entries before this one
  int count_max = 50;
};

// An entry, with what is known of its message as of that moment.
struct EntryRow {
  Uuid event_id;
  std::string canon;
  Digest leaf{};
  WallTime at;
  std::string action;
  std::optional<int64_t> seq;  // in the log; none: not sequenced yet
  std::optional<Uuid> message_id;
  std::optional<Kind> kind;
  std::optional<Uuid> reviewer_id;
  std::optional<WallTime> reviewed_at, last_retry_at;
  int retry_count = 0;
  std::string failure_reason;
  std::string primary_model;
  int64_t tokens_consumed = 0;
};

struct EntryCount {
  std::string key;
  int64_t count = 0;
};
struct EntryStatistics {
  int64_t total = 0;
  std::vector<EntryCount> by_action, by_actor, by_status, by_day;  // days in UTC; statuses by their names
};

Result<std::vector<EntryRow>> list_entries(PgTransaction& tx, const EntryFilter& filter);  // newest first
Result<EntryStatistics> count_entries(PgTransaction& tx, const EntryFilter& filter);

// The user agent behind a hash of events.
Result<bool> has_user_agent(PgTransaction& tx, const Digest& sha256);
Result<void> insert_user_agent(PgTransaction& tx, const Digest& sha256, const std::string& sealed_by,
                               std::string_view sealed);  // nothing if it is there

struct NoteRow {  // what somebody wrote about an event
  Uuid event_id;
  std::optional<Uuid> message_id;
  std::string sealed_by, sealed;
};
Result<void> insert_note(PgTransaction& tx, const NoteRow& note);
Result<std::optional<NoteRow>> read_note(PgTransaction& tx, const Uuid& event_id);

}  // namespace signet

// Messages as the API sees them: each function is one step inside the caller's transaction. The caller has locked the
// row (lock()), built the events over its head, and commits.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "message/message.h"
#include "message/outcome.h"
#include "store/entry.h"
#include "store/pg_session.h"

namespace signet {

struct MessageRow {
  Uuid id;
  Kind kind = Kind::sms;
  DeliveryMethod delivery_method = DeliveryMethod::sms;
  Status status = Status::pending;
  Priority priority = Priority::normal;
  RiskLevel risk_level = RiskLevel::normal;
  int version = 1, requeues = 0, attempts = 0, max_attempts = 0;
  bool is_proven = true, is_cancel_requested = false, is_urgent = false;
  Uuid author_id, last_editor_id;
  std::optional<Uuid> reviewer_id, physician_id, claimed_by;
  std::string recipient_key;  // 32 octets, or empty
  std::string destination;
  std::vector<std::string> tags;
  std::string purpose, time_zone;
  std::optional<std::string> client_reference;
  std::optional<WallTime> expires_at, scheduled_for;
  Head head;
  std::string provider, provider_reference, failure_reason;
  WallTime created_at;  // from the id
  std::optional<WallTime> submitted_at, approved_at, last_attempt_at, sent_at, confirmed_at, next_retry_at;
  std::optional<WallTime> claimed_until;
};

struct SealedContent {
  int version = 1;
  std::string sealed, details;
  std::string kek_id, wrapped_key;
};

struct DueRow {
  Uuid message_id;
  int attempt_no = 1;
  Priority priority = Priority::normal;
  std::string lane, sender, provider;
  WallTime due_at;
  std::optional<WallTime> send_until;
  std::string avoid = {};  // the provider that has just failed, where the route has another
};

// What else changes with the status; what is not set stays.
struct StatusChange {
  Uuid id;
  Status status = Status::pending;
  Head before;  // the gate
  Entry entry;  // becomes the head
  std::optional<Uuid> reviewer_id;
  bool ends_claim = false;
  std::optional<WallTime> submitted_at, approved_at, sent_at, confirmed_at;
  std::optional<std::string> failure_reason;
  std::optional<bool> is_proven;
  bool cancel_requested = false;  // sets it
  // To be sent again after it had failed: attempts count anew, and nothing of the failure or a cancel stays.
  bool is_requeue = false;
};

struct MessageFilter {
  std::optional<Uuid> author_id;        // or
  bool or_in_review = false;            // also what waits for review
  std::optional<Uuid> or_reviewer_id;   // also what this person reviewed
  std::optional<Uuid> or_physician_id;  // also the letters he answers for
  std::optional<Status> status;
  std::optional<Kind> kind;
  std::optional<RiskLevel> risk_level;
  std::optional<Priority> priority;
  std::optional<std::string> failure_reason, provider;
  std::optional<WallTime> changed_from, changed_before;  // its status
  std::optional<Uuid> by_author_id;
  std::optional<std::string> client_reference, recipient_key, patient_key;
  std::optional<WallTime> created_from, created_before;
  std::optional<WallTime> submitted_before;
  std::optional<Uuid> after_id;  // cursor
  bool is_oldest_first = false;
  int count_max = 50;
};

struct AttemptRow {
  int attempt_no = 0;
  bool is_void = false;
  std::string provider, instance;
  WallTime permitted_at;
  std::optional<OutcomeKind> outcome;
  std::string reason, provider_reference, provider_code;
  std::optional<WallTime> finished_at;
};
// An attempt's, parted: one of it, or one of each of its parts.
std::vector<std::string> references_of(const std::string& provider_reference);

// What messages are found by, beside the narrow row.
struct MessageFacts {
  std::string patient_key, content_key;  // 32 octets, or empty
  std::string primary_model;
  int64_t tokens_consumed = 0;
};

Result<void> insert_message(PgTransaction& tx, const MessageRow& row, const SealedContent& content, const Entry& entry);
// Locks the row against other changes until the transaction ends. None: there is no such message.
Result<std::optional<MessageRow>> lock_message(PgTransaction& tx, const Uuid& id);
// Of these, by id, those that nobody else has locked; locked likewise.
Result<std::vector<MessageRow>> lock_free_messages(PgTransaction& tx, const std::vector<Uuid>& ids);
Result<std::optional<MessageRow>> read_message(PgTransaction& tx, const Uuid& id);
Result<std::optional<Uuid>> find_by_client_reference(PgTransaction& tx, const Uuid& author_id,
                                                     const std::string& reference);
Result<std::vector<MessageRow>> list_messages(PgTransaction& tx, const MessageFilter& filter);
// Its conditions on `message m`, for what follows `where`; their values are appended to those of the statement.
std::string conditions_of(const MessageFilter& filter, std::vector<PgValue>& values);
Result<void> write_facts(PgTransaction& tx, const Uuid& id, const MessageFacts& facts);
// How often this text went, or is to go, to this recipient since `since`, other than by message `id`.
Result<int> count_same_text(PgTransaction& tx, const Uuid& id, std::string_view recipient_key,
                            std::string_view content_key, WallTime since);
// What an edit may change of the row; the content's version goes with it.
Result<void> update_draft(PgTransaction& tx, const MessageRow& row);
// Nobody's if `until` is none.
Result<void> write_claim(PgTransaction& tx, const Uuid& id, const Uuid& user_id, std::optional<WallTime> until);
Result<std::optional<SealedContent>> read_content(PgTransaction& tx, const Uuid& id);
// An edit: the caller sealed the new text for `version`, with a new salt, under the message's data key.
Result<void> replace_content(PgTransaction& tx, const Uuid& id, int version, std::string_view sealed,
                             const Uuid& editor_id);
Result<void> replace_details(PgTransaction& tx, const Uuid& id, std::string_view sealed);  // empty: none
// conflict: the head has moved.
Result<void> change_status(PgTransaction& tx, const StatusChange& change);
// Of different messages, all or none.
Result<void> change_statuses(PgTransaction& tx, const std::vector<StatusChange>& changes);
Result<void> insert_entry(PgTransaction& tx, const Entry& entry);  // an event that changes no message
Result<void> insert_entries(PgTransaction& tx, const std::vector<Entry>& entries);
Result<void> insert_due(PgTransaction& tx, const DueRow& row);
Result<std::optional<DueRow>> read_due(PgTransaction& tx, const Uuid& id);
Result<std::vector<DueRow>> read_due(PgTransaction& tx, const std::vector<Uuid>& ids);
// Takes the permit's own key. False: somebody was granted it first.
Result<bool> insert_void(PgTransaction& tx, const Uuid& id, int attempt_no, const std::string& instance, WallTime at);
Result<void> delete_due(PgTransaction& tx, const std::vector<Uuid>& ids);
Result<int> next_attempt_no(PgTransaction& tx, const Uuid& id);
Result<int> newest_attempt_no(PgTransaction& tx, const Uuid& id);                  // permitted or due; 0: none
Result<std::vector<AttemptRow>> list_attempts(PgTransaction& tx, const Uuid& id);  // by number
Result<std::map<Uuid, std::vector<AttemptRow>>> list_attempts(PgTransaction& tx, const std::vector<Uuid>& ids);
Result<std::vector<std::string>> list_events(PgTransaction& tx, const Uuid& object_id);  // canon, in order of time
Result<void> insert_decision(PgTransaction& tx, const Uuid& id, const Uuid& message_id, int attempt_no,
                             const std::string& decision, const std::string& actor, const std::string& reason,
                             WallTime at);

}  // namespace signet

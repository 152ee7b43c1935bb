// The rows behind a message's events, read in bulk for verification: everything that a leaf names (design: evidence,
// "Verification, four levels"). The login signet_verify may read all of it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "message/message.h"
#include "store/approvals.h"
#include "store/audit_log.h"
#include "store/callbacks.h"
#include "store/messages.h"
#include "store/pg_session.h"
#include "store/signing_keys.h"

namespace signet {

struct AttemptEvidence {  // attempt_start and attempt_result of one attempt; either may be missing
  int attempt_no = 0;
  bool has_start = false, has_result = false;
  bool is_void = false, has_epoch = false;
  bool is_due = false;  // the due row waits for this attempt's result
  std::string instance, provider, lane, route_reason;
  WallTime permitted_at;
  int outcome = 0;  // OutcomeKind
  std::string reason, provider_reference, provider_code;
  int status_code = 0, parts = 0;
  std::optional<WallTime> started_at;
  WallTime finished_at;
};

struct ConfirmationEvidence {
  ConfirmationRow row;
  std::optional<CallbackRow> callback;
};

struct DecisionEvidence {
  Uuid id;
  int attempt_no = 0;
  std::string decision, actor;
  WallTime at;
};

struct MessageEvidence {
  Uuid id;
  bool is_there = false;  // the row in message, which these are of:
  int status = 0, version = 0, kind = 0;
  Head head;
  std::string recipient_key;
  std::vector<Entry> entries;  // about it; the projection's columns are not filled in
  std::vector<AttemptEvidence> attempts;
  std::vector<ConfirmationEvidence> confirmations;
  std::vector<ApprovalRow> approvals;  // in order of time
  std::vector<ProvenanceRow> provenances;
  std::vector<EditRow> edits;
  std::vector<DecisionEvidence> decisions;
  bool has_content = false, has_data_key = false;
  SealedContent content;
};

// run: no other message's id lies between the lowest and the highest, so that one scan reads their rows.
enum class Spread { single, run };
// Sorted by id. `entries_since`, `entries_until`: event ids outside of them are not looked for, which spares the other
// months.
Result<std::vector<MessageEvidence>> read_evidence(PgSession& session, std::vector<Uuid> ids, Spread spread,
                                                   const Uuid& entries_since, const Uuid& entries_until);

Result<std::vector<Uuid>> list_message_ids(PgSession& session, const Uuid& after, int count_max);  // ascending
Result<std::vector<Uuid>> missing_messages(PgSession& session, const std::vector<Uuid>& ids);      // not there
Result<Uuid> newest_event_id(PgSession& session);                                                  // nil: none
Result<std::optional<int64_t>> place_of(PgSession& session, const Uuid& event_id);
// One snapshot for two sessions that only read; both end with the sessions. The answer is what join_snapshot() takes.
Result<std::string> begin_snapshot(PgSession& session);
Result<void> join_snapshot(PgSession& session, const std::string& snapshot);

// Public halves, ends included; by key id.
Result<std::vector<SigningKeyRow>> read_public_keys(PgSession& session);

// A row that belongs to no message of ours, so that no leaf can name it.
struct StrayRow {
  std::string relation, key;
};
Result<std::vector<StrayRow>> read_stray_rows(PgSession& session, int count_max);

}  // namespace signet

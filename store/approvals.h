// Decisions on messages and what stands behind them: signatures, statements to sign, edits, provenance. Each function
// is one step inside the caller's transaction, as in store/messages.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "message/message.h"
#include "store/pg_session.h"

namespace signet {

struct ApprovalRow {  // one decision by one person
  Uuid id, message_id;
  int version = 1;
  bool is_approved = true, is_direct = false;
  Uuid signer_id;
  Role signer_role = Role::reviewer;
  std::string policy_id;
  Digest envelope_commit{};
  std::optional<Digest> mac;  // on the row that made the quorum whole
  std::string notes;          // sealed, or empty
  std::optional<int64_t> review_ms;
  WallTime at;
  std::string meaning;
  std::optional<Digest> diff_commit, validation_sha256;
  std::string key_id, custody;  // of an approval: "user" or "server"
  int algorithm = 0;            // SignatureAlgorithm
  std::string dsse;             // sealed, or empty
};

struct StatementRow {
  std::string nonce;  // 32 octets
  Uuid message_id, user_id;
  std::string payload, sealed;
  WallTime expires_at;
  std::optional<WallTime> used_at;
};

struct EditRow {
  Uuid message_id;
  int version = 1;
  Uuid editor_id;
  WallTime at;
  std::string sealed;
};

struct ProvenanceRow {
  Uuid message_id, id;
  int version = 1;
  Digest sha256{};
  std::string sealed;
  WallTime created_at;
};

Result<void> insert_approval(PgTransaction& tx, const ApprovalRow& row);
// Of one version, or of all (0); in order of time.
Result<std::vector<ApprovalRow>> list_approvals(PgTransaction& tx, const Uuid& message_id, int version = 0);

Result<void> insert_statement(PgTransaction& tx, const StatementRow& row);
// Locked until the transaction ends. None: no such nonce.
Result<std::optional<StatementRow>> lock_statement(PgTransaction& tx, std::string_view nonce);
Result<void> use_statement(PgTransaction& tx, std::string_view nonce, WallTime at);
Result<int64_t> delete_statements(PgTransaction& tx, WallTime expired_before);  // how many

Result<void> insert_edit(PgTransaction& tx, const EditRow& row);
Result<std::vector<EditRow>> list_edits(PgTransaction& tx, const Uuid& message_id);  // by version

Result<void> insert_provenance(PgTransaction& tx, const ProvenanceRow& row);
Result<std::optional<ProvenanceRow>> read_provenance(PgTransaction& tx, const Uuid& message_id);  // the newest

}  // namespace signet

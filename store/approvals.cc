#include "store/approvals.h"

namespace signet {
namespace {

template <class Number>
PgValue small(Number number) {
  return PgValue(static_cast<int32_t>(number));
}

Result<void> done(const Result<PgRows>& rows) {
  if (!rows) return rows.error();
  return {};
}

PgValue digest(const std::optional<Digest>& value) { return value ? PgValue::octets(view(*value)) : PgValue::null(); }
PgValue sealed(const std::string& octets) { return octets.empty() ? PgValue::null() : PgValue::octets(octets); }
PgValue word(const std::string& text) { return text.empty() ? PgValue::null() : PgValue(text); }

std::optional<Digest> digest_at(const PgRows& rows, int i, int c) {
  if (rows.is_null(i, c)) return std::nullopt;
  return digest_from(rows.octets(i, c));
}

}  // namespace

Result<void> insert_approval(PgTransaction& tx, const ApprovalRow& a) {
  return done(tx.run(
      "insert into approval (id, message_id, version, decision, is_direct, signer_id, signer_role, policy_id, "
      "envelope_commit, approval_mac, notes, review_ms, at, meaning, diff_commit, validation_sha256, key_id, "
      "algorithm, custody, dsse) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
      "$18, $19, $20)",
      {a.id,
       a.message_id,
       small(a.version),
       small(a.is_approved ? 1 : 2),
       PgValue(a.is_direct),
       a.signer_id,
       small(a.signer_role),
       a.policy_id,
       PgValue::octets(view(a.envelope_commit)),
       digest(a.mac),
       sealed(a.notes),
       a.review_ms ? small(*a.review_ms) : PgValue::null(),
       a.at,
       a.meaning,
       digest(a.diff_commit),
       digest(a.validation_sha256),
       word(a.key_id),
       a.algorithm == 0 ? PgValue::null() : small(a.algorithm),
       word(a.custody),
       sealed(a.dsse)}));
}

Result<std::vector<ApprovalRow>> list_approvals(PgTransaction& tx, const Uuid& message_id, int version) {
  auto rows = tx.run(
      "select id, version, decision, is_direct, signer_id, signer_role, policy_id, envelope_commit, approval_mac, "
      "notes, review_ms, at, meaning, diff_commit, validation_sha256, coalesce(key_id, ''), coalesce(custody, ''), "
      "coalesce(algorithm, 0), dsse from approval where message_id = $1 and ($2 = 0 or version = $2) order by at, id",
      {message_id, small(version)});
  if (!rows) return rows.error();
  std::vector<ApprovalRow> out;
  for (int i = 0; i < rows->size(); i++) {
    ApprovalRow a;
    int c = 0;
    a.id = rows->uuid(i, c++);
    a.message_id = message_id;
    a.version = static_cast<int>(rows->number(i, c++));
    a.is_approved = rows->number(i, c++) == 1;
    a.is_direct = rows->flag(i, c++);
    a.signer_id = rows->uuid(i, c++);
    a.signer_role = static_cast<Role>(rows->number(i, c++));
    a.policy_id = rows->text(i, c++);
    a.envelope_commit = digest_from(rows->octets(i, c++));
    a.mac = digest_at(*rows, i, c++);
    a.notes = rows->text(i, c++);
    if (!rows->is_null(i, c)) a.review_ms = rows->number(i, c);
    c++;
    a.at = rows->time(i, c++);
    a.meaning = rows->text(i, c++);
    a.diff_commit = digest_at(*rows, i, c++);
    a.validation_sha256 = digest_at(*rows, i, c++);
    a.key_id = rows->text(i, c++);
    a.custody = rows->text(i, c++);
    a.algorithm = static_cast<int>(rows->number(i, c++));
    a.dsse = rows->text(i, c++);
    out.push_back(std::move(a));
  }
  return out;
}

Result<void> insert_statement(PgTransaction& tx, const StatementRow& s) {
  return done(
      tx.run("insert into approval_statement (nonce, message_id, user_id, payload, sealed, expires_at) "
             "values ($1, $2, $3, $4, $5, $6)",
             {PgValue::octets(s.nonce), s.message_id, s.user_id, PgValue::octets(s.payload), PgValue::octets(s.sealed),
              s.expires_at}));
}

Result<std::optional<StatementRow>> lock_statement(PgTransaction& tx, std::string_view nonce) {
  auto rows = tx.run(
      "select message_id, user_id, payload, sealed, expires_at, used_at from approval_statement where nonce = $1 "
      "for update",
      {PgValue::octets(nonce)});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<StatementRow>();
  return std::optional(StatementRow{std::string(nonce), rows->uuid(0, 0), rows->uuid(0, 1), rows->text(0, 2),
                                    rows->text(0, 3), rows->time(0, 4), rows->optional_time(0, 5)});
}

Result<void> use_statement(PgTransaction& tx, std::string_view nonce, WallTime at) {
  return done(tx.run("update approval_statement set used_at = $2 where nonce = $1", {PgValue::octets(nonce), at}));
}

Result<int64_t> delete_statements(PgTransaction& tx, WallTime expired_before) {
  auto rows = tx.run("delete from approval_statement where expires_at < $1", {expired_before});
  if (!rows) return rows.error();
  return rows->affected();
}

Result<void> insert_edit(PgTransaction& tx, const EditRow& e) {
  return done(tx.run("insert into edit (message_id, version, editor_id, at, sealed) values ($1, $2, $3, $4, $5)",
                     {e.message_id, small(e.version), e.editor_id, e.at, PgValue::octets(e.sealed)}));
}

Result<std::vector<EditRow>> list_edits(PgTransaction& tx, const Uuid& message_id) {
  auto rows =
      tx.run("select version, editor_id, at, sealed from edit where message_id = $1 order by version", {message_id});
  if (!rows) return rows.error();
  std::vector<EditRow> out;
  for (int i = 0; i < rows->size(); i++)
    out.push_back(
        {message_id, static_cast<int>(rows->number(i, 0)), rows->uuid(i, 1), rows->time(i, 2), rows->text(i, 3)});
  return out;
}

Result<void> insert_provenance(PgTransaction& tx, const ProvenanceRow& p) {
  return done(
      tx.run("insert into provenance (message_id, id, version, sha256, sealed, created_at) values ($1, $2, $3, $4, $5, "
             "$6)",
             {p.message_id, p.id, small(p.version), PgValue::octets(view(p.sha256)), PgValue::octets(p.sealed),
              p.created_at}));
}

Result<std::optional<ProvenanceRow>> read_provenance(PgTransaction& tx, const Uuid& message_id) {
  auto rows = tx.run(
      "select id, version, sha256, sealed, created_at from provenance where message_id = $1 "
      "order by created_at desc, id desc limit 1",
      {message_id});
  if (!rows) return rows.error();
  if (rows->size() == 0) return std::optional<ProvenanceRow>();
  return std::optional(ProvenanceRow{message_id, rows->uuid(0, 0), static_cast<int>(rows->number(0, 1)),
                                     digest_from(rows->octets(0, 2)), rows->text(0, 3), rows->time(0, 4)});
}

}  // namespace signet

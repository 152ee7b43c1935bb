#include <map>

#include "audit/fhir.h"
#include "daemon/api/content.h"
#include "daemon/evidence/export_entries.h"
#include "store/messages.h"

namespace signet {
namespace {

// Once for each message that entries were about: in memory these ids are all that grows with the export.
using Messages = std::map<Uuid, std::string>;  // -> the model that wrote its draft

// None: there is none, or it was erased.
Result<std::optional<api::Content>> content_of(const ExportSource& source, PgTransaction& tx, const Uuid& id) {
  if (!source.what.has_content) return std::optional<api::Content>();
  auto sealed = read_content(tx, id);
  if (!sealed) return sealed.error();
  if (!*sealed) return std::optional<api::Content>();
  auto content = api::open_content(source.keyring, id, **sealed);
  if (!content) return content.error();
  return std::optional(std::move(*content));
}

FhirMessage communication_of(const MessageRow& row, const std::optional<api::Content>& content) {
  FhirMessage out;
  out.id = row.id;
  out.kind = row.kind;
  out.method = row.delivery_method;
  out.status = row.status;
  out.priority = row.priority;
  out.author_id = row.author_id;
  out.sent_at = row.sent_at;
  out.delivered_at = row.confirmed_at;
  out.failure_reason = row.failure_reason;
  if (content) {
    out.patient_id = content->details.patient_id;
    out.recipient = content->envelope.recipient;
    out.subject = content->envelope.subject;
    out.body = content->envelope.body;
  }
  return out;
}

Result<void> add_provenance(PgTransaction& tx, const Uuid& id, const std::string& model,
                            const std::optional<api::Content>& content, FhirBundle& bundle) {
  auto row = read_provenance(tx, id);
  if (!row || !*row) return row ? Result<void>() : row.error();
  auto approvals = list_approvals(tx, id, (*row)->version);
  if (!approvals) return approvals.error();
  FhirProvenance out;
  out.id = (*row)->id;
  out.message_id = id;
  out.approved_at = (*row)->created_at;
  out.sha256 = (*row)->sha256;
  out.model = model;
  for (const auto& a : *approvals) {
    if (!a.is_approved) continue;
    ProvenanceApproval shown;
    shown.signer_id = a.signer_id.text();
    shown.role = name(a.signer_role);
    shown.at = a.at;
    if (content) shown.dsse = api::open_beside(*content, "approval", a.id, a.version, "dsse", a.dsse);
    out.approvals.push_back(std::move(shown));
  }
  return bundle.add(out.id, fhir_provenance(out));
}

Result<void> add_message(const ExportSource& source, const Uuid& id, const std::string& model, FhirBundle& bundle) {
  PgTransaction tx(source.session);
  auto row = read_message(tx, id);
  if (!row || !*row) return row ? Result<void>() : row.error();
  const auto content = content_of(source, tx, id);
  if (!content) return content.error();
  if (const auto communication = fhir_communication(communication_of(**row, *content)))
    if (auto added = bundle.add(id, *communication); !added) return added;
  return add_provenance(tx, id, model, *content, bundle);
}

}  // namespace

Result<ExportTotals> write_fhir(const ExportSource& source, Sink& to) {
  FhirBundle bundle(to);
  if (auto begun = bundle.begin(source.task.id, source.task.asked_at); !begun) return begun.error();
  Messages messages;
  const auto totals = each_entry(source, [&](const ExportEntry& entry) {
    const EntryRow& row = entry.row;
    if (source.what.has_metadata && row.message_id) messages.emplace(*row.message_id, row.primary_model);
    return bundle.add(row.event_id, fhir_audit_event({row.canon, row.seq.value_or(0), row.leaf,
                                                      entry.content ? entry.content->patient_id : ""}));
  });
  if (!totals) return totals;
  for (const auto& [id, model] : messages) {
    if (auto added = add_message(source, id, model, bundle); !added) return added.error();
    if (auto on = source.progress(source.what.size, source.what.size); !on) return on.error();
  }
  if (auto ended = bundle.end(); !ended) return ended.error();
  return totals;
}

}  // namespace signet

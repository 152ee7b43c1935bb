#include "daemon/api/provenance.h"

#include <nlohmann/json.hpp>

#include "audit/fhir.h"
#include "audit/provenance.h"
#include "base/bytes.h"
#include "base/signature.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/views.h"
#include "store/directory.h"
#include "store/retention.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

std::optional<std::string> text_at(const Json& json, const char* half) {
  const auto part = json.find(half);
  if (part == json.end() || !part->contains("text")) return std::nullopt;
  return (*part)["text"].get<std::string>();
}

// The changes of one edit, in the order of the text.
void append_edits(std::vector<ProvenanceEdit>& to, const std::string& diff, WallTime at) {
  const Json json = Json::parse(diff, nullptr, false);
  if (!json.is_object()) return;
  const size_t first = to.size();
  const std::pair<const char*, const char*> kinds[] = {
      {"additions", "addition"}, {"deletions", "deletion"}, {"modifications", "modification"}};
  for (const auto& [list, type] : kinds)
    for (const auto& change : json.value(list, Json::array()))
      to.push_back(
          {type, change.value("index", int64_t{0}), text_at(change, "original"), text_at(change, "final"), at});
  std::sort(to.begin() + static_cast<std::ptrdiff_t>(first), to.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
}

ProvenanceApproval shown(const Content& content, const ApprovalRow& a) {
  return {a.signer_id.text(),
          std::string(name(a.signer_role)),
          a.at,
          a.meaning,
          std::string(name(static_cast<SignatureAlgorithm>(a.algorithm))),
          a.custody,
          a.key_id,
          to_hex(view(a.envelope_commit)),
          open_beside(content, "approval", a.id, a.version, "dsse", a.dsse)};
}

}  // namespace

ProvenanceRow record_provenance(Context& context, const Prepared& p, const Review& review, WallTime now) {
  const Clinical& clinical = p.content.details.clinical;
  const Generation& generation = clinical.generation;
  Provenance out;
  out.letter_id = p.row.id.text();
  out.generated_at = p.row.created_at;
  out.approved_at = now;
  out.primary_model = generation.primary_model;
  if (!generation.critic_model.empty()) out.critic_model = generation.critic_model;
  out.input_tokens = generation.input_tokens;
  out.output_tokens = generation.output_tokens;
  out.generation_duration_ms = generation.generation_duration_ms;
  out.generation_parameters = generation.parameters;
  for (const auto& s : clinical.sources)
    out.source_files.push_back({s.id, std::string(name(s.type)), s.name, s.created_at});
  for (const auto& v : clinical.values)
    out.extracted_values.push_back({v.id, v.name, v.value, v.unit, v.is_verified, v.verified_at,
                                    v.verified_by ? v.verified_by->text() : std::string()});
  for (const auto& f : clinical.flags)
    out.hallucination_checks.push_back(
        {f.id, f.flagged_text, std::string(name(f.severity)), f.reason, f.is_dismissed, f.dismissed_reason});
  const UserRow& person = review.reviewer;
  out.reviewing_physician.id = person.id.text();
  out.reviewing_physician.name = person.name;
  out.reviewing_physician.email = person.email;
  // Of a letter that two signed, its physician and not whoever came second.
  const auto approvals = context.must(list_approvals(context.tx(), p.row.id, p.row.version));
  for (const auto& a : approvals) {
    if (!a.is_approved) continue;
    out.approvals.push_back(shown(p.content, a));
    if (p.row.physician_id && a.signer_id == *p.row.physician_id && a.signer_id != person.id)
      if (const auto user = context.must(read_user(context.tx(), a.signer_id))) {
        out.reviewing_physician.id = user->id.text();
        out.reviewing_physician.name = user->name;
        out.reviewing_physician.email = user->email;
      }
  }
  out.review_duration_ms = review.review_ms.value_or(0);
  for (const auto& edit : context.must(list_edits(context.tx(), p.row.id)))
    append_edits(out.edits, open_beside(p.content, "edit", edit.message_id, edit.version, "diff", edit.sealed),
                 edit.at);
  out.content_diff.original = p.content.original();
  out.content_diff.final = p.content.envelope.body;
  out.content_diff.percent_changed = p.diff.percent_changed;
  out.verification_rate = p.validation.verification_rate;
  out.hallucination_risk_score = generation.hallucination_risk_score.value_or(0);
  out.nonce = make_salt(context.services.random);

  const std::string canon = context.must(canonical(out));
  ProvenanceRow row;
  row.message_id = p.row.id;
  row.id = context.services.ids.next();
  row.version = p.row.version;
  row.sha256 = provenance_sha256(canon);
  row.sealed = seal_beside(context.services.keyring, p.content, "provenance", row.id, row.version, "data", canon);
  row.created_at = now;
  context.must(insert_provenance(context.tx(), row));
  return row;
}

namespace {

struct Opened {
  ProvenanceRow row;
  Provenance data;
  std::string canon;
  bool is_verified = false;
};

ProvenanceRow existing_provenance(Context& context, const MessageRow& message) {
  auto row = context.must(read_provenance(context.tx(), message.id));
  if (!row)
    context.refuse({.code = message.kind == Kind::letter ? Code::letter_not_found : Code::not_found,
                    .title = "There is no provenance yet",
                    .detail = "It is written when the message is approved."});
  return std::move(*row);
}

// Verified: the bytes have the hash of their row, and the event of the approval in the log names the same.
Opened open_provenance(Context& context, const MessageRow& message) {
  ProvenanceRow row = existing_provenance(context, message);
  const Content content = content_of(context, message.id);
  Opened out;
  out.row = std::move(row);
  out.canon = open_beside(content, "provenance", out.row.id, out.row.version, "data", out.row.sealed);
  auto data = parse_provenance(out.canon);
  const std::string sha256 = to_hex(view(out.row.sha256));
  bool is_logged = false;
  for (const auto& canon : context.must(list_events(context.tx(), message.id)))
    is_logged = is_logged || Json::parse(canon, nullptr, false).value("provenanceSha256", "") == sha256;
  out.is_verified = data.ok() && is_logged && provenance_sha256(out.canon) == out.row.sha256;
  if (data) out.data = std::move(*data);
  if (!out.is_verified)
    context.services.log.error("a provenance record does not verify",
                               {{"alarm", "provenance"}, {"message_id", message.id.text()}});
  return out;
}

// Its hash stays, in its row and in the log; that the two agree is all that can still be said.
http::Response answer_erased(Context& context, const MessageRow& message, WallTime at, const std::string& format) {
  const ProvenanceRow row = existing_provenance(context, message);
  Event event = new_event(context, "provenance_read");
  event.provenance_sha256 = row.sha256;
  event.detail = {{"format", format}, {"verified", false}};
  context.must(insert_entry(context.tx(), beside(std::move(event), message.id)));
  context.commit();
  const std::string sha256 = to_hex(view(row.sha256));
  if (format == "text")
    return http::text(200, "The content of this message was erased under the retention policy on " + rfc3339(at) +
                               ".\nThe record of its provenance can be opened by nobody any more; its SHA-256 was\n" +
                               sha256 + "\n");
  return http::json(200, "{\"id\":\"" + row.id.text() + "\",\"letterId\":\"" + message.id.text() +
                             "\",\"data\":null,\"hash\":\"" + sha256 +
                             "\",\"verified\":false,\"contentErased\":true,\"createdAt\":\"" + rfc3339(row.created_at) +
                             "\"}");
}

std::string fhir_json(const Opened& found, const Uuid& message_id) {
  FhirProvenance out;
  out.id = found.row.id;
  out.message_id = message_id;
  out.approved_at = found.row.created_at;
  out.sha256 = found.row.sha256;
  out.is_verified = found.is_verified;
  out.model = found.data.primary_model;
  out.sources = found.data.source_files;
  out.approvals = found.data.approvals;
  return fhir_provenance(out);
}

http::Response answer_provenance(Context& context, const MessageRow& message) {
  const std::string format(context.request.query("format").value_or("json"));
  if (format != "json" && format != "text" && format != "fhir")
    context.refuse({.code = Code::validation_error, .errors = {"format is unknown: write json, text or fhir"}});
  if (sight_of(context, message) != Sight::content)
    context.refuse({.code = Code::forbidden,
                    .title = "Provenance shows the message's content",
                    .detail = "Your role sees metadata only: see GET /api/policy.",
                    .reason = "METADATA_ONLY"});
  const auto retention = context.must(read_retention(context.tx(), message.id));
  if (retention.erased_at && format != "fhir")  // that one has nothing to say without the record: 404
    return answer_erased(context, message, *retention.erased_at, format);
  const Opened found = open_provenance(context, message);
  Event event = new_event(context, "provenance_read");
  event.provenance_sha256 = found.row.sha256;
  event.detail = {{"format", format}, {"verified", found.is_verified}};
  context.must(insert_entry(context.tx(), beside(std::move(event), message.id)));
  context.commit();
  if (format == "fhir") {
    http::Response response = http::json(200, fhir_json(found, message.id));
    response.content_type = "application/fhir+json";
    return response;
  }
  if (format == "text") return http::text(200, text_report(found.data, found.row.sha256, found.is_verified));
  return http::json(200, "{\"id\":\"" + found.row.id.text() + "\",\"letterId\":\"" + message.id.text() +
                             "\",\"data\":" + (found.canon.empty() ? "null" : found.canon) + ",\"hash\":\"" +
                             to_hex(view(found.row.sha256)) +
                             "\",\"verified\":" + (found.is_verified ? "true" : "false") + ",\"createdAt\":\"" +
                             rfc3339(found.row.created_at) + "\"}");
}

}  // namespace

http::Response get_provenance(Context& context) {
  context.only_query({"format"});
  return answer_provenance(context, visible_message(context, context.path_id()));
}

http::Response get_letter_provenance(Context& context) {
  context.only_query({"format"});
  return answer_provenance(context, visible_letter(context));
}

}  // namespace signet::api

#include "audit/fhir.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace signet {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kDicom[] = "http://dicom.nema.org/resources/ontology/DCM";
constexpr char kLifecycle[] = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle";
constexpr char kParticipant[] = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
constexpr char kReason[] = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
constexpr char kUri[] = "urn:ietf:rfc:3986";

Json coding(const char* system, std::string_view code, std::string_view display = {}) {
  Json out{{"system", system}, {"code", code}};
  if (!display.empty()) out["display"] = display;
  return out;
}
Json concept_of(Json coding) { return {{"coding", Json::array({std::move(coding)})}}; }
std::string urn(std::string_view uuid) { return "urn:uuid:" + std::string(uuid); }
Json named(std::string_view id) {
  if (parse_uuid(id)) return {{"identifier", {{"system", kUri}, {"value", urn(id)}}}};
  return {{"identifier", {{"value", id}}}};
}
Json patient(const std::string& id) { return {{"type", "Patient"}, {"identifier", {{"value", id}}}}; }
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// ---- AuditEvent ----------------------------------------------------------------------------------------------------

enum class Vocabulary { dicom, lifecycle };
struct Code {
  Vocabulary vocabulary = Vocabulary::dicom;
  std::string_view code, display;
};
constexpr Code kActivity{Vocabulary::dicom, "110100", "Application Activity"};
constexpr Code kLogUsed{Vocabulary::dicom, "110101", "Audit Log Used"};
constexpr Code kExport{Vocabulary::dicom, "110106", "Export"};
constexpr Code kPatientRecord{Vocabulary::dicom, "110110", "Patient Record"};
constexpr Code kQuery{Vocabulary::dicom, "110112", "Query"};
constexpr Code kAlert{Vocabulary::dicom, "110113", "Security Alert"};
constexpr Code kAuthentication{Vocabulary::dicom, "110114", "User Authentication"};
constexpr Code kLogin{Vocabulary::dicom, "110122", "Login"};
constexpr Code kLogout{Vocabulary::dicom, "110123", "Logout"};
constexpr Code kOverride{Vocabulary::dicom, "110127", "Emergency Override Started"};
constexpr Code kConfiguration{Vocabulary::dicom, "110129", "Security Configuration"};
constexpr Code kRoles{Vocabulary::dicom, "110136", "Security Roles Changed"};
constexpr Code kAttributes{Vocabulary::dicom, "110137", "User Security Attributes Changed"};
constexpr Code kNone{Vocabulary::dicom, "", ""};
constexpr Code lifecycle(std::string_view code, std::string_view display) {
  return {Vocabulary::lifecycle, code, display};
}

enum class Outcome : char { success = '0', minor = '4', serious = '8' };
struct Mapping {
  std::string_view action;
  Code type;
  char deed = 'E';  // create, read, update, delete, execute
  Code subtype = kNone;
  Outcome outcome = Outcome::success;
};

// What is not here is an application's activity; its own name stands beside the code in any case.
constexpr Mapping kMappings[] = {
    {"draft_generated", lifecycle("originate", "Originate/Retain Record Lifecycle Event"), 'C'},
    {"draft_edited", lifecycle("amend", "Amend (Update) Record Lifecycle Event"), 'U'},
    {"submitted_for_review", kPatientRecord, 'U'},
    {"claimed", kPatientRecord, 'U'},
    {"released", kPatientRecord, 'U'},
    {"statement_issued", kPatientRecord, 'R'},
    {"signed", lifecycle("attest", "Attest Record Lifecycle Event")},
    {"reviewed", lifecycle("verify", "Verify Record Lifecycle Event")},
    {"queued", kPatientRecord, 'U'},
    {"sent", lifecycle("transmit", "Transmit Record Lifecycle Event")},
    {"delivery_confirmed", lifecycle("receive", "Receive/Retain Record Lifecycle Event")},
    {"delivery_failed", lifecycle("transmit", "Transmit Record Lifecycle Event"), 'E', kNone, Outcome::minor},
    {"delivery_in_doubt", lifecycle("transmit", "Transmit Record Lifecycle Event"), 'E', kNone, Outcome::minor},
    {"delivery_unsent", lifecycle("transmit", "Transmit Record Lifecycle Event"), 'E', kNone, Outcome::minor},
    {"suppressed", kPatientRecord, 'U'},
    {"expired", kPatientRecord, 'U'},
    {"cancelled", kPatientRecord, 'U'},
    {"cancel_requested", kPatientRecord, 'U'},
    {"resolve", lifecycle("amend", "Amend (Update) Record Lifecycle Event"), 'U'},
    {"requeue", kPatientRecord, 'U'},
    {"purged", lifecycle("destroy", "Destroy/Delete Record Lifecycle Event"), 'D'},
    {"legal_hold_set", lifecycle("hold", "Add Legal Hold Record Lifecycle Event"), 'U'},
    {"legal_hold_ended", lifecycle("unhold", "Remove Legal Hold Record Lifecycle Event"), 'U'},
    {"content_read", lifecycle("access", "Access/View Record Lifecycle Event"), 'R'},
    {"metadata_read", lifecycle("access", "Access/View Record Lifecycle Event"), 'R'},
    {"timeline_read", lifecycle("access", "Access/View Record Lifecycle Event"), 'R'},
    {"diff_read", lifecycle("access", "Access/View Record Lifecycle Event"), 'R'},
    {"provenance_read", lifecycle("access", "Access/View Record Lifecycle Event"), 'R'},
    {"messages_listed", kQuery},
    {"messages_searched", kQuery},
    {"users_listed", kQuery},
    {"tokens_listed", kQuery},
    {"keys_listed", kQuery},
    {"sessions_listed", kQuery},
    {"break_glass_listed", kQuery},
    {"suppressions_listed", kQuery},
    {"audit_read", kLogUsed, 'R'},
    {"audit_searched", kLogUsed, 'R'},
    {"evidence_read", kExport, 'R'},
    {"export_requested", kExport},
    {"export", kExport, 'R'},
    {"task_file_read", kExport, 'R'},
    {"refused", kAlert, 'E', kNone, Outcome::minor},
    {"login", kAuthentication, 'E', kLogin},
    {"login_refused", kAuthentication, 'E', kLogin, Outcome::minor},
    {"logout", kAuthentication, 'E', kLogout},
    {"step_up", kAuthentication},
    {"step_up_refused", kAuthentication, 'E', kNone, Outcome::minor},
    {"session_revoked", kAuthentication, 'E', kLogout},
    {"lockout", kAlert, 'E', kNone, Outcome::minor},
    {"unlocked", kAlert, 'U', kAttributes},
    {"password_changed", kAlert, 'U', kAttributes},
    {"user_created", kAlert, 'C', kAttributes},
    {"user_changed", kAlert, 'U', kAttributes},
    {"role_changed", kAlert, 'U', kRoles},
    {"token_created", kAlert, 'C', kAttributes},
    {"token_revoked", kAlert, 'U', kAttributes},
    {"key_enrolled", kAlert, 'C', kAttributes},
    {"key_rotated", kAlert, 'U', kAttributes},
    {"key_revoked", kAlert, 'U', kAttributes},
    {"break_glass_opened", kAlert, 'E', kOverride},
    {"break_glass_reviewed", kAlert},
    {"callback_refused", kAlert, 'E', kNone, Outcome::minor},
    {"intake_refused", kAlert, 'E', kNone, Outcome::minor},
    {"provider_changed", kAlert, 'U', kConfiguration},
    {"retention_changed", kAlert, 'U', kConfiguration},
    {"integrity_check", lifecycle("verify", "Verify Record Lifecycle Event")},
    {"integrity_alarm", kAlert, 'E', kNone, Outcome::serious},
};

Mapping mapping_of(std::string_view action) {
  for (const auto& mapping : kMappings)
    if (mapping.action == action) return mapping;
  return {action, kActivity};
}

Json coding(const Code& code) {
  return coding(code.vocabulary == Vocabulary::dicom ? kDicom : kLifecycle, code.code, code.display);
}

// Of the words of an export's purpose (v3-ActReason, by its value set PurposeOfUse).
Json purpose_of(std::string_view word) {
  constexpr std::pair<std::string_view, std::string_view> kPurposes[] = {
      {"audit", "HCOMPL"}, {"compliance", "HCOMPL"},  {"disclosure", "HOPERAT"},     {"investigation", "HCOMPL"},
      {"legal", "HLEGAL"}, {"operations", "HOPERAT"}, {"patient_request", "PATRQT"}, {"quality", "HQUALIMP"}};
  for (const auto& [known, code] : kPurposes)
    if (known == word) return Json::array({concept_of(coding(kReason, code))});
  return nullptr;
}

Json agent_of(const Json& actor) {
  const std::string id = actor.value("id", ""), role = actor.value("role", ""), ip = actor.value("ip", "");
  Json out = Json::object();
  if (!role.empty()) out["role"] = Json::array({concept_of(coding("urn:signet:role", role))});
  if (!id.empty()) out["who"] = named(id);
  out["requestor"] = role != "daemon";
  if (!ip.empty()) out["network"] = {{"address", ip}, {"type", "2"}};
  return out;
}

void add_detail(Json& to, const std::string& type, const Json& value) {
  if (value.is_null()) return;
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (!text.empty()) to.push_back({{"type", type}, {"valueString", text}});
}

Json entity_of(const Json& event, const FhirEvent& source) {
  Json out = Json::object();
  const Json object = event.value("object", Json::object());
  const std::string id = object.value("id", ""), type = object.value("type", "");
  if (!id.empty()) out["what"] = named(id);
  out["type"] = coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2", "System Object");
  if (type == "message")
    out["role"] = coding("http://terminology.hl7.org/CodeSystem/object-role", "4", "Domain Resource");
  if (!type.empty()) out["name"] = type;
  Json details = Json::array();
  add_detail(details, "seq", source.seq);
  add_detail(details, "leafHash", to_hex(view(source.leaf)));
  for (const char* member :
       {"status", "reasonCode", "envelopeCommit", "provenanceSha256", "attemptSha256", "callbackSha256", "requestId"})
    if (event.contains(member)) add_detail(details, member, event[member]);
  for (const char* group : {"object", "attempt", "actor"}) {
    const Json members = event.value(group, Json::object());
    for (const auto& [name, value] : members.items())
      if (name != "id" && name != "type" && name != "role" && name != "ip")
        add_detail(details, std::string(group) + "." + name, value);
  }
  const Json detail = event.value("detail", Json::object());
  for (const auto& [name, value] : detail.items()) add_detail(details, "detail." + name, value);
  out["detail"] = std::move(details);
  return out;
}

}  // namespace

std::string fhir_audit_event(const FhirEvent& source) {
  const Json event = Json::parse(source.canon, nullptr, false);
  const std::string action = event.value("action", "");
  const Mapping mapping = mapping_of(action);
  const Json detail = event.value("detail", Json::object());
  const Outcome outcome = detail.contains("ok") && detail["ok"] == false ? Outcome::serious : mapping.outcome;
  Json out{{"resourceType", "AuditEvent"}, {"id", event.value("id", "")}, {"type", coding(mapping.type)}};
  out["subtype"] = Json::array();
  if (!mapping.subtype.code.empty()) out["subtype"].push_back(coding(mapping.subtype));
  out["subtype"].push_back(coding("urn:signet:audit-action", action));
  out["action"] = std::string(1, mapping.deed);
  out["recorded"] = event.value("at", "");
  out["outcome"] = std::string(1, static_cast<char>(outcome));
  if (detail.contains("purpose"))
    if (Json purpose = purpose_of(detail["purpose"].get<std::string>()); !purpose.is_null())
      out["purposeOfEvent"] = std::move(purpose);
  out["agent"] = Json::array({agent_of(event.value("actor", Json::object()))});
  out["source"] = {
      {"observer", {{"display", "signetd"}}},
      {"type",
       Json::array({coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")})}};
  out["entity"] = Json::array({entity_of(event, source)});
  if (!source.patient_id.empty())
    out["entity"].push_back({{"what", patient(source.patient_id)},
                             {"type", coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "1", "Person")},
                             {"role", coding("http://terminology.hl7.org/CodeSystem/object-role", "1", "Patient")}});
  return dump(out);
}

// ---- Communication -------------------------------------------------------------------------------------------------

std::optional<std::string_view> fhir_status(Status status) {
  switch (status) {
    case Status::approved:
    case Status::queued:
      return "preparation";
    case Status::sent:
      return "in-progress";
    case Status::delivered:
      return "completed";
    case Status::failed:
      return "stopped";
    case Status::in_doubt:
      return "unknown";
    case Status::suppressed:
    case Status::cancelled:
      return "not-done";
    case Status::pending:
    case Status::pending_review:
    case Status::rejected:
      break;
  }
  return std::nullopt;
}

std::optional<std::string> fhir_communication(const FhirMessage& message) {
  const auto status = fhir_status(message.status);
  if (!status) return std::nullopt;
  Json out{{"resourceType", "Communication"},
           {"id", message.id.text()},
           {"identifier", Json::array({{{"system", kUri}, {"value", urn(message.id.text())}}})},
           {"status", *status}};
  if (message.status == Status::suppressed)
    out["statusReason"] = concept_of(coding("http://terminology.hl7.org/CodeSystem/communication-not-done-reason",
                                            "patient-objection", "Patient Objection"));
  else if (message.status == Status::failed && !message.failure_reason.empty())
    out["statusReason"] = {{"text", message.failure_reason}};
  out["category"] =
      Json::array({concept_of(coding("http://terminology.hl7.org/CodeSystem/communication-category", "notification"))});
  out["priority"] = message.priority == Priority::critical ? "stat"
                    : message.priority == Priority::high   ? "urgent"
                                                           : "routine";
  if (message.method != DeliveryMethod::none)
    out["medium"] = Json::array({concept_of(coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationMode",
                                                   message.kind == Kind::sms ? "SMSWRIT" : "EMAILWRIT"))});
  if (!message.patient_id.empty()) out["subject"] = patient(message.patient_id);
  if (!message.subject.empty()) out["topic"] = {{"text", message.subject}};
  if (message.sent_at) out["sent"] = rfc3339(*message.sent_at);
  if (message.delivered_at && message.status == Status::delivered) out["received"] = rfc3339(*message.delivered_at);
  if (!message.recipient.empty()) out["recipient"] = Json::array({{{"identifier", {{"value", message.recipient}}}}});
  out["sender"] = named(message.author_id.text());
  if (!message.body.empty()) out["payload"] = Json::array({{{"contentString", message.body}}});
  return dump(out);
}

// ---- Provenance ----------------------------------------------------------------------------------------------------

std::string fhir_provenance(const FhirProvenance& p) {
  Json out{{"resourceType", "Provenance"}, {"id", p.id.text()}};
  if (p.is_verified)
    out["meta"] = {{"tag", Json::array({coding("urn:signet:verified", *p.is_verified ? "true" : "false")})}};
  Json target = named(p.message_id.text());
  target["type"] = "Communication";
  out["target"] = Json::array({std::move(target)});
  out["recorded"] = rfc3339(p.approved_at);
  out["activity"] =
      concept_of(coding("http://terminology.hl7.org/CodeSystem/v3-DocumentCompletion", "LA", "legally authenticated"));
  Json agents = Json::array(), signatures = Json::array();
  if (!p.model.empty())
    agents.push_back({{"type", concept_of(coding(kParticipant, "author", "Author"))},
                      {"who", {{"type", "Device"}, {"display", p.model}}}});
  for (const auto& approval : p.approvals) {
    agents.push_back({{"type", concept_of(coding(kParticipant, "verifier", "Verifier"))},
                      {"role", Json::array({concept_of(coding("urn:signet:role", approval.role))})},
                      {"who", named(approval.signer_id)}});
    if (approval.dsse.empty()) continue;
    signatures.push_back({{"type", Json::array({coding("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.5",
                                                       "Verification Signature")})},
                          {"when", rfc3339(approval.at)},
                          {"who", named(approval.signer_id)},
                          {"targetFormat", "application/vnd.signet.approval+json"},
                          {"sigFormat", "application/vnd.dsse.envelope.v1+json"},
                          {"data", to_base64(approval.dsse)}});
  }
  if (agents.empty()) agents.push_back({{"who", {{"display", "unknown: the record does not open"}}}});
  out["agent"] = std::move(agents);
  Json entities = Json::array();
  entities.push_back({{"role", "source"},
                      {"what",
                       {{"identifier", {{"system", "urn:signet:provenance-sha256"}, {"value", to_hex(view(p.sha256))}}},
                        {"display", "the sealed provenance record"}}}});
  for (const auto& source : p.sources)
    entities.push_back({{"role", "source"},
                        {"what",
                         {{"type", "DocumentReference"},
                          {"identifier", {{"value", source.id}}},
                          {"display", source.name.empty() ? source.type : source.name}}}});
  out["entity"] = std::move(entities);
  if (!signatures.empty()) out["signature"] = std::move(signatures);
  return dump(out);
}

// ---- Bundle --------------------------------------------------------------------------------------------------------

Result<void> FhirBundle::begin(const Uuid& id, WallTime at) {
  return to_.write("{\"resourceType\":\"Bundle\",\"id\":\"" + id.text() +
                   "\",\"type\":\"collection\",\"timestamp\":\"" + rfc3339(at) + "\"");
}

Result<void> FhirBundle::add(const Uuid& id, std::string_view resource) {
  // FHIR knows no empty list.
  std::string entry = is_first_ ? ",\"entry\":[\n" : ",\n";
  is_first_ = false;
  entry += "{\"fullUrl\":\"urn:uuid:" + id.text() + "\",\"resource\":";
  entry += resource;
  return to_.write(entry + '}');
}

Result<void> FhirBundle::end() { return to_.write(is_first_ ? "}\n" : "\n]}\n"); }

}  // namespace signet

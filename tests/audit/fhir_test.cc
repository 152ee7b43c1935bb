// Resources of every action and every status, which tests/fhir holds against two validators of R4 as well.
#include "audit/fhir.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "audit/actions.h"
#include "audit/event.h"
#include "base/bytes.h"

using namespace signet;

namespace {

using Json = nlohmann::json;

const Uuid kEvent = *parse_uuid("0190a000-0000-7000-8000-000000000001");
const Uuid kUser = *parse_uuid("0190a000-0000-7000-8000-00000000000a");
const Uuid kMessage = *parse_uuid("0190a000-0000-7000-8000-00000000000c");
constexpr WallTime kAt{1'767'225'600'000'001};

std::ofstream& samples() {
  static std::ofstream out(SIGNET_FHIR_SAMPLES);
  return out;
}
Json kept(const std::string& resource) {
  samples() << resource << std::endl;
  return Json::parse(resource);
}

// With every member that the action may have.
Event event_of(const AuditAction& action) {
  Event event;
  event.id = kEvent;
  event.at = kAt;
  event.actor = {kUser.text(), "doctor", "0190a000-0000-7000-8000-00000000000b", "192.0.2.7",
                 to_hex(view(sha256("curl/8")))};
  event.action = action.name;
  if (action.chained != Chained::never) event.object.id = kMessage.text();
  if (action.chained == Chained::always) {
    event.object.n = 2;
    event.object.prev = sha256("before");
    event.status = "queued";
  }
  for (const auto& member : action.detail()) {
    const std::string name(member.name);
    if (member.type == DetailType::flag)
      event.detail.emplace_back(name, true);
    else if (member.type == DetailType::number)
      event.detail.emplace_back(name, int64_t{3});
    else
      event.detail.emplace_back(name, std::string(name == "purpose" ? "legal" : "word"));
  }
  return event;
}

Json audit_event(const Event& event, const std::string& patient = "") {
  const std::string canon = canonical(event);
  return kept(fhir_audit_event({canon, 41, leaf_hash(canon), patient}));
}

std::string detail_of(const Json& resource, const std::string& type) {
  for (const auto& detail : resource["entity"][0]["detail"])
    if (detail["type"] == type) return detail["valueString"];
  return "";
}

FhirProvenance provenance() {
  FhirProvenance out;
  out.id = kEvent;
  out.message_id = kMessage;
  out.approved_at = kAt;
  out.sha256 = sha256("record");
  out.is_verified = true;
  out.model = "model-a";
  out.sources = {{"s-1", "recording", "Consultation", kAt}, {"s-2", "document", "", kAt}};
  ProvenanceApproval approval;
  approval.signer_id = kUser.text();
  approval.role = "doctor";
  approval.at = kAt;
  approval.dsse = R"({"payload":"x"})";
  out.approvals = {approval, approval};
  return out;
}

}  // namespace

TEST_CASE("each action is an AuditEvent that names it, its actor and its leaf", "[fhir]") {
  std::set<std::string> named;
  for (const auto& action : audit_actions()) {
    const Event event = event_of(action);
    const Json resource = audit_event(event);
    INFO(resource.dump());
    CHECK(resource["resourceType"] == "AuditEvent");
    CHECK(resource["subtype"].back() == Json({{"system", "urn:signet:audit-action"}, {"code", action.name}}));
    CHECK(resource["recorded"] == "2026-01-01T00:00:00.000001Z");
    CHECK(resource["agent"][0]["who"]["identifier"]["value"] == "urn:uuid:" + kUser.text());
    CHECK(resource["agent"][0]["network"] == Json({{"address", "192.0.2.7"}, {"type", "2"}}));
    CHECK(detail_of(resource, "leafHash") == to_hex(view(leaf_hash(canonical(event)))));
    CHECK(detail_of(resource, "seq") == "41");
    CHECK(resource["entity"].size() == 1);
    named.insert(resource["type"]["code"]);
  }
  CHECK(named.size() > 10);
}

TEST_CASE("an AuditEvent says what kind of deed it was and how it ended", "[fhir]") {
  const auto of = [](const char* action) { return audit_event(event_of(*find_action(action))); };
  CHECK(of("sent")["type"]["code"] == "transmit");
  CHECK(of("export")["type"]["code"] == "110106");
  CHECK(of("export")["purposeOfEvent"][0]["coding"][0]["code"] == "HLEGAL");
  CHECK(of("login")["subtype"][0]["code"] == "110122");
  CHECK(of("login_refused")["outcome"] == "4");
  CHECK(of("integrity_alarm")["outcome"] == "8");
  CHECK(of("content_read")["action"] == "R");
  Event failed = event_of(*find_action("integrity_check"));
  for (auto& [name, value] : failed.detail)
    if (name == "ok") value = false;
  CHECK(audit_event(failed)["outcome"] == "8");
}

TEST_CASE("a patient stands in an AuditEvent only where one is given, and nobody's actor is left open", "[fhir]") {
  Event event = event_of(*find_action("content_read"));
  const Json with = audit_event(event, "P-4711");
  CHECK(with["entity"][1]["what"]["identifier"]["value"] == "P-4711");
  CHECK(with["entity"][1]["role"]["code"] == "1");
  event.actor = {"", "anonymous", "", "", ""};
  event.object = {};
  CHECK(audit_event(event)["agent"][0]["requestor"] == true);
  event.actor = {"signetd-1", "daemon", "", "", ""};
  CHECK(audit_event(event)["agent"][0]["requestor"] == false);
}

TEST_CASE("each status of a message is the Communication's that the design names", "[fhir]") {
  const std::pair<Status, const char*> table[] = {{Status::approved, "preparation"}, {Status::queued, "preparation"},
                                                  {Status::sent, "in-progress"},     {Status::delivered, "completed"},
                                                  {Status::failed, "stopped"},       {Status::in_doubt, "unknown"},
                                                  {Status::suppressed, "not-done"},  {Status::cancelled, "not-done"}};
  for (const Kind kind : {Kind::sms, Kind::email, Kind::letter})
    for (const auto& [status, wanted] : table) {
      FhirMessage message;
      message.id = kMessage;
      message.kind = kind;
      message.status = status;
      message.priority = Priority::critical;
      message.author_id = kUser;
      message.sent_at = message.delivered_at = kAt;
      message.failure_reason = "unknown_recipient";
      const Json bare = kept(fhir_communication(message).value());
      CHECK(bare["status"] == wanted);
      CHECK(bare.contains("received") == (status == Status::delivered));
      for (const char* member : {"subject", "recipient", "payload", "topic"}) CHECK_FALSE(bare.contains(member));
      message.patient_id = "P-1";
      message.recipient = "+61491570006";
      message.subject = "Subject";
      message.body = "Grüße\nline";
      const Json full = kept(fhir_communication(message).value());
      CHECK(full["payload"][0]["contentString"] == "Grüße\nline");
      CHECK(full["subject"]["identifier"]["value"] == "P-1");
    }
  for (const Status status : {Status::pending, Status::pending_review, Status::rejected}) {
    FhirMessage message;
    message.status = status;
    CHECK_FALSE(fhir_communication(message));
  }
}

TEST_CASE("a Provenance has the model as author, the signers as verifiers, and their signatures", "[fhir]") {
  const Json full = kept(fhir_provenance(provenance()));
  CHECK(full["target"][0]["identifier"]["value"] == "urn:uuid:" + kMessage.text());
  REQUIRE(full["agent"].size() == 3);
  CHECK(full["agent"][0]["who"]["display"] == "model-a");
  CHECK(full["agent"][1]["type"]["coding"][0]["code"] == "verifier");
  CHECK(full["signature"].size() == 2);
  CHECK(full["signature"][0]["data"] == to_base64(R"({"payload":"x"})"));
  CHECK(full["meta"]["tag"][0]["code"] == "true");
  CHECK(full["entity"][0]["what"]["identifier"]["value"] == to_hex(view(sha256("record"))));
  FhirProvenance broken = provenance();
  broken.is_verified = false;
  broken.model.clear();
  broken.approvals.clear();
  const Json empty = kept(fhir_provenance(broken));
  CHECK(empty["meta"]["tag"][0]["code"] == "false");
  CHECK_FALSE(empty.contains("signature"));
  CHECK(empty["agent"].size() == 1);
}

TEST_CASE("a Bundle is written an entry at a time, and an empty one has none", "[fhir]") {
  StringSink two, none;
  FhirBundle bundle(two), empty(none);
  REQUIRE(bundle.begin(kEvent, kAt).ok());
  REQUIRE(bundle.add(kEvent, fhir_provenance(provenance())).ok());
  REQUIRE(bundle.add(kMessage, fhir_provenance(provenance())).ok());
  REQUIRE(bundle.end().ok());
  const Json read = Json::parse(two.text);
  samples() << read.dump() << std::endl;
  CHECK(read["type"] == "collection");
  CHECK(read["entry"].size() == 2);
  CHECK(read["entry"][1]["fullUrl"] == "urn:uuid:" + kMessage.text());
  REQUIRE(empty.begin(kEvent, kAt).ok());
  REQUIRE(empty.end().ok());
  samples() << Json::parse(none.text).dump() << std::endl;
  CHECK_FALSE(Json::parse(none.text).contains("entry"));
}

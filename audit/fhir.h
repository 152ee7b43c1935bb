// FHIR R4 (hl7.org/fhir/R4, 4.0.1) of what the log and its messages say: AuditEvent, Communication, Provenance, and a
// Bundle of them. Shapes follow IHE BALP where it has one; no conformance is claimed. People of ours are named by
// identifier, since there is no server to look them up at; a patient only where he is given. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/provenance.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/sink.h"
#include "message/message.h"

namespace signet {

struct FhirEvent {
  std::string_view canon;  // of audit/event.h
  int64_t seq = 0;         // in the log
  Digest leaf{};
  std::string patient_id = {};  // empty: not said
};
std::string fhir_audit_event(const FhirEvent& event);

struct FhirMessage {
  Uuid id;
  Kind kind = Kind::sms;
  DeliveryMethod method = DeliveryMethod::sms;
  Status status = Status::pending;
  Priority priority = Priority::normal;
  Uuid author_id;
  std::optional<WallTime> sent_at, delivered_at;
  std::string failure_reason;
  // Empty: not said.
  std::string patient_id, recipient, subject, body;
};
// None before its approval: that will be a CommunicationRequest.
std::optional<std::string_view> fhir_status(Status status);
std::optional<std::string> fhir_communication(const FhirMessage& message);

struct FhirProvenance {
  Uuid id, message_id;
  WallTime approved_at;
  Digest sha256{};                  // of the sealed record
  std::optional<bool> is_verified;  // none: not looked at
  std::string model;                // that wrote the draft; empty: none
  std::vector<ProvenanceSource> sources;
  std::vector<ProvenanceApproval> approvals;  // `dsse` empty: the signature is not said
};
std::string fhir_provenance(const FhirProvenance& provenance);

// A Bundle of the type collection, an entry at a time.
class FhirBundle {
 public:
  explicit FhirBundle(Sink& to) : to_(to) {}  // which outlives this
  Result<void> begin(const Uuid& id, WallTime at);
  Result<void> add(const Uuid& id, std::string_view resource);
  Result<void> end();

 private:
  Sink& to_;
  bool is_first_ = true;
};

}  // namespace signet

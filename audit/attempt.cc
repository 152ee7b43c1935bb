#include "audit/attempt.h"

#include "audit/member.h"

namespace signet {

Digest attempt_sha256(const AttemptRecord& r) {
  std::string out = "{\"attemptNo\":" + std::to_string(r.attempt_no);
  auto text = [&out](std::string_view name, std::string_view value) { append_member(out, name, value); };
  text("finishedAt", rfc3339(r.finished_at));
  text("instance", r.instance);
  text("lane", r.lane);
  text("messageId", r.message_id.text());
  text("outcome", r.outcome);
  out += ",\"parts\":" + std::to_string(r.parts);
  text("permittedAt", rfc3339(r.permitted_at));
  text("provider", r.provider);
  text("providerCode", r.provider_code);
  text("providerReference", r.provider_reference);
  text("reason", r.reason);
  text("routeReason", r.route_reason);
  text("startedAt", rfc3339(r.started_at));
  out += ",\"statusCode\":" + std::to_string(r.status_code) + '}';
  return sha256(out);
}

Digest void_sha256(const Uuid& message_id, int attempt_no, std::string_view instance, WallTime at) {
  AttemptRecord record;
  record.message_id = message_id;
  record.attempt_no = attempt_no;
  record.instance = instance;
  record.permitted_at = record.started_at = record.finished_at = at;
  record.outcome = "void";
  return attempt_sha256(record);
}

}  // namespace signet

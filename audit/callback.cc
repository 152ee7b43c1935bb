#include "audit/callback.h"

#include "audit/member.h"
#include "base/bytes.h"

namespace signet {

Digest callback_sha256(const CallbackRecord& r) {
  std::string out = "{\"attemptNo\":" + std::to_string(r.attempt_no);
  auto text = [&out](std::string_view name, std::string_view value) { append_member(out, name, value); };
  text("eventId", r.event_id);
  text("id", r.id.text());
  text("kind", r.kind);
  if (!r.message_id.is_nil()) text("messageId", r.message_id.text());
  out += std::string(",\"partial\":") + (r.is_partial ? "true" : "false");
  text("provider", r.provider);
  text("providerCode", r.provider_code);
  text("providerReference", r.provider_reference);
  text("receivedAt", rfc3339(r.received_at));
  text("sealedBy", r.sealed_by);
  text("sealedSha256", to_hex(view(sha256(r.sealed))));
  out += '}';
  return sha256(out);
}

}  // namespace signet

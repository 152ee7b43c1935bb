#include "daemon/delivery/look_up.h"

#include "message/envelope.h"

namespace signet {
namespace {

constexpr int64_t kTimeoutMs = 2000;  // the leader's sign of life waits meanwhile

}  // namespace

Result<Found> LookUps::ask(const DoubtProvider& provider, const Doubt& doubt) {
  HttpCall call;
  static_cast<HttpRequest&>(call) =
      provider.provider->build_look_up({doubt.message_id, doubt.attempt_no, doubt.provider_reference});
  call.timeout_ms = kTimeoutMs;
  call.ca_file = provider.ca_file;
  auto reply = ask_(call);
  if (!reply) return reply.error();
  const LookUp answer = provider.provider->parse_look_up(*reply);
  if (answer.found == Found::accepted || answer.found == Found::refused)
    if (auto kept = keep(doubt, answer, reply->body); !kept) return kept.error();
  return answer.found;
}

Result<void> LookUps::keep(const Doubt& doubt, const LookUp& answer, const std::string& body) {
  auto wrapped = store_.data_key(doubt.message_id);
  if (!wrapped) return wrapped.error();
  if (!*wrapped) return Error{ErrorCode::not_found, "the message's content was erased"};
  auto key = keys_.unwrap(doubt.message_id.text(), (*wrapped)->first, (*wrapped)->second);
  if (!key) return key.error();
  CallbackRow row;
  row.id = ids_.next();
  row.provider = doubt.provider;
  row.kind = answer.found == Found::accepted ? ReceiptKind::sent : ReceiptKind::failed;
  row.event_id = "look-up:" + echo_of(doubt.message_id, doubt.attempt_no) + ":" + std::string(name(row.kind));
  row.message_id = doubt.message_id;
  row.attempt_no = doubt.attempt_no;
  row.provider_reference = answer.provider_reference;
  row.provider_code = answer.provider_code;
  row.sealed_by = "message";
  row.sealed = keys_.seal_with(*key, seal_binding("callback", row.id, 0, "sealed"), body);
  row.received_at = clock_.wall();
  auto kept = store_.keep_callback(row);
  if (!kept) return kept.error();
  return {};
}

}  // namespace signet

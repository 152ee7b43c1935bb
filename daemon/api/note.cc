#include "daemon/api/note.h"

#include "base/bytes.h"
#include "daemon/api/content.h"
#include "daemon/api/sealing_key.h"
#include "message/envelope.h"
#include "store/audit_entries.h"

namespace signet::api {
namespace {

constexpr size_t kSaltSize = 32;

std::string binding(const Uuid& event_id) { return seal_binding("audit.note", event_id, 0, "note"); }

}  // namespace

void add_note(Context& context, Event& event, const std::optional<Uuid>& message_id, std::string_view text) {
  const SealingKey key = sealing_key(context, message_id, event.at);
  const std::string salt = make_salt(context.services.random);
  NoteRow note{event.id, message_id, key.sealed_by, {}};
  note.sealed = context.services.keyring.seal_with(key.key, binding(event.id), salt + std::string(text));
  event.detail.emplace_back("noteCommit", to_hex(view(hmac_sha256(salt, text))));
  context.must(insert_note(context.tx(), note));
}

std::string open_note(const Secret& key, const Uuid& event_id, std::string_view sealed) {
  const auto opened = unseal(key.octets(), binding(event_id), sealed);
  return opened && opened->size() >= kSaltSize ? opened->substr(kSaltSize) : std::string();
}

}  // namespace signet::api

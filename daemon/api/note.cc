#include "daemon/api/note.h"

#include "message/envelope.h"

namespace signet::api {
namespace {

constexpr size_t kSaltSize = 32;

std::string binding(const Uuid& event_id) { return seal_binding("audit.note", event_id, 0, "note"); }

}  // namespace

std::string seal_note(const Keyring& keyring, const Secret& key, const Uuid& event_id, std::string_view salt,
                      std::string_view text) {
  return keyring.seal_with(key, binding(event_id), std::string(salt) + std::string(text));
}

std::string open_note(const Secret& key, const Uuid& event_id, std::string_view sealed) {
  const auto opened = unseal(key.octets(), binding(event_id), sealed);
  return opened && opened->size() >= kSaltSize ? opened->substr(kSaltSize) : std::string();
}

}  // namespace signet::api

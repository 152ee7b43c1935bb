// The words of an external_note, sealed beside its event with a salt, which its commitment needs.
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/secret.h"
#include "store/keyring.h"

namespace signet::api {

std::string seal_note(const Keyring& keyring, const Secret& key, const Uuid& event_id, std::string_view salt,
                      std::string_view text);
std::string open_note(const Secret& key, const Uuid& event_id, std::string_view sealed);  // empty: it does not open

}  // namespace signet::api

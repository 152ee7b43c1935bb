#include "daemon/sandbox/endings.h"

namespace signet::sandbox {

Behaviour behaviour_of(std::string_view recipient) {
  const std::string_view local = recipient.substr(0, recipient.rfind('@'));
  for (const Ending& ending : kEndings)
    if (local.ends_with(ending.digits)) return ending.behaviour;
  return Behaviour::deliver;
}

}  // namespace signet::sandbox

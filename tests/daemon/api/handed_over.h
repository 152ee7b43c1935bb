// What a back end signs in its own screens, and hands over (docs/approval.md).
#pragma once

#include <string>
#include <vector>

#include "base/signature.h"
#include "message/statement.h"
#include "tests/fakes/postgres_server.h"

namespace signet::api {

struct HandedSigner {
  Uuid id;
  Role role = Role::reviewer;
  SigningKey key;
  Meaning meaning = Meaning::approved;
};

// A key enrolled for its owner just now.
SigningKey enrolled(PostgresServer& postgres, IdSource& ids, const Clock& clock, const Uuid& owner,
                    SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519);
// The body of POST /api/messages: an SMS to +61412345678, "Your result is fine.".
std::string handed_over(IdSource& ids, const Clock& clock, const std::vector<HandedSigner>& signers);

}  // namespace signet::api

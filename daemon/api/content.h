// A message's sealed content, opened and sealed: the envelope, and what else is about the patient.
#pragma once

#include <string>

#include "base/crypto.h"
#include "base/secret.h"
#include "daemon/api/router.h"
#include "message/envelope.h"
#include "store/keyring.h"
#include "store/messages.h"

namespace signet::api {

struct Details {  // members that are empty are not stored
  std::string patient_id;
  std::string submit_notes, review_notes;
  std::string content_draft;  // the draft, once its reviewer has approved other words
};

struct Content {
  int version = 1;
  Secret data_key;
  std::string salt;  // 32 octets, of this version
  Envelope envelope;
  Details details;
  Digest commit() const { return envelope_commit(salt, envelope); }
};

std::string make_salt(Random& random);

SealedContent seal_content(const Keyring& keyring, const Uuid& id, const Content& content, Keyring::DataKey key);
std::string seal_envelope(const Keyring& keyring, const Uuid& id, const Content& content);
std::string seal_details(const Keyring& keyring, const Uuid& id, const Content& content);  // empty if there are none
// corrupt: bytes or keys were changed. The text names what, never a content.
Result<Content> open_content(const Keyring& keyring, const Uuid& id, const SealedContent& sealed);

// Reads and opens, or answers 500 with an alarm in the log. Purged content is 404.
Content content_of(Context& context, const Uuid& id);

}  // namespace signet::api

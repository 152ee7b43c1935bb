// A message's sealed content, opened and sealed: the envelope, and what else is about the patient.
#pragma once

#include <string>

#include "base/crypto.h"
#include "base/secret.h"
#include "daemon/api/clinical_json.h"
#include "daemon/api/router.h"
#include "message/envelope.h"
#include "store/approvals.h"
#include "store/keyring.h"
#include "store/messages.h"

namespace signet::api {

struct Details {  // members that are empty are not stored
  std::string patient_id;
  std::string submit_notes, review_notes;
  std::string content_generated;  // the first text, once it was changed: what a diff is against
  std::string content_draft;      // the text before its reviewer changed it
  Clinical clinical;
};

struct Content {
  int version = 1;
  Secret data_key;
  std::string salt;  // 32 octets, of this version
  Envelope envelope;
  Details details;
  Digest commit() const { return envelope_commit(salt, envelope); }
  const std::string& original() const {
    return details.content_generated.empty() ? envelope.body : details.content_generated;
  }
};

std::string make_salt(Random& random);

SealedContent seal_content(const Keyring& keyring, const Uuid& id, const Content& content, Keyring::DataKey key);
std::string seal_envelope(const Keyring& keyring, const Uuid& id, const Content& content);
std::string seal_details(const Keyring& keyring, const Uuid& id, const Content& content);  // empty if there are none
// corrupt: bytes or keys were changed. The text names what, never a content.
Result<Content> open_content(const Keyring& keyring, const Uuid& id, const SealedContent& sealed);

// Beside the content, under the same key: what is not there anymore is empty.
std::string seal_beside(const Keyring& keyring, const Content& content, std::string_view table, const Uuid& row,
                        int version, std::string_view field, std::string_view plain);
std::string open_beside(const Content& content, std::string_view table, const Uuid& row, int version,
                        std::string_view field, std::string_view sealed);
std::string open_notes(const Content& content, const ApprovalRow& approval);
// {version, at, editorId, diff}
std::string edit_json(const Content& content, const EditRow& edit);
MessageFacts facts_of(const Keyring& keyring, const Content& content);

// Reads and opens, or answers 500 with an alarm in the log. Purged content is 404.
Content content_of(Context& context, const Uuid& id);

}  // namespace signet::api

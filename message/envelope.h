// What an approval covers: these words, to this person (design: evidence, "What an approval covers").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/secret.h"
#include "message/message.h"

namespace signet {

struct Envelope {
  Kind kind = Kind::sms;
  std::string recipient;  // E.164 or an address, in normal form
  std::string subject;
  std::string body;
  std::vector<Digest> attachments;
  bool operator==(const Envelope&) const = default;
};

// RFC 8785 form of {attachments, body, kind, recipient, subject}.
std::string canonical(const Envelope& envelope);

// A plain hash of a short text can be guessed; the salt (32 octets, one per version) is stored only under the seal.
Digest envelope_commit(std::string_view salt, const Envelope& envelope);

// MAC of the approving daemon over messageId || version || envelopeCommit || policyId. `key` is 32 octets.
Digest approval_mac(std::string_view key, const Uuid& message_id, int version, const Digest& commit,
                    std::string_view policy_id);

// recipient_key, patient_key, content_key: equal values have equal keys; nobody without the index key can guess one.
Digest recipient_key(std::string_view index_key, std::string_view recipient);
Digest patient_key(std::string_view index_key, std::string_view patient_id);
Digest content_key(std::string_view index_key, std::string_view body);

// How the envelope lies under the seal: salt, then each field with its length, so that the hot path parses nothing.
std::string pack(std::string_view salt, const Envelope& envelope);
struct Unpacked {
  std::string salt;
  Envelope envelope;
};
Result<Unpacked> unpack(std::string_view packed);  // else corrupt

// What the seal binds in besides the key: a row's bytes do not open in another row's place.
std::string seal_binding(std::string_view table, const Uuid& row, int version, std::string_view field);

}  // namespace signet

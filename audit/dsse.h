// DSSE v1.0.2 (github.com/secure-systems-lab/dsse): a payload, its type, and signatures over both. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/signature.h"

namespace signet {

constexpr std::string_view kManifestType = "application/vnd.signet.manifest+json";
constexpr size_t kDssePayloadMax = 4 << 20;
constexpr size_t kDsseSignaturesMax = 16;

// The octets that are signed: "DSSEv1" SP length SP type SP length SP payload.
std::string pre_authentication_encoding(std::string_view payload_type, std::string_view payload);

struct DsseSignature {
  std::string key_id;  // a hint, not authenticated; may be empty
  std::string octets;
};

class DsseEnvelope {
 public:
  DsseEnvelope(std::string payload_type, std::string payload)
      : payload_type_(std::move(payload_type)), payload_(std::move(payload)) {}
  // Payload and signatures in base64 or base64url, members not known ignored, as its specification says; a member that
  // is there twice, no signature, or more than 16 are invalid.
  static Result<DsseEnvelope> parse(std::string_view json);

  Result<void> sign(const SigningKey& key);  // adds a signature; its hint is the key's id
  void add_signature(DsseSignature signature) { signatures_.push_back(std::move(signature)); }
  // RFC 8785 form; standard base64.
  std::string json() const;

  const std::string& payload_type() const { return payload_type_; }
  const std::vector<DsseSignature>& signatures() const { return signatures_; }

  struct Verified {
    std::string payload;
    std::vector<size_t> keys;  // which of the keys given signed, ascending; one given twice counts once
  };
  // The payload can be had only here, so that nobody parses what is not verified. Invalid if its type is another;
  // corrupt if none of the keys signed. Signatures of other keys are ignored: for a quorum count keys, and their
  // owners.
  Result<Verified> verify(std::string_view payload_type, std::span<const VerifyKey> keys) const;

 private:
  std::string payload_type_, payload_;
  std::vector<DsseSignature> signatures_;
};

}  // namespace signet

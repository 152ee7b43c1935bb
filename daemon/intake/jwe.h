// What is sealed to the daemon: compact JWE (RFC 7516) by ECDH-ES on P-256 or by `dir` (RFC 7518 sections 4.6 and 4.5),
// content in A256GCM, nothing else. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace signet {

class IntakeKey {
 public:
  // A private JWK (RFC 7517): kty EC on P-256 with d, which opens ECDH-ES, or kty oct of 32 octets, which opens dir.
  // The error says what is wrong with it and what to do.
  static Result<IntakeKey> parse(const Secret& jwk);

  // What was sealed. The error's text is the reason in one word, as docs/intake.md has it: CLEAR, UNKNOWN_KEY,
  // ALGORITHM, UNREADABLE.
  Result<std::string> open(std::string_view compact) const;
  // What others seal to, as a JWK on one line; empty where the key is shared (dir).
  const std::string& public_jwk() const { return public_jwk_; }

 private:
  IntakeKey() = default;
  Secret jwk_;
  std::string key_id_;  // empty: it has none
  std::string algorithm_, public_jwk_;
};

}  // namespace signet

// Digests, MACs, sealing. Thin over OpenSSL; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace signet {

using Digest = std::array<uint8_t, 32>;
std::string_view view(const Digest& digest);  // lives as long as the digest
Digest digest_from(std::string_view thirty_two_octets);

Digest sha256(std::string_view data);
Digest hmac_sha256(std::string_view key, std::string_view data);
std::string hmac_sha1(std::string_view key, std::string_view data);  // 20 octets; for Twilio only

constexpr size_t kSealOverhead = 12 + 16;
// AES-256-GCM (NIST SP 800-38D): 96-bit random nonce, ciphertext, 128-bit tag. `key` is 32 octets; `aad` is bound in.
std::string seal(std::string_view key, std::string_view aad, std::string_view plain, Random& random);
Result<std::string> unseal(std::string_view key, std::string_view aad, std::string_view sealed);  // else corrupt

}  // namespace signet

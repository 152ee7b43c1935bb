// Makes the keys that `signetd keygen` writes. Any thread.
#pragma once

#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace signet {

Secret make_key_base64(Random& random);  // 32 octets, as read_key_file() takes them
Result<Secret> make_ed25519_pem();       // a private key, PKCS #8 (RFC 8410)
Result<Secret> make_rsa_pem();           // a private key of 2048 bits, PKCS #8: for accounts at the sandbox
// In PEM, of such a key, for that host name and twenty years: as a provider serves it for who verifies its callbacks.
Result<std::string> self_signed_certificate(const Secret& rsa_pem, const std::string& host);
Result<Secret> make_p256_jwk();  // a private key for ECDH-ES (RFC 7517, RFC 7518 section 6.2)

}  // namespace signet

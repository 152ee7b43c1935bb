// Passwords: Argon2id (RFC 9106) in PHC strings. Each hash takes 19 MiB and tens of milliseconds of one core, hence a
// bound on how many run at once: the hasher is handed down, one a process.
#pragma once

#include <semaphore>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace signet {

class PasswordHasher {  // any thread; a caller may wait for others to finish: never on a loop's thread
 public:
  explicit PasswordHasher(Random& random) : random_(random) {}

  Result<std::string> hash(const Secret& password);  // "$argon2id$v=19$m=19456,t=2,p=1$salt$hash"
  // True if it is the password; compares in constant time. Corrupt if `phc` is no Argon2id string, or one that would
  // cost more than 256 MiB.
  Result<bool> verify(const std::string& phc, const Secret& password);
  // Costs what verify() does; call it for a user who is not there, so that the time does not tell. Always false.
  Result<bool> verify_nobody(const Secret& password);
  static bool needs_rehash(const std::string& phc);  // verifies, but was made with other parameters than hash() uses

 private:
  Random& random_;
  std::counting_semaphore<2> running_{2};
};

}  // namespace signet

#include "base/password.h"

#include <argon2.h>

#include <cstdio>

namespace signet {
namespace {

// The least that OWASP's Password Storage Cheat Sheet names for Argon2id.
constexpr uint32_t kMemoryKib = 19 * 1024, kPasses = 2, kLanes = 1;
constexpr size_t kSalt = 16, kHash = 32;
// A stored string decides what verifying costs: no more than this.
constexpr uint32_t kMemoryKibMax = 256 * 1024, kPassesMax = 16, kLanesMax = 4;
// Of the same cost; nobody knows a password with this hash.
const std::string kNobody =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Parameters {
  unsigned memory_kib = 0, passes = 0, lanes = 0;
  bool is_read = false;
};

Parameters parameters_of(const std::string& phc) {
  Parameters p;
  p.is_read = std::sscanf(phc.c_str(), "$argon2id$v=19$m=%9u,t=%9u,p=%9u$", &p.memory_kib, &p.passes, &p.lanes) == 3;
  return p;
}

class Turn {
 public:
  explicit Turn(std::counting_semaphore<2>& running) : running_(running) { running_.acquire(); }
  ~Turn() { running_.release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::counting_semaphore<2>& running_;
};

Error failed(int code) { return {ErrorCode::unavailable, std::string("Argon2: ") + argon2_error_message(code)}; }

}  // namespace

Result<std::string> PasswordHasher::hash(const Secret& password) {
  std::string salt(kSalt, '\0');
  random_.fill(salt.data(), salt.size());
  std::string out(argon2_encodedlen(kPasses, kMemoryKib, kLanes, kSalt, kHash, Argon2_id), '\0');
  const Turn turn(running_);
  const int code = argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, password.octets().data(),
                                         password.octets().size(), salt.data(), kSalt, kHash, out.data(), out.size());
  if (code != ARGON2_OK) return failed(code);
  out.resize(out.find('\0'));
  return out;
}

Result<bool> PasswordHasher::verify(const std::string& phc, const Secret& password) {
  const Parameters p = parameters_of(phc);
  if (!p.is_read || p.memory_kib > kMemoryKibMax || p.passes > kPassesMax || p.lanes > kLanesMax)
    return Error{ErrorCode::corrupt, "a stored password hash is not Argon2id: set the password anew"};
  const Turn turn(running_);
  const int code = argon2id_verify(phc.c_str(), password.octets().data(), password.octets().size());
  if (code == ARGON2_OK) return true;
  if (code == ARGON2_VERIFY_MISMATCH) return false;
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR) return failed(code);
  return Error{ErrorCode::corrupt, "a stored password hash does not read: set the password anew"};
}

Result<bool> PasswordHasher::verify_nobody(const Secret& password) {
  auto done = verify(kNobody, password);
  if (!done) return done;
  return false;
}

bool PasswordHasher::needs_rehash(const std::string& phc) {
  const Parameters p = parameters_of(phc);
  return !p.is_read || p.memory_kib != kMemoryKib || p.passes != kPasses || p.lanes != kLanes;
}

}  // namespace signet

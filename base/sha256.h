// SHA-256 (FIPS 180-4) of what comes piece by piece; base/crypto.h has it for what is there at once.
#pragma once

#include <memory>
#include <string_view>

#include "base/crypto.h"

namespace signet {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::string_view octets);
  Digest finish();  // once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace signet

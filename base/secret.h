// Values that must not reach a log. Neither type can be streamed or formatted: leaking does not compile.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace signet {

class Secret {  // wiped when it goes
 public:
  Secret() = default;
  explicit Secret(std::string octets) : octets_(std::move(octets)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret other) noexcept;
  ~Secret();
  std::string_view octets() const { return octets_; }
  bool is_empty() const { return octets_.empty(); }

 private:
  std::string octets_;
};

// A secret's file: readable by its owner only (mode 0600 or stricter; a systemd credential is), at most 64 KiB.
// One trailing newline is not part of it.
Result<Secret> read_secret_file(const std::string& path);
// The same for a key of 32 octets written as base64.
Result<Secret> read_key_file(const std::string& path);

template <class T>
class Phi {  // about a patient: a recipient, a text
 public:
  Phi() = default;
  explicit Phi(T value) : value_(std::move(value)) {}
  const T& reveal() const { return value_; }
  bool operator==(const Phi&) const = default;

 private:
  T value_{};
};

}  // namespace signet

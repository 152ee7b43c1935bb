// What a failed environment gives back: a code to decide on and a text that tells a person what to do.
// The text never holds a recipient, message text or a secret.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace signet {

enum class ErrorCode {
  invalid,      // the input is wrong; trying again will not help
  not_found,    // what was asked for is not there
  conflict,     // somebody else was first, or the version moved
  forbidden,    // the caller may not
  unavailable,  // a server is not there now; try again later
  timeout,      // it took too long; whether it happened is not known
  io,           // the operating system refused
  corrupt,      // stored data does not verify
  limit,        // a configured bound was reached
};

struct Error {
  ErrorCode code = ErrorCode::io;
  std::string text;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : value_(std::in_place_index<1>, std::move(error)) {}
  bool ok() const { return value_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & {
    SIGNET_CHECK(ok());
    return std::get<0>(value_);
  }
  const T& value() const& {
    SIGNET_CHECK(ok());
    return std::get<0>(value_);
  }
  T&& value() && {
    SIGNET_CHECK(ok());
    return std::get<0>(std::move(value_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const {
    SIGNET_CHECK(!ok());
    return std::get<1>(value_);
  }

 private:
  std::variant<T, Error> value_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    SIGNET_CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace signet

// Reports on mail are not signed. What proves that one is about a mail of ours is a token that only the daemon can
// make: it goes out in ENVID (RFC 3461 section 4.4), in the envelope sender and in a header field, and comes back in
// the report. Whoever got the mail knows its token, and that of no other mail. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "providers/provider.h"

namespace signet {

constexpr size_t kMailTokenSize = 48;  // of a-z and 2-7: what it passes may lose its case

class MailTokens {
 public:
  MailTokens() = default;  // makes none and believes none
  // The first key makes them, each is believed. One provider's tokens are nothing at another.
  MailTokens(std::vector<Secret> keys, std::string provider) : keys_(std::move(keys)), provider_(std::move(provider)) {}
  bool has_key() const { return !keys_.empty(); }
  std::string make(const Echo& echo) const;  // needs has_key()
  // The attempt whose token stands in the text, with whatever around it that could not be of a token.
  std::optional<Echo> find(std::string_view text) const;

 private:
  std::string proof(const Secret& key, std::string_view named) const;
  std::optional<Echo> read(std::string_view token) const;

  std::vector<Secret> keys_;
  std::string provider_;
};

}  // namespace signet

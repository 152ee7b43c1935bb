// How adapters and transports read an entry of `providers:` and say what is wrong with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "providers/provider.h"

namespace signet {

std::string setting_of(const ProviderSettings& settings, const std::string& key, std::string_view fallback = "");
std::string_view secret_of(const ProviderSettings& settings, const std::string& key);  // empty if not given
std::vector<std::string> words_of(std::string_view text);  // a list: parted by blanks or commas
// A secret that goes into a header: an error if a space or a line's end is in it.
Result<std::string> header_secret_of(const ProviderSettings& settings, const std::string& key);
// A secret's file may hold several, one a line, while a provider goes from one to the next.
std::vector<std::string_view> secrets_of(const ProviderSettings& settings, const std::string& key);
// `provider "twilio-main": from: is missing`
Error setting_error(const ProviderSettings& settings, std::string_view key, std::string_view text);
// https://, or http:// to this machine only: a patient's text does not cross a network in the clear. Without
// query, fragment, user information and trailing slash.
Result<std::string> checked_url(const ProviderSettings& settings, const std::string& key, std::string url);
Result<std::string> checked_url(std::string url);  // what is wrong, without a key
// Of the key base_url.
Result<std::string> base_url_of(const ProviderSettings& settings, std::string_view fallback);

}  // namespace signet

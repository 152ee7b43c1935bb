#include "providers/settings.h"

#include <algorithm>
#include <utility>

namespace signet {

std::string setting_of(const ProviderSettings& settings, const std::string& key, std::string_view fallback) {
  auto found = settings.values.find(key);
  return found == settings.values.end() ? std::string(fallback) : found->second;
}

std::string_view secret_of(const ProviderSettings& settings, const std::string& key) {
  auto found = settings.secrets.find(key);
  return found == settings.secrets.end() ? std::string_view() : found->second.octets();
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find_first_of(" ,\t\n"));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (!word.empty()) out.emplace_back(word);
  }
  return out;
}

Result<std::string> header_secret_of(const ProviderSettings& settings, const std::string& key) {
  const auto secret = secret_of(settings, key);
  if (std::any_of(secret.begin(), secret.end(), [](char c) { return c <= ' ' || c == 0x7f; }))
    return setting_error(settings, key + "_file", "holds a space or a line's end, or what is not ASCII");
  return std::string(secret);
}

std::vector<std::string_view> secrets_of(const ProviderSettings& settings, const std::string& key) {
  std::vector<std::string_view> out;
  for (auto rest = secret_of(settings, key); !rest.empty();) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) out.push_back(line);
  }
  return out;
}

Error setting_error(const ProviderSettings& settings, std::string_view key, std::string_view text) {
  return {ErrorCode::invalid, "provider \"" + settings.name + "\": " + std::string(key) + ": " + std::string(text)};
}

Result<std::string> base_url_of(const ProviderSettings& settings, std::string_view fallback) {
  return checked_url(settings, "base_url", setting_of(settings, "base_url", fallback));
}

Result<std::string> checked_url(const ProviderSettings& settings, const std::string& key, std::string url) {
  auto checked = checked_url(std::move(url));
  if (!checked) return setting_error(settings, key, checked.error().text);
  return checked;
}

Result<std::string> checked_url(std::string url) {
  auto refuse = [](const char* text) { return Error{ErrorCode::invalid, text}; };
  bool is_clear = url.starts_with("http://");
  if (!is_clear && !url.starts_with("https://")) return refuse("write a URL that begins with https://");
  while (url.ends_with('/') && !url.ends_with("://")) url.pop_back();
  auto rest = std::string_view(url).substr(is_clear ? 7 : 8);
  auto authority = rest.substr(0, rest.find('/'));
  for (char c : rest)
    if (c <= ' ' || c == 0x7f || static_cast<unsigned char>(c) > 0x7f || c == '?' || c == '#' || c == '@' || c == '"')
      return refuse("write scheme, host, port and path only");
  if (authority.empty() || authority.front() == ':') return refuse("the host is missing");
  if (is_clear) {
    auto host = authority.substr(0, authority.front() == '[' ? authority.find(']') + 1 : authority.find(':'));
    if (host != "localhost" && host != "[::1]" && !host.starts_with("127."))
      return refuse("http:// sends patients' texts in the clear and is for this machine only; write https://");
  }
  return url;
}

}  // namespace signet

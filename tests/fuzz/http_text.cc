#include "tests/fuzz/http_text.h"

#include <algorithm>
#include <charconv>

namespace signet::fuzz {
namespace {

constexpr WallTime kReceivedAt{1'795'305'600'000'000};

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<std::pair<std::string, std::string>> take_headers(std::string_view& text) {
  std::vector<std::pair<std::string, std::string>> out;
  for (auto line = take_line(text); !line.empty(); line = take_line(text)) {
    const size_t colon = std::min(line.find(": "), line.size());
    std::string name(line.substr(0, colon));
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    out.emplace_back(std::move(name), line.substr(std::min(colon + 2, line.size())));
  }
  return out;
}

}  // namespace

CallbackRequest callback_of(std::string_view text) {
  const std::string_view first = take_line(text);
  const size_t space = std::min(first.find(' '), first.size());
  CallbackRequest out;
  out.method = first.substr(0, space);
  out.public_url = "https://signet.example" + std::string(first.substr(std::min(space + 1, first.size())));
  out.headers = take_headers(text);
  out.body = text;
  out.received_at = kReceivedAt;
  out.peer_address = "192.0.2.1";
  return out;
}

HttpReply reply_of(std::string_view text) {
  const std::string_view first = take_line(text);
  HttpReply out;
  std::from_chars(first.data(), first.data() + first.size(), out.status);
  out.headers = take_headers(text);
  out.body = text;
  return out;
}

}  // namespace signet::fuzz

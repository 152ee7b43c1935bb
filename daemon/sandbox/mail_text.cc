#include "daemon/sandbox/mail_text.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"

namespace signet::sandbox {

namespace {

constexpr size_t kTextMax = 4000;
constexpr int kDepthMax = 5;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Quoted-printable (RFC 2045 section 6.7); in headers '_' is a space (RFC 2047 section 4.2).
std::string from_quoted(std::string_view text, bool in_header) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=' && text.substr(i + 1, 2) == "\r\n") {
      i += 2;
    } else if (text[i] == '=' && i + 2 < text.size()) {
      const auto octet = from_hex(text.substr(i + 1, 2));
      if (!octet) {
        out += '=';
        continue;
      }
      out += *octet;
      i += 2;
    } else {
      out += in_header && text[i] == '_' ? ' ' : text[i];
    }
  }
  return out;
}

std::string from_wrapped_base64(std::string_view text) {
  std::string packed;
  for (const char c : text)
    if (c != '\r' && c != '\n' && c != ' ') packed += c;
  const auto out = from_base64(packed);
  return out ? *out : std::string(text);
}

// Encoded words of RFC 2047, UTF-8 only; white space between two of them goes.
std::string decode_words(std::string_view text) {
  std::string out;
  bool after_word = false;
  while (!text.empty()) {
    const size_t start = text.find("=?");
    if (start == std::string_view::npos) break;
    const size_t charset = text.find('?', start + 2);
    const size_t coding = charset == std::string_view::npos ? charset : text.find('?', charset + 1);
    const size_t end = coding == std::string_view::npos ? coding : text.find("?=", coding + 1);
    if (end == std::string_view::npos || coding != charset + 2) break;
    const std::string_view between = text.substr(0, start);
    if (!after_word || between.find_first_not_of(" \t") != std::string_view::npos) out += between;
    const std::string_view word = text.substr(coding + 1, end - coding - 1);
    const bool is_base64 = text[charset + 1] == 'B' || text[charset + 1] == 'b';
    out += is_base64 ? from_wrapped_base64(word) : from_quoted(word, true);
    text.remove_prefix(end + 2);
    after_word = true;
  }
  return out + std::string(text);
}

struct Part {
  std::string_view head;
  std::string_view body;
};

Part split(std::string_view message) {
  if (message.starts_with("\r\n")) return {"", message.substr(2)};
  const size_t end = message.find("\r\n\r\n");
  if (end == std::string_view::npos) return {message, ""};
  return {message.substr(0, end + 2), message.substr(end + 4)};
}

std::string header(std::string_view head, std::string_view lower_name) {
  for (size_t at = 0; at < head.size();) {
    size_t end = head.find("\r\n", at);
    // Folded lines belong to it.
    while (end != std::string_view::npos && end + 2 < head.size() && (head[end + 2] == ' ' || head[end + 2] == '\t'))
      end = head.find("\r\n", end + 2);
    if (end == std::string_view::npos) end = head.size();
    const std::string_view line = head.substr(at, end - at);
    at = end + 2;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || lower(line.substr(0, colon)) != lower_name) continue;
    std::string value;
    for (const char c : line.substr(colon + 1))
      if (c != '\r' && c != '\n') value += c;
    const size_t first = value.find_first_not_of(" \t");
    return first == std::string::npos ? "" : value.substr(first);
  }
  return "";
}

std::optional<std::string> text_of(const Part& part, int depth) {
  const std::string type = header(part.head, "content-type");
  const std::string kind = lower(type.substr(0, type.find(';')));
  if (kind.starts_with("multipart/")) {
    size_t at = lower(type).find("boundary=");
    if (at == std::string::npos || depth >= kDepthMax) return std::nullopt;
    at += 9;
    const bool is_quoted = at < type.size() && type[at] == '"';
    const size_t end = is_quoted ? type.find('"', at + 1) : type.find_first_of("; \t", at);
    const std::string boundary =
        "--" + type.substr(at + is_quoted, end == std::string::npos ? end : end - at - is_quoted);
    size_t start = part.body.find(boundary);
    while (start != std::string_view::npos) {
      start = part.body.find("\r\n", start);
      if (start == std::string_view::npos) break;
      const size_t next = part.body.find("\r\n" + boundary, start);
      if (next == std::string_view::npos) break;
      if (auto text = text_of(split(part.body.substr(start + 2, next - start)), depth + 1)) return text;
      start = next + 2;
    }
    return std::nullopt;
  }
  if (!kind.empty() && !kind.starts_with("text/plain")) return std::nullopt;
  const std::string coding = lower(header(part.head, "content-transfer-encoding"));
  if (coding == "quoted-printable") return from_quoted(part.body, false);
  if (coding == "base64") return from_wrapped_base64(part.body);
  return std::string(part.body);
}

}  // namespace

MailText read_mail(std::string_view message) {
  const Part part = split(message);
  MailText out;
  out.to = decode_words(header(part.head, "to"));
  out.subject = decode_words(header(part.head, "subject"));
  out.message_id = header(part.head, "message-id");
  out.text = text_of(part, 0).value_or("(no plain text in it)");
  if (out.text.size() > kTextMax) {
    size_t end = kTextMax;
    while (end > 0 && (static_cast<unsigned char>(out.text[end]) & 0xc0) == 0x80) --end;
    out.text.resize(end);
  }
  return out;
}

}  // namespace signet::sandbox

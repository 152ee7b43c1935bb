#include "providers/smtp_reply.h"

#include <algorithm>
#include <utility>

namespace signet {
namespace {

constexpr size_t kLineMax = 2048;
constexpr size_t kLinesMax = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string enhanced_of(std::string_view text, char code_class) {
  auto token = text.substr(0, text.find(' '));
  if (token.size() < 5 || token.size() > 9 || token[0] != code_class || token[1] != '.') return "";
  auto dot = token.find('.', 2);
  if (dot == token.npos) return "";
  auto subject = token.substr(2, dot - 2), detail = token.substr(dot + 1);
  for (auto part : {subject, detail})
    if (part.empty() || part.size() > 3 || !std::all_of(part.begin(), part.end(), is_digit)) return "";
  return std::string(token);
}

Result<void> SmtpReplyParser::feed(std::string_view octets, std::vector<SmtpReply>& replies) {
  while (!octets.empty()) {
    auto end = octets.find('\n');
    auto piece = octets.substr(0, end);
    octets.remove_prefix(std::min(octets.size(), piece.size() + 1));
    if (line_.size() + piece.size() > kLineMax) return Error{ErrorCode::limit, "a line of the SMTP reply is too long"};
    line_ += piece;
    if (end == octets.npos) break;
    if (line_.ends_with('\r')) line_.pop_back();
    auto is_last = take_line(line_);
    line_.clear();
    if (!is_last) return is_last.error();
    if (*is_last) replies.push_back(std::exchange(reply_, {}));
  }
  return {};
}

Result<bool> SmtpReplyParser::take_line(std::string_view line) {
  const Error bad{ErrorCode::invalid, "what came is no SMTP reply"};
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2])) return bad;
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return bad;
  int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (!reply_.lines.empty() && code != reply_.code) return bad;
  if (reply_.lines.size() >= kLinesMax) return Error{ErrorCode::limit, "the SMTP reply has too many lines"};
  auto text = line.substr(std::min<size_t>(4, line.size()));
  if (reply_.lines.empty()) {
    reply_.code = code;
    reply_.enhanced = enhanced_of(text, line[0]);
  }
  reply_.lines.emplace_back(text);
  return line.size() == 3 || line[3] == ' ';
}

std::string dot_stuffed(std::string_view data) {
  std::string out;
  out.reserve(data.size() + data.size() / 64 + 8);
  bool is_at_start = true;
  for (size_t i = 0; i < data.size(); i++) {
    char c = data[i];
    if (c == '\r' || c == '\n') {
      // A lone one would be an end of line to some servers and none to others, and so a way to smuggle mail.
      if (c == '\r' && i + 1 < data.size() && data[i + 1] == '\n') i++;
      out += "\r\n";
      is_at_start = true;
      continue;
    }
    if (c == '.' && is_at_start) out += '.';
    out += c;
    is_at_start = false;
  }
  if (!is_at_start) out += "\r\n";
  return out += ".\r\n";
}

std::string xtext(std::string_view text) {
  static const char hex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (c > ' ' && c < 127 && c != '+' && c != '=') {
      out += char(c);
    } else {
      out += '+';
      out += hex[c >> 4];
      out += hex[c & 15];
    }
  }
  return out;
}

}  // namespace signet

// What an SMTP server says (RFC 5321 section 4.2, RFC 2034), out of the octets as they come. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace signet {

struct SmtpReply {
  int code = 0;                    // 200 to 599
  std::string enhanced;            // "5.1.1", if the first line has one of the code's class
  std::vector<std::string> lines;  // text after the code, the enhanced code still in it
  bool is_positive() const { return code < 400; }
};

// "5.1.1" at the start of the text, if its class is that digit; else empty.
std::string enhanced_of(std::string_view text, char code_class);

class SmtpReplyParser {
 public:
  // Appends every reply that is complete. An error means that this is no SMTP: line over 2048 octets, over 128 lines,
  // no code, codes that differ within a reply. Nothing can be read from the connection after it.
  Result<void> feed(std::string_view octets, std::vector<SmtpReply>& replies);
  bool is_midway() const { return !line_.empty() || !reply_.lines.empty(); }

 private:
  Result<bool> take_line(std::string_view line);  // true: the last of a reply
  std::string line_;
  SmtpReply reply_;
};

// As it stands between DATA and its end: lines end in CRLF, whatever they ended in; a dot at the start is doubled;
// then the line with the dot alone, whose kFinalDotSize octets commit.
constexpr size_t kFinalDotSize = 3;
std::string dot_stuffed(std::string_view data);
std::string xtext(std::string_view text);  // RFC 3461 section 4

}  // namespace signet

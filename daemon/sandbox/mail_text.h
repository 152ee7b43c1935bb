// What a person would read in an RFC 5322 message, for the sandbox's page. Best effort, bounded, never an error.
#pragma once

#include <string>
#include <string_view>

namespace signet::sandbox {

struct MailText {
  std::string to;
  std::string subject;
  std::string message_id;
  std::string text;  // the first text part, decoded; at most 4,000 octets
};
MailText read_mail(std::string_view message);  // CRLF lines

}  // namespace signet::sandbox

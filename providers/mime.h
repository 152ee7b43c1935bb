// Writes a mail (RFC 5322, MIME) with GMime. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace signet {

struct Mailbox {
  std::string name;     // shown; may be empty
  std::string address;  // local@domain
};
Result<Mailbox> parse_mailbox(std::string_view text);  // `Clinic <clinic@example.org>` or the address alone
// What may stand between < and > of an envelope: nothing in it can end the line or the brackets. UTF-8 is allowed
// (RFC 6531); at most 254 octets.
bool is_mail_address(std::string_view text);

struct Mail {
  Mailbox from;
  std::string to;          // an address
  std::string subject;     // UTF-8; control characters become blanks, so that it stays one header
  std::string body;        // UTF-8, any line ends
  std::string message_id;  // without < and >
  WallTime date;
};
// CRLF lines of at most 998 octets, seven bits (but for an address in UTF-8), not dot-stuffed. invalid: not UTF-8, or
// no address.
Result<std::string> render_mail(const Mail& mail);

}  // namespace signet

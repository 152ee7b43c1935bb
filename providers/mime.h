// Writes mail (RFC 5322, MIME) and reads reports about it (RFC 6522) with GMime. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "providers/callback_form.h"

namespace signet {

struct Mailbox {
  std::string name;     // shown; may be empty
  std::string address;  // local@domain
};
Result<Mailbox> parse_mailbox(std::string_view text);  // `Clinic <clinic@example.org>` or the address alone
// What may stand between < and > of an envelope: nothing in it can end the line or the brackets. UTF-8 is allowed
// (RFC 6531); at most 254 octets.
bool is_mail_address(std::string_view text);
constexpr size_t kMailLocalMax = 64;  // octets before the @ (RFC 5321 section 4.5.3.1.1)

struct Mail {
  Mailbox from;
  std::string to;          // an address
  std::string subject;     // UTF-8; control characters become blanks, so that it stays one header
  std::string body;        // UTF-8, any line ends
  std::string message_id;  // without < and >
  WallTime date;
  std::string token = {};  // of the header kTokenField, if any: ASCII
  std::string pdf = {};    // attached as letter.pdf, if any
};
// A report gives the headers back, and so this.
constexpr std::string_view kTokenField = "X-Signet-Token";

// CRLF lines of at most 998 octets, seven bits (but for an address in UTF-8), not dot-stuffed. invalid: not UTF-8, or
// no address.
Result<std::string> render_mail(const Mail& mail);

// Of a field's value, in lower case: what follows is a comment or a parameter.
std::string first_word(std::string_view value);

struct MailReport {
  enum class Type { none, delivery_status, feedback } type = Type::none;  // none: a mail for people
  std::vector<Fields> groups;      // of the part for programs, parted by empty lines; names in lower case
  std::vector<std::string> marks;  // where a token may stand: fields about the mail that it is about come first
};
// Of a multipart/report with message/delivery-status (RFC 3464, RFC 6533) or message/feedback-report (RFC 5965). Line
// ends may be LF. invalid: no mail; limit: longer than `octets_max`, or parts in parts deeper than any report has.
Result<MailReport> read_report(std::string_view mail, size_t octets_max = 4 << 20);

}  // namespace signet

// What a mail relay writes to a letter's sender: that it was delivered, or not (RFC 3464), or that its recipient calls
// it spam (RFC 5965).
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace signet::sandbox {

struct ReportedMail {
  std::string host;         // of the relay
  std::string sender;       // the envelope's: whom the report goes to
  std::string envelope_id;  // ENVID, no longer as xtext; empty: none was given
  std::string recipient;
  std::string head;  // the mail's header fields, CRLF lines
  WallTime at;
};
enum class Fate { delivered, failed };

std::string delivery_report(const ReportedMail& mail, Fate fate);  // a whole message, CRLF lines
std::string complaint_report(const ReportedMail& mail);

std::string from_xtext(std::string_view text);  // RFC 3461 section 4; what is no xtext stays as it is

}  // namespace signet::sandbox

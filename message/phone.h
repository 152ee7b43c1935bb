// Recipients in normal form: E.164 for numbers (libphonenumber), addr-spec for mail (RFC 5321 section 4.1.2).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace signet {

struct PhoneNumber {
  std::string e164;     // "+61412345678"
  std::string country;  // "AU"; "001" for non-geographic ones
};
// Takes only numbers written with + and country code, since a guess of the country sends to a stranger. The error text
// does not repeat the number. Any thread.
Result<PhoneNumber> parse_phone(std::string_view text);

struct MailAddress {
  std::string address;  // domain in lower case, local part as given
  std::string domain;
};
Result<MailAddress> parse_mail_address(std::string_view text);

}  // namespace signet

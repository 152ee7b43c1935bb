#include "message/phone.h"

#include <phonenumbers/phonenumberutil.h>

#include <algorithm>
#include <cctype>

#include "base/bytes.h"

namespace signet {

Result<PhoneNumber> parse_phone(std::string_view text) {
  using i18n::phonenumbers::PhoneNumberUtil;
  const Error bad{ErrorCode::invalid,
                  "not a valid phone number: write it in E.164 form, with + and country code, as in +61412345678"};
  if (text.size() > 40 || text.empty() || text[0] != '+') return bad;
  // libphonenumber reads letters as the keys they stand on: the O of a slip of the pen would be a 6, and a stranger's.
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return std::isalpha(c) || c >= 0x80; })) return bad;
  const PhoneNumberUtil& util = *PhoneNumberUtil::GetInstance();
  i18n::phonenumbers::PhoneNumber number;
  if (util.Parse(std::string(text), "ZZ", &number) != PhoneNumberUtil::NO_PARSING_ERROR) return bad;
  if (number.has_extension() || !util.IsValidNumber(number)) return bad;
  PhoneNumber out;
  util.Format(number, PhoneNumberUtil::E164, &out.e164);
  util.GetRegionCodeForCountryCode(number.country_code(), &out.country);
  std::string region;
  util.GetRegionCodeForNumber(number, &region);
  if (!region.empty() && region != "ZZ") out.country = region;
  return out;
}

Result<MailAddress> parse_mail_address(std::string_view text) {
  const Error bad{ErrorCode::invalid, "not a valid e-mail address: write it as name@domain"};
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at > 64 || text.size() > 254 || !is_utf8(text)) return bad;
  const std::string_view local = text.substr(0, at);
  std::string domain(text.substr(at + 1));
  // Dot-atom only: quoted local parts and address literals are refused, nobody writes them on purpose.
  auto is_atom = [](char c) {
    return static_cast<unsigned char>(c) >= 0x80 || std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
  };
  if (!std::all_of(local.begin(), local.end(), is_atom) || local.front() == '.' || local.back() == '.' ||
      local.find("..") != std::string_view::npos)
    return bad;
  std::transform(domain.begin(), domain.end(), domain.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (domain.empty() || domain.find('.') == std::string::npos || domain.front() == '.' || domain.back() == '.' ||
      domain.find("..") != std::string::npos)
    return bad;
  for (unsigned char c : domain)
    if (c < 0x80 && !std::isalnum(c) && c != '-' && c != '.') return bad;
  return MailAddress{std::string(local) + '@' + domain, domain};
}

}  // namespace signet

// Every provider that the sandbox plays over HTTP, one a file; each file begins with whose documentation it follows.
#pragma once

#include "daemon/sandbox/dialect.h"

namespace signet::sandbox {

std::unique_ptr<Dialect> twilio_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> sendgrid_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> ses_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> mailgun_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> resend_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> postmark_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> vonage_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> telnyx_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> plivo_dialect(const Account& account, const std::string& account_url);
std::unique_ptr<Dialect> gateway_dialect(const Account& account, const std::string& account_url);

struct DialectRow {
  std::string_view adapter;
  std::unique_ptr<Dialect> (*make)(const Account& account, const std::string& account_url);
};
inline constexpr DialectRow kDialects[] = {
    {"twilio", twilio_dialect},        {"ses", ses_dialect},       {"sendgrid", sendgrid_dialect},
    {"mailgun", mailgun_dialect},      {"resend", resend_dialect}, {"postmark", postmark_dialect},
    {"vonage", vonage_dialect},        {"telnyx", telnyx_dialect}, {"plivo", plivo_dialect},
    {"generic_http", gateway_dialect},
};

// base64(HMAC-SHA1(token, url + name and value of each parameter, sorted by name)): twilio.com/docs/usage/security.
std::string twilio_signature(std::string_view auth_token, std::string_view url, Fields parameters);

}  // namespace signet::sandbox

// What the tests of this room share.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "providers/provider.h"

namespace signet::testing {

inline ProviderSettings twilio_settings() {
  ProviderSettings settings;
  settings.name = "twilio-main";
  settings.adapter = "twilio";
  settings.values = {{"base_url", "http://127.0.0.1:1"},
                     {"account_sid", "AC00000000000000000000000000000001"},
                     {"from", "+15005550006"}};
  settings.secrets.emplace("auth_token", Secret("12345"));
  return settings;
}

inline ProviderSettings smtp_settings() {
  ProviderSettings settings;
  settings.name = "relay";
  settings.adapter = "smtp";
  settings.values = {{"url", "smtp://127.0.0.1:1"}, {"starttls", "off"}, {"from", "Clinic <clinic@example.org>"}};
  return settings;
}

inline ProviderSettings smsc_settings() {
  ProviderSettings settings;
  settings.name = "smsc";
  settings.adapter = "smpp";
  settings.values = {{"url", "smpp://127.0.0.1:1"}, {"system_id", "clinic"}, {"from", "+15005550006"}};
  settings.secrets.emplace("password", Secret("secret"));
  return settings;
}

inline ProviderSettings gateway_settings() {
  ProviderSettings settings;
  settings.name = "gateway";
  settings.adapter = "generic_http";
  settings.values = {{"url", "http://127.0.0.1:1/send"}, {"look_up_url", "http://127.0.0.1:1/sent"}};
  settings.secrets.emplace("token", Secret("t0ken"));
  settings.secrets.emplace("webhook_secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  return settings;
}

inline ProviderSettings vonage_settings() {
  ProviderSettings settings;
  settings.name = "vonage-main";
  settings.adapter = "vonage";
  settings.values = {{"base_url", "http://127.0.0.1:1"}, {"from", "Clinic"}};
  settings.secrets.emplace("api_key", Secret("a1b2c3d4"));
  settings.secrets.emplace("api_secret", Secret("s3cret"));
  settings.secrets.emplace("signature_secret", Secret("signetd-vonage-signature-secret-0001"));
  return settings;
}

inline ProviderSettings vonage_sms_settings() {
  auto settings = vonage_settings();
  settings.values["api"] = "sms";
  settings.values["signature_method"] = "sha256";
  return settings;
}

inline ProviderSettings telnyx_settings() {
  ProviderSettings settings;
  settings.name = "telnyx-main";
  settings.adapter = "telnyx";
  settings.values = {{"base_url", "http://127.0.0.1:1"},
                     {"from", "+15005550006"},
                     {"public_key", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}};
  settings.secrets.emplace("api_key", Secret("KEY01"));
  return settings;
}

inline ProviderSettings plivo_settings() {
  ProviderSettings settings;
  settings.name = "plivo-main";
  settings.adapter = "plivo";
  settings.values = {{"base_url", "http://127.0.0.1:1"}, {"auth_id", "MA00000000000000001"}, {"from", "+15005550006"}};
  settings.secrets.emplace("auth_token", Secret("t0ken"));
  return settings;
}

inline ProviderSettings sendgrid_settings() {
  ProviderSettings settings;
  settings.name = "sendgrid-main";
  settings.adapter = "sendgrid";
  settings.values = {{"base_url", "http://127.0.0.1:1"},
                     {"from", "Clinic <clinic@example.org>"},
                     {"webhook_key",
                      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REnt"
                      "lo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="}};
  settings.secrets.emplace("api_key", Secret("SG.key"));
  return settings;
}

inline ProviderSettings ses_settings() {
  ProviderSettings settings;
  settings.name = "ses-main";
  settings.adapter = "ses";
  settings.values = {
      {"base_url", "http://127.0.0.1:1"}, {"region", "eu-west-1"},
      {"access_key_id", "AKIDEXAMPLE"},   {"from", "Clinic <clinic@example.org>"},
      {"configuration_set", "clinic"},    {"topic_arn", "arn:aws:sns:us-east-1:123456789012:ses-events"}};
  settings.secrets.emplace("secret_access_key", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
  return settings;
}

inline ProviderSettings mailgun_settings() {
  ProviderSettings settings;
  settings.name = "mailgun-main";
  settings.adapter = "mailgun";
  settings.values = {
      {"base_url", "http://127.0.0.1:1"}, {"domain", "mg.example.org"}, {"from", "Clinic <clinic@example.org>"}};
  settings.secrets.emplace("api_key", Secret("key-api"));
  settings.secrets.emplace("signing_key", Secret("key-sign"));
  return settings;
}

inline ProviderSettings resend_settings() {
  ProviderSettings settings;
  settings.name = "resend-main";
  settings.adapter = "resend";
  settings.values = {{"base_url", "http://127.0.0.1:1"}, {"from", "Clinic <clinic@example.org>"}};
  settings.secrets.emplace("api_key", Secret("re_key"));
  settings.secrets.emplace("webhook_secret", Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  return settings;
}

inline ProviderSettings postmark_settings() {
  ProviderSettings settings;
  settings.name = "postmark-main";
  settings.adapter = "postmark";
  settings.values = {
      {"base_url", "http://127.0.0.1:1"}, {"from", "Clinic <clinic@example.org>"}, {"message_stream", "outbound"}};
  settings.secrets.emplace("server_token", Secret("POSTMARK_API_TEST"));
  settings.secrets.emplace("webhook_password", Secret("hook"));
  return settings;
}

// Settings that work, by adapter: a new one without an entry fails the conformance suite, and the fuzz targets use
// them.
inline std::map<std::string, ProviderSettings> working_settings() {
  return {{"twilio", twilio_settings()},   {"vonage", vonage_settings()},     {"telnyx", telnyx_settings()},
          {"plivo", plivo_settings()},     {"sendgrid", sendgrid_settings()}, {"ses", ses_settings()},
          {"mailgun", mailgun_settings()}, {"resend", resend_settings()},     {"postmark", postmark_settings()},
          {"smtp", smtp_settings()},       {"smpp", smsc_settings()},         {"generic_http", gateway_settings()}};
}

inline Outbound outbound(Kind kind = Kind::sms) {
  Outbound message;
  message.message_id = *parse_uuid("0193b3c4-0000-7000-8000-00000000abcd");
  message.attempt_no = 2;
  message.kind = kind;
  message.recipient = Phi<std::string>(kind == Kind::sms ? "+15558675310" : "patient@example.net");
  message.subject = Phi<std::string>(kind == Kind::sms ? "" : "Your results");
  message.body = Phi<std::string>("Your results are ready.");
  message.idempotency_key = message.message_id.text() + ".1.0";
  message.callback_url = "https://signet.example/webhooks/main?m=" + message.echo();
  message.at = WallTime{1795305600000000};
  return message;
}

inline std::string read_text(const std::string& path_from_root) {
  std::ifstream in(std::string(SIGNET_SOURCE_DIR) + "/" + path_from_root);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace signet::testing

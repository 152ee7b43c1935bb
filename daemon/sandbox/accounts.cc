#include "daemon/sandbox/accounts.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/file.h"
#include "base/keys.h"
#include "message/message.h"

namespace signet::sandbox {

namespace {

enum class Made {
  token,
  word,
  key,
  rsa_key
};  // of 24 octets in hex, of 4 (SMPP has no room for more), of 32 in base64, in PEM

struct Row {
  const char* name;
  const char* adapter;
  std::vector<std::pair<const char*, const char*>> values;  // {http}, {smtp}, {smpp}: where the sandbox listens
  std::vector<std::pair<const char*, Made>> secrets;
  std::optional<SignatureAlgorithm> signing = {};  // its public half is the setting `public_key`
  const char* public_key = nullptr;
  bool has_certificate = false;
};

constexpr const char* kNumber = "+15005550006";
constexpr const char* kMailbox = "Clinic <clinic@example.org>";

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"twilio",
       "twilio",
       {{"base_url", "{http}"}, {"account_sid", "AC00000000000000000000000000000000"}, {"from", kNumber}},
       {{"auth_token", Made::token}}},
      {"vonage",
       "vonage",
       {{"base_url", "{http}"},
        {"api", "messages"},
        {"application_id", "78d335fa-323d-0114-9c3d-d6f0d48968cf"},
        {"from", "Clinic"}},
       {{"private_key", Made::rsa_key}, {"signature_secret", Made::token}}},
      {"vonage-sms",
       "vonage",
       {{"base_url", "{http}"}, {"api", "sms"}, {"from", "Clinic"}, {"signature_method", "sha256"}},
       {{"api_key", Made::token}, {"api_secret", Made::token}, {"signature_secret", Made::token}}},
      {"telnyx",
       "telnyx",
       {{"base_url", "{http}"}, {"from", kNumber}},
       {{"api_key", Made::token}},
       SignatureAlgorithm::ed25519,
       "public_key"},
      {"plivo",
       "plivo",
       {{"base_url", "{http}"}, {"auth_id", "MA00000000000000SANDBOX"}, {"from", kNumber}},
       {{"auth_token", Made::token}}},
      {"smpp", "smpp", {{"url", "{smpp}"}, {"system_id", "sandbox"}, {"from", kNumber}}, {{"password", Made::word}}},
      {"sendgrid",
       "sendgrid",
       {{"base_url", "{http}"}, {"from", kMailbox}},
       {{"api_key", Made::token}},
       SignatureAlgorithm::p256,
       "webhook_key"},
      {"ses",
       "ses",
       {{"base_url", "{http}"},
        {"region", "eu-west-1"},
        {"access_key_id", "AKIASANDBOX000000000"},
        {"from", kMailbox},
        {"topic_arn", "arn:aws:sns:eu-west-1:000000000000:sandbox"},
        {"sns_url", "{http}"}},
       {{"secret_access_key", Made::token}},
       {},
       nullptr,
       true},
      {"mailgun",
       "mailgun",
       {{"base_url", "{http}"}, {"domain", "mg.example.org"}, {"from", kMailbox}},
       {{"api_key", Made::token}, {"signing_key", Made::token}}},
      {"resend",
       "resend",
       {{"base_url", "{http}"}, {"from", kMailbox}},
       {{"api_key", Made::token}, {"webhook_secret", Made::key}}},
      {"postmark",
       "postmark",
       {{"base_url", "{http}"}, {"from", kMailbox}, {"webhook_user", "postmark"}},
       {{"server_token", Made::token}, {"webhook_password", Made::token}}},
      {"gateway",
       "generic_http",
       {{"url", "{http}/gateway/messages"}, {"look_up_url", "{http}/gateway/messages"}},
       {{"token", Made::token}, {"webhook_secret", Made::key}}},
      {"relay",
       "smtp",
       {{"url", "{smtp}"}, {"starttls", "opportunistic"}, {"from", kMailbox}},
       {{"webhook_secret", Made::key}}},
  };
  return all;
}

std::string placed(std::string value, const Places& places) {
  for (const auto& [mark, place] :
       {std::pair("{http}", &places.http), std::pair("{smtp}", &places.smtp), std::pair("{smpp}", &places.smpp)})
    if (const size_t at = value.find(mark); at != std::string::npos) value.replace(at, 6, *place);
  return value;
}

Result<Secret> make_secret(Made what, Random& random) {
  if (what == Made::rsa_key) return make_rsa_pem();
  if (what == Made::key) return make_key_base64(random);
  std::string octets(what == Made::word ? 4 : 24, '\0');
  random.fill(octets.data(), octets.size());
  return Secret(to_hex(octets));
}

// What the file holds; made first if it is not there.
template <class Make>
Result<Secret> kept(const std::string& path, Make make) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    Result<Secret> made = make();
    if (!made) return made.error();
    if (auto written = write_new_file(path, made->octets(), 0600); !written) return written.error();
  }
  return read_secret_file(path);
}

Result<Account> open_account(const Row& row, const std::string& folder, const Places& places, Random& random) {
  Account out;
  out.settings.name = row.name;
  out.settings.adapter = row.adapter;
  for (const auto& [key, value] : row.values) out.settings.values[key] = placed(value, places);
  for (const auto& [key, what] : row.secrets) {
    auto secret = kept(folder + '/' + row.name + '_' + key, [&, what = what] { return make_secret(what, random); });
    if (!secret) return secret.error();
    out.settings.secrets[key] = std::move(*secret);
  }
  if (row.has_certificate) {
    auto pem = kept(folder + '/' + row.name + "_signing.pem", make_rsa_pem);
    if (!pem) return pem.error();
    out.rsa_pem = std::move(*pem);
  }
  if (!row.signing) return out;
  auto pem = kept(folder + '/' + row.name + "_signing.pem", [&]() -> Result<Secret> {
    auto key = SigningKey::generate(*row.signing);
    if (!key) return key.error();
    return key->pem();
  });
  if (!pem) return pem.error();
  auto key = SigningKey::from_pem(*pem);
  if (!key) return key.error();
  const VerifyKey& half = key->public_key();
  out.settings.values[row.public_key] =
      to_base64(*row.signing == SignatureAlgorithm::ed25519 ? half.raw() : std::string_view(half.spki()));
  out.signing = std::move(*key);
  return out;
}

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

// Text that YAML reads: a JSON string is one of YAML's too.
Result<std::string> yaml_of(const std::vector<Account>& accounts, const std::string& folder) {
  std::string providers = "providers:\n", tagged, others;
  std::string all[3];
  constexpr Kind kKinds[] = {Kind::sms, Kind::email, Kind::letter};
  for (const auto& account : accounts) {
    const ProviderSettings& settings = account.settings;
    providers += "  - name: " + settings.name + "\n    adapter: " + settings.adapter + '\n';
    for (const auto& [key, value] : settings.values) providers += "    " + key + ": " + quoted(value) + '\n';
    for (const auto& [key, secret] : settings.secrets)
      providers += "    " + key + "_file: " + quoted(folder + '/' + settings.name + '_' + key) + '\n';
    auto provider = make_provider(settings);
    if (!provider) return provider.error();
    for (size_t i = 0; i < std::size(kKinds); ++i) {
      if (!(*provider)->can_send(kKinds[i])) continue;
      const std::string kind(name(kKinds[i]));
      tagged += "  - { kind: " + kind + ", match: { tag: [" + settings.name +
                "] }, providers: [ { name: " + settings.name + " } ] }\n";
      all[i] += (all[i].empty() ? "" : ", ") + ("{ name: " + settings.name + " }");
    }
  }
  for (size_t i = 0; i < std::size(kKinds); ++i)
    others += "  - { kind: " + std::string(name(kKinds[i])) + ", match: {}, providers: [ " + all[i] + " ] }\n";
  return "# Written by `signetd sandbox --state`: take it over into a configuration of signetd.\n" + providers +
         "routes:\n" + tagged + others;
}

}  // namespace

Result<std::vector<Account>> open_accounts(const std::string& folder, const Places& places, Random& random) {
  const std::string path = std::filesystem::absolute(folder).lexically_normal().string();
  if (auto made = make_folders(path); !made) return made.error();
  std::vector<Account> out;
  for (const Row& row : rows()) {
    auto account = open_account(row, path, places, random);
    if (!account) return account.error();
    out.push_back(std::move(*account));
  }
  auto yaml = yaml_of(out, path);
  if (!yaml) return yaml.error();
  if (auto written = replace_file(path + "/providers.yaml", *yaml, 0600); !written) return written.error();
  return out;
}

Account twilio_account(const std::string& account_sid, Secret auth_token) {
  Account out;
  out.settings.name = "twilio";
  out.settings.adapter = "twilio";
  out.settings.values["account_sid"] = account_sid;
  out.settings.secrets["auth_token"] = std::move(auth_token);
  return out;
}

}  // namespace signet::sandbox

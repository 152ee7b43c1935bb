#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/secret.h"
#include "config/config.h"

namespace signet {
namespace {

enum class Holds { secret, key, certificate };

struct Named {
  std::string key;
  std::string path;
  Holds holds = Holds::secret;
};

std::vector<Named> files_of(const Config& c) {
  std::vector<Named> files{
      {"postgres.password_file", c.postgres.password_file},
      {"postgres.roles.sequencer.password_file", c.postgres.roles.sequencer.password_file},
      {"postgres.roles.verify.password_file", c.postgres.roles.verify.password_file},
      {"postgres.roles.purge.password_file", c.postgres.roles.purge.password_file},
      {"postgres.roles.migrate.password_file", c.postgres.roles.migrate.password_file},
      {"redis.password_file", c.redis.password_file},
      {"redis.ca_file", c.redis.ca_file},
      {"http.admin.tls.certificate", c.http.admin.tls.certificate, Holds::certificate},
      {"http.admin.tls.key_file", c.http.admin.tls.key_file},
      {"http.webhooks.tls.certificate", c.http.webhooks.tls.certificate, Holds::certificate},
      {"http.webhooks.tls.key_file", c.http.webhooks.tls.key_file},
      {"secrets.key_encryption_key_file", c.secrets.key_encryption_key_file, Holds::key},
      {"secrets.daemon_mac_key_file", c.secrets.daemon_mac_key_file, Holds::key},
      {"secrets.index_key_file", c.secrets.index_key_file, Holds::key},
      {"secrets.intake_key_file", c.secrets.intake_key_file},
      {"secrets.log_signing_key_file", c.secrets.log_signing_key_file},
      {"audit.anchors.tsa_ca_file", c.audit.anchors.tsa_ca_file, Holds::certificate},
  };
  for (const auto& path : c.secrets.previous_key_encryption_key_files)
    files.push_back({"secrets.previous_key_encryption_key_files", path, Holds::key});
  const auto entry = [](const char* list, size_t i) { return std::string(list) + "[" + std::to_string(i) + "]."; };
  for (size_t i = 0; i < c.providers.size(); ++i)
    for (const auto& [name, path] : c.providers[i].secret_files)
      files.push_back({entry("providers", i) + name + "_file", path});
  for (size_t i = 0; i < c.alerts.receivers.size(); ++i)
    files.push_back({entry("alerts.receivers", i) + "secret_file", c.alerts.receivers[i].secret_file});
  for (size_t i = 0; i < c.status_webhooks.size(); ++i)
    files.push_back({entry("status_webhooks", i) + "secret_file", c.status_webhooks[i].secret_file});
  return files;
}

// A text of base/secret.h is "what" or "what: what to do".
Fault split(const std::string& text, const std::string& otherwise) {
  Fault fault;
  const size_t colon = text.rfind(": ");
  fault.text = text.substr(0, colon);
  fault.remedy = colon == text.npos ? otherwise : text.substr(colon + 2);
  return fault;
}

}  // namespace

std::vector<Fault> check_files(const Config& config) {
  std::vector<Fault> faults;
  for (const auto& file : files_of(config)) {
    if (file.path.empty()) continue;
    const auto add = [&](Fault fault) {
      const auto line = config.lines.find(file.key);
      fault.file = config.file;
      fault.line = line == config.lines.end() ? 0 : line->second;
      fault.key = file.key;
      faults.push_back(std::move(fault));
    };
    if (file.holds == Holds::certificate) {  // for everybody's eyes, so its mode is free
      std::ifstream stream(file.path);
      if (!stream || stream.peek() == std::char_traits<char>::eof())
        add({{}, 0, {}, "cannot read " + file.path, "put a PEM certificate chain there"});
      continue;
    }
    const auto secret = file.holds == Holds::key ? read_key_file(file.path) : read_secret_file(file.path);
    if (!secret) {
      const Error& error = secret.error();
      std::error_code why;
      const bool is_there = std::filesystem::exists(file.path, why) || why;
      const std::string remedy = is_there                           ? "let signetd's user read it"
                                 : file.key.starts_with("secrets.") ? "make it with 'signetd keygen'"
                                                                    : "write it, mode 0600, owned by signetd's user";
      if (error.code == ErrorCode::invalid)
        add(split(error.text, "name a file"));
      else
        add({{}, 0, {}, error.text, remedy});
    } else if (secret->is_empty()) {
      add({{}, 0, {}, file.path + " is empty", "write the secret into it"});
    }
  }
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.line < b.line; });
  return faults;
}

}  // namespace signet

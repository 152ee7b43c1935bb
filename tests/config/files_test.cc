// check_files: what the files that a configuration names are like.
#include <unistd.h>

#include "base/bytes.h"
#include "tests/config/files.h"

using namespace signet;

namespace {
using Lines = std::vector<std::string>;

const std::string kYaml =
    "postgres: { url: postgresql://app@db/signet, password_file: pg }\n"
    "redis: { url: redis://cache }\n"
    "secrets:\n"
    "  key_encryption_key_file: keys/kek\n"
    "  daemon_mac_key_file: keys/mac\n"
    "  index_key_file: keys/index\n"
    "  intake_key_file: keys/intake.jwk\n"
    "  log_signing_key_file: keys/log.pem\n"
    "http: { admin: { tls: { certificate: tls/cert, key_file: tls/key } } }\n"
    "providers:\n"
    "  - name: twilio\n"
    "    adapter: twilio\n"
    "    auth_token_file: token\n"
    "alerts: { receivers: [ { name: pager, webhook: 'https://pager', secret_file: pager } ] }\n"
    "status_webhooks: [ { service: backend, url: 'https://backend', secret_file: backend } ]\n";

void write_all(const Folder& folder) {
  for (const char* key : {"keys/kek", "keys/mac", "keys/index"})
    folder.write(key, to_base64(std::string(32, 'k')) + "\n");
  for (const char* secret : {"keys/intake.jwk", "keys/log.pem", "tls/key", "token", "pager", "backend", "pg"})
    folder.write(secret, "secret\n");
  folder.write("tls/cert", "-----BEGIN CERTIFICATE-----\n", 0644);
}

// Without the folder's own name.
Lines check(const Folder& folder) {
  const Loaded loaded = folder.load(kYaml);
  REQUIRE(lines_of(loaded.faults) == Lines{});
  Lines lines = lines_of(check_files(loaded.config));
  for (auto& line : lines)
    for (size_t at; (at = line.find(folder.path(""))) != std::string::npos;) line.erase(at, folder.path("").size());
  return lines;
}
}  // namespace

TEST_CASE("files that are there, secret and whole are no fault") {
  const Folder folder;
  write_all(folder);
  CHECK(check(folder) == Lines{});
}

TEST_CASE("every file that is missing is named with its line and remedy") {
  const Folder folder;
  const std::string gone = ": No such file or directory: ";
  const std::string keygen = "make it with 'signetd keygen'", write = "write it, mode 0600, owned by signetd's user";
  CHECK(check(folder) ==
        Lines{"signetd.yaml:1: postgres.password_file: cannot read pg" + gone + write,
              "signetd.yaml:4: secrets.key_encryption_key_file: cannot read keys/kek" + gone + keygen,
              "signetd.yaml:5: secrets.daemon_mac_key_file: cannot read keys/mac" + gone + keygen,
              "signetd.yaml:6: secrets.index_key_file: cannot read keys/index" + gone + keygen,
              "signetd.yaml:7: secrets.intake_key_file: cannot read keys/intake.jwk" + gone + keygen,
              "signetd.yaml:8: secrets.log_signing_key_file: cannot read keys/log.pem" + gone + keygen,
              "signetd.yaml:9: http.admin.tls.certificate: cannot read tls/cert: put a PEM certificate chain there",
              "signetd.yaml:9: http.admin.tls.key_file: cannot read tls/key" + gone + write,
              "signetd.yaml:13: providers[0].auth_token_file: cannot read token" + gone + write,
              "signetd.yaml:14: alerts.receivers[0].secret_file: cannot read pager" + gone + write,
              "signetd.yaml:15: status_webhooks[0].secret_file: cannot read backend" + gone + write});
}

TEST_CASE("a secret that others can read is a fault, a certificate is not") {
  const Folder folder;
  write_all(folder);
  folder.write("token", "secret", 0640);
  folder.write("keys/kek", to_base64(std::string(32, 'k')), 0604);
  CHECK(check(folder) ==
        Lines{"signetd.yaml:4: secrets.key_encryption_key_file: keys/kek can be read by others: chmod 0600 keys/kek",
              "signetd.yaml:13: providers[0].auth_token_file: token can be read by others: chmod 0600 token"});
}

TEST_CASE("a key of another length, an empty secret and a folder are faults") {
  const Folder folder;
  write_all(folder);
  folder.write("keys/mac", to_base64(std::string(31, 'k')));
  folder.write("keys/index", "not base64!");
  folder.write("token", "\n");
  std::filesystem::remove(folder.path("backend"));
  std::filesystem::create_directory(folder.path("backend"));
  CHECK(check(folder) ==
        Lines{"signetd.yaml:5: secrets.daemon_mac_key_file: keys/mac does not hold 32 bytes in base64: make it with "
              "'signetd keygen'",
              "signetd.yaml:6: secrets.index_key_file: keys/index does not hold 32 bytes in base64: make it with "
              "'signetd keygen'",
              "signetd.yaml:13: providers[0].auth_token_file: token is empty: write the secret into it",
              "signetd.yaml:15: status_webhooks[0].secret_file: backend is not a file: name a file"});
}

TEST_CASE("a secret that signetd's user may not read is told apart from one that is not there") {
  if (geteuid() == 0) return;  // root reads everything
  const Folder folder;
  write_all(folder);
  folder.write("token", "secret", 0000);
  CHECK(check(folder) == Lines{"signetd.yaml:13: providers[0].auth_token_file: cannot read token: Permission denied: "
                               "let signetd's user read it"});
}

#include "config/config.h"

#include <utility>

#include "tests/config/files.h"

using namespace signet;

namespace {
using Lines = std::vector<std::string>;
using Words = std::vector<std::string>;

const std::string kProvider = "providers:\n  - { name: relay, adapter: smtp, url: 'smtp://relay' }\n";
}  // namespace

TEST_CASE("a missing, empty or misshapen file is one fault") {
  const Folder folder;
  const std::string name_one = "name a configuration file like signetd.example.yaml";
  CHECK(lines_of(load_config(folder.path("gone.yaml")).faults) ==
        Lines{"gone.yaml: cannot be read (No such file or directory): " + name_one});
  std::filesystem::create_directory(folder.path("d"));
  CHECK(lines_of(load_config(folder.path("d")).faults) == Lines{"d: is a directory: " + name_one});
  for (const std::string empty : {"", "\n", "# only a comment\n", "---\n", "~\n"})
    CHECK(lines_of(folder.load(empty).faults) == Lines{"signetd.yaml: is empty: start from signetd.example.yaml"});
  for (const std::string odd : {"- a\n- b\n", "word", "[]", "\"\""})
    CHECK(lines_of(folder.load(odd).faults) ==
          Lines{"signetd.yaml:1: is not a mapping: write key: value, as in signetd.example.yaml"});
  CHECK(lines_of(folder.load("postgres:\n\turl: x\n").faults) ==
        Lines{"signetd.yaml:2: is indented with a tab: indent with spaces"});
  CHECK(folder.load("a: 1\nb: [\n").faults.size() == 1);
}

TEST_CASE("what is required and missing is named, by the line of its mapping") {
  const Folder folder;
  const std::string made = ": is missing: name the file that 'signetd keygen' made";
  CHECK(lines_of(folder.load("instance: a\nredis: { intake: true }\n\nsecrets:\n  index_key_file: ~\n").faults) ==
        Lines{"signetd.yaml:1: postgres.url: is missing: write postgresql://user@host:port/database",
              "signetd.yaml:2: redis.url: is missing: write redis://host:port/0",
              "signetd.yaml:4: secrets.key_encryption_key_file" + made,
              "signetd.yaml:4: secrets.daemon_mac_key_file" + made, "signetd.yaml:4: secrets.intake_key_file" + made,
              "signetd.yaml:4: secrets.log_signing_key_file" + made, "signetd.yaml:5: secrets.index_key_file" + made});
}

TEST_CASE("a key written twice is refused and the first one holds") {
  const Folder folder;
  const Loaded loaded = folder.load(kNeeded +
                                    "instance: a\n"
                                    "instance: b\n"
                                    "log: { level: warn, level: error }\n"
                                    "delivery: {}\n"
                                    "instance: c\n");
  CHECK(lines_of(loaded.faults) == Lines{"signetd.yaml:6: instance: is written twice, first on line 5: keep one",
                                         "signetd.yaml:7: log.level: is written twice, first on line 7: keep one",
                                         "signetd.yaml:9: instance: is written twice, first on line 5: keep one"});
  CHECK(loaded.config.instance == "a");
  CHECK(loaded.config.log.level == LogLevel::warn);
}

TEST_CASE("ten faults in one file are reported together, in the order of their lines") {
  const Folder folder;
  CHECK(lines_of(folder
                     .load("instance: 'a b'\n"
                           "postgres:\n"
                           "  urll: postgresql://app@db/signet\n"
                           "  journal_connections: many\n"
                           "redis: { url: ftp://cache, intake: false }\n" +
                           kNeeded.substr(kNeeded.find("secrets")) +
                           "log: { level: loud }\n"
                           "delivery:\n"
                           "  window: 1\n"
                           "  window: 2048\n"
                           "providers:\n"
                           "  - { name: a, adapter: smtp, url: 'http://relay' }\n"
                           "routes:\n"
                           "  - { kind: sms, providers: [ { name: b } ] }\n")
                     .faults) ==
        Lines{"signetd.yaml:1: instance: 'a b' is not a name: write 1 to 64 of A-Z a-z 0-9 . _ -",
              "signetd.yaml:2: postgres.url: is missing: write postgresql://user@host:port/database",
              "signetd.yaml:3: postgres.urll: is unknown: did you mean url?",
              "signetd.yaml:4: postgres.journal_connections: 'many' is not a whole number: write a whole number from "
              "1 to 16",
              "signetd.yaml:5: redis.url: has an unknown scheme: write redis://, rediss://, redis+sentinel:// or "
              "redis+cluster://",
              "signetd.yaml:8: log.level: 'loud' is not one of its words: write one of: debug, info, warn, error",
              "signetd.yaml:10: delivery.window: '1' is out of range: write a whole number from 16 to 65536",
              "signetd.yaml:11: delivery.window: is written twice, first on line 10: keep one",
              "signetd.yaml:13: providers[0].url: has an unknown scheme: write smtp:// or smtps://",
              "signetd.yaml:15: routes[0].providers[0].name: there is no provider 'b': did you mean a?"});
}

TEST_CASE("what differs from the defaults is read") {
  const Folder folder;
  const Loaded loaded = folder.load(
      "instance: b\n"
      "postgres:\n"
      "  url: postgresql://app@h1,h2:5433/signet?target_session_attrs=read-write\n"
      "  password_file: /etc/signetd/pg\n"
      "  roles: { sequencer: { user: s, password_file: s.pw }, verify: { user: v, password_file: v.pw },\n"
      "           purge: { user: p, password_file: p.pw }, migrate: { user: m, password_file: ../m.pw } }\n"
      "  journal_connections: 3\n"
      "  api_connections: 9\n"
      "redis: { url: 'redis+sentinel://h1,h2,h3/mymaster', password_file: redis.pw, intake: false }\n"
      "http:\n"
      "  admin: { listen: '[::1]:1', tls: { certificate: a.crt, key_file: a.key }, trusted_proxies: [10.0.0.0/8] }\n"
      "  webhooks: { listen: '0.0.0.0:2', public_url: 'https://hooks.example.org/signet/',\n"
      "              tls: { certificate: w.crt, key_file: w.key }, trusted_proxies: ['fd00::/8'] }\n"
      "  limits: { body_bytes: 2048, header_bytes: 4096, idle_s: 5, read_write_approve_per_min: [3, 2, 1],\n"
      "            export_log_in_per_min: [5, 4] }\n" +
      kNeeded.substr(kNeeded.find("secrets")) +
      "replies: { stop: [STOP, HALT], start: [], help: [WHO], help_text: Us. }\n"
      "delivery:\n"
      "  { loops: 1, window: 16, permit_start_ms: 100, request_timeout_ms: 200,\n"
      "    weights: { critical: 5, high: 4, normal: 3, bulk: 2 },\n"
      "    retry: { base_ms: 1, factor: 1.5, cap_ms: 2, max_attempts: 3 },\n"
      "    in_doubt: { sms: resend, email: fail, letter: resend, wait_s: 0 },\n"
      "    quiet_hours: { from: 20:30, to: 07:15, default_zones: [Europe/Berlin, UTC], applies_to: [] } }\n"
      "approval:\n"
      "  high_risk: { quorum: 1, needs_role: reviewer, lapse_h: 1, score_above: 50.5, verification_below: 1,\n"
      "               purposes: [oncology] }\n"
      "  duplicate_window_h: 0\n"
      "  delegates: { dr-1: [u1, u2], dr-2: [] }\n"
      "audit: { log_name: clinic/log, checkpoint_every_s: 1, retention_years: 10, faults_stop_approvals: true,\n"
      "         anchors: { worm_dir: worm, witness_url: 'https://w', witness_key: w+1+k, tsa_url: 'http://t/x',\n"
      "                    tsa_ca_file: ca.pem, every_min: 5 } }\n"
      "exports: { spool_dir: out, spool_mb_max: 1, keep_h: 2, at_once: 3 }\n"
      "alerts:\n"
      "  receivers: [ { name: on-call, mail: oncall@example.org },\n"
      "               { name: pager, webhook: 'https://pager/x', secret_file: pager } ]\n"
      "  rules: { integrity: [pager], anchor_overdue_min: 1, review_age_min: 2, failure_rate: 1, stuck_min: 3,\n"
      "           log_in_burst: 4, in_doubt_min: 5 }\n"
      "  repeat_min: 6\n"
      "status_webhooks:\n"
      "  - { service: backend, url: 'https://backend', secret_file: backend }\n"
      "reports:\n"
      "  - { name: monthly, cron: '0 6 1 * *', format: csv, deliver_to: compliance@example.org }\n"
      "  - { name: weekly, cron: '0 6 * * mon', deliver_to: ./reports }\n"
      "log: { level: debug, format: json }\n");
  CHECK(lines_of(loaded.faults) == Lines{});
  const Config& c = loaded.config;
  CHECK(c.instance == "b");
  CHECK(c.postgres.url == "postgresql://app@h1,h2:5433/signet?target_session_attrs=read-write");
  CHECK(c.postgres.password_file == "/etc/signetd/pg");
  CHECK(c.postgres.roles.sequencer.user == "s");
  CHECK(c.postgres.roles.sequencer.password_file == folder.path("s.pw"));
  CHECK(c.postgres.roles.verify.user == "v");
  CHECK(c.postgres.roles.verify.password_file == folder.path("v.pw"));
  CHECK(c.postgres.roles.purge.user == "p");
  CHECK(c.postgres.roles.purge.password_file == folder.path("p.pw"));
  CHECK(c.postgres.roles.migrate.user == "m");
  CHECK(c.postgres.roles.migrate.password_file ==
        std::filesystem::path(folder.path("")).parent_path().parent_path().string() + "/m.pw");
  CHECK(c.postgres.journal_connections == 3);
  CHECK(c.postgres.api_connections == 9);
  CHECK(c.redis.url == "redis+sentinel://h1,h2,h3/mymaster");
  CHECK(c.redis.password_file == folder.path("redis.pw"));
  CHECK_FALSE(c.redis.intake);
  CHECK(c.http.admin.listen == "[::1]:1");
  CHECK(c.http.admin.address == "::1");
  CHECK(c.http.admin.port == 1);
  CHECK(c.http.admin.tls.certificate == folder.path("a.crt"));
  CHECK(c.http.admin.tls.key_file == folder.path("a.key"));
  CHECK(c.http.admin.trusted_proxies == Words{"10.0.0.0/8"});
  CHECK(c.http.webhooks.address == "0.0.0.0");
  CHECK(c.http.webhooks.port == 2);
  CHECK(c.http.webhooks.public_url == "https://hooks.example.org/signet");
  CHECK(c.http.webhooks.tls.certificate == folder.path("w.crt"));
  CHECK(c.http.webhooks.tls.key_file == folder.path("w.key"));
  CHECK(c.http.webhooks.trusted_proxies == Words{"fd00::/8"});
  CHECK(c.replies.stop == Words{"STOP", "HALT"});
  CHECK(c.replies.start.empty());
  CHECK(c.replies.help == Words{"WHO"});
  CHECK(c.replies.help_text == "Us.");
  CHECK(c.http.limits.body_bytes == 2048);
  CHECK(c.http.limits.header_bytes == 4096);
  CHECK(c.http.limits.idle_s == 5);
  CHECK(c.http.limits.read_per_min == 3);
  CHECK(c.http.limits.write_per_min == 2);
  CHECK(c.http.limits.approve_per_min == 1);
  CHECK(c.http.limits.export_per_min == 5);
  CHECK(c.http.limits.log_in_per_min == 4);
  CHECK(c.secrets.log_signing_key_file == folder.path("log.pem"));
  CHECK(c.secrets.intake_key_file.empty());
  CHECK(c.delivery.loops == 1);
  CHECK(c.delivery.window == 16);
  CHECK(c.delivery.permit_start_ms == 100);
  CHECK(c.delivery.request_timeout_ms == 200);
  CHECK(c.delivery.weights.critical == 5);
  CHECK(c.delivery.weights.high == 4);
  CHECK(c.delivery.weights.normal == 3);
  CHECK(c.delivery.weights.bulk == 2);
  CHECK(c.delivery.retry.base_ms == 1);
  CHECK(c.delivery.retry.factor == 1.5);
  CHECK(c.delivery.retry.cap_ms == 2);
  CHECK(c.delivery.retry.max_attempts == 3);
  CHECK(c.delivery.in_doubt.sms == "resend");
  CHECK(c.delivery.in_doubt.email == "fail");
  CHECK(c.delivery.in_doubt.letter == "resend");
  CHECK(c.delivery.in_doubt.wait_s == 0);
  CHECK(c.delivery.quiet_hours.from_min == 20 * 60 + 30);
  CHECK(c.delivery.quiet_hours.to_min == 7 * 60 + 15);
  CHECK(c.delivery.quiet_hours.default_zones == Words{"Europe/Berlin", "UTC"});
  CHECK(c.delivery.quiet_hours.applies_to.empty());
  CHECK(c.approval.high_risk.quorum == 1);
  CHECK(c.approval.high_risk.needs_role == "reviewer");
  CHECK(c.approval.high_risk.lapse_h == 1);
  CHECK(c.approval.high_risk.score_above == 50.5);
  CHECK(c.approval.high_risk.verification_below == 1);
  CHECK(c.approval.high_risk.purposes == Words{"oncology"});
  CHECK(c.approval.duplicate_window_h == 0);
  CHECK(c.approval.delegates == std::map<std::string, Words>{{"dr-1", {"u1", "u2"}}, {"dr-2", {}}});
  CHECK(c.audit.log_name == "clinic/log");
  CHECK(c.audit.checkpoint_every_s == 1);
  CHECK(c.audit.anchors.worm_dir == folder.path("worm"));
  CHECK(c.audit.anchors.witness_url == "https://w");
  CHECK(c.audit.anchors.tsa_url == "http://t/x");
  CHECK(c.audit.anchors.witness_key == "w+1+k");
  CHECK(c.audit.anchors.tsa_ca_file == folder.path("ca.pem"));
  CHECK(c.audit.anchors.every_min == 5);
  CHECK(c.audit.retention_years == 10);
  CHECK(c.audit.faults_stop_approvals);
  CHECK(c.exports.spool_dir == folder.path("out"));
  CHECK(c.exports.spool_mb_max == 1);
  CHECK(c.exports.keep_h == 2);
  CHECK(c.exports.at_once == 3);
  REQUIRE(c.alerts.receivers.size() == 2);
  CHECK(c.alerts.receivers[0].name == "on-call");
  CHECK(c.alerts.receivers[0].mail == "oncall@example.org");
  CHECK(c.alerts.receivers[1].webhook == "https://pager/x");
  CHECK(c.alerts.receivers[1].secret_file == folder.path("pager"));
  CHECK(c.alerts.rules.integrity == Words{"pager"});
  CHECK(c.alerts.rules.anchor_overdue_min == 1);
  CHECK(c.alerts.rules.review_age_min == 2);
  CHECK(c.alerts.rules.failure_rate == 1);
  CHECK(c.alerts.rules.stuck_min == 3);
  CHECK(c.alerts.rules.log_in_burst == 4);
  CHECK(c.alerts.rules.in_doubt_min == 5);
  CHECK(c.alerts.repeat_min == 6);
  REQUIRE(c.status_webhooks.size() == 1);
  CHECK(c.status_webhooks[0].service == "backend");
  CHECK(c.status_webhooks[0].url == "https://backend");
  CHECK(c.status_webhooks[0].secret_file == folder.path("backend"));
  REQUIRE(c.reports.size() == 2);
  CHECK(c.reports[0].name == "monthly");
  CHECK(c.reports[0].cron == "0 6 1 * *");
  CHECK(c.reports[0].format == "csv");
  CHECK(c.reports[0].deliver_to == "compliance@example.org");
  CHECK(c.reports[1].format == "pdf");
  CHECK(c.reports[1].deliver_to == folder.path("reports"));
  CHECK(c.log.level == LogLevel::debug);
  CHECK(c.log.format == LogFormat::json);
}

TEST_CASE("providers keep their adapter's settings and the line of each key") {
  const Folder folder;
  const Loaded loaded = folder.load(kNeeded +
                                    "providers:\n"
                                    "  - name: a\n"
                                    "    adapter: twilio\n"
                                    "    rate_per_s: 2.5\n"
                                    "    from: 15005550006\n"
                                    "    auth_token_file: token\n"
                                    "    base_url: ~\n"
                                    "    key_file: ~\n"
                                    "    ca_file: ca.pem\n"
                                    "  - { name: b, adapter: smtp, rate_per_s: 2.5, burst: 9 }\n");
  CHECK(lines_of(loaded.faults) == Lines{});
  const auto& a = loaded.config.providers.at(0);
  CHECK(a.line == 6);
  CHECK(a.rate_per_s == 2.5);
  CHECK(a.burst == 3);
  CHECK(loaded.config.providers.at(1).burst == 9);
  CHECK(a.values == std::map<std::string, std::string>{{"from", "15005550006"}, {"ca_file", folder.path("ca.pem")}});
  CHECK(a.secret_files == std::map<std::string, std::string>{{"auth_token", folder.path("token")}});
  CHECK(a.lines.at("adapter") == 7);
  CHECK(a.lines.at("rate_per_s") == 8);
  CHECK(a.lines.at("from") == 9);
  CHECK(a.lines.at("auth_token_file") == 10);
  CHECK_FALSE(a.lines.contains("in_flight"));
  CHECK(loaded.config.lines.at("providers[0].from") == 9);
  CHECK(loaded.config.lines.at("postgres.url") == 1);
  CHECK_FALSE(loaded.config.lines.contains("providers[0].base_url"));
}

TEST_CASE("routes match lists or single words") {
  const Folder folder;
  const Loaded loaded = folder.load(
      kNeeded + kProvider +
      "routes:\n"
      "  - { kind: email, match: { domain: [Example.ORG, b.org], tag: recall }, providers: [ { name: relay } ] }\n"
      "  - { kind: sms, match: { country: [AU, '001'] }, providers: [ { name: relay, weight: 7 } ] }\n");
  CHECK(lines_of(loaded.faults) == Lines{});
  REQUIRE(loaded.config.routes.size() == 2);
  CHECK(loaded.config.routes[0].line == 8);
  CHECK(loaded.config.routes[0].match.domain == Words{"example.org", "b.org"});
  CHECK(loaded.config.routes[0].match.tag == Words{"recall"});
  CHECK(loaded.config.routes[0].match.country.empty());
  CHECK(loaded.config.routes[1].match.country == Words{"AU", "001"});
  CHECK(loaded.config.routes[1].providers.at(0).weight == 7);
}

TEST_CASE("paths start at the configuration's folder or in the credentials directory") {
  const Folder folder;
  const std::string yaml = kNeeded + "http: { admin: { tls: { certificate: '${CREDENTIALS_DIRECTORY}/cert', key_file: ";
  Loaded loaded = folder.load(yaml + "'${CREDENTIALS_DIRECTORY}/tls/key' } } }\n", "/run/credentials/signetd.service");
  CHECK(lines_of(loaded.faults) == Lines{});
  CHECK(loaded.config.http.admin.tls.certificate == "/run/credentials/signetd.service/cert");
  CHECK(loaded.config.http.admin.tls.key_file == "/run/credentials/signetd.service/tls/key");
  const std::string unset =
      ": starts with ${CREDENTIALS_DIRECTORY}, which is not set: start signetd by a systemd unit with "
      "LoadCredential=, or set it to the folder";
  CHECK(lines_of(folder.load(yaml + "key } } }\n").faults) ==
        Lines{"signetd.yaml:5: http.admin.tls.certificate" + unset});
  const std::vector<std::pair<std::string, std::string>> bad{
      {"'${CREDENTIALS_DIRECTORY}/'", "names no credential: write its name after the slash"},
      {"'x/${CREDENTIALS_DIRECTORY}/y'",
       "has a ${...} that is not expanded: only ${CREDENTIALS_DIRECTORY}/ at the start is"},
      {"'${HOME}/key'", "has a ${...} that is not expanded: only ${CREDENTIALS_DIRECTORY}/ at the start is"},
      {"'~/key'", "starts with ~, which is not expanded: write the whole path"},
  };
  for (const auto& [value, text] : bad) {
    INFO(value);
    CHECK(lines_of(folder.load(yaml + value + " } } }\n", "/run/c").faults) ==
          Lines{"signetd.yaml:5: http.admin.tls.key_file: " + text});
  }
}

TEST_CASE("a configuration named by a relative path resolves like one named in full") {
  const Folder folder;
  folder.write("signetd.yaml", kNeeded);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path(""));
  const Loaded loaded = load_config("signetd.yaml");
  std::filesystem::current_path(before);
  CHECK(lines_of(loaded.faults) == Lines{});
  CHECK(loaded.config.secrets.key_encryption_key_file == folder.path("kek"));
  CHECK(loaded.config.file == "signetd.yaml");
}

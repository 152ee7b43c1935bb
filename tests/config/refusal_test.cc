// One fault each, and the exact line that names it.
#include "tests/config/files.h"

using namespace signet;

namespace {
using Lines = std::vector<std::string>;

struct Case {
  std::string yaml;  // put behind kNeeded, so line 1 of it is line 5
  std::string fault;
};
void check_all(const std::vector<Case>& cases) {
  const Folder folder;
  for (const auto& one : cases) {
    INFO(one.yaml);
    CHECK(lines_of(folder.load(kNeeded + one.yaml).faults) == Lines{"signetd.yaml:" + one.fault});
  }
}

const std::string kProvider = "providers:\n  - { name: relay, adapter: smtp, url: 'smtp://relay' }\n";
}  // namespace

TEST_CASE("unknown keys are refused wherever they stand, with the nearest known one") {
  check_all({
      {"instanse: a\n", "5: instanse: is unknown: did you mean instance?"},
      {"http: { admin: { lissten: '127.0.0.1:1' } }\n", "5: http.admin.lissten: is unknown: did you mean listen?"},
      {"http:\n  limits:\n    bodyBytes: 5\n", "7: http.limits.bodyBytes: is unknown: did you mean body_bytes?"},
      {"delivery: { quiet_hours: { form: '21:00' } }\n",
       "5: delivery.quiet_hours.form: is unknown: did you mean from?"},
      {"delivery: { retry: { zzz: 1 } }\n",
       "5: delivery.retry.zzz: is unknown: known here: base_ms, factor, cap_ms, max_attempts"},
      {kProvider + "routes:\n  - { kind: sms, providers: [ { name: relay, wieght: 1 } ] }\n",
       "8: routes[0].providers[0].wieght: is unknown: did you mean weight?"},
      {"\"a\\nb\": 1\n",
       "5: a?b: is unknown: known here: instance, postgres, redis, http, secrets, delivery, providers, routes, "
       "replies, "
       "approval, audit, exports, alerts, status_webhooks, reports, log"},
      {"audit: { anchors: { worm: /mnt } }\n",
       "5: audit.anchors.worm: is unknown: known here: worm_dir, witness_url, witness_key, tsa_url, tsa_ca_file, "
       "every_min"},
  });
}

TEST_CASE("a secret in the place of its file is refused without being repeated") {
  const Folder folder;
  const auto lines = lines_of(folder
                                  .load("postgres: { url: 'postgresql://app@db/signet', password: hunter2 }\n"
                                        "redis: { url: 'redis://:hunter2@cache', intake: false }\n" +
                                        kNeeded.substr(kNeeded.find("secrets")) +
                                        "providers:\n"
                                        "  - name: a\n"
                                        "    adapter: twilio\n"
                                        "    auth_token: hunter2\n"
                                        "    base_url: https://u:hunter2@host\n")
                                  .faults);
  CHECK(
      lines ==
      Lines{"signetd.yaml:1: postgres.password: is unknown: secrets stand in files of mode 0600, name one in "
            "password_file",
            "signetd.yaml:2: redis.url: has a password in it: take it out, write it into a file of mode 0600 and name "
            "that in password_file",
            "signetd.yaml:8: providers[0].auth_token: is a secret, and secrets are never values: name its file in "
            "auth_token_file",
            "signetd.yaml:9: providers[0].base_url: has a user or password in it: take it out: a name is a key of "
            "its own, a secret a *_file"});
}

TEST_CASE("values of another type are refused") {
  check_all({
      {"instance: [a]\n", "5: instance: is a list, not a text: write a text"},
      {"instance: { a: b }\n", "5: instance: is a mapping, not a text: write a text"},
      {"instance: \"\"\n", "5: instance: is empty: write a value, or ~ for the default"},
      {"instance: \"a\\nb\"\n", "5: instance: holds a control character or line break: write it on one line"},
      {"instance: \"a\n", "5: instance: starts or ends with a space: take it out, and close the quotes"},
      {"http: 5\n", "5: http: is a single value, not a mapping: write key: value"},
      {"delivery: [1]\n", "5: delivery: is a list, not a mapping: write key: value"},
      {"providers: { a: b }\n", "5: providers: is a mapping, not a list: start each entry with a dash"},
      {"providers:\n  - twilio\n", "6: providers[0]: is a single value, not a mapping: write key: value"},
      {"providers:\n  - { name: a, adapter: b, from: [c] }\n",
       "6: providers[0].from: is a list, not a text: write a text"},
      {"delivery: { window: many }\n",
       "5: delivery.window: 'many' is not a whole number: write a whole number from 16 to 65536"},
      {"delivery: { window: 20.5 }\n",
       "5: delivery.window: '20.5' is not a whole number: write a whole number from 16 to 65536"},
      {"delivery: { window: \"2048\" }\n",
       "5: delivery.window: is a text in quotes, not a number: write a whole number from 16 to 65536"},
      {"delivery: { window: [1] }\n", "5: delivery.window: is a list, not a whole number: write a whole number"},
      {"delivery: { retry: { factor: two } }\n",
       "5: delivery.retry.factor: 'two' is not a number: write a number from 1 to 10"},
      {"http: { admin: { trusted_proxies: 10.0.0.1 } }\n",
       "5: http.admin.trusted_proxies: is a single value, not a list: write [a, b]"},
      {"approval: { high_risk: { purposes: [ a, [b] ] } }\n",
       "5: approval.high_risk.purposes[1]: is a list, not a text: write a text"},
      {"approval: { delegates: { p: u } }\n", "5: approval.delegates.p: is a single value, not a list: write [a, b]"},
      {"http: { limits: { read_write_approve_per_min: [1, 2] } }\n",
       "5: http.limits.read_write_approve_per_min: is not a list of 3 numbers: write [600, 120, 60] or the like"},
      {"http: { limits: { export_log_in_per_min: [1] } }\n",
       "5: http.limits.export_log_in_per_min: is not a list of 2 numbers: write [20, 10] or the like"},
      {"http: { limits: { read_write_approve_per_min: [1, 2, x] } }\n",
       "5: http.limits.read_write_approve_per_min[2]: 'x' is not a whole number: write a whole number from 1 to "
       "1000000"},
  });
  const Folder folder;
  CHECK(lines_of(folder.load("redis: { url: redis://h, intake: yes }\n").faults)[1] ==
        "signetd.yaml:1: redis.intake: 'yes' is not a truth value: write true or false, without quotes");
}

TEST_CASE("numbers out of range are refused with the range") {
  check_all({
      {"delivery: { window: 15 }\n", "5: delivery.window: '15' is out of range: write a whole number from 16 to 65536"},
      {"delivery: { window: 99999999999999999999 }\n",
       "5: delivery.window: '99999999999999999999' is out of range: write a whole number from 16 to 65536"},
      {"delivery: { loops: -1 }\n", "5: delivery.loops: '-1' is out of range: write a whole number from 0 to 256"},
      {"delivery: { weights: { bulk: 0 } }\n",
       "5: delivery.weights.bulk: '0' is out of range: write a whole number from 1 to 1000"},
      {"delivery: { retry: { factor: 0.5 } }\n",
       "5: delivery.retry.factor: '0.5' is out of range: write a number from 1 to 10"},
      {"delivery: { retry: { factor: nan } }\n",
       "5: delivery.retry.factor: 'nan' is out of range: write a number from 1 to 10"},
      {"delivery: { retry: { base_ms: 5000, cap_ms: 100 } }\n",
       "5: delivery.retry.cap_ms: is less than base_ms: write at least 5000"},
      {"http: { limits: { body_bytes: 1 } }\n",
       "5: http.limits.body_bytes: '1' is out of range: write a whole number from 1024 to 67108864"},
      {"approval: { high_risk: { verification_below: 80 } }\n",
       "5: approval.high_risk.verification_below: '80' is out of range: write a number from 0 to 1"},
      {"approval: { high_risk: { quorum: 0 } }\n",
       "5: approval.high_risk.quorum: '0' is out of range: write a whole number from 1 to 5"},
      {"alerts: { rules: { failure_rate: 1.5 } }\n",
       "5: alerts.rules.failure_rate: '1.5' is out of range: write a number from 0 to 1"},
      {"audit: { retention_years: 0 }\n",
       "5: audit.retention_years: '0' is out of range: write a whole number from 1 to 100"},
      {"providers:\n  - { name: a, adapter: b,\n      in_flight: 0 }\n",
       "7: providers[0].in_flight: '0' is out of range: write a whole number from 1 to 10000"},
  });
}

TEST_CASE("words are taken from their list") {
  check_all({
      {"log: { level: loud }\n",
       "5: log.level: 'loud' is not one of its words: write one of: debug, info, warn, error"},
      {"log: { format: xml }\n", "5: log.format: 'xml' is not one of its words: write one of: auto, text, json"},
      {"delivery: { in_doubt: { sms: retry } }\n",
       "5: delivery.in_doubt.sms: 'retry' is not one of its words: write one of: resend, fail, operator"},
      {"delivery: { quiet_hours: { applies_to: [urgent] } }\n",
       "5: delivery.quiet_hours.applies_to[0]: 'urgent' is not a priority: write some of: critical, high, normal, "
       "bulk"},
      {"approval: { high_risk: { needs_role: nurse } }\n",
       "5: approval.high_risk.needs_role: 'nurse' is not one of its words: write one of: doctor, reviewer"},
      {"providers:\n  - { name: a, adapter: b, in_doubt: maybe }\n",
       "6: providers[0].in_doubt: 'maybe' is not one of its words: write one of: idempotent, queryable, blind"},
      {kProvider + "routes:\n  - { kind: fax, providers: [ { name: relay } ] }\n",
       "8: routes[0].kind: 'fax' is not one of its words: write one of: sms, email, letter"},
      {"reports: [ { name: a, cron: '0 6 1 * *', format: doc, deliver_to: a@b } ]\n",
       "5: reports[0].format: 'doc' is not one of its words: write one of: json, pdf, csv"},
  });
}

TEST_CASE("listeners need addresses of their own, whole TLS and known proxies") {
  check_all({
      {"http: { admin: { listen: 'localhost:80' } }\n",
       "5: http.admin.listen: 'localhost:80' is not an address to listen on: write 127.0.0.1:8420 or [::1]:8420"},
      {"http: { webhooks: { listen: '127.0.0.1:8420' } }\n",
       "5: http.webhooks.listen: is the admin listener's too: give each its own port"},
      {"http: { admin: { tls: { certificate: c.pem } } }\n",
       "5: http.admin.tls.key_file: is missing: name the certificate's key"},
      {"http: { webhooks: { tls: { key_file: k.pem } } }\n",
       "5: http.webhooks.tls.certificate: is missing: name the key's certificate"},
      {"http: { admin: { trusted_proxies: [ '10.0.0.0/8', proxy ] } }\n",
       "5: http.admin.trusted_proxies[1]: 'proxy' is not an address or network: write 10.0.0.1, 10.0.0.0/8 or "
       "fd00::/8"},
      {"replies: { stop: [] }\n", "5: replies.stop: has no word: people must be able to opt out: write at least STOP"},
      {"replies: { start: [ " + std::string(33, 'x') + " ] }\n",
       "5: replies.start[0]: '" + std::string(32, 'x') +
           "...' is no word to write back: write 1 to 32 octets, such as STOP"},
      {"replies: { help_text: " + std::string(481, 'x') + " }\n",
       "5: replies.help_text: is too long: write at most 480 octets: three parts of an SMS"},
      {"http: { webhooks: { public_url: hooks.example.org } }\n",
       "5: http.webhooks.public_url: is not a URL: write https://host:port"},
      {"http: { webhooks: { public_url: 'https://h/?a=b' } }\n",
       "5: http.webhooks.public_url: has a query or fragment: write it up to the path: https://hooks.example.org"},
  });
}

TEST_CASE("quiet hours need times of day and zones that exist") {
  check_all({
      {"delivery: { quiet_hours: { from: 9pm } }\n",
       "5: delivery.quiet_hours.from: '9pm' is not a time of day: write HH:MM in quotes, \"00:00\" to \"23:59\""},
      {"delivery: { quiet_hours: { to: '24:00' } }\n",
       "5: delivery.quiet_hours.to: '24:00' is not a time of day: write HH:MM in quotes, \"00:00\" to \"23:59\""},
      {"delivery: { quiet_hours: { from: '08:00' } }\n",
       "5: delivery.quiet_hours.to: is the same time as from: write applies_to: [] for no quiet hours"},
      {"delivery: { quiet_hours: { default_zones: [Australia/Sydney, Mars/Base] } }\n",
       "5: delivery.quiet_hours.default_zones[1]: 'Mars/Base' is not a time zone: write one of /usr/share/zoneinfo, "
       "such as Australia/Sydney"},
      {"delivery: { quiet_hours: { default_zones: [] } }\n",
       "5: delivery.quiet_hours.default_zones: names no time zone: write at least one, such as [Australia/Sydney]"},
  });
}

TEST_CASE("providers need a name of their own, an adapter and good URLs") {
  check_all({
      {"providers:\n  - { adapter: smtp }\n",
       "6: providers[0].name: is missing: write a name for routes and /webhooks/<name>"},
      {"providers:\n  - name: a\n",
       "6: providers[0].adapter: is missing: write twilio, smtp or another of signetd's adapters"},
      {"providers:\n  - { name: a b, adapter: smtp }\n",
       "6: providers[0].name: 'a b' is not a name: write 1 to 64 of A-Z a-z 0-9 . _ -"},
      {"providers:\n  - { name: a, adapter: smtp }\n  - adapter: smtp\n    name: a\n",
       "8: providers[1].name: 'a' is the name of another provider too: give each its own name"},
      {"providers:\n  - { name: a, adapter: smtp, url: 'http://relay' }\n",
       "6: providers[0].url: has an unknown scheme: write smtp:// or smtps://"},
      {"providers:\n  - { name: a, adapter: smpp, url: 'smtp://relay' }\n",
       "6: providers[0].url: has an unknown scheme: write smpp:// or smpps://"},
      {"providers:\n  - { name: a, adapter: twilio, base_url: 'ftp://h' }\n",
       "6: providers[0].base_url: has an unknown scheme: write https:// or http://"},
      {"providers:\n  -\n  - { name: a, adapter: b }\n",
       "7: providers[0]: is empty: write the entry, or take the dash away"},
  });
}

TEST_CASE("routes need a kind and known providers with weight") {
  const std::string r = kProvider + "routes:\n";  // lines 5 to 7
  check_all({
      {r + "  - providers: [ { name: relay } ]\n", "8: routes[0].kind: is missing: write sms, email or letter"},
      {r + "  - { kind: sms }\n",
       "8: routes[0].providers: names no provider: write [ { name: twilio-main, weight: 100 } ] or the like"},
      {r + "  - { kind: sms, providers: [] }\n",
       "8: routes[0].providers: names no provider: write [ { name: twilio-main, weight: 100 } ] or the like"},
      {r + "  - { kind: sms, providers: [ { weight: 1 } ] }\n",
       "8: routes[0].providers[0].name: is missing: name a provider"},
      {r + "  - { kind: sms, providers: [ { name: rellay } ] }\n",
       "8: routes[0].providers[0].name: there is no provider 'rellay': did you mean relay?"},
      {"routes:\n  - { kind: sms, providers: [ { name: relay } ] }\n",
       "6: routes[0].providers[0].name: there is no provider 'relay': add it to providers"},
      {r + "  - { kind: sms, providers: [ { name: relay }, { name: relay } ] }\n",
       "8: routes[0].providers[1].name: 'relay' is chosen twice: keep one, with both weights' sum"},
      {r + "  - { kind: sms, providers: [ { name: relay, weight: 0 } ] }\n",
       "8: routes[0].providers: has only weights of 0: give at least one provider a weight"},
      {r + "  - { kind: sms, providers: [ { name: relay, weight: -1 } ] }\n",
       "8: routes[0].providers[0].weight: '-1' is out of range: write a whole number from 0 to 10000"},
      {r + "  - { kind: sms, match: { country: australia }, providers: [ { name: relay } ] }\n",
       "8: routes[0].match.country: 'australia' is not a country: write its two capitals, such as AU"},
      {r + "  - { kind: email, match: { domain: [ 'a@b' ] }, providers: [ { name: relay } ] }\n",
       "8: routes[0].match.domain[0]: 'a@b' is not a domain: write what stands after the @, such as example.org"},
  });
}

TEST_CASE("alerts, webhooks and reports need a receiver") {
  check_all({
      {"alerts: { receivers: [ { name: a } ] }\n",
       "5: alerts.receivers[0].mail: is missing, and so is webhook: write one of them"},
      {"alerts: { receivers: [ { name: a, mail: 'a@b', webhook: 'https://h', secret_file: s } ] }\n",
       "5: alerts.receivers[0].mail: stands beside webhook: write one of them"},
      {"alerts: { receivers: [ { name: a, webhook: 'https://h' } ] }\n",
       "5: alerts.receivers[0].secret_file: is missing: name the file of the secret that signs the webhook"},
      {"alerts: { receivers: [ { name: a, mail: 'A <a@b>' } ] }\n",
       "5: alerts.receivers[0].mail: is not a mail address: write name@example.org, without a display name"},
      {"alerts: { receivers: [ { name: a, mail: a@b }, { name: a, mail: c@d } ] }\n",
       "5: alerts.receivers[1].name: 'a' is the name of another one too: give each its own name"},
      {"alerts: { rules: { integrity: [ on-call ] } }\n",
       "5: alerts.rules.integrity[0]: there is no receiver 'on-call': add it to alerts.receivers"},
      {"status_webhooks: [ { service: a, url: 'mailto:a@b', secret_file: s } ]\n",
       "5: status_webhooks[0].url: is not a URL: write https://host:port"},
      {"status_webhooks: [ { service: a, url: 'https://h' } ]\n",
       "5: status_webhooks[0].secret_file: is missing: name the file of the secret that signs the webhook"},
      {"reports: [ { name: a, cron: monthly, deliver_to: a@b } ]\n",
       "5: reports[0].cron: 'monthly' is not a cron line: write five fields: minute hour day month weekday"},
      {"reports: [ { name: a, cron: '0 0 31 2 *', deliver_to: a@b } ]\n",
       "5: reports[0].cron: names a day that never comes: write a day that the month has"},
      {"reports: [ { name: a, cron: '0 0 1 * *' } ]\n",
       "5: reports[0].deliver_to: is missing: write a mail address or a folder"},
      {"reports: [ { name: a, cron: '0 0 1 * *', deliver_to: somebody } ]\n",
       "5: reports[0].deliver_to: is not a mail address: write name@example.org, without a display name"},
      {"audit: { anchors: { tsa_url: tsa, tsa_ca_file: ca.pem } }\n",
       "5: audit.anchors.tsa_url: is not a URL: write https://host:port"},
  });
}

TEST_CASE("bad URLs of the servers are refused") {
  const Folder folder;
  const std::string secrets = kNeeded.substr(kNeeded.find("secrets"));
  const auto faults = [&](const std::string& postgres, const std::string& redis) {
    return lines_of(
        folder.load("postgres: { url: '" + postgres + "' }\nredis: { url: '" + redis + "', intake: false }\n" + secrets)
            .faults);
  };
  CHECK(faults("postgresql://app@/signet", "redis://cache") ==
        Lines{"signetd.yaml:1: postgres.url: has no host: write postgresql://user@host:port/database"});
  CHECK(faults("mysql://app@db/signet", "http://cache") ==
        Lines{"signetd.yaml:1: postgres.url: has another scheme than postgresql://: write "
              "postgresql://user@host:port/database",
              "signetd.yaml:2: redis.url: has an unknown scheme: write redis://, rediss://, redis+sentinel:// or "
              "redis+cluster://"});
}

// config/signetd.example.yaml: loads, says what it seems to say, and shows the defaults.
#include "tests/config/files.h"

using namespace signet;

namespace {
const std::string kExample = std::string(SIGNET_SOURCE_DIR) + "/config/signetd.example.yaml";
const std::string kRoom = std::string(SIGNET_SOURCE_DIR) + "/config/";
using Lines = std::vector<std::string>;
using Words = std::vector<std::string>;

void check_defaults(const Config& c) {
  CHECK(c.instance == "signetd-1");
  CHECK(c.postgres.password_file.empty());
  CHECK(c.postgres.roles.sequencer.user == "signet_sequencer");
  CHECK(c.postgres.roles.verify.user == "signet_verify");
  CHECK(c.postgres.roles.purge.user == "signet_purge");
  CHECK(c.postgres.roles.migrate.user == "postgres");
  CHECK(c.postgres.roles.sequencer.password_file.empty());
  CHECK(c.postgres.journal_connections == 2);
  CHECK(c.postgres.api_connections == 8);
  CHECK(c.redis.password_file.empty());
  CHECK(c.http.admin.listen == "127.0.0.1:8420");
  CHECK(c.http.admin.address == "127.0.0.1");
  CHECK(c.http.admin.port == 8420);
  CHECK(c.http.admin.tls.certificate.empty());
  CHECK(c.http.admin.tls.key_file.empty());
  CHECK(c.http.admin.trusted_proxies.empty());
  CHECK(c.http.webhooks.listen == "127.0.0.1:8421");
  CHECK(c.http.webhooks.address == "127.0.0.1");
  CHECK(c.http.webhooks.port == 8421);
  CHECK(c.http.webhooks.public_url == "http://127.0.0.1:8421");
  CHECK(c.http.webhooks.tls.certificate.empty());
  CHECK(c.http.webhooks.tls.key_file.empty());
  CHECK(c.http.webhooks.trusted_proxies.empty());
  const Config::Replies replies;
  CHECK(c.replies.stop == replies.stop);
  CHECK(c.replies.start == replies.start);
  CHECK(c.replies.help == replies.help);
  CHECK(c.replies.help_text == replies.help_text);
  CHECK(c.http.limits.body_bytes == 1048576);
  CHECK(c.http.limits.header_bytes == 16384);
  CHECK(c.http.limits.idle_s == 60);
  CHECK(c.http.limits.read_per_min == 600);
  CHECK(c.http.limits.write_per_min == 120);
  CHECK(c.http.limits.approve_per_min == 60);
  CHECK(c.http.limits.export_per_min == 20);
  CHECK(c.http.limits.log_in_per_min == 10);
  CHECK(c.delivery.loops == 0);
  CHECK(c.delivery.window == 2048);
  CHECK(c.delivery.permit_start_ms == 5000);
  CHECK(c.delivery.request_timeout_ms == 30000);
  CHECK(c.delivery.weights.critical == 16);
  CHECK(c.delivery.weights.high == 8);
  CHECK(c.delivery.weights.normal == 4);
  CHECK(c.delivery.weights.bulk == 1);
  CHECK(c.delivery.retry.base_ms == 1000);
  CHECK(c.delivery.retry.factor == 2.0);
  CHECK(c.delivery.retry.cap_ms == 3600000);
  CHECK(c.delivery.retry.max_attempts == 8);
  CHECK(c.delivery.in_doubt.sms == "operator");
  CHECK(c.delivery.in_doubt.email == "operator");
  CHECK(c.delivery.in_doubt.letter == "operator");
  CHECK(c.delivery.in_doubt.wait_s == 300);
  CHECK(c.delivery.quiet_hours.from_min == 1260);
  CHECK(c.delivery.quiet_hours.to_min == 480);
  CHECK(c.delivery.quiet_hours.default_zones == Words{"Australia/Sydney"});
  CHECK(c.delivery.quiet_hours.applies_to == Words{"normal", "bulk"});
  CHECK(c.approval.high_risk.quorum == 2);
  CHECK(c.approval.high_risk.needs_role == "doctor");
  CHECK(c.approval.high_risk.lapse_h == 24);
  CHECK(c.approval.high_risk.score_above == 70);
  CHECK(c.approval.high_risk.verification_below == 0.8);
  CHECK(c.approval.high_risk.purposes.empty());
  CHECK(c.approval.duplicate_window_h == 24);
  CHECK(c.approval.delegates.empty());
  CHECK(c.audit.log_name == "signet/audit");
  CHECK(c.audit.checkpoint_every_s == 10);
  CHECK(c.audit.anchors.worm_dir.empty());
  CHECK(c.audit.anchors.witness_url.empty());
  CHECK(c.audit.anchors.tsa_url.empty());
  CHECK(c.audit.retention_years == 7);
  CHECK(c.alerts.receivers.empty());
  CHECK(c.alerts.rules.integrity.empty());
  CHECK(c.alerts.rules.anchor_overdue_min == 60);
  CHECK(c.alerts.rules.review_age_min == 240);
  CHECK(c.alerts.rules.failure_rate == 0.2);
  CHECK(c.alerts.rules.stuck_min == 30);
  CHECK(c.status_webhooks.empty());
  CHECK(c.reports.empty());
  CHECK(c.log.level == LogLevel::info);
  CHECK(c.log.format == LogFormat::automatic);
}
}  // namespace

TEST_CASE("the example loads without a fault and holds the defaults") {
  const Loaded loaded = load_config(kExample);
  CHECK(lines_of(loaded.faults) == Lines{});
  check_defaults(loaded.config);
}

TEST_CASE("what is left out has the example's value") {
  const Folder folder;
  const Loaded loaded = folder.load(kNeeded);
  CHECK(lines_of(loaded.faults) == Lines{});
  check_defaults(loaded.config);
  CHECK(loaded.config.providers.empty());
  CHECK(loaded.config.routes.empty());
}

TEST_CASE("the example's own values are read") {
  const Loaded loaded = load_config(kExample);
  const Config& c = loaded.config;
  CHECK(c.file == kExample);
  CHECK(c.postgres.url == "postgresql://signet_app@127.0.0.1:5432/signet");
  CHECK(c.redis.url == "redis://127.0.0.1:6379/0");
  CHECK(c.redis.intake);
  CHECK(c.secrets.key_encryption_key_file == kRoom + "keys/kek");
  CHECK(c.secrets.daemon_mac_key_file == kRoom + "keys/mac");
  CHECK(c.secrets.index_key_file == kRoom + "keys/index");
  CHECK(c.secrets.intake_key_file == kRoom + "keys/intake.jwk");
  CHECK(c.secrets.log_signing_key_file == kRoom + "keys/log.pem");

  REQUIRE(c.providers.size() == 2);
  const auto& twilio = c.providers[0];
  CHECK(twilio.name == "twilio-main");
  CHECK(twilio.adapter == "twilio");
  CHECK(twilio.rate_per_s == 100);
  CHECK(twilio.burst == 100);
  CHECK(twilio.in_flight == 64);
  CHECK(twilio.in_doubt == "blind");
  CHECK(twilio.values == std::map<std::string, std::string>{{"base_url", "https://api.twilio.com"},
                                                            {"account_sid", "AC00000000000000000000000000000000"},
                                                            {"from", "+15005550006"}});
  CHECK(twilio.secret_files == std::map<std::string, std::string>{{"auth_token", kRoom + "secrets/twilio_token"}});
  const auto& relay = c.providers[1];
  CHECK(relay.name == "relay");
  CHECK(relay.adapter == "smtp");
  CHECK(relay.rate_per_s == 0);
  CHECK(relay.burst == 0);
  CHECK(relay.in_flight == 20);
  CHECK(relay.in_doubt.empty());
  CHECK(relay.values == std::map<std::string, std::string>{{"url", "smtp://127.0.0.1:25"},
                                                           {"starttls", "opportunistic"},
                                                           {"from", "Clinic <clinic@example.org>"}});
  CHECK(relay.secret_files.empty());

  REQUIRE(c.routes.size() == 3);
  const Words kinds{"sms", "email", "letter"}, names{"twilio-main", "relay", "relay"};
  for (size_t i = 0; i < 3; ++i) {
    CHECK(c.routes[i].kind == kinds[i]);
    CHECK(c.routes[i].match.country.empty());
    CHECK(c.routes[i].match.domain.empty());
    CHECK(c.routes[i].match.tag.empty());
    REQUIRE(c.routes[i].providers.size() == 1);
    CHECK(c.routes[i].providers[0].name == names[i]);
    CHECK(c.routes[i].providers[0].weight == 100);
  }
}

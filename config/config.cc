#include "config/config.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <set>

#include "config/section.h"
#include "config/syntax.h"
#include "config/yaml.h"

namespace signet {
namespace {

const Words kKinds{"sms", "email", "letter"};
const Words kPriorities{"critical", "high", "normal", "bulk"};
constexpr int kMinutesMax = 525600;  // a year
constexpr int kPerMinuteMax = 1000000;

Refused refuse_name(const std::string& value) {
  if (is_name(value)) return {};
  return Refusal{shown(value) + " is not a name", "write 1 to 64 of A-Z a-z 0-9 . _ -"};
}
Refused refuse_web_url(const std::string& value) { return refuse_url(value, {"https", "http"}); }

void read_postgres(Section& s, Config::Postgres& to) {
  s.require("url", "write postgresql://user@host:port/database");
  s.text("url", to.url, refuse_postgres_url);
  s.path("password_file", to.password_file);
  s.section("roles", [&](Section& roles) {
    const auto role = [&](const char* key, Config::Postgres::Role& login) {
      roles.section(key, [&](Section& one) {
        one.text("user", login.user);
        one.path("password_file", login.password_file);
      });
    };
    role("sequencer", to.roles.sequencer);
    role("verify", to.roles.verify);
    role("purge", to.roles.purge);
    role("migrate", to.roles.migrate);
  });
  s.number("journal_connections", to.journal_connections, 1, 16);
  s.number("api_connections", to.api_connections, 1, 256);
}

void read_redis(Section& s, Config::Redis& to) {
  s.require("url", "write redis://host:port/0");
  s.text("url", to.url, refuse_redis_url);
  s.text("user", to.user, refuse_name);
  s.path("password_file", to.password_file);
  s.path("ca_file", to.ca_file);
  s.flag("intake", to.intake);
  s.text("intake_service", to.intake_service, refuse_name);
}

template <class Listener>
void read_listener(Section& s, Listener& to) {
  ListenAddress endpoint;
  const bool is_given = s.text("listen", to.listen, [&](const std::string& value) -> Refused {
    const auto parsed = parse_listen(value);
    if (!parsed) return Refusal{shown(value) + " is not an address to listen on", "write 127.0.0.1:8420 or [::1]:8420"};
    endpoint = *parsed;
    return {};
  });
  if (is_given) {
    to.address = endpoint.address;
    to.port = endpoint.port;
  }
  s.section("tls", [&](Section& tls) {
    tls.path("certificate", to.tls.certificate);
    tls.path("key_file", to.tls.key_file);
    if (tls.has("certificate") && !tls.has("key_file"))
      tls.fault("key_file", "is missing", "name the certificate's key");
    if (tls.has("key_file") && !tls.has("certificate"))
      tls.fault("certificate", "is missing", "name the key's certificate");
  });
}

void read_limits(Section& s, Config::Http::Limits& to) {
  s.number("body_bytes", to.body_bytes, 1024, 64 << 20);
  s.number("header_bytes", to.header_bytes, 1024, 1 << 20);
  s.number("idle_s", to.idle_s, 1, 3600);
  std::vector<int> per_min;
  if (s.numbers("read_write_approve_per_min", per_min, 3, 1, kPerMinuteMax)) {
    to.read_per_min = per_min[0];
    to.write_per_min = per_min[1];
    to.approve_per_min = per_min[2];
  }
  if (s.numbers("export_log_in_per_min", per_min, 2, 1, kPerMinuteMax)) {
    to.export_per_min = per_min[0];
    to.log_in_per_min = per_min[1];
  }
}

Refused refuse_network(const std::string& value) {
  if (is_network(value)) return {};
  return Refusal{shown(value) + " is not an address or network", "write 10.0.0.1, 10.0.0.0/8 or fd00::/8"};
}

void read_http(Section& s, Config::Http& to) {
  s.section("admin", [&](Section& admin) {
    read_listener(admin, to.admin);
    admin.list("trusted_proxies", to.admin.trusted_proxies, refuse_network);
  });
  s.section("webhooks", [&](Section& webhooks) {
    read_listener(webhooks, to.webhooks);
    webhooks.text("public_url", to.webhooks.public_url, [](const std::string& value) -> Refused {
      if (value.find_first_of("?#") != value.npos)
        return Refusal{"has a query or fragment", "write it up to the path: https://hooks.example.org"};
      return refuse_web_url(value);
    });
    webhooks.list("trusted_proxies", to.webhooks.trusted_proxies, refuse_network);
    while (to.webhooks.public_url.ends_with('/')) to.webhooks.public_url.pop_back();
    if (to.webhooks.listen == to.admin.listen && to.admin.port != 0)
      webhooks.fault("listen", "is the admin listener's too", "give each its own port");
  });
  s.section("limits", [&](Section& limits) { read_limits(limits, to.limits); });
}

void read_secrets(Section& s, Config::Secrets& to, bool has_intake) {
  const auto read = [&](const std::string& key, std::string& path, bool is_required) {
    if (is_required) s.require(key, "name the file that 'signetd keygen' made");
    s.path(key, path);
  };
  read("key_encryption_key_file", to.key_encryption_key_file, true);
  read("daemon_mac_key_file", to.daemon_mac_key_file, true);
  read("index_key_file", to.index_key_file, true);
  read("intake_key_file", to.intake_key_file, has_intake);
  read("log_signing_key_file", to.log_signing_key_file, true);
  s.paths("previous_key_encryption_key_files", to.previous_key_encryption_key_files);
}

void read_quiet_hours(Section& s, Config::Delivery::QuietHours& to) {
  const auto minute = [&](const char* key, int& at) {
    std::string ignored;
    s.text(key, ignored, [&](const std::string& value) -> Refused {
      const auto parsed = parse_minute_of_day(value);
      if (!parsed)
        return Refusal{shown(value) + " is not a time of day", "write HH:MM in quotes, \"00:00\" to \"23:59\""};
      at = *parsed;
      return {};
    });
  };
  minute("from", to.from_min);
  minute("to", to.to_min);
  if (to.from_min == to.to_min) s.fault("to", "is the same time as from", "write applies_to: [] for no quiet hours");
  const bool is_good = s.list("default_zones", to.default_zones, [](const std::string& value) -> Refused {
    if (is_zone(value)) return {};
    return Refusal{shown(value) + " is not a time zone", "write one of /usr/share/zoneinfo, such as Australia/Sydney"};
  });
  if (is_good && to.default_zones.empty())
    s.fault("default_zones", "names no time zone", "write at least one, such as [Australia/Sydney]");
  s.list("applies_to", to.applies_to, [](const std::string& value) -> Refused {
    if (std::find(kPriorities.begin(), kPriorities.end(), value) != kPriorities.end()) return {};
    return Refusal{shown(value) + " is not a priority", "write some of: critical, high, normal, bulk"};
  });
}

void read_delivery(Section& s, Config::Delivery& to) {
  s.number("loops", to.loops, 0, 256);
  s.number("window", to.window, 16, 65536);
  s.number("permit_start_ms", to.permit_start_ms, 100, 60000);
  s.number("request_timeout_ms", to.request_timeout_ms, 100, 300000);
  s.number("lease_ms", to.lease_ms, 500, 60000);
  s.path("spool_dir", to.spool_dir);
  s.number("spool_mb_max", to.spool_mb_max, 1, 1048576);
  s.section("weights", [&](Section& weights) {
    weights.number("critical", to.weights.critical, 1, 1000);
    weights.number("high", to.weights.high, 1, 1000);
    weights.number("normal", to.weights.normal, 1, 1000);
    weights.number("bulk", to.weights.bulk, 1, 1000);
  });
  s.section("retry", [&](Section& retry) {
    retry.number("base_ms", to.retry.base_ms, 1, 3600000);
    retry.number("factor", to.retry.factor, 1.0, 10.0);
    if (retry.number("cap_ms", to.retry.cap_ms, 1, 86400000) && to.retry.cap_ms < to.retry.base_ms)
      retry.fault("cap_ms", "is less than base_ms", "write at least " + std::to_string(to.retry.base_ms));
    retry.number("max_attempts", to.retry.max_attempts, 1, 100);
  });
  s.section("in_doubt", [&](Section& in_doubt) {
    const Words policies{"resend", "fail", "operator"};
    in_doubt.word("sms", to.in_doubt.sms, policies);
    in_doubt.word("email", to.in_doubt.email, policies);
    in_doubt.word("letter", to.in_doubt.letter, policies);
    in_doubt.number("wait_s", to.in_doubt.wait_s, 0, 86400);
  });
  s.section("quiet_hours", [&](Section& quiet) { read_quiet_hours(quiet, to.quiet_hours); });
  s.section("breaker", [&](Section& breaker) {
    breaker.number("window_s", to.breaker.window_s, 1, 3600);
    breaker.number("ratio", to.breaker.ratio, 0.01, 1.0);
    breaker.number("min_attempts", to.breaker.min_attempts, 1, 100000);
    breaker.number("open_s", to.breaker.open_s, 1, 3600);
  });
}

// A secret written where only settings belong.
bool is_secret_key(const std::string& key) {
  for (const std::string word : {"password", "passphrase", "secret", "token", "api_key", "private_key", "signing_key"})
    if (key == word || key.ends_with("_" + word)) return true;
  return false;
}

Refused refuse_setting(const Config::Provider& provider, const std::string& key, const std::string& value) {
  if (is_secret_key(key))
    return Refusal{"is a secret, and secrets are never values", "name its file in " + key + "_file"};
  if (key == "url" && provider.adapter == "smtp") return refuse_url(value, {"smtp", "smtps"});
  if (key == "url" && provider.adapter == "smpp") return refuse_url(value, {"smpp", "smpps"});
  if (key == "url" || key.ends_with("_url")) return refuse_web_url(value);
  return {};
}

void read_provider(Section& s, Config::Provider& to) {
  to.line = s.line();
  s.require("name", "write a name for routes and /webhooks/<name>");
  s.text("name", to.name, refuse_name);
  s.require("adapter", "write twilio, smtp or another of signetd's adapters");
  s.text("adapter", to.adapter, refuse_name);
  s.number("rate_per_s", to.rate_per_s, 0.0, 100000.0);
  to.burst = static_cast<int>(std::ceil(to.rate_per_s));
  s.number("burst", to.burst, 1, 100000);
  s.number("in_flight", to.in_flight, 1, 10000);
  s.word("in_doubt", to.in_doubt, {"idempotent", "queryable", "blind"});
  s.number("key_life_s", to.key_life_s, 0, 31536000);
  for (const char* key : {"name", "adapter", "rate_per_s", "burst", "in_flight", "in_doubt", "key_life_s"})
    if (s.has(key)) to.lines[key] = s.line_of(key);
  for (const auto* member : s.others()) {
    const std::string& key = member->key;
    to.lines[key] = member->line;
    if (key == "ca_file") {  // no secret
      std::string path;
      if (s.path(key, path)) to.values[key] = path;
    } else if (key.size() > 5 && key.ends_with("_file")) {
      std::string path;
      if (s.path(key, path)) to.secret_files[key.substr(0, key.size() - 5)] = path;
    } else {
      std::string value;
      if (s.text(key, value, [&](const std::string& v) { return refuse_setting(to, key, v); })) to.values[key] = value;
    }
  }
}

void read_route(Section& s, Config::Route& to, const std::set<std::string>& providers) {
  to.line = s.line();
  s.require("kind", "write sms, email or letter");
  s.word("kind", to.kind, kKinds);
  s.section("match", [&](Section& match) {
    match.list(
        "country", to.match.country,
        [](const std::string& value) -> Refused {
          const bool is_code =
              value.size() == 2 && value[0] >= 'A' && value[0] <= 'Z' && value[1] >= 'A' && value[1] <= 'Z';
          if (is_code || value == "001") return {};
          return Refusal{shown(value) + " is not a country", "write its two capitals, such as AU"};
        },
        true);
    match.list(
        "domain", to.match.domain,
        [](const std::string& value) -> Refused {
          if (is_domain(value)) return {};
          return Refusal{shown(value) + " is not a domain", "write what stands after the @, such as example.org"};
        },
        true);
    for (auto& domain : to.match.domain)
      for (char& c : domain) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    match.list("tag", to.match.tag, {}, true);
  });
  int sum = 0;
  std::set<std::string> chosen;
  const bool is_none = !s.has("providers");
  const size_t entries = s.each("providers", [&](Section& entry) {
    Config::Route::Choice choice;
    entry.require("name", "name a provider");
    entry.text("name", choice.name, [&](const std::string& value) -> Refused {
      if (!chosen.insert(value).second)
        return Refusal{shown(value) + " is chosen twice", "keep one, with both weights' sum"};
      if (providers.contains(value)) return {};
      const std::vector<std::string> known(providers.begin(), providers.end());
      return Refusal{"there is no provider " + shown(value),
                     known.empty() ? "add it to providers" : remedy_for_unknown(value, known)};
    });
    entry.number("weight", choice.weight, 0, 10000);
    sum += choice.weight;
    to.providers.push_back(std::move(choice));
  });
  if (is_none || entries == 0)
    s.fault("providers", "names no provider", "write [ { name: twilio-main, weight: 100 } ] or the like");
  else if (sum == 0 && !to.providers.empty())
    s.fault("providers", "has only weights of 0", "give at least one provider a weight");
}

void read_replies(Section& s, Config::Replies& to) {
  constexpr size_t kWordMax = 32, kTextMax = 480;
  const auto refuse_word = [](const std::string& value) -> Refused {
    if (value.size() <= kWordMax) return {};
    return Refusal{shown(value) + " is no word to write back", "write 1 to 32 octets, such as STOP"};
  };
  s.list("stop", to.stop, refuse_word);
  s.list("start", to.start, refuse_word);
  s.list("help", to.help, refuse_word);
  if (to.stop.empty()) s.fault("stop", "has no word", "people must be able to opt out: write at least STOP");
  s.text("help_text", to.help_text, [](const std::string& value) -> Refused {
    if (value.size() <= kTextMax) return {};
    return Refusal{"is too long", "write at most 480 octets: three parts of an SMS"};
  });
}

void read_approval(Section& s, Config::Approval& to) {
  s.section("high_risk", [&](Section& high) {
    high.number("quorum", to.high_risk.quorum, 1, 5);
    high.word("needs_role", to.high_risk.needs_role, {"doctor", "reviewer"});
    high.number("lapse_h", to.high_risk.lapse_h, 1, 720);
    high.number("score_above", to.high_risk.score_above, 0.0, 100.0);
    high.number("verification_below", to.high_risk.verification_below, 0.0, 1.0);
    high.flag("dismissed_critical", to.high_risk.dismissed_critical);
    high.list("purposes", to.high_risk.purposes);
  });
  s.number("duplicate_window_h", to.duplicate_window_h, 0, 8760);
  s.number("claim_min", to.claim_min, 1, 240);
  s.section("delegates", [&](Section& delegates) {
    for (const auto* physician : delegates.others()) {
      std::vector<std::string> users;
      if (delegates.list(physician->key, users)) to.delegates[physician->key] = std::move(users);
    }
  });
}

// As c2sp.org/signed-note has key names.
Refused refuse_log_name(const std::string& value) {
  for (const unsigned char c : value)
    if (c <= ' ' || c >= 0x7f || c == '+')
      return Refusal{"is no name of a log", "printable ASCII without white space and '+', like signet/audit"};
  return {};
}

void read_audit(Section& s, Config::Audit& to) {
  s.text("log_name", to.log_name, refuse_log_name);
  s.number("checkpoint_every_s", to.checkpoint_every_s, 1, 3600);
  s.section("anchors", [&](Section& anchors) {
    anchors.path("worm_dir", to.anchors.worm_dir);
    anchors.text("witness_url", to.anchors.witness_url, refuse_web_url);
    anchors.text("witness_key", to.anchors.witness_key);
    if (anchors.has("witness_url")) anchors.require("witness_key", "write the line that 'signetd witness' prints");
    anchors.text("tsa_url", to.anchors.tsa_url, refuse_web_url);
    anchors.path("tsa_ca_file", to.anchors.tsa_ca_file);
    if (anchors.has("tsa_url")) anchors.require("tsa_ca_file", "name the PEM file of the authority's certificates");
    anchors.number("every_min", to.anchors.every_min, 1, 1440);
  });
  s.number("retention_years", to.retention_years, 1, 100);
  s.flag("faults_stop_approvals", to.faults_stop_approvals);
}

void read_exports(Section& s, Config::Exports& to) {
  s.path("spool_dir", to.spool_dir);
  s.number("spool_mb_max", to.spool_mb_max, 1, 1048576);
  s.number("keep_h", to.keep_h, 1, 720);
  s.number("at_once", to.at_once, 1, 16);
}

Refused refuse_mail(const std::string& value) {
  if (is_receiver_address(value)) return {};
  return Refusal{"is not a mail address", "write name@example.org, without a display name"};
}

Check unique_in(std::set<std::string>& names) {
  return [&names](const std::string& value) -> Refused {
    if (names.insert(value).second) return {};
    return Refusal{shown(value) + " is the name of another one too", "give each its own name"};
  };
}

void read_alerts(Section& s, Config::Alerts& to) {
  std::set<std::string> names;
  s.each("receivers", [&](Section& entry) {
    Config::Alerts::Receiver receiver;
    receiver.line = entry.line();
    entry.require("name", "write a name");
    entry.text("name", receiver.name, unique_in(names));
    entry.text("mail", receiver.mail, refuse_mail);
    entry.text("webhook", receiver.webhook, refuse_web_url);
    entry.path("secret_file", receiver.secret_file);
    if (entry.has("mail") == entry.has("webhook"))
      entry.fault("mail", entry.has("mail") ? "stands beside webhook" : "is missing, and so is webhook",
                  "write one of them");
    if (entry.has("webhook")) entry.require("secret_file", "name the file of the secret that signs the webhook");
    to.receivers.push_back(std::move(receiver));
  });
  s.section("rules", [&](Section& rules) {
    rules.list("integrity", to.rules.integrity, [&](const std::string& value) -> Refused {
      if (names.contains(value)) return {};
      return Refusal{"there is no receiver " + shown(value), "add it to alerts.receivers"};
    });
    rules.number("anchor_overdue_min", to.rules.anchor_overdue_min, 1, kMinutesMax);
    rules.number("review_age_min", to.rules.review_age_min, 1, kMinutesMax);
    rules.number("failure_rate", to.rules.failure_rate, 0.0, 1.0);
    rules.number("stuck_min", to.rules.stuck_min, 1, kMinutesMax);
    rules.number("log_in_burst", to.rules.log_in_burst, 1, 100000);
    rules.number("in_doubt_min", to.rules.in_doubt_min, 1, kMinutesMax);
  });
  s.number("repeat_min", to.repeat_min, 1, kMinutesMax);
}

void read_status_webhook(Section& s, Config::StatusWebhook& to) {
  to.line = s.line();
  s.require("service", "name the service account whose messages it tells of");
  s.text("service", to.service);
  s.require("url", "write https://host/path");
  s.text("url", to.url, refuse_web_url);
  s.require("secret_file", "name the file of the secret that signs the webhook");
  s.path("secret_file", to.secret_file);
}

void read_report(Section& s, Config::Report& to, std::set<std::string>& names) {
  to.line = s.line();
  s.require("name", "write a name");
  s.text("name", to.name, unique_in(names));
  s.require("cron", "write five fields: minute hour day month weekday");
  s.text("cron", to.cron, [](const std::string& value) -> Refused {
    const auto cron = parse_cron(value);
    if (!cron) return Refusal{shown(value) + " is not a cron line", "write five fields: minute hour day month weekday"};
    if (!is_ever(*cron)) return Refusal{"names a day that never comes", "write a day that the month has"};
    return {};
  });
  s.word("format", to.format, {"json", "pdf", "csv"});
  s.require("deliver_to", "write a mail address or a folder");
  if (std::string written; s.text("deliver_to", written)) {
    if (written.find('/') != written.npos)
      s.path("deliver_to", to.deliver_to);
    else
      s.text("deliver_to", to.deliver_to, refuse_mail);
  }
}

void read_log(Section& s, Config::Logging& to) {
  std::string level, format;
  if (s.word("level", level, {"debug", "info", "warn", "error"}))
    to.level = level == "debug"  ? LogLevel::debug
               : level == "info" ? LogLevel::info
               : level == "warn" ? LogLevel::warn
                                 : LogLevel::error;
  if (s.word("format", format, {"auto", "text", "json"}))
    to.format = format == "auto" ? LogFormat::automatic : format == "text" ? LogFormat::text : LogFormat::json;
}

void read_all(Section& s, Config& to) {
  s.text("instance", to.instance, refuse_name);
  s.section("postgres", [&](Section& inner) { read_postgres(inner, to.postgres); });
  s.section("redis", [&](Section& inner) { read_redis(inner, to.redis); });
  s.section("http", [&](Section& inner) { read_http(inner, to.http); });
  s.section("secrets", [&](Section& inner) { read_secrets(inner, to.secrets, to.redis.intake); });
  s.section("delivery", [&](Section& inner) { read_delivery(inner, to.delivery); });
  std::set<std::string> providers;
  s.each("providers", [&](Section& entry) {
    Config::Provider provider;
    read_provider(entry, provider);
    if (!provider.name.empty() && !providers.insert(provider.name).second)
      entry.fault("name", shown(provider.name) + " is the name of another provider too", "give each its own name");
    to.providers.push_back(std::move(provider));
  });
  s.each("routes", [&](Section& entry) { read_route(entry, to.routes.emplace_back(), providers); });
  s.section("replies", [&](Section& inner) { read_replies(inner, to.replies); });
  s.section("approval", [&](Section& inner) { read_approval(inner, to.approval); });
  s.section("audit", [&](Section& inner) { read_audit(inner, to.audit); });
  s.section("exports", [&](Section& inner) { read_exports(inner, to.exports); });
  s.section("alerts", [&](Section& inner) { read_alerts(inner, to.alerts); });
  s.each("status_webhooks", [&](Section& entry) { read_status_webhook(entry, to.status_webhooks.emplace_back()); });
  std::set<std::string> reports;
  s.each("reports", [&](Section& entry) { read_report(entry, to.reports.emplace_back(), reports); });
  s.section("log", [&](Section& inner) { read_log(inner, to.log); });
}

}  // namespace

Loaded load_config(const std::string& path, const std::string& credentials_directory) {
  Loaded loaded;
  loaded.config.file = path;
  YamlDocument document = read_yaml(path);
  Reading reading{path, {}, credentials_directory, std::move(document.faults), {}};
  std::error_code error;
  reading.folder = std::filesystem::absolute(path, error).parent_path().string();
  const auto kind = document.root.kind;
  if (document.is_unreadable) {
  } else if (kind == YamlNode::Kind::null) {
    if (reading.faults.empty()) reading.faults.push_back({path, 0, {}, "is empty", "start from signetd.example.yaml"});
  } else if (kind != YamlNode::Kind::map) {
    reading.faults.push_back(
        {path, document.root.line, {}, "is not a mapping", "write key: value, as in signetd.example.yaml"});
  } else {
    Section root(reading, document.root, {}, 1);
    read_all(root, loaded.config);
    for (auto* folder : {&loaded.config.exports.spool_dir, &loaded.config.delivery.spool_dir})
      if (!folder->starts_with('/')) *folder = reading.folder + '/' + *folder;
  }
  loaded.config.lines = std::move(reading.lines);
  loaded.faults = std::move(reading.faults);
  std::stable_sort(loaded.faults.begin(), loaded.faults.end(),
                   [](const Fault& a, const Fault& b) { return a.line < b.line; });
  return loaded;
}

}  // namespace signet

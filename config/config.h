// The one configuration file, read whole: what it says, with every default filled in, and every fault in it at once.
// Keys are those of signetd.example.yaml. Kinds, priorities and roles are words here, checked against the lists below;
// the daemon turns them into message/message.h's types, which this room does not see.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/fault.h"

namespace signet {

struct Config {
  std::string file;                  // as it was named
  std::map<std::string, int> lines;  // of every key that has a value: "http.admin.listen", "providers[0].from"

  // Names this daemon in leases and the audit log; daemons that share a database must differ. 1 to 64 of A-Za-z0-9._-
  std::string instance = "signetd-1";

  struct Postgres {
    struct Role {
      std::string user;
      std::string password_file;  // absolute, or empty: no password
    };
    std::string url;            // required; postgresql://user@host[:port][,host...]/database, no password
    std::string password_file;  // of the url's user; absolute, or empty
    struct Roles {
      Role sequencer{"signet_sequencer", {}};
      Role verify{"signet_verify", {}};
      Role purge{"signet_purge", {}};
      Role migrate{"postgres", {}};  // superuser; only `signetd migrate` uses it
    } roles;
    int journal_connections = 2;  // per loop; 1 to 16
    int api_connections = 8;      // per daemon; 1 to 256
  } postgres;

  struct Redis {
    std::string url;            // required; redis:// rediss:// redis+sentinel:// redis+cluster://, no password
    std::string user;           // of an ACL; empty: the default user
    std::string password_file;  // absolute, or empty
    std::string ca_file;        // PEM, absolute, whom rediss:// trusts; empty: the system's authorities
    bool intake = true;         // read the stream signet:intake
    std::string intake_service = "intake";  // the service account that hands over what is in it
  } redis;

  struct Tls {                // both or neither
    std::string certificate;  // PEM chain; absolute, or empty: no TLS
    std::string key_file;     // PEM
  };
  struct Http {
    struct Admin {
      std::string listen = "127.0.0.1:8420";  // IP address and port
      std::string address = "127.0.0.1";      // its halves; IPv6 without brackets
      int port = 8420;                        // 0: any free one
      Tls tls;
      std::vector<std::string> trusted_proxies;  // addresses or networks whose X-Forwarded-For counts
    } admin;
    struct Webhooks {
      std::string listen = "127.0.0.1:8421";
      std::string address = "127.0.0.1";
      int port = 8421;
      std::string public_url = "http://127.0.0.1:8421";  // as providers see it; no slash at the end
      Tls tls;
      std::vector<std::string> trusted_proxies;  // likewise: where a provider is known by its address
    } webhooks;
    struct Limits {
      int body_bytes = 1048576;  // 1024 to 64 MiB; more is 413
      int header_bytes = 16384;  // 1024 to 1 MiB; more is 431
      int idle_s = 60;           // 1 to 3600
      int read_per_min = 600;    // read_write_approve_per_min: per principal; 1 to 1,000,000 each
      int write_per_min = 120;
      int approve_per_min = 60;
      int export_per_min = 20;  // export_log_in_per_min: per principal; log-in per address and per account
      int log_in_per_min = 10;
    } limits;
  } http;

  struct Secrets {                        // absolute paths, all required, but intake_key_file only with redis.intake
    std::string key_encryption_key_file;  // 32 octets, base64
    std::string daemon_mac_key_file;      // 32 octets, base64
    std::string index_key_file;           // 32 octets, base64
    std::string intake_key_file;          // JWK
    std::string log_signing_key_file;     // Ed25519, PEM
    std::vector<std::string> previous_key_encryption_key_files;  // may open what they sealed until it is re-wrapped
  } secrets;

  struct Delivery {
    int loops = 0;                    // 0: one per core; up to 256
    int window = 2048;                // messages between claim and ack, per loop; 16 to 65536
    int permit_start_ms = 5000;       // a send starts within this of its permit; 100 to 60,000
    int request_timeout_ms = 30000;   // 100 to 300,000
    int lease_ms = 4000;              // what a dead daemon had claimed is claimed anew after it; 500 to 60,000
    std::string spool_dir = "spool";  // absolute; results wait here while PostgreSQL is away
    int spool_mb_max = 256;           // full: nothing more is claimed. 1 to 1,048,576
    struct Weights {                  // 1 to 1000
      int critical = 16, high = 8, normal = 4, bulk = 1;
    } weights;
    struct Retry {
      int base_ms = 1000;    // 1 to 3,600,000
      double factor = 2.0;   // 1 to 10
      int cap_ms = 3600000;  // base_ms to 86,400,000
      int max_attempts = 8;  // 1 to 100
    } retry;
    struct InDoubt {  // "resend", "fail" or "operator"
      std::string sms = "operator", email = "operator", letter = "operator";
      int wait_s = 300;  // for a receipt that settles it; 0 to 86,400
    } in_doubt;
    struct QuietHours {
      int from_min = 21 * 60;  // minute of the recipient's day; from later than to spans midnight
      int to_min = 8 * 60;     // never equal to from_min
      std::vector<std::string> default_zones{"Australia/Sydney"};  // for recipients of unknown zone; not empty
      std::vector<std::string> applies_to{"normal", "bulk"};       // priorities; empty: no quiet hours
    } quiet_hours;
    struct Breaker {          // of each provider
      int window_s = 30;      // over which errors are counted; 1 to 3600
      double ratio = 0.5;     // of attempts that failed by the provider's fault, from which it opens; 0.01 to 1
      int min_attempts = 20;  // fewer open nothing; 1 to 100,000
      int open_s = 15;        // before the first probe; 1 to 3600
    } breaker;
  } delivery;

  struct Provider {
    std::string name;     // required, unique; 1 to 64 of A-Za-z0-9._-: it stands in /webhooks/<name>
    std::string adapter;  // required; which there are is for the caller to check, as are `values` and `secret_files`
    int line = 0;
    double rate_per_s = 0;  // of all daemons together; 0: no limit of our own; up to 100,000
    int burst = 0;          // 1 to 100,000; if not given, rate_per_s rounded up; 0 only without a rate
    int in_flight = 64;     // per daemon; 1 to 10,000
    std::string in_doubt;   // "idempotent", "queryable", "blind"; empty: the adapter's own
    int key_life_s = 0;     // how long it remembers an idempotency key; 0: the adapter's own; up to 31,536,000
    std::map<std::string, std::string> values;        // every other scalar key, as written
    std::map<std::string, std::string> secret_files;  // "auth_token" of auth_token_file -> absolute path
    std::map<std::string, int> lines;                 // of every key as written: "auth_token_file" -> 48
  };
  std::vector<Provider> providers;

  struct Route {
    std::string kind;  // required: "sms", "email", "letter"
    int line = 0;
    struct Match {                       // each empty: any
      std::vector<std::string> country;  // ISO 3166-1, two capitals; or 001
      std::vector<std::string> domain;   // of the recipient's address, lower case
      std::vector<std::string> tag;
    } match;
    struct Choice {
      std::string name;  // of a provider above
      int weight = 100;  // 0 to 10,000; 0: only when the others fail; not all 0
    };
    std::vector<Choice> providers;  // not empty, each once
  };
  std::vector<Route> routes;  // in the file's order

  // What people write back to our numbers: words, one of which is all of the text. Each list replaces its default; all
  // but `stop` may be empty.
  struct Replies {
    std::vector<std::string> stop{"STOP",        "STOPALL",  "STOP ALL", "END",     "QUIT",  "CANCEL",
                                  "UNSUBSCRIBE", "REVOKE",   "OPT OUT",  "OPTOUT",  "ARRET", "ARRETER",
                                  "STOPP",       "ABMELDEN", "BAJA",     "ALTO",    "PARAR", "CANCELAR",
                                  "DETENER",     "PARE",     "SAIR",     "ANNULLA", "FERMA", "AFMELDEN"};
    std::vector<std::string> start{"START", "UNSTOP", "OPT IN", "OPTIN", "ALTA", "COMENZAR", "DEMARRER", "ANMELDEN"};
    std::vector<std::string> help{"HELP", "INFO", "AIDE", "AYUDA", "AJUDA", "HILFE", "AIUTO"};
    std::string help_text =  // what HELP is answered with, at most once an hour
        "This number sends messages of your clinic. To get no more of them, reply STOP; for anything else, call the "
        "clinic.";
  } replies;

  struct Approval {
    struct HighRisk {
      int quorum = 2;                     // 1 to 5
      std::string needs_role = "doctor";  // of one of them; "doctor" or "reviewer"
      int lapse_h = 24;                   // 1 to 720
      double score_above = 70;            // 0 to 100
      double verification_below = 0.8;    // 0 to 1
      bool dismissed_critical = true;     // a critical flag that its reviewer dismissed
      std::vector<std::string> purposes;  // these are always high risk
    } high_risk;
    int duplicate_window_h = 24;                                // 0: never warn; up to 8760
    int claim_min = 15;                                         // a review claim lapses after it; 1 to 240
    std::map<std::string, std::vector<std::string>> delegates;  // physician id -> user ids
  } approval;

  struct Audit {
    std::string log_name = "signet/audit";  // the log's origin in its checkpoints, for ever; no white space, no '+'
    int checkpoint_every_s = 10;            // 1 to 3600
    struct Anchors {                        // empty: none
      std::string worm_dir;                 // absolute
      std::string witness_url;
      std::string witness_key;  // its verifier key, "name+hash+base64" (C2SP signed-note); required with witness_url
      std::string tsa_url;
      std::string tsa_ca_file;  // PEM, absolute; required with tsa_url
      int every_min = 10;       // of time stamps; 1 to 1440
    } anchors;
    int retention_years = 7;             // 1 to 100
    bool faults_stop_approvals = false;  // while a fault in the evidence is not acknowledged, nothing is approved
  } audit;

  struct Exports {
    std::string spool_dir = "spool";  // absolute; the daemon's own, made 0700
    int spool_mb_max = 4096;          // of all files together; more: new tasks are refused. 1 to 1,048,576
    int keep_h = 24;                  // then a file is deleted; 1 to 720
    int at_once = 2;                  // tasks that run at the same time; 1 to 16
  } exports;

  struct Alerts {
    struct Receiver {
      std::string name;  // required, unique
      int line = 0;
      std::string mail;         // this, or
      std::string webhook;      // this with
      std::string secret_file;  // this: absolute
    };
    std::vector<Receiver> receivers;
    struct Rules {
      std::vector<std::string> integrity;  // receivers of integrity alarms; empty: all
      int anchor_overdue_min = 60;         // 1 to 525,600, like the other minutes
      int review_age_min = 240;
      double failure_rate = 0.2;  // 0 to 1
      int stuck_min = 30;
      int log_in_burst = 20;  // failed log-ins within 10 minutes; 1 to 100,000
      int in_doubt_min = 30;  // that a message is in doubt
    } rules;
    int repeat_min = 60;  // until somebody acknowledges it
  } alerts;

  struct StatusWebhook {
    std::string service;  // required: whose messages
    int line = 0;
    std::string url;          // required; http or https
    std::string secret_file;  // required; absolute
  };
  std::vector<StatusWebhook> status_webhooks;

  struct Report {
    std::string name;  // required, unique
    int line = 0;
    std::string cron;            // required; five fields as in crontab(5), UTC
    std::string format = "pdf";  // "json", "pdf", "csv"
    std::string deliver_to;      // required; a mail address, or an absolute folder
  };
  std::vector<Report> reports;

  struct Logging {
    LogLevel level = LogLevel::info;          // debug, info, warn, error
    LogFormat format = LogFormat::automatic;  // auto, text, json
  } log;
};

struct Loaded {
  Config config;              // what was good, defaults elsewhere; to be used only if there is no fault
  std::vector<Fault> faults;  // by line
};

// Reads the file and nothing else but /usr/share/zoneinfo: whether the files it names exist is check_files's question.
// Relative paths start at the file's folder; `${CREDENTIALS_DIRECTORY}/` at the start of one is
// `credentials_directory` (main reads the environment, nobody else), a fault if that is empty. Throws nothing.
Loaded load_config(const std::string& path, const std::string& credentials_directory = {});

// Which of the files named are not there, can be read by others, or hold no key where one must be. They are opened as
// the user who runs this.
std::vector<Fault> check_files(const Config& config);

}  // namespace signet

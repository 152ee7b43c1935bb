// The API over a real PostgreSQL, without sockets: requests go straight to the router. Json is nlohmann::json, which
// stays out of headers: api_world.cc has the one instance.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/api/router.h"
#include "daemon/delivery/due_plan.h"
#include "daemon/delivery/inbounds.h"
#include "daemon/evidence/bundle_writer.h"
#include "daemon/evidence/tasks.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/postgres_server.h"

namespace signet::api {

struct Caller {
  Uuid id;
  std::string token;  // with the scope `approve`
  std::string email = {};
  std::string session = {};  // what the cookie holds, from log_in(); then there is no token
  std::string csrf = {};
};
using Headers = std::vector<std::pair<std::string, std::string>>;

// Genuine if the header X-Signature is "good". A body of lines `messageId|- attempt reference kind eventId`.
class TestProvider : public Provider {
 public:
  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind) const override { return true; }
  bool has_echo() const override { return true; }
  bool has_receipts() const override { return true; }
  Verdict verify(const CallbackRequest& request) const override;
  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override;
  Verdict verify_status(const CallbackRequest& request) const override;  // any `webhook-signature` will do
};

class KeptLog : public Log {
 public:
  void write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) override;
  std::string all() const;

 private:
  mutable std::mutex lock_;
  std::string text_;
};

template <class Json>
struct BasicAnswer {
  int status = 0;
  Json body;
  http::Response raw;
  std::string header(const std::string& name) const {  // the last of that name; empty: none
    std::string found;
    for (const auto& [key, value] : raw.headers)
      if (key == name) found = value;
    return found;
  }
};

template <class Json>
class BasicApiWorld {
 public:
  using Answer = BasicAnswer<Json>;
  BasicApiWorld();
  ~BasicApiWorld();  // what a call on another thread left unrecorded fails the test here
  Caller user(Role role, const std::string& name = "");
  Caller with_token(const Caller& user, const std::vector<std::string>& scopes);
  void set_password(const Caller& user, const std::string& password);
  Caller log_in(const Caller& user, const std::string& password);  // must succeed
  // Body: JSON text; empty: none. Path may have a query. `headers` come last and replace those of the same name. Any
  // thread. Fails the test where the entries that the call left are not those that its route's row names.
  Answer call(const std::string& method, const std::string& path, const Caller& caller, const std::string& body = "",
              const Headers& headers = {});
  Answer callback(const std::string& provider, const std::string& body, const std::string& signature = "good");
  // To the webhooks' listener, as it stands; path begins behind /webhooks/.
  Answer webhook(const std::string& method, const std::string& path, const std::string& body,
                 const Headers& headers = {});
  std::string draft(const Caller& author, Json changes = Json::object());  // an SMS; its id
  // A letter to a colleague, with one physician; its id.
  std::string letter(const Caller& author, const Caller& physician, Json changes = Json::object());
  std::string submitted(const Caller& author, Json changes = Json::object());
  std::string queued(const Caller& author, const Caller& reviewer, Json changes = Json::object());
  // A queued one had its first attempt, at the provider "test", and ended so: as failed, or in doubt.
  void fail(const std::string& id, const std::string& reason = "unknown_recipient") { end_attempt(id, 3, 8, reason); }
  void doubt(const std::string& id, const std::string& reference = "") { end_attempt(id, 4, 10, "timeout", reference); }
  std::string dead_notice(const std::string& message);  // a status event that its service never took; its id
  Answer submit(const Caller& author, const std::string& id);
  // With the message's present version as If-Match.
  Answer review(const Caller& reviewer, const std::string& id, Json changes = Json::object());
  Answer send_directly(const Caller& sender, const std::string& id, Json changes = Json::object());
  Answer approve(const Caller& signer, const std::string& letter, Json body = Json::object());
  Headers if_match(const std::string& id);

  PgRows sql(const std::string& sql);  // as superuser; throws
  int64_t count(const std::string& from) { return sql("select count(*) from " + from).number(0, 0); }
  // A task that has made a file of six octets, as if this caller had asked for it; its id.
  std::string task(const Caller& asked_by);
  std::string status_of(const std::string& id);
  std::vector<Json> events(const std::string& id);  // all that name this object, in order
  std::vector<std::string> actions(const std::string& id);
  void check_chain(const std::string& id);  // n without gaps, prev the leaf before, the row's head the last
  Json last_event(const std::string& action);
  void sign_log();                         // a checkpoint over every entry there is
  std::vector<std::string> new_actions();  // of every event since the last call, in order
  const RouteRow* row_of(const std::string& method, const std::string& path) const;  // of the admin routes; else null

  PostgresServer& postgres;
  ManualClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  KeptLog log;
  PgPool pool;
  Keyring keyring{Secret(std::string(32, 'k')), Secret(std::string(32, 'm')), Secret(std::string(32, 'i')), random};
  Routes routes{{{Kind::sms, {}, {}, {{"test", 100}}},
                 {Kind::email, {"example.org"}, {}, {{"test", 100}}},
                 {Kind::letter, {}, {}, {{"test", 100}}}}};
  QuietHours quiet_hours;
  DuePlan due_plan{routes, quiet_hours};
  std::vector<Hint> offered;
  int came = 0;
  bool is_held_to_records = true;  // off: where what a call leaves is not looked at, for many calls a second
  PasswordHasher passwords{random};
  Metrics metrics;
  Tasks tasks;  // runs one by each tasks.pass()
  LogKey log_key;
  BundleSource bundles{keyring, log_key, {}, clock};
  SystemMessages system_messages{keyring, due_plan, {}, clock, ids, random, "signetd-1"};
  Inbounds inbounds{{ReplyWords({"STOP"}, {"START"}, {"HELP"}), "Clinic: call us."},
                    keyring,
                    ids,
                    system_messages,
                    metrics,
                    "signetd-1"};
  ApiServices services;
  Router admin, webhooks;

 private:
  void end_attempt(const std::string& id, int outcome, int status, const std::string& reason,
                   const std::string& reference = "");
  std::optional<std::vector<Json>> entries_of(const std::string& request_id);  // none: the database is away
  void check_records(const http::Request& request, const http::Response& reply);

  std::mutex lock_;
  std::mutex superuser_lock_;
  std::unique_ptr<PgSession> superuser_;
  Uuid last_seen_;
  std::atomic<int> calls_ = 0;
  const std::thread::id owner_ = std::this_thread::get_id();
  std::vector<std::string> faults_;  // of other threads, which may not tell the test themselves
};

}  // namespace signet::api

// Services are told what becomes of their messages: over the API, the log and a receiver on a real socket.
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>

#include "daemon/delivery/notifier.h"
#include "daemon/http/server.h"
#include "providers/standard_webhook.h"
#include "tests/daemon/api/api_world.h"
#include "tests/daemon/http/running_loop.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using World = BasicApiWorld<Json>;

const std::string kKey(32, 'w');

// A service's end: keeps what came, and answers as it is told to.
class Receiver {
 public:
  Receiver() {
    running_.on_loop([this] {
      server_ = std::make_unique<http::Server>(running_.loop(), nullptr, clock_, ids_, log_);
      http::ListenerOptions options;
      options.name = "receiver";
      options.inline_handler = true;
      options.handler = [this](http::Request request, http::Reply reply) {
        take(std::move(request), std::move(reply));
      };
      port_ = server_->listen({"127.0.0.1", 0}, std::move(options)).value();
    });
  }
  ~Receiver() {
    running_.on_loop([this] { server_.reset(); });
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/status"; }
  void answer(int status) { status_ = status; }
  void hold(bool is_held) {
    std::lock_guard guard(lock_);
    is_held_ = is_held;
    if (is_held) return;
    for (auto& reply : held_) reply(answered(204));
    held_.clear();
  }
  std::vector<http::Request> came() const {
    std::lock_guard guard(lock_);
    return came_;
  }
  std::vector<std::string> types() const {
    std::vector<std::string> out;
    for (const auto& request : came()) out.push_back(Json::parse(request.body)["type"]);
    return out;
  }
  void wait_for(size_t count) {
    std::unique_lock guard(lock_);
    REQUIRE(arrived_.wait_for(guard, std::chrono::seconds(20), [&] { return came_.size() >= count; }));
  }

 private:
  static http::Response answered(int status) {
    http::Response response;
    response.status = status;
    return response;
  }
  void take(http::Request request, http::Reply reply) {
    std::lock_guard guard(lock_);
    came_.push_back(std::move(request));
    arrived_.notify_all();
    if (is_held_)
      held_.push_back(std::move(reply));
    else
      reply(answered(status_));
  }

  SystemClock clock_;
  SystemRandom random_;
  IdSource ids_{clock_, random_};
  test::SilentLog log_;
  mutable std::mutex lock_;
  std::condition_variable arrived_;
  std::vector<http::Request> came_;
  std::vector<http::Reply> held_;
  bool is_held_ = false;
  std::atomic<int> status_ = 204;
  int port_ = 0;
  test::RunningLoop running_;
  std::unique_ptr<http::Server> server_;
};

struct Told : World {
  Receiver backend;
  Metrics figures;
  NotifierSettings settings;
  std::unique_ptr<Notifier> notifier;
  const Caller service = user(Role::service, "backend"), reviewer = user(Role::reviewer), operator_ = user(Role::admin);

  Told() {
    settings.receivers = {{"backend", backend.url(), kKey}};
    settings.at_once = 1;  // so that they come in order
    start();
  }
  void start() {
    notifier.reset();
    // The server frees a place a moment after its holder's socket was closed.
    const SystemClock real;
    const Tick until{real.tick().us + 20'000'000};
    while (count("pg_locks where locktype = 'advisory' and objid = 7460928") > 0) REQUIRE(real.tick() < until);
    notifier = std::make_unique<Notifier>(postgres.options(), settings, clock, ids, log, figures);
    REQUIRE_FALSE(notifier->pass());  // from here on
  }
  // A message of the service, approved; its id.
  std::string message(const Json& changes = Json::object()) {
    const auto id = draft(service, changes);
    sql("update message set status = 2 where id = '" + id + "'");  // services do not submit
    const auto answer = review(reviewer, id);
    INFO(answer.raw.body);
    REQUIRE(answer.status == 200);
    return id;
  }
  void tell() {
    sign_log();
    while (notifier->pass()) {
    }
    while (notifier->tell(0)) {
    }
  }
  void make_due() { sql("update status_notice set due_at = now() - interval '1 second' where due_at is not null"); }
};

TEST_CASE("a service is told each status of its own messages in the log's order, signed, and nothing of the patient") {
  Told world;
  const auto id = world.message({{"clientReference", "ref-7"}, {"patientId", "p-1"}});
  (void)world.queued(world.user(Role::staff), world.reviewer);  // somebody else's
  REQUIRE(world.call("POST", "/api/messages/" + id + "/cancel", world.service).status == 200);
  world.tell();
  CHECK(world.backend.types() == std::vector<std::string>{"message.approved", "message.queued", "message.cancelled"});
  const auto came = world.backend.came();
  int64_t seq = -1;
  std::set<std::string> ids;
  for (const auto& request : came) {
    const Json body = Json::parse(request.body);
    CHECK(body["data"]["messageId"] == id);
    CHECK(body["data"]["clientReference"] == "ref-7");
    CHECK(body["data"]["seq"].get<int64_t>() > seq);
    seq = body["data"]["seq"];
    for (const char* word : {"+61412345678", "Your result is fine.", "p-1"})
      CHECK(request.body.find(word) == std::string::npos);
    const std::string webhook(request.header("webhook-id").value());
    ids.insert(webhook);
    const WallTime at{std::stoll(std::string(request.header("webhook-timestamp").value())) * 1'000'000};
    for (const auto& [name, value] : webhook_headers(kKey, webhook, at, request.body))
      CHECK(request.header(name) == value);
    CHECK(request.header("content-type") == "application/json");
  }
  CHECK(ids.size() == 3);
  CHECK(world.count("status_notice") == 0);
  CHECK(world.figures.value("signet_status_notices_total", "outcome=\"told\"") == 3);
  world.tell();
  CHECK(world.backend.came().size() == 3);
}

TEST_CASE("a failure says why, and whether that is the provider's word") {
  Told world;
  const auto id = world.message();
  world.doubt(id);
  REQUIRE(world.call("POST", "/api/messages/" + id + "/resolve", world.reviewer, R"({"decision":"fail","reason":"x"})")
              .status == 200);
  world.tell();
  const Json body = Json::parse(world.backend.came().back().body);
  CHECK(body["type"] == "message.failed");
  CHECK(body["data"]["failureReason"] == "in_doubt");
  CHECK(body["data"]["proven"] == false);
}

TEST_CASE("a webhook that is not taken is repeated under its id, later each time, and is a dead letter at last") {
  Told world;
  world.settings.again_ms = {5'000, 300'000};
  world.start();
  world.backend.answer(500);
  (void)world.message();
  world.tell();
  CHECK(world.backend.came().size() == 1);
  CHECK(world.count("status_notice where tries = 1 and due_at > now() + interval '3 seconds' and "
                    "due_at < now() + interval '6 seconds'") == 1);
  CHECK(world.count("status_notice where tries = 0") == 1);  // the next waits until the receiver takes one
  for (int i = 0; i < 2; ++i) {
    world.make_due();
    world.sql("update status_notice set due_at = now() + interval '1 day' where tries = 0");
    world.clock.advance_ms(600'000);
    (void)world.notifier->tell(0);
  }
  CHECK(world.count("status_notice where due_at is null and tries = 3 and failure = 'it answered 500'") == 1);
  const auto came = world.backend.came();
  REQUIRE(came.size() == 3);
  for (const auto& request : came) {
    CHECK(request.header("webhook-id") == came[0].header("webhook-id"));
    CHECK(request.body == came[0].body);
  }

  const auto list = world.call("GET", "/api/status-webhooks", world.operator_);
  REQUIRE(list.body["items"].size() == 1);
  const Json dead = list.body["items"][0];
  CHECK(dead["id"] == std::string(came[0].header("webhook-id").value()));
  CHECK(dead["state"] == "dead");
  CHECK(dead["failure"] == "it answered 500");
  CHECK(list.body["services"] == Json::parse(R"([{"service":"backend","waiting":1,"dead":1,"behind":0}])"));
  CHECK(world.call("GET", "/api/status-webhooks?state=waiting&service=backend", world.operator_).body["items"].size() ==
        1);
  CHECK(world.call("GET", "/api/status-webhooks?service=other", world.operator_).body["items"].empty());
  const std::string retry = "/api/status-webhooks/" + dead["id"].get<std::string>() + "/retry";
  CHECK(world.call("POST", retry, world.operator_).body["state"] == "waiting");
  CHECK(world.call("POST", retry, world.operator_).status == 409);
  world.backend.answer(200);
  world.clock.advance_ms(600'000);
  world.make_due();
  while (world.notifier->tell(0)) {
  }
  CHECK(world.count("status_notice") == 0);
  CHECK(world.backend.types().back() == "message.queued");
}

TEST_CASE("410 is the last word") {
  Told world;
  world.backend.answer(410);
  (void)world.message();
  world.tell();
  CHECK(world.count("status_notice where due_at is null and tries = 1") == 1);
  CHECK(world.figures.value("signet_status_notices_total", "outcome=\"given_up\"") == 1);
}

TEST_CASE("a receiver that is away rests, and costs only the first webhook a try") {
  Told world;
  world.settings.receivers[0].url = "http://127.0.0.1:1/";
  world.start();
  for (int i = 0; i < 3; ++i) (void)world.message();
  world.tell();
  world.make_due();
  CHECK_FALSE(world.notifier->tell(0));  // it rests
  CHECK(world.count("status_notice where tries > 0") == 1);
  world.clock.advance_ms(1'000);
  CHECK_FALSE(world.notifier->tell(0));
  CHECK(world.count("status_notice where tries > 0") <= 2);
  CHECK(world.log.all().find("does not take its status events") != std::string::npos);
}

TEST_CASE("a receiver that hangs holds up no other") {
  Told world;
  Receiver other;
  const Caller second = world.user(Role::service, "other");
  world.settings.receivers.push_back({"other", other.url(), kKey});
  world.start();
  world.backend.hold(true);
  (void)world.message();
  const auto id = world.draft(second);
  REQUIRE(world.call("POST", "/api/messages/" + id + "/cancel", second).status == 200);
  world.sign_log();
  while (world.notifier->pass()) {
  }
  auto hanging = std::async(std::launch::async, [&] { return world.notifier->tell(0); });
  world.backend.wait_for(1);
  (void)world.notifier->tell(1);
  CHECK(other.types() == std::vector<std::string>{"message.cancelled"});
  world.backend.hold(false);
  CHECK(hanging.get());
}

TEST_CASE("of two daemons one makes the notices; when it dies the other goes on where it was") {
  Told world;
  Notifier second(world.postgres.options(), world.settings, world.clock, world.ids, world.log, world.figures);
  const auto id = world.message();
  world.sign_log();
  CHECK_FALSE(second.pass());
  CHECK_FALSE(second.tell(0));
  CHECK(world.count("status_notice") == 0);
  while (world.notifier->pass()) {
  }
  (void)world.notifier->tell(0);
  CHECK(world.backend.types() == std::vector<std::string>{"message.approved"});
  world.notifier.reset();
  REQUIRE(world.call("POST", "/api/messages/" + id + "/cancel", world.service).status == 200);
  world.sign_log();
  // The server ends the dead one's session a moment after its socket was closed.
  const SystemClock real;
  const Tick until{real.tick().us + 20'000'000};
  while (world.backend.came().size() < 3 && real.tick() < until) {
    world.clock.advance_ms(2'000);
    (void)second.pass();
    (void)second.tell(0);
  }
  CHECK(world.backend.types() == std::vector<std::string>{"message.approved", "message.queued", "message.cancelled"});
}

TEST_CASE("a service that is named for the first time is told of nothing that was before") {
  Told world;
  world.notifier.reset();
  world.sql("delete from status_cursor");
  (void)world.message();
  world.sign_log();
  world.start();
  world.tell();
  CHECK(world.backend.came().empty());
  (void)world.message();
  world.tell();
  CHECK(world.backend.came().size() == 2);
}

}  // namespace
}  // namespace signet::api

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/crypto.h"
#include "message/envelope.h"
#include "store/callbacks.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;
using ApiWorld = BasicApiWorld<nlohmann::json>;

constexpr char kStranger[] = "0190a000-0000-7000-8000-000000000001";

// The sealed bodies, opened by the key that their row names.
std::vector<std::string> bodies(ApiWorld& world) {
  auto session = world.postgres.session();
  PgTransaction tx(*session);
  auto rows = take_callbacks(tx, 100, 0);
  REQUIRE(rows.ok());
  std::vector<std::string> out;
  for (const auto& row : *rows) {
    const bool is_ours = row.sealed_by == "message";
    auto wrapped = is_ours ? read_data_key(tx, *row.message_id) : read_day_key(tx, row.sealed_by);
    REQUIRE((wrapped.ok() && wrapped->has_value()));
    auto key =
        world.keyring.unwrap(is_ours ? row.message_id->text() : row.sealed_by, (*wrapped)->first, (*wrapped)->second);
    REQUIRE(key.ok());
    auto body = unseal(key->octets(), seal_binding("callback", row.id, 0, "sealed"), row.sealed);
    REQUIRE(body.ok());
    out.push_back(*body);
  }
  return out;
}

TEST_CASE("a genuine callback is kept, sealed by its message's key, and told of") {
  ApiWorld world;
  const auto id = world.queued(world.user(Role::staff), world.user(Role::reviewer));
  const std::string body = id + " 1 SM1 delivered e-1";
  const auto answer = world.callback("test", body);
  CHECK(answer.status == 204);
  CHECK(answer.raw.body.empty());
  CHECK(world.came == 1);
  const auto rows = world.sql("select message_id::text, attempt_no, kind, provider_reference, sealed_by from callback");
  REQUIRE(rows.size() == 1);
  CHECK(rows.text(0, 0) == id);
  CHECK(rows.number(0, 1) == 1);
  CHECK(rows.number(0, 2) == static_cast<int>(ReceiptKind::delivered));
  CHECK(rows.text(0, 4) == "message");
  CHECK(world.count("callback_due") == 1);
  CHECK(bodies(world) == std::vector<std::string>{body});
  CHECK(world.status_of(id) == "queued");  // applying it is another's work
}

TEST_CASE("a duplicate is a 2xx and changes nothing") {
  ApiWorld world;
  for (int i = 0; i < 3; ++i)
    CHECK(world.callback("test", std::string(kStranger) + " 1 SM1 delivered e-1").status == 204);
  CHECK(world.count("callback") == 1);
  CHECK(world.count("callback_due") == 1);
  CHECK(world.came == 1);
}

TEST_CASE("what names no message of ours is sealed by the day's key") {
  ApiWorld world;
  const std::string one = std::string(kStranger) + " 1 SM1 delivered e-1", two = "- 0 SM2 failed e-2";
  CHECK(world.callback("test", one).status == 204);
  CHECK(world.callback("test", two).status == 204);
  CHECK(world.count("day_key") == 1);
  CHECK(world.sql("select count(*) from callback where sealed_by = '2026-11-22'").number(0, 0) == 2);
  CHECK(bodies(world) == std::vector<std::string>{one, two});
}

TEST_CASE("several receipts in one call are each kept") {
  ApiWorld world;
  CHECK(world.callback("test", "- 0 a failed e-1\n- 0 b delivered e-2\n- 0 b delivered e-2").status == 204);
  CHECK(world.count("callback") == 2);
  CHECK(world.came == 1);
  CHECK(world.callback("test", "").status == 204);
  CHECK(world.came == 1);
}

TEST_CASE("a bad signature is refused, logged and recorded, and nothing else") {
  ApiWorld world;
  const auto answer = world.callback("test", std::string(kStranger) + " 1 MARKER delivered e-1", "bad");
  CHECK(answer.status == 403);
  CHECK(answer.body["code"] == "BAD_SIGNATURE");
  CHECK(world.count("callback") == 0);
  CHECK(world.came == 0);
  const auto event = world.last_event("callback_refused");
  CHECK(event["object"] == Json::parse(R"({"id":"test","n":null,"prev":null,"type":"provider"})"));
  CHECK(event["reasonCode"] == "bad_signature");
  CHECK(event["actor"]["ip"] == "192.0.2.9");
  CHECK(world.log.all().find("a callback was refused provider=test reason=bad signature") != std::string::npos);
  CHECK(world.log.all().find("MARKER") == std::string::npos);
}

TEST_CASE("a genuine callback that cannot be read is an error, and the provider may repeat it") {
  ApiWorld world;
  const auto answer = world.callback("test", "broken 1 SM1 delivered e-1");
  CHECK(answer.status == 400);
  CHECK(answer.body["code"] == "UNREADABLE_CALLBACK");
  CHECK(world.count("callback") == 0);
}

// Each part of a callback's way as the test says; a genuine one unless told otherwise.
struct ScriptedProvider : TestProvider {
  std::vector<std::string> wanted;
  Verdict verdict{true, "", "", false};
  std::optional<HttpRequest> handshake;
  std::map<CallbackEnd, CallbackReply> replies;
  std::vector<Receipt> told;
  mutable CallbackRequest seen;

  std::vector<std::string> wants(const CallbackRequest&) const override { return wanted; }
  Verdict verify(const CallbackRequest& request) const override {
    seen = request;
    return verdict;
  }
  std::optional<HttpRequest> follow_up(const CallbackRequest&) const override { return handshake; }
  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    if (request.body == "unreadable") return Error{ErrorCode::invalid, "no"};
    return told;
  }
  CallbackReply reply_to(CallbackEnd end) const override {
    const auto found = replies.find(end);
    return found == replies.end() ? TestProvider::reply_to(end) : found->second;
  }
};

struct ScriptedWorld : ApiWorld {
  std::shared_ptr<ScriptedProvider> provider = std::make_shared<ScriptedProvider>();
  std::vector<std::string> called;
  Result<HttpReply> reply = HttpReply{200, {}, "page"};
  ScriptedWorld() {
    services.providers["scripted"] = provider;
    services.http_call = [this](const HttpCall& call) {
      called.push_back(call.method + ' ' + call.url);
      return reply;
    };
  }
  Answer tell(const std::string& body = "x") { return webhook("POST", "scripted", body); }
};

TEST_CASE("a callback is seen as it came: by GET too, with its URL, its caller and an echo in the path") {
  ScriptedWorld world;
  const std::string echo = std::string(kStranger) + ".2";
  CHECK(world.webhook("GET", "scripted/" + echo + "?status=a%20b&x", "", {{"x-h", "v"}}).status == 204);
  const auto& seen = world.provider->seen;
  CHECK(seen.method == "GET");
  CHECK(seen.public_url == "https://hooks.example.org/webhooks/scripted/" + echo + "?status=a%20b&x");
  CHECK(seen.peer_address == "192.0.2.9");
  CHECK(seen.headers == Headers{{"x-h", "v"}});
  CHECK(seen.received_at == world.clock.wall());
  CHECK(world.webhook("GET", "scripted?status=delivered", "").status == 204);
  CHECK(world.webhook("PUT", "scripted", "").status == 405);
}

TEST_CASE("by GET or POST, with an echo in the path or without: the answers are the same") {
  ApiWorld world;
  for (const auto& path : {std::string("test?x=1"), "test/" + std::string(kStranger) + ".1"})
    for (const char* method : {"GET", "POST"}) {
      INFO(method << ' ' << path);
      CHECK(world.webhook(method, path, "", {{"x-signature", "good"}}).status == 204);
      CHECK(world.webhook(method, path, "", {{"x-signature", "bad"}}).status == 403);
    }
}

TEST_CASE("what a callback by GET says is kept too") {
  ScriptedWorld world;
  world.provider->told.resize(1);
  world.provider->told[0].event_id = "e-1";
  CHECK(world.webhook("GET", "scripted?status=delivered", "").status == 204);
  CHECK(bodies(world) == std::vector<std::string>{"https://hooks.example.org/webhooks/scripted?status=delivered"});
}

TEST_CASE("pages that a callback is verified with are got before, once a day, and absent ones are left out") {
  ScriptedWorld world;
  world.provider->wanted = {"https://keys.example/1.pem"};
  CHECK(world.tell().status == 204);
  CHECK(world.tell().status == 204);
  CHECK(world.called == std::vector<std::string>{"GET https://keys.example/1.pem"});
  CHECK(world.provider->seen.fetched == std::map<std::string, std::string>{{"https://keys.example/1.pem", "page"}});
  world.provider->wanted = {"https://keys.example/2.pem"};
  world.reply = HttpReply{404, {}, ""};
  CHECK(world.tell().status == 204);
  CHECK(world.provider->seen.fetched.empty());
}

TEST_CASE("a callback that cannot be verified now is asked for again, and is no forgery") {
  ScriptedWorld world;
  world.provider->wanted = {"https://keys.example/1.pem"};
  world.reply = Error{ErrorCode::timeout, "it took too long"};
  const auto answer = world.tell();
  CHECK(answer.status == 503);
  CHECK_FALSE(answer.header("Retry-After").empty());
  CHECK(world.count("audit.entry") == 0);
}

TEST_CASE("a handshake is answered once the callback verified, with its event; if that fails it is to come again") {
  ScriptedWorld world;
  world.provider->handshake = HttpRequest{"GET", "https://sns.example/confirm", {}, ""};
  world.provider->verdict = {false, "bad signature", "", false};
  CHECK(world.tell().status == 403);
  CHECK(world.called.empty());
  world.provider->verdict = {true, "", "", false};
  world.reply = HttpReply{500, {}, ""};
  CHECK(world.tell().status == 503);
  CHECK(world.count("audit.entry where action = 'webhook_confirmed'") == 0);
  world.reply = HttpReply{200, {}, ""};
  CHECK(world.tell().status == 204);
  CHECK(world.called.size() == 2);
  CHECK(world.last_event("webhook_confirmed")["object"]["id"] == "scripted");
}

TEST_CASE("a key that covers not all of a callback is good for it again, and for no other") {
  ScriptedWorld world;
  world.provider->verdict.replay_key = "token-1";
  CHECK(world.tell("a").status == 204);
  CHECK(world.tell("a").status == 204);
  CHECK(world.tell("b").status == 403);
  CHECK(world.last_event("callback_refused")["reasonCode"] == "replayed_signature");
  CHECK(world.webhook("POST", "scripted?x=1", "a").status == 403);
  world.provider->verdict.replay_key = "token-2";
  CHECK(world.tell("b").status == 204);
  CHECK(world.count("webhook_key") == 2);
  CHECK(world.sql("select count(*) from webhook_key where encode(key_sha256, 'escape') like '%token%'").number(0, 0) ==
        0);
}

TEST_CASE("each end of a callback is answered as the provider wants it") {
  ScriptedWorld world;
  world.provider->replies = {{CallbackEnd::kept, {200, {{"Content-Type", "text/plain"}}, "queued"}},
                             {CallbackEnd::unsigned_, {401, {{"WWW-Authenticate", "Basic realm=\"signet\""}}, ""}},
                             {CallbackEnd::forged, {406, {}, ""}},
                             {CallbackEnd::unreadable, {500, {}, "again"}}};
  auto answer = world.tell();
  CHECK(answer.status == 200);
  CHECK(answer.raw.body == "queued");
  CHECK(answer.raw.content_type == "text/plain");
  answer = world.tell("unreadable");
  CHECK(answer.status == 500);
  CHECK(answer.raw.body == "again");
  world.provider->verdict = {false, "bad signature", "", false};
  answer = world.tell();
  CHECK(answer.status == 406);
  CHECK(answer.body["code"] == "BAD_SIGNATURE");
  world.provider->verdict = {false, "no credentials", "", true};
  answer = world.tell();
  CHECK(answer.status == 401);
  CHECK(answer.header("WWW-Authenticate") == "Basic realm=\"signet\"");
  CHECK(world.count("audit.entry where action = 'callback_refused'") == 2);
}

TEST_CASE("of a batch each receipt keeps its own part") {
  ScriptedWorld world;
  const int count = 1000;
  std::vector<std::string> parts;
  for (int i = 0; i < count; i++) {
    Receipt receipt;
    receipt.event_id = "e-" + std::to_string(i);
    receipt.part = "{\"event\":" + std::to_string(i) + "}";
    world.provider->told.push_back(receipt);
  }
  CHECK(world.tell(std::string(700'000, 'x')).status == 204);
  CHECK(world.count("callback") == count);
  CHECK(world.sql("select max(length(sealed)) from callback").number(0, 0) < 200);
  CHECK(world.came == 1);
}

TEST_CASE("an unknown provider is 404") {
  ApiWorld world;
  CHECK(world.callback("other", "x").status == 404);
  CHECK(world.count("audit.entry") == 0);
}

}  // namespace
}  // namespace signet::api

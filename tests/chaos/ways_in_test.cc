// What comes in by the stream, from a file and at the webhooks' listener, on a real daemon.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/chaos/back_end.h"
#include "tests/daemon/http/raw_client.h"

using namespace signet;
using Json = nlohmann::json;

namespace {

TEST_CASE("I9 a daemon killed again and again while envelopes come makes one message of each, sent once") {
  World world;
  BackEnd back_end(world);
  constexpr int kEnvelopes = 120;
  for (int i = 0; i < kEnvelopes; i++) back_end.hand_over();
  for (int kills = 1; kills <= 4; kills++) {
    world.start_daemon();
    wait_until("some came in", [&] { return world.count("message") >= kills * kEnvelopes / 6; });
    world.kill_daemon();
  }
  world.start_daemon();
  wait_until("all came in", [&] { return world.redis.command({"XLEN", "signet:intake"}) == "0"; });
  CHECK(world.count("message") == kEnvelopes);
  CHECK(world.redis.command({"EXISTS", "signet:intake:rejected"}) == "0");
  wait_until("all were sent or stand in doubt", [&] { return world.count("message where status = 4") == 0; });
  CHECK(world.stop_daemon() == 0);
  CHECK(world.daemon_log().find("result is fine") == std::string::npos);
}

TEST_CASE("a file is imported a message a line, refused lines are named by number, and run again it imports nothing") {
  World world;
  world.start_daemon();
  const std::string staff = world.folder + "/staff";
  write_file(staff, world.token("staff"));
  std::string file;
  int64_t good = 0;
  for (int i = 1; i <= 250; i++) {
    Json message{
        {"kind", "sms"}, {"recipientPhone", "+61491570" + std::to_string(100 + i % 50)}, {"contentDraft", "MARKER"}};
    if (i == 7) message["recipientPhone"] = "MARKER";
    if (i == 130) message["size"] = 1;
    if (i == 250) message["clientReference"] = "own:1";
    good += i != 7 && i != 100 && i != 130 && i != 200;
    file += i == 100 ? "MARKER, no JSON\n" : i == 200 ? "\r\n" : message.dump() + (i % 2 ? "\n" : "\r\n");
  }
  write_file(world.folder + "/in.jsonl", file);
  const auto import = [&](int status) {
    return world.run({"import", world.folder + "/in.jsonl", "--token-file", staff}, status);
  };
  const std::string said = import(1);
  INFO(said);
  CHECK_THAT(said, Catch::Contains("line 7: recipientPhone is not a valid phone number"));
  CHECK_THAT(said, Catch::Contains("line 100: is no JSON object"));
  CHECK_THAT(said, Catch::Contains("line 130: size is unknown"));
  CHECK_THAT(said, Catch::Contains(std::to_string(good) + " messages are there; lines refused: 3"));
  CHECK(said.find("MARKER") == std::string::npos);
  CHECK(world.count("message") == good);
  (void)import(1);
  CHECK(world.count("message") == good);

  // Approved messages come by a service's token; one that does not verify holds back nobody else.
  BackEnd back_end(world);
  const std::string service = world.folder + "/service";
  const std::string created = world.run({"token", "create", "--user", "intake@clinic.example"});
  write_file(service, created.substr(created.find("sgn_"), 47));
  Json forged = Json::parse(back_end.message());
  forged["contentDraft"] = "MARKER";
  std::string approved;
  for (int i = 1; i <= 9; i++) approved += (i == 4 ? forged.dump() : back_end.message()) + '\n';
  write_file(world.folder + "/approved.jsonl", approved);
  const std::string answer = world.run({"import", world.folder + "/approved.jsonl", "--token-file", service}, 1);
  INFO(answer);
  CHECK_THAT(answer, Catch::Contains("line 4: the daemon answered 403: The signature does not stand for this review"));
  CHECK_THAT(answer, Catch::Contains("8 messages are there; lines refused: 1"));
  CHECK(answer.find("MARKER") == std::string::npos);
  CHECK(world.count("message") == good + 8);
  CHECK(world.stop_daemon() == 0);
}

// A call of Twilio's, genuine, up to where its body is.
struct TwilioCall {
  using Form = std::vector<std::pair<std::string, std::string>>;  // by name
  TwilioCall(const World& world, const Form& form) : port(world.webhooks_port) {
    const std::string path = "/webhooks/twilio-main";
    std::string covered = "http://127.0.0.1:" + std::to_string(port) + path;
    for (const auto& [name, value] : form) {
      covered += name + value;
      body += (body.empty() ? "" : "&") + name + "=";
      append_form(body, value);
    }
    head = "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
           "X-Twilio-Signature: " + to_base64(hmac_sha1("world-token", covered)) + "\r\n";
  }
  int status(const std::string& rest) const {
    test::RawClient client(port);
    client.send(head + rest);
    const auto response = client.read_response();
    return response ? response->status : 0;
  }
  int status() const { return status("Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body); }

  int port;
  std::string head, body;
};

TEST_CASE("a callback of 1 MB is kept, and of one octet more refused before it is read") {
  World world;
  world.start_daemon();
  constexpr size_t kMax = 1 << 20;
  const std::string sid = "SM" + std::string(32, 'a');
  TwilioCall::Form form{{"MessageSid", sid}, {"MessageStatus", "delivered"}, {"Padding", ""}};
  form.back().second.assign(kMax - TwilioCall(world, form).body.size(), 'a');
  const TwilioCall call(world, form);
  REQUIRE(call.body.size() == kMax);
  CHECK(call.status() == 204);
  CHECK(world.count("callback where provider_reference = '" + sid + "'") == 1);
  // Nothing of the body is sent.
  CHECK(call.status("Content-Length: " + std::to_string(kMax + 1) + "\r\n\r\n") == 413);
  CHECK(call.status("Transfer-Encoding: chunked\r\n\r\n100001\r\n") == 413);
  CHECK(world.count("callback") == 1);
  CHECK(world.stop_daemon() == 0);
}

TEST_CASE("I10 who writes STOP is suppressed within a second, and what was queued for them is stopped at its permit") {
  World world;
  world.start_daemon();
  const std::string admin = world.token("admin"), provider = "/api/providers/twilio-main/";
  REQUIRE(world.http("POST", world.admin_port, provider + "pause", R"({"reason":"test"})", admin).status == 200);
  const Uuid id = world.insert(sms("+61491572222", "x"), "sms");
  const SystemClock clock;
  const Tick written_at = clock.tick();
  CHECK(TwilioCall(world, {{"Body", "Stop."},
                           {"From", "+61491572222"},
                           {"MessageSid", "SM" + std::string(32, 'b')},
                           {"SmsStatus", "received"},
                           {"To", "+15005550006"}})
            .status() == 204);
  CHECK(clock.tick().us - written_at.us < 1'000'000);
  CHECK(world.count("suppressions where reason = 'stop' and source = 'twilio-main'") == 1);
  CHECK(world.count("audit.entry where action = 'suppression_added'") == 1);
  CHECK(world.http("POST", world.admin_port, provider + "resume", "", admin).status == 200);
  wait_until("it is stopped", [&] { return world.count("message where status = 11") == 1; });
  CHECK(world.count("attempt_start where kind = 1 and message_id = '" + id.text() + "'") == 0);
  CHECK(world.sandbox_accepted() == 0);
  CHECK(world.stop_daemon() == 0);
}

}  // namespace

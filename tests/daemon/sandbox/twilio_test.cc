#include "daemon/sandbox/dialects.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/sandbox/sandbox_fixture.h"

using namespace signet;
using namespace signet::test;
using Json = nlohmann::json;

namespace {

struct Sms {
  std::string to = "+61491570156";
  std::string body = "Your results are in.";
  std::string token = SandboxFixture::kToken;
  std::string sid = SandboxFixture::kSid;
  bool calls_back = true;
};

std::string request_of(const SandboxFixture& f, const Sms& sms) {
  std::string form = "To=";
  append_form(form, sms.to);
  form += "&From=%2B15005550006&Body=";
  append_form(form, sms.body);
  if (sms.calls_back) {
    form += "&StatusCallback=";
    append_form(form, f.callback_url());
  }
  return "POST /2010-04-01/Accounts/" + sms.sid + "/Messages.json HTTP/1.1\r\nHost: api.twilio.com\r\n" +
         "Authorization: Basic " + to_base64(std::string(SandboxFixture::kSid) + ":" + sms.token) +
         "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " + std::to_string(form.size()) +
         "\r\n\r\n" + form;
}

std::optional<RawResponse> send(SandboxFixture& f, const Sms& sms) {
  RawClient client(f.http_port);
  client.send(request_of(f, sms));
  return client.read_response();
}

std::vector<std::string> statuses(const std::vector<Callback>& callbacks) {
  std::vector<std::string> out;
  for (const auto& callback : callbacks) out.push_back(callback.form.at("MessageStatus"));
  return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a message is accepted as by Twilio, and called back sent, then delivered") {
  SandboxFixture f;
  const auto response = send(f, {});
  REQUIRE(response);
  CHECK(response->status == 201);
  const Json body = Json::parse(response->body);
  const std::string sid = body["sid"];
  CHECK(sid.size() == 34);
  CHECK(sid.starts_with("SM"));
  CHECK(sid.find_first_not_of("0123456789abcdef", 2) == std::string::npos);
  CHECK(body["status"] == "queued");
  CHECK(body["to"] == "+61491570156");
  CHECK(body["from"] == "+15005550006");
  CHECK(body["num_segments"] == "1");
  CHECK(body["error_code"].is_null());
  CHECK(body["account_sid"] == SandboxFixture::kSid);

  const auto callbacks = f.wait_for_callbacks(2);
  CHECK(statuses(callbacks) == Words{"sent", "delivered"});
  for (const auto& callback : callbacks) {
    CHECK(callback.form.at("MessageSid") == sid);
    CHECK(callback.form.at("SmsSid") == sid);
    CHECK(callback.form.at("SmsStatus") == callback.form.at("MessageStatus"));
    CHECK(callback.form.at("To") == "+61491570156");
    CHECK(callback.form.at("From") == "+15005550006");
    CHECK(callback.form.at("AccountSid") == SandboxFixture::kSid);
    CHECK(callback.form.at("ApiVersion") == "2010-04-01");
    CHECK(callback.form.count("ErrorCode") == 0);
    CHECK(callback.target == std::string("/webhooks/t?m=") + SandboxFixture::kEcho);
    // providers.md section 1: URL as configured, then name and value of each parameter, sorted by name.
    std::string signed_text = f.callback_url();
    for (const auto& [name, value] : callback.form) signed_text += name + value;
    CHECK(callback.signature == to_base64(hmac_sha1(SandboxFixture::kToken, signed_text)));
  }
}

TEST_CASE("signatures agree with Twilio's own vector") {
  CHECK(sandbox::twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2",
                                  {{"CallSid", "CA1234567890ABCDE"},
                                   {"Digits", "1234"},
                                   {"From", "+14158675309"},
                                   {"To", "+18005551212"},
                                   {"Caller", "+14158675309"}}) == "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

TEST_CASE("wrong credentials, paths and parameters are refused as by Twilio") {
  SandboxFixture f;
  const auto unknown = send(f, {.token = "wrong"});
  CHECK(unknown->status == 401);
  CHECK(Json::parse(unknown->body)["code"] == 20003);
  const auto elsewhere = send(f, {.sid = "AC11111111111111111111111111111111"});
  CHECK(elsewhere->status == 404);
  CHECK(Json::parse(elsewhere->body)["code"] == 20404);
  CHECK(f.journal().empty());
  const auto code_of = [&](const Sms& sms) {
    const auto response = send(f, sms);
    CHECK(response->status == 400);
    return Json::parse(response->body)["code"].get<int>();
  };
  CHECK(code_of({.to = ""}) == 21604);
  CHECK(code_of({.to = "0491570156"}) == 21211);
  CHECK(code_of({.body = ""}) == 21602);
  CHECK(code_of({.body = std::string(1601, 'a')}) == 21617);
}

TEST_CASE("parts are counted") {
  SandboxFixture f;
  const auto parts = [&](const std::string& body) {
    return Json::parse(send(f, {.body = body, .calls_back = false})->body)["num_segments"].get<std::string>();
  };
  CHECK(parts(std::string(160, 'a')) == "1");
  CHECK(parts(std::string(161, 'a')) == "2");
  CHECK(parts(std::string(306, 'a')) == "2");
  CHECK(parts(std::string(307, 'a')) == "3");
  std::string wide;
  for (int i = 0; i < 71; ++i) wide += "\xd0\xb9";
  CHECK(parts(wide) == "2");
}

TEST_CASE("0001 fails for good, 0010 has opted out") {
  SandboxFixture f;
  const auto invalid = send(f, {.to = "+61491570001"});
  CHECK(invalid->status == 400);
  CHECK(Json::parse(invalid->body)["code"] == 21211);
  const auto stopped = send(f, {.to = "+61491570010"});
  CHECK(stopped->status == 400);
  CHECK(Json::parse(stopped->body)["code"] == 21610);
  const auto lines = f.journal();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("verdict") == "refused");
  CHECK(lines[1].at("verdict") == "refused");
}

TEST_CASE("0002 is accepted and found undeliverable later") {
  SandboxFixture f;
  CHECK(send(f, {.to = "+61491570002"})->status == 201);
  const auto callbacks = f.wait_for_callbacks(2);
  CHECK(statuses(callbacks) == Words{"sent", "undelivered"});
  CHECK(callbacks[1].form.at("ErrorCode") == "30005");
}

TEST_CASE("0003 is throttled twice, per recipient, then accepted") {
  SandboxFixture f;
  for (int i = 0; i < 2; ++i) {
    const auto response = send(f, {.to = "+61491570003"});
    CHECK(response->status == 429);
    CHECK(response->header("retry-after") == "1");
    CHECK(Json::parse(response->body)["code"] == 20429);
  }
  CHECK(send(f, {.to = "+61491580003"})->status == 429);
  CHECK(send(f, {.to = "+61491570003"})->status == 201);
  const auto lines = f.journal();
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].at("verdict") == "throttled");
  CHECK(lines[3].at("verdict") == "accepted");
}

TEST_CASE("0004 is never answered, and others are meanwhile") {
  SandboxFixture f;
  RawClient hung(f.http_port);
  hung.send(request_of(f, {.to = "+61491570004"}));
  CHECK(send(f, {})->status == 201);
  f.wait_for_callbacks(2);
  const auto lines = f.journal();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("verdict") == "hung");
  CHECK(lines[0].at("answer") == "none");
}

TEST_CASE("0005 is accepted, journaled, and the connection reset; the receipt comes late") {
  SandboxFixture f;
  RawClient client(f.http_port);
  client.send(request_of(f, {.to = "+61491570005"}));
  CHECK(client.read_all().empty());
  CHECK(client.was_reset());
  const auto lines = f.journal();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("verdict") == "accepted");
  CHECK(lines[0].at("answer") == "reset");
  const auto callbacks = f.wait_for_callbacks(1);
  CHECK(statuses(callbacks) == Words{"delivered"});
  CHECK(callbacks[0].form.at("MessageSid") == lines[0].at("reference"));
}

TEST_CASE("0006 is called back late: after one that was sent later") {
  SandboxFixture f;
  CHECK(send(f, {.to = "+61491570006"})->status == 201);
  CHECK(send(f, {})->status == 201);
  const auto callbacks = f.wait_for_callbacks(4);
  CHECK(callbacks[0].form.at("To") == "+61491570156");
  CHECK(callbacks[2].form.at("To") == "+61491570006");
  CHECK(statuses(callbacks) == Words{"sent", "delivered", "sent", "delivered"});
}

TEST_CASE("0007 is called back twice, 0008 out of order") {
  SandboxFixture f;
  CHECK(send(f, {.to = "+61491570007"})->status == 201);
  CHECK(statuses(f.wait_for_callbacks(4)) == Words{"sent", "sent", "delivered", "delivered"});
  CHECK(send(f, {.to = "+61491570008"})->status == 201);
  const auto callbacks = f.wait_for_callbacks(6);
  CHECK(callbacks[4].form.at("MessageStatus") == "delivered");
  CHECK(callbacks[5].form.at("MessageStatus") == "sent");
}

TEST_CASE("0009 fails once, then is accepted; 0011 is accepted and never called back") {
  SandboxFixture f;
  const auto failed = send(f, {.to = "+61491570009"});
  CHECK(failed->status == 500);
  CHECK(Json::parse(failed->body)["code"] == 20500);
  CHECK(send(f, {.to = "+61491570011"})->status == 201);
  CHECK(send(f, {.to = "+61491570009"})->status == 201);
  for (const auto& callback : f.wait_for_callbacks(2)) CHECK(callback.form.at("To") == "+61491570009");
}

TEST_CASE("0012: STOP comes from the recipient after the receipts, to the account's URL") {
  SandboxFixture f;
  CHECK(send(f, {.to = "+61491570012"})->status == 201);
  const auto callbacks = f.wait_for_callbacks(3);
  CHECK(callbacks[1].form.at("MessageStatus") == "delivered");
  const auto& written = callbacks[2];
  CHECK(written.target == "/webhooks/twilio");
  CHECK(written.form.at("From") == "+61491570012");
  CHECK(written.form.at("To") == "+15005550006");
  CHECK(written.form.at("Body") == "STOP");
  CHECK(written.form.at("SmsStatus") == "received");
  CHECK(written.form.at("MessageSid") != callbacks[1].form.at("MessageSid"));
  std::string covered = f.origin() + written.target;
  for (const auto& [name, value] : written.form) covered += name + value;
  CHECK(written.signature == to_base64(hmac_sha1(SandboxFixture::kToken, covered)));
}

TEST_CASE("a callback that is not taken is tried again, in order") {
  SandboxFixture f;
  f.refuse_first = 3;
  CHECK(send(f, {})->status == 201);
  CHECK(statuses(f.wait_for_callbacks(2)) == Words{"sent", "delivered"});
}

TEST_CASE("a callback is tried again when nobody listens, and given up in the end") {
  SandboxFixture f([](sandbox::Options& o) { o.callback_tries = 3; });
  f.running.on_loop([&] { f.receiver.reset(); });
  CHECK(send(f, {})->status == 201);
  const auto given_up = [&] { return Json::parse(f.get("/sandbox/messages"))[0]["statuses"]; };
  while (given_up() != Json{"sent (not taken)", "delivered (not taken)"}) std::this_thread::yield();
}

TEST_CASE("many messages over one connection keep order, journal and callbacks") {
  SandboxFixture f;
  RawClient client(f.http_port);
  constexpr int kCount = 300;
  std::string all;
  for (int i = 0; i < kCount; ++i) all += request_of(f, {.to = "+6149157" + std::to_string(1000 + i)});
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < kCount; ++i) {
    const auto response = client.read_response();
    REQUIRE(response);
    REQUIRE(Json::parse(response->body)["to"] == "+6149157" + std::to_string(1000 + i));
  }
  sender.join();
  std::map<std::string, Words> by_recipient;
  for (const auto& callback : f.wait_for_callbacks(2 * kCount))
    by_recipient[callback.form.at("To")].push_back(callback.form.at("MessageStatus"));
  CHECK(by_recipient.size() == kCount);
  for (const auto& [to, words] : by_recipient) CHECK(words == Words{"sent", "delivered"});
  CHECK(f.journal().size() == kCount);
}

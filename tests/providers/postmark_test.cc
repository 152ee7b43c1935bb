#include <set>

#include "base/bytes.h"
#include "tests/providers/adapter_tables.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

using testing::outbound;
using testing::postmark_settings;

const std::string kId = "0a129aee-e1cd-480d-b08d-4f48548ff48d";
const std::string kEcho = "0193b3c4-0000-7000-8000-00000000abcd.2";

std::unique_ptr<Provider> postmark(const ProviderSettings& settings = postmark_settings()) {
  return testing::made(settings);
}

CallbackRequest callback(const std::string& record, const std::string& more = "",
                         const std::string& credentials = "postmark:hook") {
  CallbackRequest request;
  request.headers = {{"authorization", "Basic " + to_base64(credentials)}};
  request.peer_address = "3.134.147.250";
  request.body = R"({"RecordType":")" + record + R"(","MessageID":")" + kId + R"(","Metadata":{"sid":")" + kEcho +
                 "\"}" + more + "}";
  return request;
}

}  // namespace

TEST_CASE("postmark builds exactly the documented request") {
  const auto request = postmark()->build(outbound(Kind::email));
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/email");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(request.headers == Headers{{"X-Postmark-Server-Token", "POSTMARK_API_TEST"},
                                   {"Accept", "application/json"},
                                   {"Content-Type", "application/json"}});
  CHECK(request.body == R"({"From":"Clinic <clinic@example.org>","To":"patient@example.net","Subject":"Your results",)"
                        R"("TextBody":"Your results are ready.","Metadata":{"sid":")" +
                            kEcho + R"("},"MessageStream":"outbound"})");
  auto settings = postmark_settings();
  settings.values.erase("base_url");
  settings.values.erase("message_stream");
  const auto other = postmark(settings)->build(outbound(Kind::email));
  CHECK(other.url == "https://api.postmarkapp.com/email");
  CHECK(other.body.find("MessageStream") == std::string::npos);
}

TEST_CASE("postmark refuses settings that cannot work and names the key") {
  testing::check_refusals(postmark_settings(),
                          {{"from", "Clinic"}, {"webhook_user", "a:b"}, {"base_url", "http://api.postmarkapp.com"}});
}

TEST_CASE("postmark reads every kind of reply") {
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, provider = FaultScope::provider, credential = FaultScope::credential,
                 sender = FaultScope::sender, recipient = FaultScope::recipient;
  auto error = [](int code) { return R"({"ErrorCode":)" + std::to_string(code) + R"(,"Message":"to a@example.net"})"; };
  auto sent = [](const std::string& id, int code) {
    return R"({"To":"a@example.net","MessageID":")" + id + R"(","ErrorCode":)" + std::to_string(code) +
           R"(,"Message":"OK"})";
  };
  const auto adapter = postmark();
  auto rows = testing::rows_by_status();
  rows.insert(rows.end(),
              {{200, sent(kId, 0), accepted, "", "", FaultScope::message, false, false, {}, kId},
               {200, sent("", 0), in_doubt, "unreadable_reply", "", provider},
               {200, sent("a b", 0), in_doubt, "unreadable_reply", "", provider},
               {200, R"({"MessageID":")" + kId + "\"}", in_doubt, "unreadable_reply", "", provider},
               {200, sent(kId, 406), permanent, "opted_out", "406", recipient, false, true},  // an error inside
               {200, sent(kId, 999), in_doubt, "unreadable_reply", "999", provider},
               {201, sent(kId, 0), in_doubt, "unreadable_reply", "", provider},
               {401, error(10), retryable, "auth_failed", "10", credential},
               {422, error(10), retryable, "auth_failed", "10", credential},
               {422, error(100), retryable, "provider_error", "100", provider},
               {422, error(300), permanent, "message_refused", "300"},
               {422, error(400), retryable, "sender_refused", "400", sender},
               {422, error(401), retryable, "sender_refused", "401", sender},
               {422, error(402), permanent, "message_refused", "402"},
               {422, error(403), permanent, "message_refused", "403"},
               {422, error(405), retryable, "account_refused", "405", account},
               {422, error(406), permanent, "opted_out", "406", recipient, false, true},
               {422, error(409), permanent, "message_refused", "409"},
               {422, error(410), permanent, "message_refused", "410"},
               {422, error(411), permanent, "message_refused", "411"},
               {422, error(412), retryable, "account_refused", "412", account},
               {422, error(413), retryable, "account_refused", "413", account},
               {422, error(429), retryable, "throttled", "429", account, true},
               {429, error(429), retryable, "throttled", "429", account, true},
               {422, error(1234), permanent, "message_refused", "1234"},
               {403, "<html>Forbidden</html>", retryable, "provider_error", "", provider},
               {403, error(10), retryable, "auth_failed", "10", credential},
               {403, "", retryable, "provider_error", "", provider},
               {403, "{}", retryable, "provider_error", "", provider},  // without an ErrorCode: not Postmark's
               {403, error(1234), retryable, "auth_failed", "1234", credential},
               {404, "", permanent, "message_refused"}});
  testing::check_replies(*adapter, rows);
}

TEST_CASE("postmark's callbacks are known by their credentials, their address, or both") {
  const auto request = callback("Delivery");
  auto settings = postmark_settings();
  settings.values["webhook_addresses"] = "50.31.156.6, 3.134.147.250";
  settings.secrets["webhook_password"] = Secret("hook\nnext");
  const auto both = postmark(settings);
  CHECK(both->verify(request).is_genuine);
  CHECK(both->verify(callback("Delivery", "", "postmark:next")).is_genuine);
  auto other = request;
  other.peer_address = "3.134.147.251";
  CHECK(!both->verify(other).is_genuine);
  for (std::string bad : {"postmark:hooked", "postmark:", "hook", ":hook", "Postmark:hook", ""})
    CHECK(both->verify(callback("Delivery", "", bad)).reason == "wrong credentials");
  other = request;
  other.headers[0].second = "basic " + to_base64("postmark:hook");
  CHECK(both->verify(other).is_genuine);
  for (std::string bad : {"Bearer x", "Basic", "Basic ", "Basic !", "hook"}) {
    other.headers[0].second = bad;
    CHECK(!both->verify(other).is_genuine);
  }
  other.headers.clear();
  CHECK(both->verify(other).is_unsigned);
  other = request;
  other.headers.push_back(other.headers[0]);
  CHECK(!both->verify(other).is_genuine);

  settings.secrets.erase("webhook_password");
  const auto by_address = postmark(settings);
  CHECK(by_address->has_receipts());
  CHECK(by_address->verify(callback("Delivery", "", "")).is_genuine);
  CHECK(by_address->reply_to(CallbackEnd::forged).status == 401);  // 403 would be the last time
  settings.values.erase("webhook_addresses");
  CHECK(!postmark(settings)->has_receipts());
  CHECK(!postmark(settings)->verify(request).is_genuine);
}

TEST_CASE("postmark's events become receipts with the echo of the attempt") {
  const auto bounced = kId + ":Bounce:42";
  const auto provider = postmark();
  auto bounce = [](const std::string& type) { return R"(,"ID":42,"Type":")" + type + "\""; };
  testing::check_events(
      *provider, kEcho, kId, "",
      {
          {"Delivery", R"(,"Recipient":"a@example.net")", "delivered", "", kId + ":Delivery"},
          {"Bounce", bounce("HardBounce"), "bounced", "HardBounce", bounced},
          {"Bounce", bounce("BadEmailAddress"), "bounced", "BadEmailAddress", bounced},
          {"Bounce", bounce("SoftBounce"), "failed", "SoftBounce", bounced},
          {"Bounce", bounce("Transient"), "sent", "Transient", bounced},
          {"Bounce", bounce("DnsError"), "sent", "DnsError", bounced},
          {"Bounce", bounce("Blocked"), "failed", "Blocked", bounced},
          {"Bounce", bounce("DMARCPolicy"), "failed", "DMARCPolicy", bounced},
          {"Bounce", bounce("SMTPApiError"), "failed", "SMTPApiError", bounced},
          {"Bounce", bounce("VirusNotification"), "failed", "VirusNotification", bounced},
          {"Bounce", bounce("SpamComplaint"), "complained", "SpamComplaint", bounced},
          {"Bounce", bounce("ManuallyDeactivated"), "opted_out", "ManuallyDeactivated", bounced},
          {"Bounce", bounce("Unsubscribe"), "opted_out", "Unsubscribe", bounced},
          {"Bounce", bounce("AutoResponder"), "sent", "AutoResponder", bounced},  // no proof, no failure
          {"Bounce", bounce("Something new"), "sent", "", bounced},
          {"SpamComplaint", R"(,"ID":42)", "complained", "", kId + ":SpamComplaint:42"},
          {"SubscriptionChange",
           R"(,"SuppressSending":true,"SuppressionReason":"HardBounce","ChangedAt":"2026-11-22T12:00:00Z")",
           "opted_out", "HardBounce", kId + ":SubscriptionChange:2026-11-22T12:00:00Z"},
          {"SubscriptionChange", R"(,"SuppressSending":false)", ""},
          {"SubscriptionChange", "", ""},
          {"Open", "", ""},
          {"Click", "", ""},
          {"Inbound", "", ""},
      },
      [&](const auto& row) { return callback(row.event, row.more); });
  // What names not which one it is, is known by its octets: a repeat has the same, and no other.
  const auto sid = R"(,"Metadata":{"sid":")" + kEcho + "\"}";
  std::set<std::string> ids;
  for (const std::string& body :
       {R"({"RecordType":"Delivery","MessageID":"","DeliveredAt":"1")" + sid + "}",
        R"({"RecordType":"Delivery","MessageID":"","DeliveredAt":"2")" + sid + "}",
        R"({"RecordType":"Bounce","MessageID":")" + kId + R"(","Type":"Transient")" + sid + "}",
        R"({"RecordType":"Bounce","MessageID":")" + kId + R"(","Type":"HardBounce")" + sid + "}"}) {
    CallbackRequest nameless;
    nameless.body = body;
    const auto told = provider->receipts(nameless);
    REQUIRE(told);
    REQUIRE(told->size() == 1);
    CHECK(told->front().event_id == provider->receipts(nameless)->front().event_id);
    CHECK(told->front().event_id.size() == 64);
    CHECK(ids.insert(told->front().event_id).second);
  }
  CallbackRequest request;
  request.body = R"({"RecordType":"SubscriptionChange","MessageID":null,"SuppressSending":true})";  // by hand
  const auto receipts = provider->receipts(request);
  REQUIRE(receipts);
  CHECK(receipts->empty());
  for (std::string bad : {"", "{", "[]", "{}", R"({"RecordType":[]})", "\xff"}) {
    request.body = bad;
    CHECK(!provider->receipts(request));
  }
}

TEST_CASE("postmark is answered 200, 403 where trying again is of no use, and 401 for its credentials") {
  const auto provider = postmark();
  CHECK(provider->reply_to(CallbackEnd::kept).status == 200);
  CHECK(provider->reply_to(CallbackEnd::unreadable).status == 403);
  for (auto end : {CallbackEnd::unsigned_, CallbackEnd::forged}) {
    const auto reply = provider->reply_to(end);
    CHECK(reply.status == 401);
    REQUIRE(reply.headers.size() == 1);
    CHECK(reply.headers[0].first == "WWW-Authenticate");
    CHECK(reply.headers[0].second.starts_with("Basic realm="));
  }
}

}  // namespace signet

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/webhook_crypto.h"
#include "providers/echo_tag.h"
#include "tests/providers/adapter_tables.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

using nlohmann::json;
using testing::outbound;
using testing::ses_settings;

const std::string kId = "0102018d0c2b1a3f-33322211-cccc-cccc-cccc-ddddaaaa0680-000000";
const std::string kEcho = "0193b3c4-0000-7000-8000-00000000abcd.2", kTag = "0193b3c4-0000-7000-8000-00000000abcd_2";
const std::string kTopic = "arn:aws:sns:us-east-1:123456789012:ses-events";
const std::string kCertificate =
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";

std::unique_ptr<Provider> ses(const ProviderSettings& settings = ses_settings()) { return testing::made(settings); }

std::string notice(const std::string& message) {
  return json{{"Type", "Notification"},
              {"MessageId", "19ba9823-d7f2-53c1-860e-cb10e0d13dfc"},
              {"TopicArn", kTopic},
              {"Message", message},
              {"Timestamp", "2018-03-26T17:58:59.675Z"},
              {"SignatureVersion", "2"},
              {"Signature", "AAAA"},
              {"SigningCertURL", kCertificate}}
      .dump();
}

CallbackRequest event(const std::string& type, const std::string& more = "") {
  CallbackRequest request;
  request.body = notice(R"({"eventType":")" + type + R"(","mail":{"messageId":")" + kId + R"(","tags":{"sid":[")" +
                        kTag + R"("],"ses:configuration-set":["clinic"]}})" + more + "}");
  return request;
}

// A message of the tests' own topic, signed with tests/base/rsa_key.pem; `change` may spoil it before or after.
CallbackRequest signed_message(json message, const std::string& url, const std::string& origin_certificate) {
  std::string text;
  for (const char* key : {"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"})
    if (message.contains(key)) text += std::string(key) + "\n" + message[key].get<std::string>() + "\n";
  const auto key = RsaSigningKey::from_pem(Secret(testing::read_text("tests/base/rsa_key.pem")));
  REQUIRE(key);
  message["SignatureVersion"] = "2";
  message["Signature"] = to_base64(key->sign(WebhookHash::sha256, text).value());
  message["SigningCertURL"] = url;
  CallbackRequest request;
  request.body = message.dump();
  if (!origin_certificate.empty()) request.fetched[url] = origin_certificate;
  return request;
}

json subscription(const std::string& url) {
  return {{"Type", "SubscriptionConfirmation"},
          {"MessageId", "165545c9"},
          {"Token", "2336412f37"},
          {"TopicArn", kTopic},
          {"Message", "You have chosen"},
          {"SubscribeURL", url},
          {"Timestamp", "2012-04-26T20:45:04.751Z"}};
}

}  // namespace

TEST_CASE("an echo goes as a tag and comes back") {
  CHECK(tag_of(kEcho) == kTag);
  const auto echo = parse_tag(kTag);
  REQUIRE(echo);
  CHECK(echo_of(echo->message_id, echo->attempt_no) == kEcho);
  for (std::string bad : {"", "_", "0193b3c4-0000-7000-8000-00000000abcd", "x_1"}) CHECK(!parse_tag(bad));
  CHECK(!parse_tag(std::string(100000, '_')));
}

TEST_CASE("ses builds exactly the documented request, signed") {
  const auto request = ses()->build(outbound(Kind::email));
  CHECK(request.method == "POST");
  CHECK(request.url == "http://127.0.0.1:1/v2/email/outbound-emails");
  std::map<std::string, std::string> headers(request.headers.begin(), request.headers.end());
  CHECK(headers["Content-Type"] == "application/json");
  CHECK(headers["Host"] == "127.0.0.1:1");
  CHECK(headers["X-Amz-Date"] == "20261122T000000Z");
  CHECK(headers["Authorization"].starts_with(
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-west-1/ses/aws4_request, "
      "SignedHeaders=content-type;host;x-amz-date, Signature="));
  const auto body = json::parse(request.body);
  CHECK(body["FromEmailAddress"] == "clinic@example.org");
  CHECK(body["Destination"] == json{{"ToAddresses", {"patient@example.net"}}});
  CHECK(body["EmailTags"] == json::array({json{{"Name", "sid"}, {"Value", kTag}}}));
  CHECK(body["ConfigurationSetName"] == "clinic");
  CHECK(body.size() == 5);
  const auto mail = from_base64(body["Content"]["Raw"]["Data"].get<std::string>());
  REQUIRE(mail);
  for (const char* part : {"From: Clinic <clinic@example.org>\r\n", "To: patient@example.net\r\n",
                           "Subject: Your results\r\n", "\r\n\r\nYour results are ready.\r\n"})
    CHECK(mail->find(part) != std::string::npos);

  auto settings = ses_settings();
  settings.values.erase("base_url");
  settings.values.erase("configuration_set");
  settings.secrets["session_token"] = Secret("session");
  const auto other = ses(settings)->build(outbound(Kind::email));
  CHECK(other.url == "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails");
  CHECK(!json::parse(other.body).contains("ConfigurationSetName"));
  for (auto& [name, value] : other.headers)
    if (name == "X-Amz-Security-Token") CHECK(value == "session");
}

TEST_CASE("ses sends a letter's PDF if that is set") {
  auto message = outbound(Kind::letter);
  message.pdf = Phi<std::string>("%PDF-1.4");
  auto settings = ses_settings();
  CHECK(!ses(settings)->wants_pdf(Kind::letter));
  settings.values["letter_pdf"] = "true";
  const auto provider = ses(settings);
  CHECK(provider->wants_pdf(Kind::letter));
  CHECK(!provider->wants_pdf(Kind::email));
  const auto mail =
      from_base64(json::parse(provider->build(message).body)["Content"]["Raw"]["Data"].get<std::string>());
  REQUIRE(mail);
  CHECK(mail->find("\r\nContent-Disposition: attachment; filename=letter.pdf\r\n") != std::string::npos);
}

TEST_CASE("ses refuses settings that cannot work and names the key") {
  testing::check_refusals(ses_settings(), {{"region", "eu west"},
                                           {"region", "evil.example/"},
                                           {"access_key_id", "AK/ID"},
                                           {"from", "Clinic"},
                                           {"topic_arn", "ses-events"},
                                           {"sns_url", "http://sns.example"},
                                           {"letter_pdf", "yes"}});
  auto settings = ses_settings();
  settings.values.erase("topic_arn");
  CHECK(!ses(settings)->has_receipts());
  CHECK(!ses(settings)->verify(event("Send")).is_genuine);
}

TEST_CASE("ses reads every kind of reply") {
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, provider = FaultScope::provider, credential = FaultScope::credential,
                 sender = FaultScope::sender;
  const auto adapter = ses();
  auto rows = testing::rows_by_status();
  rows.insert(rows.end(),
              {{200, R"({"MessageId":")" + kId + "\"}", accepted, "", "", FaultScope::message, false, false, {}, kId},
               {200, R"({"MessageId":""})", in_doubt, "unreadable_reply", "", provider},
               {200, R"({"MessageId":"a b"})", in_doubt, "unreadable_reply", "", provider},
               {200, R"({"__type":"ThrottlingException"})", in_doubt, "unreadable_reply", "", provider},
               {202, R"({"MessageId":")" + kId + "\"}", in_doubt, "unreadable_reply", "", provider},
               {403, "", retryable, "auth_failed", "", credential},
               {404, "", retryable, "account_refused", "", account},
               {400, R"({"__type":"com.amazonaws.sesv2#MessageRejected","message":"x"})", permanent, "message_refused",
                "MessageRejected"},
               {400, R"({"code":"AccountSuspendedException"})", retryable, "account_refused",
                "AccountSuspendedException", account},
               {400, R"({"__type":"com.amazonaws.sesv2#MessageRejected:http://a/#b"})", permanent, "message_refused",
                "MessageRejected"},
               {400, R"({"__type":"something new"})", permanent, "message_refused"}});
  struct Code {
    int status;
    std::string code;
    OutcomeKind kind;
    std::string reason;
    FaultScope scope = FaultScope::message;
    bool is_throttled = false;
  };
  for (auto& row : std::vector<Code>{
           {403, "AccessDeniedException", retryable, "auth_failed", credential},
           {400, "AccountSuspendedException", retryable, "account_refused", account},
           {400, "BadRequestException", permanent, "message_refused"},
           {403, "ExpiredTokenException", retryable, "auth_failed", credential},
           {400, "IncompleteSignature", retryable, "auth_failed", credential},
           {500, "InternalFailure", retryable, "provider_error", provider},
           {500, "InternalServiceErrorException", retryable, "provider_error", provider},
           {403, "InvalidClientTokenId", retryable, "auth_failed", credential},
           {403, "InvalidSignatureException", retryable, "auth_failed", credential},
           {400, "LimitExceededException", retryable, "throttled", account, true},
           {400, "MailFromDomainNotVerifiedException", retryable, "sender_refused", sender},
           {400, "MessageRejected", permanent, "message_refused"},
           {403, "MissingAuthenticationToken", retryable, "auth_failed", credential},
           {400, "NotAuthorized", retryable, "auth_failed", credential},
           {404, "NotFoundException", retryable, "account_refused", account},
           {403, "OptInRequired", retryable, "account_refused", account},
           {400, "RequestExpired", retryable, "auth_failed", credential},
           {400, "RequestAbortedException", retryable, "provider_error", provider},
           {400, "SendingPausedException", retryable, "account_refused", account},
           {503, "ServiceUnavailable", retryable, "provider_error", provider},
           {403, "SignatureDoesNotMatch", retryable, "auth_failed", credential},
           {400, "Throttling", retryable, "throttled", account, true},
           {400, "ThrottlingException", retryable, "throttled", account, true},
           {429, "TooManyRequestsException", retryable, "throttled", account, true},
           {403, "UnrecognizedClientException", retryable, "auth_failed", credential},
           {400, "SomethingNewException", permanent, "message_refused"},
       }) {
    for (const char* more : {"", ":http://internal.amazon.com/coral/com.amazonaws.ses/"})
      rows.push_back({row.status,
                      R"({"message":"x"})",
                      row.kind,
                      row.reason,
                      row.code,
                      row.scope,
                      row.is_throttled,
                      false,
                      {{"x-amzn-errortype", row.code + more}}});
  }
  testing::check_replies(*adapter, rows);
  const std::vector<std::pair<std::string, std::string>> throttled{{"x-amzn-errortype", "TooManyRequestsException"}};
  CHECK(adapter->parse({429, throttled, R"({"message":"Daily message quota exceeded."})"}).retry_after_ms == 3600000);
  CHECK(!adapter->parse({429, throttled, R"({"message":"Maximum sending rate exceeded."})"}).retry_after_ms);
}

TEST_CASE("SNS's messages verify as published, and tampered ones do not") {
  for (const char* scheme : {"sns-rsa-v1", "sns-rsa-v2"})
    for (auto& vector : testing::webhook_vectors(scheme)) {
      INFO(vector.name);
      const auto provider = ses();
      auto request = vector.request;
      CHECK(provider->wants(request) == std::vector<std::string>{kCertificate});
      CHECK(provider->verify(request).reason == "the certificate is not to be had");
      request.fetched[kCertificate] = vector.key;
      CHECK(provider->verify(request).is_genuine == vector.is_valid);
      if (!vector.is_valid) continue;
      REQUIRE(provider->receipts(request));
      const auto message = json::parse(request.body);
      for (const char* key : {"Message", "MessageId", "Timestamp", "Subject", "Token", "SubscribeURL"}) {
        if (!message.contains(key)) continue;
        auto other = message;
        other[key] = other[key].get<std::string>() + "x";
        auto tampered = request;
        tampered.body = other.dump();
        CHECK(provider->verify(tampered).reason == "bad signature");
      }
      auto with_subject = message;
      with_subject["Subject"] = "added";
      auto tampered = request;
      tampered.body = with_subject.dump();
      CHECK(provider->verify(tampered).is_genuine == (message["Type"] != "Notification"));  // not signed in the others
      for (const char* version : {"", "0", "3", "11"}) {
        auto other = message;
        other["SignatureVersion"] = version;
        tampered.body = other.dump();
        CHECK(!provider->verify(tampered).is_genuine);
      }
      auto other = message;
      other.erase("Signature");
      tampered.body = other.dump();
      CHECK(provider->verify(tampered).is_unsigned);
      tampered = request;
      for (std::string rubbish : {"", "<html>", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
        tampered.fetched[kCertificate] = rubbish;
        CHECK(provider->verify(tampered).reason == "an unreadable certificate");
      }
      tampered.fetched[kCertificate] = testing::read_text("tests/base/rsa_certificate.pem");
      CHECK(provider->verify(tampered).reason == "bad signature");
      auto settings = ses_settings();
      settings.values["topic_arn"] = "arn:aws:sns:us-east-1:123456789012:other";
      CHECK(ses(settings)->wants(request).empty());
      CHECK(!ses(settings)->verify(request).is_genuine);
    }
}

TEST_CASE("a certificate is fetched from SNS alone") {
  const auto certificate = testing::read_text("tests/base/rsa_certificate.pem");
  const json message{
      {"Type", "Notification"}, {"MessageId", "1"}, {"TopicArn", kTopic}, {"Message", "{}"}, {"Timestamp", "t"}};
  const auto provider = ses();
  for (std::string good :
       {"https://sns.eu-west-1.amazonaws.com/a.pem", "https://sns.cn-north-1.amazonaws.com.cn/a/b.pem"}) {
    const auto request = signed_message(message, good, certificate);
    CHECK(provider->wants(request) == std::vector<std::string>{good});
    CHECK(provider->verify(request).is_genuine);
  }
  for (std::string bad :
       {"http://sns.eu-west-1.amazonaws.com/a.pem", "https://sns.eu-west-1.amazonaws.com/a.txt",
        "https://sns.eu-west-1.amazonaws.com/a?b.pem", "https://sns.eu-west-1.amazonaws.com/a#b.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem", "https://sns.eu-west-1.amazonaws.com.cn.evil/a.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
        "https://evil.example\\@sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem", "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
        "https://sns.a.amazonaws.com/a.pem", "https://sns.evil.example.amazonaws.com/a.pem",
        "https://s3.amazonaws.com/a.pem", "https://sns.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com/a b.pem", "https://127.0.0.1/a.pem", ""}) {
    INFO(bad);
    const auto request = signed_message(message, bad, certificate);
    CHECK(provider->wants(request).empty());
    CHECK(provider->verify(request).reason == "a certificate that is not of SNS");
  }
  auto settings = ses_settings();
  settings.values["sns_url"] = "http://127.0.0.1:7/sns";
  const auto at_test_server = signed_message(message, "http://127.0.0.1:7/sns/a.pem", certificate);
  CHECK(ses(settings)->verify(at_test_server).is_genuine);
  CHECK(!ses(settings)->verify(signed_message(message, "http://127.0.0.1:70/sns/a.pem", certificate)).is_genuine);
  CHECK(!ses(settings)->verify(signed_message(message, "http://127.0.0.1:7/snsa.pem", certificate)).is_genuine);
}

TEST_CASE("a subscription is confirmed at SNS alone, and tells of no message") {
  const auto certificate = testing::read_text("tests/base/rsa_certificate.pem");
  const std::string url =
      "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + kTopic + "&Token=2336412f37";
  const auto provider = ses();
  const auto request = signed_message(subscription(url), kCertificate, certificate);
  REQUIRE(provider->verify(request).is_genuine);
  const auto confirmation = provider->follow_up(request);
  REQUIRE(confirmation);
  CHECK(confirmation->method == "GET");
  CHECK(confirmation->url == url);
  CHECK(confirmation->body.empty());
  REQUIRE(provider->receipts(request));
  CHECK(provider->receipts(request)->empty());
  for (std::string bad : {"https://evil.example/?Action=ConfirmSubscription", "http://sns.us-east-1.amazonaws.com/x",
                          "https://sns.us-east-1.amazonaws.com", "https://sns.us-east-1.amazonaws.com@evil.example/"})
    CHECK(!provider->follow_up(signed_message(subscription(bad), kCertificate, certificate)));
  auto end = subscription(url);
  end["Type"] = "UnsubscribeConfirmation";
  const auto ended = signed_message(end, kCertificate, certificate);
  CHECK(provider->verify(ended).is_genuine);
  CHECK(!provider->follow_up(ended));
  CHECK(!provider->follow_up(event("Send")));
  auto settings = ses_settings();
  settings.values["topic_arn"] = "arn:aws:sns:us-east-1:123456789012:other";
  CHECK(!ses(settings)->follow_up(request));
}

TEST_CASE("ses's events become receipts with the echo of the attempt") {
  const auto provider = ses();
  auto bounce = [](const std::string& type, const std::string& subtype, const std::string& recipients = "") {
    return R"(,"bounce":{"bounceType":")" + type + R"(","bounceSubType":")" + subtype + R"(","bouncedRecipients":[)" +
           recipients + "]}";
  };
  testing::check_events(
      *provider, kEcho, kId, "19ba9823-d7f2-53c1-860e-cb10e0d13dfc",
      {
          {"Send", R"(,"send":{})", "queued"},
          {"DeliveryDelay", R"(,"deliveryDelay":{"delayType":"MailboxFull"})", "sent"},
          {"Delivery", R"(,"delivery":{"recipients":["a@example.net"]})", "delivered"},
          {"Bounce", bounce("Permanent", "General"), "bounced", "General"},
          {"Bounce", bounce("Permanent", "NoEmail", R"({"emailAddress":"a@example.net","status":"5.1.1"})"), "bounced",
           "5.1.1"},
          {"Bounce", bounce("Undetermined", "Undetermined"), "bounced", "Undetermined"},
          {"Bounce", bounce("Transient", "MailboxFull"), "failed", "MailboxFull"},
          {"Bounce", bounce("Transient", "a@example.net"), "failed"},
          {"Bounce", bounce("Permanent", "Suppressed"), "bounced", "Suppressed"},
          {"Bounce", bounce("Permanent", "OnAccountSuppressionList"), "bounced", "OnAccountSuppressionList"},
          {"Complaint", R"(,"complaint":{"complainedRecipients":[]})", "complained"},
          {"Complaint", R"(,"complaint":{"complaintSubType":null,"complaintFeedbackType":"abuse"})", "complained",
           "abuse"},
          {"Complaint", R"(,"complaint":{"complaintFeedbackType":"not-spam"})", ""},
          {"Complaint", R"(,"complaint":{"complaintFeedbackType":"auth-failure"})", ""},
          {"Complaint", R"(,"complaint":{"complaintSubType":"OnAccountSuppressionList"})", "failed opted_out",
           "OnAccountSuppressionList"},
          {"Reject", R"(,"reject":{"reason":"Bad content"})", "failed"},
          {"Rendering Failure", R"(,"failure":{"errorMessage":"x"})", "failed"},
          {"Subscription", R"(,"subscription":{})", "opted_out"},
          {"Open", "", ""},
          {"Click", "", ""},
          {"Levitation", "", ""},
      },
      [&](const auto& row) { return event(row.event, row.more); });
}

TEST_CASE("a notice of ses may have notificationType and no tags, and what is of nothing of ours is none") {
  const auto provider = ses();
  CallbackRequest request;
  request.body = notice(R"({"notificationType":"Delivery","mail":{"messageId":")" + kId + R"("},"delivery":{}})");
  auto receipts = provider->receipts(request);
  REQUIRE(receipts);
  REQUIRE(testing::kinds_of(*receipts) == "delivered");
  CHECK(!receipts->front().message_id);
  for (std::string message : {"Successfully validated SNS topic for Amazon SES event publishing.", "", "[]",
                              R"({"eventType":"Delivery","mail":{}})", R"({"eventType":"Delivery"})"}) {
    request.body = notice(message);
    receipts = provider->receipts(request);
    REQUIRE(receipts);
    CHECK(receipts->empty());
  }
  request.body = notice("{}");
  CHECK(!provider->receipts(request));
  for (std::string bad : {"", "{", "[]", "{}", R"({"Type":"Notification"})", R"({"Type":"Other"})", "\xff"}) {
    request.body = bad;
    CHECK(!provider->receipts(request));
    CHECK(provider->verify(request).is_unsigned);
    CHECK(provider->wants(request).empty());
    CHECK(!provider->follow_up(request));
  }
}

}  // namespace signet

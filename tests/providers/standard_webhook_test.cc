#include "providers/standard_webhook.h"

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/providers/webhook_vectors.h"

using namespace signet;

// The vector of the specification's own libraries (standard-webhooks/standard-webhooks, libraries/*/tests).
TEST_CASE("a webhook carries the signature of Standard Webhooks") {
  const auto key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  REQUIRE(key.ok());
  const auto headers = webhook_headers(*key, "msg_p5jXN8AQM9LWM0D4loKWxJek", {1614265330 * int64_t{1'000'000}},
                                       R"({"test": 2432232314})");
  REQUIRE(headers.size() == 3);
  CHECK(headers[0] == std::pair<std::string, std::string>{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"});
  CHECK(headers[1] == std::pair<std::string, std::string>{"webhook-timestamp", "1614265330"});
  CHECK(headers[2] ==
        std::pair<std::string, std::string>{"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="});
}

TEST_CASE("a webhook's secret is 24 to 64 octets in base64, with its prefix or without") {
  CHECK(webhook_key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").ok());
  CHECK(webhook_key(to_base64(std::string(64, 'x'))).ok());
  for (const std::string& bad :
       {std::string("hunter2"), to_base64(std::string(23, 'x')), to_base64(std::string(65, 'x'))}) {
    const auto refused = webhook_key(bad);
    REQUIRE(!refused.ok());
    CHECK(refused.error().text.find(bad) == std::string::npos);
  }
}

TEST_CASE("a webhook's id that is no short word is known by its hash, and two are none") {
  const auto id_of = [](std::vector<std::pair<std::string, std::string>> headers) {
    CallbackRequest request;
    request.headers = std::move(headers);
    return webhook_id(request);
  };
  CHECK(id_of({{"webhook-id", "msg_1.a:2"}}) == "msg_1.a:2");
  for (const std::string& odd : {std::string("a\xff"), std::string("msg\r'"), std::string(300, 'x')})
    CHECK(id_of({{"webhook-id", odd}}) == to_hex(view(sha256(odd))));
  CHECK(id_of({{"webhook-id", "a"}, {"webhook-id", "b"}}).empty());
  CHECK(id_of({}).empty());
}

TEST_CASE("the published webhooks verify, with an unpadded secret too, and others do not") {
  for (auto& vector : testing::webhook_vectors("standard-webhooks-v1", "standard-webhooks")) {
    INFO(vector.name);
    const auto key = webhook_key(vector.key);
    REQUIRE(key);
    auto request = vector.request;
    request.received_at = WallTime{1614265330 * int64_t{1'000'000}};
    CHECK(verify_webhook(*key, request).is_genuine == vector.is_valid);
    CHECK(webhook_id(request) == "msg_p5jXN8AQM9LWM0D4loKWxJek");
    CHECK(verify_webhook(*key, request, "svix-").is_unsigned);
  }
  const auto padded = to_base64(std::string(25, 'x'));
  REQUIRE(padded.ends_with('='));
  CHECK(webhook_key(padded.substr(0, padded.find('='))).value() == std::string(25, 'x'));
}

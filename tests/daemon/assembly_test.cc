// What the parts are given of the configuration.
#include "daemon/assembly.h"

#include <catch2/catch.hpp>

#include <fstream>

#include "tests/base/certificates.h"
#include "tests/fakes/redis_server.h"

using namespace signet;

TEST_CASE("redis.user, redis.password_file and redis.ca_file reach a real Redis") {
  const int tls_port = test::free_port();
  test::RedisServer server({"--tls-port", std::to_string(tls_port), "--tls-auth-clients", "no", "--tls-cert-file",
                            certificates().certificate(), "--tls-key-file", certificates().key()});
  server.command({"ACL", "SETUSER", "signet", "on", ">dont-panic", "+@connection", "+acl|whoami"});
  TestDir dir;
  const std::string file = dir / "password";
  std::ofstream(file) << "dont-panic\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  Config config;
  config.redis.url = "rediss://localhost:" + std::to_string(tls_port);
  config.redis.user = "signet";
  config.redis.password_file = file;
  config.redis.ca_file = certificates().certificate();
  const auto options = make_redis_options(config);
  REQUIRE(options.ok());
  Loop loop;
  SystemClock clock;
  SystemRandom random;
  std::string who;
  std::unique_ptr<RedisClient> client;
  RedisClient::Handlers handlers;
  handlers.on_up = [&] {
    client->call({"ACL", "WHOAMI"}, [&](const Result<Reply>& reply) {
      who = reply ? reply->text : reply.error().text;
      loop.stop();
    });
  };
  handlers.on_down = [&](const Error& error) {
    who = error.text;
    loop.stop();
  };
  client = std::make_unique<RedisClient>(loop, clock, random, *options, std::move(handlers));
  loop.run();
  CHECK(who == "signet");
}

TEST_CASE("an authority's file that cannot be read is named") {
  Config config;
  config.redis.url = "rediss://localhost:6380";
  config.redis.ca_file = "/nowhere/ca.pem";
  const auto options = make_redis_options(config);
  REQUIRE_FALSE(options.ok());
  CHECK(options.error().text.find("redis.ca_file") == 0);
}

TEST_CASE("a loop's share is of the slots, the rate stays the daemons' together") {
  LoopProvider whole;
  whole.limits = {100, 50, 64};
  const LoopProvider share = share_of(whole, 2);
  CHECK(share.limits.in_flight == 32);
  CHECK(share.limits.rate_per_s == 100);
  CHECK(share.limits.burst == 50);
  CHECK(share_of(whole, 100).limits.in_flight == 1);
}

TEST_CASE("quiet hours are those of the configuration") {
  Config config;
  config.delivery.quiet_hours.from_min = 20 * 60;
  config.delivery.quiet_hours.to_min = 9 * 60;
  config.delivery.quiet_hours.default_zones = {"Asia/Kathmandu"};
  config.delivery.quiet_hours.applies_to = {"high"};
  const auto quiet = make_quiet_hours(config);
  REQUIRE(quiet.ok());
  const WallTime night = parse_rfc3339("2026-06-10T23:00:00+05:45").value();
  CHECK((*quiet)->window(Priority::high, false, "", night, std::nullopt).due_at ==
        parse_rfc3339("2026-06-11T09:00:00+05:45").value());
  CHECK((*quiet)->window(Priority::bulk, false, "", night, std::nullopt).due_at == night);
  config.delivery.quiet_hours.default_zones = {"Asia/Atlantis"};
  CHECK(make_quiet_hours(config).error().text.find("delivery.quiet_hours.default_zones: Asia/Atlantis") == 0);
}

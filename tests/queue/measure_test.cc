// Printed, never asserted: queue_test "[measure]" of the bench preset.
#include <cstdio>
#include <ctime>

#include "tests/queue/world.h"

using namespace signet;
using namespace signet::test;

namespace {

double seconds_of(const Clock& clock, const std::function<void()>& action) {
  const Tick begin = clock.tick();
  action();
  return static_cast<double>(clock.tick().us - begin.us) / 1e6;
}

// Processor time, which other programs on the machine disturb less than the clock.
double server_cpu_us(const RedisServer& server) {
  const std::string text = server.command({"INFO", "cpu"});
  double sum = 0;
  for (const std::string name : {"used_cpu_sys_main_thread:", "used_cpu_user_main_thread:"})
    sum += std::stod(text.substr(text.find(name) + name.size()));
  return sum * 1e6;
}

double own_cpu_us() { return static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC; }

}  // namespace

TEST_CASE("messages a second through offer, claim and ack", "[.][measure]") {
  for (const int batch : {16, 64, 256}) {
    for (const int senders : {1, 50}) {
      RedisWorld world;
      world.queue("one");
      const int rounds = 100000 / batch;
      int64_t sum = 0;
      const double server_before = server_cpu_us(world.server), own_before = own_cpu_us();
      const double seconds = seconds_of(world.clock, [&] {
        // As a dispatcher does it: the next step follows in the callback of the last; two chains share the connection.
        Queue& queue = world.queue("one");
        int left = rounds, ended = 0;
        std::function<void(int)> round = [&](int shard) {
          if (left-- <= 0) {
            ended++;
            return;
          }
          std::vector<Hint> hints;
          for (int i = 0; i < batch; i++)
            hints.push_back(world.hint(id_in(shard, left * batch + i), Priority::normal, "sms",
                                       "ward-" + std::to_string(i % senders)));
          queue.offer(std::move(hints), [&, shard](const Result<OfferReply>&) {
            ClaimRequest request;
            request.shard = shard;
            request.count_max = batch;
            queue.claim(request, [&, shard](const Result<std::vector<Claimed>>& claimed) {
              queue.ack(ids_of(*claimed), [&, shard](const Result<int64_t>& count) {
                sum += *count;
                round(shard);
              });
            });
          });
        };
        round(0);
        round(1);
        run_until(world.loop, [&] { return ended == 2; });
      });
      const auto count = static_cast<double>(sum);
      std::printf(
          "batch %3d, %2d senders: %7.0f messages/s offered, claimed and acknowledged; processor time a "
          "message: %.2f us server, %.2f us ours\n",
          batch, senders, count / seconds, (server_cpu_us(world.server) - server_before) / count,
          (own_cpu_us() - own_before) / count);
    }
  }
}

TEST_CASE("the shortest time of one script call of 256", "[.][measure]") {
  for (const int senders : {1, 16, 256}) {
    RedisWorld world;
    std::vector<Hint> hints;
    for (int n = 0; n < 4096; n++)
      hints.push_back(world.hint(id_in(0, n), Priority::normal, "sms", "w" + std::to_string(n % senders)));
    world.queue("one");
    std::map<std::string, int> shortest;
    const auto timed = [&](const char* what, int calls, auto action) {
      world.server.command({"CONFIG", "RESETSTAT"});
      action();
      const std::string text = world.server.command({"INFO", "commandstats"});
      const std::string name = "cmdstat_fcall:calls=" + std::to_string(calls) + ",usec=";
      const size_t at = text.find(name);
      REQUIRE(at != std::string::npos);
      const int us = std::stoi(text.substr(at + name.size())) / calls;
      const auto known = shortest.emplace(what, us).first;
      known->second = std::min(known->second, us);
    };
    for (int round = 0; round < 20; round++) {
      timed("offer", senders > 64 ? 64 : 16, [&] { CHECK(world.offer(hints) == 4096); });
      for (int part = 0; part < 16; part++) {
        std::vector<Claimed> claimed;
        timed("claim", 1, [&] { claimed = world.claim(); });
        const auto ids = ids_of(claimed);
        timed("renew", 1, [&] { world.renew(ids, 60000); });
        if (round % 2 == 0) {
          timed("ack", 1, [&] { world.ack(ids); });
        } else {
          std::vector<std::pair<Uuid, WallTime>> back;
          for (const Uuid& id : ids) back.emplace_back(id, world.now());
          timed("nack_at", 1, [&] { world.nack_at(back); });
          timed("claim, promoting", 1, [&] { claimed = world.claim(); });
          world.ack(ids_of(claimed));
        }
      }
    }
    std::printf("%3d senders:", senders);
    for (const auto& [what, us] : shortest) std::printf("  %s %d us", what.c_str(), us);
    std::printf("\n");
  }
}

// Printed, never asserted: queue_test "[measure]" of the bench preset.
#include <cstdio>

#include "tests/queue/world.h"

using namespace signet;
using namespace signet::test;

namespace {

double seconds_of(const Clock& clock, const std::function<void()>& action) {
  const Tick begin = clock.tick();
  action();
  return static_cast<double>(clock.tick().us - begin.us) / 1e6;
}

}  // namespace

TEST_CASE("messages a second through offer, claim and ack", "[.][measure]") {
  for (const int batch : {16, 64, 256}) {
    for (const int senders : {1, 50}) {
      RedisWorld world;
      world.queue("one");
      const int rounds = 40000 / batch;
      int64_t sum = 0;
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
          queue.offer(std::move(hints), [&, shard](const Result<int64_t>&) {
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
      std::printf("batch %3d, %2d senders: %8.0f messages/s offered, claimed and acknowledged\n", batch, senders,
                  static_cast<double>(sum) / seconds);
    }
  }
}

TEST_CASE("what one script call of 256 takes", "[.][measure]") {
  for (const int senders : {1, 256}) {
    RedisWorld world;
    std::vector<Hint> hints;
    for (int shard = 0; shard < 25; shard++)
      for (int n = 0; n < 4000; n++)
        hints.push_back(world.hint(id_in(shard, n), Priority::normal, "sms", "w" + std::to_string(n % senders)));
    std::vector<Claimed> claimed;
    const double offered = seconds_of(world.clock, [&] { world.offer(hints); });
    world.server.command({"CONFIG", "RESETSTAT"});
    const double taken = seconds_of(world.clock, [&] { claimed = world.claim(); });
    std::printf("%3d senders: offering 100,000: %.0f ms; claiming %zu of them: %.3f ms\n", senders, offered * 1e3,
                claimed.size(), taken * 1e3);
    const auto stats = [&](const char* what) {
      const std::string text = world.server.command({"INFO", "commandstats"});
      const size_t at = text.find("cmdstat_fcall:");
      std::printf("  %s in the server: %s\n", what, text.substr(at, text.find('\r', at) - at).c_str());
      world.server.command({"CONFIG", "RESETSTAT"});
    };
    stats("claim");
    world.ack(ids_of(claimed));
    stats("ack");
    claimed = world.claim();
    world.server.command({"CONFIG", "RESETSTAT"});
    std::vector<std::pair<Uuid, WallTime>> back;
    for (const auto& one : claimed) back.emplace_back(one.id, world.now());
    world.nack_at(back);
    stats("nack");
    world.claim();
    stats("claim that promotes");
  }
}

#include "tests/chaos/nemesis.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <stdexcept>

namespace signet::chaos {
namespace {

constexpr int64_t kDumpEveryUs = 10'000'000, kOldDumpUs = 60'000'000;
constexpr size_t kDumpsMax = 12;
constexpr int64_t kFileBytesMax = 2048;  // a few results fit
constexpr const char* kLossShare = "0.3";

void run_tool(const std::vector<std::string>& command, const std::string& log) {
  Process tool(command, log);
  if (tool.wait() != 0) throw std::runtime_error(command[0] + " failed: " + read_file(log));
}

}  // namespace

struct Nemesis::Kind {
  const char* name;
  int64_t lasts_ms;
  std::function<void(Nemesis&, int daemon)> begin, end;
};

const std::vector<Nemesis::Kind>& Nemesis::kinds() {
  static const std::vector<Kind> all{
      {"kill9", 2000, [](Nemesis& n, int d) { n.fleet_.kill9(d); }, [](Nemesis& n, int d) { n.fleet_.start(d); }},
      // Beyond its lease, and beyond the moment from which others settle its permits.
      {"pause", 12000, [](Nemesis& n, int d) { n.fleet_.pause(d); }, [](Nemesis& n, int d) { n.fleet_.resume(d); }},
      {"terminate", 1000,
       [](Nemesis& n, int d) {
         if (const int status = n.fleet_.terminate(d); status != 0)
           n.faults_.push_back("SIGTERM ended daemon " + std::to_string(d + 1) + " with " + std::to_string(status));
       },
       [](Nemesis& n, int d) { n.fleet_.start(d); }},
      {"redis_kill", 3000,
       [](Nemesis& n, int) {
         n.is_redis_well_ = false;
         n.fleet_.redis.kill9();
       },
       [](Nemesis& n, int) {
         n.fleet_.redis.start();
         n.is_redis_well_ = true;
       }},
      {"redis_rollback", 500,
       [](Nemesis& n, int) {
         n.is_redis_well_ = false;
         n.fleet_.redis.kill9();
       },
       [](Nemesis& n, int) {
         const int64_t now_us = n.fleet_.clock.wall().us;
         std::string file = n.dumps_.front().second;
         for (const auto& [at, name] : n.dumps_)
           if (now_us - at.us >= kOldDumpUs) file = name;
         n.fleet_.redis.start_from(file);
         n.is_redis_well_ = true;
       }},
      {"flushall", 0, [](Nemesis& n, int) { n.fleet_.redis.command({"FLUSHALL"}); }, [](Nemesis&, int) {}},
      {"redis_freeze", 5000,
       [](Nemesis& n, int) {
         n.is_redis_well_ = false;
         n.fleet_.redis.freeze();
       },
       [](Nemesis& n, int) {
         n.fleet_.redis.thaw();
         n.is_redis_well_ = true;
       }},
      {"partition_redis", 8000, [](Nemesis& n, int d) { n.fleet_.redis_proxy(d)->set({.is_silent = true}); },
       [](Nemesis& n, int d) { n.fleet_.redis_proxy(d)->set({}); }},
      {"partition_postgres", 8000, [](Nemesis& n, int d) { n.fleet_.postgres_proxy(d)->set({.is_silent = true}); },
       [](Nemesis& n, int d) { n.fleet_.postgres_proxy(d)->set({}); }},
      {"delay_reorder", 8000,
       [](Nemesis& n, int d) {
         n.fleet_.redis_proxy(d)->set({.delay_min_ms = 0, .delay_max_ms = 300});
         n.fleet_.postgres_proxy(d)->set({.delay_min_ms = 0, .delay_max_ms = 200});
       },
       [](Nemesis& n, int d) {
         n.fleet_.redis_proxy(d)->set({});
         n.fleet_.postgres_proxy(d)->set({});
         n.fleet_.redis_proxy(d)->reset_all();
       }},
      {"loss", 10000, [](Nemesis& n, int d) { n.lose(d, "-A"); }, [](Nemesis& n, int d) { n.lose(d, "-D"); }},
      {"postgres_stop", 10000, [](Nemesis& n, int) { n.stop_postgres(); }, [](Nemesis& n, int) { n.start_postgres(); }},
      {"full_spool", 6000,
       [](Nemesis& n, int d) {
         n.fleet_.limit_file_size(d, kFileBytesMax);
         n.stop_postgres();
       },
       [](Nemesis& n, int d) {
         n.start_postgres();
         if (n.fleet_.is_up(d)) n.fleet_.limit_file_size(d, -1);
       }},
      {"clock_step", 8000,
       [](Nemesis& n, int d) {
         constexpr int64_t kSteps[] = {3'600'000'000, -3'600'000'000, 5'000'000, -5'000'000};
         n.fleet_.step_clock(d, kSteps[n.random_.below(4)]);
       },
       [](Nemesis& n, int d) { n.fleet_.step_clock(d, 0); }},
      {"judge_storm", 8000, [](Nemesis& n, int) { n.fleet_.set_mix("storm"); },
       [](Nemesis& n, int) { n.fleet_.set_mix(n.fleet_.settings.mix); }},
  };
  return all;
}

Nemesis::Nemesis(Fleet& fleet, NemesisSettings settings)
    : fleet_(fleet), settings_(settings), random_(settings.seed), started_at_(fleet.clock.wall()) {}

double Nemesis::elapsed_s() const { return static_cast<double>(fleet_.clock.wall().us - started_at_.us) / 1e6; }

void Nemesis::stop_postgres() {
  outages_.emplace_back(fleet_.clock.wall(), WallTime{INT64_MAX});
  fleet_.postgres.stop_immediate();
}

void Nemesis::start_postgres() {
  fleet_.postgres.start();
  outages_.back().second = fleet_.clock.wall();
}

void Nemesis::lose(int daemon, const char* how) {
  for (const int port : {fleet_.redis_proxy(daemon)->port(), fleet_.postgres_proxy(daemon)->port()})
    for (const char* end : {"--dport", "--sport"})
      run_tool({"iptables", how, "INPUT", "-i", "lo", "-p", "tcp", end, std::to_string(port), "-m", "statistic",
                "--mode", "random", "--probability", kLossShare, "-j", "DROP"},
               fleet_.folder + "/iptables.log");
}

void Nemesis::dump_redis() {
  const WallTime now = fleet_.clock.wall();
  if (!is_redis_well_ || (!dumps_.empty() && now.us - dumps_.back().first.us < kDumpEveryUs)) return;
  const std::string file = fleet_.folder + "/redis-" + std::to_string(now.us) + ".rdb";
  fleet_.redis.dump(file);
  dumps_.emplace_back(now, file);
  if (dumps_.size() > kDumpsMax) {
    ::unlink(dumps_.front().second.c_str());
    dumps_.erase(dumps_.begin());
  }
}

void Nemesis::wait_ms(int64_t ms) {
  const int64_t until_us = fleet_.clock.wall().us + ms * 1000;
  while (fleet_.clock.wall().us < until_us) {
    dump_redis();
    ::usleep(20'000);
  }
}

void Nemesis::look_at_daemons() {
  for (auto gone = fleet_.unexpected_end(); !gone.empty(); gone = fleet_.unexpected_end()) {
    std::printf("t=%.1f UNEXPECTED: %s\n", elapsed_s(), gone.c_str());
    faults_.push_back(gone);
  }
  for (int d = 0; d < kDaemons; d++)
    if (!fleet_.is_up(d)) fleet_.start(d);
}

void Nemesis::act(const Kind& kind, int64_t lasts_ms) {
  const auto daemon = static_cast<int>(random_.below(kDaemons));
  const double began = elapsed_s();
  kind.begin(*this, daemon);
  wait_ms(lasts_ms);
  kind.end(*this, daemon);
  done_[kind.name]++;
  std::printf("t=%.1f %s, daemon %d, healed %.1f\n", began, kind.name, daemon + 1, elapsed_s());
  std::fflush(stdout);
  look_at_daemons();
}

void Nemesis::run() {
  std::vector<const Kind*> order;
  for (int round = 0; round < settings_.rounds; round++) {
    std::vector<const Kind*> some;
    for (const auto& kind : kinds())
      if (settings_.has_loss || std::string(kind.name) != "loss") some.push_back(&kind);
    for (size_t i = some.size(); i > 1; i--) std::swap(some[i - 1], some[random_.below(i)]);
    order.insert(order.end(), some.begin(), some.end());
  }
  started_at_ = fleet_.clock.wall();
  std::printf("t=0.0 is %s\n", rfc3339_ms(started_at_).c_str());
  dump_redis();
  const int64_t slot_ms = int64_t{1000} * settings_.seconds / static_cast<int64_t>(order.size());
  for (size_t i = 0; i < order.size(); i++) {
    act(*order[i], std::min(order[i]->lasts_ms, slot_ms * 6 / 10));
    const auto next_ms = static_cast<double>(slot_ms) * static_cast<double>(i + 1);
    wait_ms(std::max<int64_t>(0, static_cast<int64_t>(next_ms - elapsed_s() * 1000)));
  }
}

}  // namespace signet::chaos

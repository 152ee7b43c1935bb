#include "tests/chaos/accept.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <stdexcept>

#include "tests/chaos/nemesis.h"
#include "tests/chaos/trial.h"
#include "tests/fakes/approved_messages.h"

namespace signet::chaos {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kCriticalP99MaxMs = 2000;

void sleep_until(const Fleet& fleet, WallTime from, double seconds) {
  const int64_t left_us = from.us + static_cast<int64_t>(seconds * 1e6) - fleet.clock.wall().us;
  if (left_us > 0) ::usleep(static_cast<useconds_t>(left_us));
}

void fill(Fleet& fleet, int64_t count, const Lane& lane, Priority priority) {
  const auto session = fleet.postgres.session();
  (void)session->script("set synchronous_commit = off");  // filling is not what is measured
  ApprovedMessages messages(*session, fleet.keys, fleet.clock, fleet.random);
  while (count > 0) {
    std::vector<ApprovedOptions> some;
    for (int i = 0; i < 1000 && count > 0; i++, count--) {
      char number[20];
      std::snprintf(number, sizeof number, "+6149157%04lld", static_cast<long long>(count % 10000));
      ApprovedOptions one{sms(number, "Your results are ready."), lane.lane, priority};
      one.destination = lane.country;
      some.push_back(std::move(one));
    }
    messages.insert(some);
  }
}

std::vector<int64_t> arrivals_us(const Fleet& fleet) {
  std::vector<int64_t> out;
  for (const auto& seen : fleet.seen()) out.push_back(seen.at.us);
  std::sort(out.begin(), out.end());
  return out;
}

int64_t count_in(const std::vector<int64_t>& sorted, int64_t from, int64_t to) {  // [from, to)
  return std::lower_bound(sorted.begin(), sorted.end(), to) - std::lower_bound(sorted.begin(), sorted.end(), from);
}

// 2: Redis is killed under 2,000 messages/s and comes back empty, or as it was long before.
int redis_dies(uint64_t seed, bool comes_back_old) {
  constexpr int64_t kRate = 2000, kBack = 1000;
  constexpr int kSeconds = 60, kKillAtS = 20, kAwayS = 3;
  constexpr double kWithinS = 10;
  Fleet fleet({.seed = seed, .mix = "calm", .in_flight = 256, .has_proxies = false});
  Trial trial(fleet, comes_back_old ? "accept 2, Redis comes back old" : "accept 2, Redis comes back empty");
  fill(fleet, 5000, fleet.sms_lanes[0], Priority::normal);
  const Tokens tokens = start_all(fleet);
  // What it holds now are hints of messages that are long over when it comes back to them.
  const std::string dump = fleet.folder + "/old.rdb";
  fleet.redis.dump(dump);
  const WallTime start = fleet.clock.wall();
  Load load(fleet,
            {.direct_per_s = kRate,
             .api_per_s = 0,
             .cancels_per_s = 0,
             .resolves_per_s = 0,
             .requeues_per_s = 0,
             .is_even = true},
            tokens, seed);
  sleep_until(fleet, start, kKillAtS);
  const WallTime killed = fleet.clock.wall();
  fleet.redis.kill9();
  sleep_until(fleet, start, kKillAtS + kAwayS);
  if (comes_back_old)
    fleet.redis.start_from(dump);
  else
    fleet.redis.start();
  sleep_until(fleet, start, kSeconds);
  load.stop();
  const double rate = static_cast<double>(load.accepted) / kSeconds;
  trial.drain(120);
  const auto at = arrivals_us(fleet);
  int64_t gap_us = 0;
  for (auto i = std::lower_bound(at.begin(), at.end(), killed.us - kSecondUs); i + 1 < at.end(); ++i)
    if (*i < killed.us + 30 * kSecondUs) gap_us = std::max(gap_us, *(i + 1) - *i);
  double back_s = kSeconds;
  for (double s = 0; s < kSeconds - kKillAtS; s += 0.25) {
    const int64_t from = killed.us + static_cast<int64_t>(s * 1e6);
    if (count_in(at, from, from + kSecondUs) < kBack) continue;
    back_s = s;
    break;
  }
  std::printf(
      "accept 2: %.0f messages/s accepted; after the kill the longest gap was %.2f s, %lld/s flowed again "
      "%.2f s after it; before it %.0f/s arrived\n",
      rate, static_cast<double>(gap_us) / 1e6, static_cast<long long>(kBack), back_s,
      static_cast<double>(count_in(at, killed.us - 10 * kSecondUs, killed.us)) / 10);
  if (rate < 0.95 * kRate) trial.fault("less than 2,000 messages/s were put in");
  if (static_cast<double>(gap_us) / 1e6 > kWithinS || back_s > kWithinS)
    trial.fault("sending did not go on within 10 s");
  trial.judge_criticals(load, {}, kCriticalP99MaxMs);
  trial.conclude(load, tokens.admin);
  return trial.status();
}

// 3: a million queued bulk messages beside a few critical ones, bulk at half of what this machine can send now.
int critical_beside_bulk(uint64_t seed, int64_t bulk) {
  constexpr int kMeasureS = 20, kSeconds = 120;
  constexpr int64_t kP99MaxMs = 100;
  double rate = 0;
  {
    Fleet fleet({.seed = seed, .in_flight = 512, .has_proxies = false, .has_sink = true});
    fill(fleet, bulk / 4, fleet.sink_lane, Priority::bulk);
    fleet.start(0);
    fleet.wait_ready(0);
    const auto results = [&] { return fleet.number("select count(*) from attempt_result"); };
    wait_until("some are sent", [&] { return results() > 1000; });
    const int64_t before = results();
    const WallTime start = fleet.clock.wall();
    sleep_until(fleet, start, kMeasureS);
    rate = static_cast<double>(results() - before) * 1e6 / static_cast<double>(fleet.clock.wall().us - start.us);
  }
  std::printf("accept 3: alone, bulk flows at %.0f/s\n", rate);
  Fleet fleet({.seed = seed,
               .mix = "calm",
               .in_flight = 512,
               .has_proxies = false,
               .has_sink = true,
               .sink_rate_per_s = rate / 2});
  Trial trial(fleet, "accept 3");
  fill(fleet, bulk, fleet.sink_lane, Priority::bulk);
  fleet.start(0);
  fleet.wait_ready(0);
  const std::string reviewer = fleet.token("reviewer");
  std::printf("accept 3: %lld bulk messages are due\n",
              static_cast<long long>(fleet.number("select count(*) from due")));
  std::fflush(stdout);
  const WallTime start = fleet.clock.wall();
  const int64_t before = fleet.number("select count(*) from attempt_result");
  Load load(fleet,
            {.direct_per_s = 0,
             .api_per_s = 0,
             .criticals_per_s = 2,
             .cancels_per_s = 0,
             .resolves_per_s = 0,
             .requeues_per_s = 0},
            {reviewer, ""}, seed);
  int64_t memory_kb = 0;
  for (int s = 1; s <= kSeconds; s++) {
    sleep_until(fleet, start, s);
    memory_kb = std::max(memory_kb, fleet.memory_kb(0));
  }
  load.stop();
  const double flowed = static_cast<double>(fleet.number("select count(*) from attempt_result") - before) / kSeconds;
  std::printf("accept 3: bulk flowed at %.0f/s, wanted %.0f/s; resident memory at most %lld MB\n", flowed, rate / 2,
              static_cast<long long>(memory_kb / 1024));
  if (flowed < 0.95 * rate / 2) trial.fault("bulk did not flow at half of what was measured");
  trial.judge_criticals(load, {}, kP99MaxMs);
  return trial.status();
}

// 4: one rate over three daemons, of which one dies.
int one_rate(uint64_t seed) {
  constexpr int kRate = 100, kBurst = 100, kSeconds = 60, kKillAtS = 20;
  constexpr int kChunk = 5;  // 50 ms worth
  Fleet fleet({.seed = seed, .mix = "calm", .rate_per_s = kRate, .burst = kBurst, .has_proxies = false});
  Trial trial(fleet, "accept 4");
  fill(fleet, 12000, fleet.sms_lanes[0], Priority::normal);
  for (int d = 0; d < kDaemons; d++) fleet.start(d);
  wait_until("the first arrives", [&] { return !fleet.seen().empty(); });
  const WallTime start = fleet.clock.wall();
  sleep_until(fleet, start, kKillAtS);
  fleet.kill9(0);
  sleep_until(fleet, start, kSeconds + 3);
  for (int d = 1; d < kDaemons; d++) fleet.kill9(d);
  const auto at = arrivals_us(fleet);
  int64_t most = 0;
  for (const int64_t from : at) most = std::max(most, count_in(at, from, from + kSecondUs));
  const int64_t minute = count_in(at, at.front() + kSecondUs, at.front() + (1 + kSeconds) * kSecondUs);
  const int64_t allowed = kRate + kBurst + kDaemons * kChunk;
  std::printf("accept 4: at most %lld in any second (allowed %lld), %lld over the minute (wanted 5700 to 6300)\n",
              static_cast<long long>(most), static_cast<long long>(allowed), static_cast<long long>(minute));
  if (most > allowed) trial.fault("more than rate + burst + daemons x chunk in a second");
  if (minute < 0.95 * kRate * kSeconds || minute > 1.05 * kRate * kSeconds)
    trial.fault("the minute is not within 5 % of the rate");
  return trial.status();
}

// 5: PostgreSQL is away for a minute under load.
int postgres_away(uint64_t seed) {
  constexpr int64_t kRate = 1000;
  constexpr int kStopAtS = 15, kAwayS = 60, kCatchUpS = 30, kAfterS = 20;
  constexpr int64_t kMemoryMaxKb = 150 * 1024, kToleranceMs = 1000;
  Fleet fleet({.seed = seed, .mix = "calm", .in_flight = 256, .has_proxies = false});
  Trial trial(fleet, "accept 5");
  // Become due while it is away.
  fill(fleet, 10000, fleet.sms_lanes[0], Priority::normal);
  {
    auto put_off =
        fleet.postgres.session("postgres")
            ->run("update due set due_at = now() + interval '35 seconds' + random() * interval '45 seconds'");
    if (!put_off) throw std::runtime_error(put_off.error().text);
  }
  const Tokens tokens = start_all(fleet);
  Nemesis nemesis(fleet, {.seed = seed});
  const WallTime start = fleet.clock.wall();
  Load load(fleet,
            {.direct_per_s = kRate,
             .api_per_s = 5,
             .cancels_per_s = 0,
             .resolves_per_s = 0,
             .requeues_per_s = 0,
             .is_even = true,
             .catches_up = false},
            tokens, seed);
  sleep_until(fleet, start, kStopAtS);
  nemesis.stop_postgres();
  const WallTime stopped = nemesis.outages().back().first;
  int64_t memory_kb = 0;
  int api_status = 0;
  for (int s = 1; s <= kAwayS; s++) {
    sleep_until(fleet, stopped, s);
    for (int d = 0; d < kDaemons; d++) memory_kb = std::max(memory_kb, fleet.memory_kb(d));
    if (s == 10) api_status = http_call("POST", fleet.admin_port(0), "/api/messages", "{}", tokens.reviewer).status;
  }
  nemesis.start_postgres();
  const WallTime back = nemesis.outages().back().second;
  double caught_up_s = -1;
  for (int i = 0; i < 4 * kCatchUpS + 40 && caught_up_s < 0; i++) {
    sleep_until(fleet, back, 0.25 * i);
    const int64_t behind = fleet.number(
        "select (select count(*) from due where due_at < now() - interval '5 seconds') + (select count(*) from "
        "attempt_start p where p.kind = 1 and p.permitted_at < now() - interval '5 seconds' and not exists (select "
        "from "
        "attempt_result r where r.message_id = p.message_id and r.attempt_no = p.attempt_no))");
    if (behind == 0) caught_up_s = static_cast<double>(fleet.clock.wall().us - back.us) / 1e6;
  }
  for (int s = 0; s < kAfterS; s++) {
    ::sleep(1);
    for (int d = 0; d < kDaemons; d++) memory_kb = std::max(memory_kb, fleet.memory_kb(d));
  }
  load.stop();
  trial.drain(120);
  const auto at = arrivals_us(fleet);
  const int64_t late_from = stopped.us + (fleet.settings.permit_start_ms + kToleranceMs) * 1000;
  const int64_t late = count_in(at, late_from, back.us);
  const int64_t doubted = fleet.number("select count(*) from attempt_result where outcome = 4");
  std::printf(
      "accept 5: %lld arrivals while PostgreSQL was away, beyond a permit's time; the API answered %d; resident "
      "memory at most %lld MB; caught up after %.1f s; %lld in doubt\n",
      static_cast<long long>(late), api_status, static_cast<long long>(memory_kb / 1024), caught_up_s,
      static_cast<long long>(doubted));
  if (late > 0) trial.fault("something was sent while PostgreSQL was away");
  if (api_status != 503) trial.fault("the API did not answer 503");
  if (memory_kb > kMemoryMaxKb) trial.fault("a daemon took more than 150 MB");
  if (caught_up_s < 0 || caught_up_s > kCatchUpS) trial.fault("it was not caught up within 30 s");
  if (doubted > 0) {
    const auto doubts =
        fleet.postgres.session("postgres")
            ->run(
                "select coalesce(string_agg(message_id || '.' || attempt_no || ' ' || reason || ' began ' || "
                "started_at || "
                "' ended ' || finished_at, ', '), '') from (select * from attempt_result where outcome = 4 limit 5) d");
    trial.fault("results that were in flight went into doubt; PostgreSQL was away from " + rfc3339_ms(stopped) +
                " to " + rfc3339_ms(back) + ": " + (doubts ? doubts->text(0, 0) : ""));
  }
  trial.judge_criticals(load, nemesis.outages(), kCriticalP99MaxMs);
  trial.conclude(load, tokens.admin);
  return trial.status();
}

// 6: a provider answers 503 for half a minute: what it would have sent goes by another, and comes back to it.
int provider_away(uint64_t seed) {
  constexpr int64_t kRate = 150;
  // It opens when half of the window's attempts failed: by the time that passed before, and as long again.
  constexpr int kAwayAtS = 4, kAwayS = 30, kOpensWithinS = 12, kAfterS = 28;
  constexpr int64_t kReturnsWithinS = 20;  // a probe each 15 s
  Fleet fleet({.seed = seed, .mix = "calm", .has_proxies = false, .has_failover = true});
  Trial trial(fleet, "accept 6");
  const std::string first = fleet.sms_lanes[0].provider, second = fleet.sms_lanes[1].provider;
  const Tokens tokens = start_all(fleet);
  const WallTime start = fleet.clock.wall();
  Load load(fleet,
            {.direct_per_s = kRate,
             .api_per_s = 0,
             .criticals_per_s = 0,
             .cancels_per_s = 0,
             .resolves_per_s = 0,
             .requeues_per_s = 0,
             .is_even = true},
            tokens, seed);
  sleep_until(fleet, start, kAwayAtS);
  fleet.set_mix("calm", {first});
  const WallTime away = fleet.clock.wall();
  sleep_until(fleet, away, kAwayS);
  fleet.set_mix("calm");
  const WallTime back = fleet.clock.wall();
  sleep_until(fleet, back, kAfterS);
  load.stop();
  trial.drain(60);

  const int64_t opened_us = fleet.number(
      "select coalesce((extract(epoch from min(permitted_at)) * 1000000)::bigint, 0) from attempt_start where "
      "route_reason = 'breaker:" +
      first + "' and provider = '" + second + "'");
  const int64_t by_breaker = fleet.number("select count(*) from attempt_start where route_reason = 'breaker:" + first +
                                          "' and provider = '" + second + "'");
  const double opened_s = opened_us == 0 ? -1 : static_cast<double>(opened_us - away.us) / 1e6;
  int64_t errors_before = 0, errors_after = 0, meanwhile = 0, last_elsewhere_us = 0, returned_us = 0;
  for (const auto& seen : fleet.seen()) {
    if (seen.provider == first && seen.verdict != "accepted") (seen.at.us < opened_us ? errors_before : errors_after)++;
    if (seen.provider == first && seen.verdict == "accepted" && seen.at.us > back.us)
      returned_us = returned_us == 0 ? seen.at.us : std::min(returned_us, seen.at.us);
    if (seen.provider == second) last_elsewhere_us = std::max(last_elsewhere_us, seen.at.us);
    if (seen.provider == second && seen.at.us >= away.us && seen.at.us < back.us) meanwhile++;
  }
  const double returned_s = returned_us == 0 ? -1 : static_cast<double>(returned_us - back.us) / 1e6;
  std::printf(
      "accept 6: %s away for %d s: opened after %.1f s and %lld errors, %lld more reached it (probes, and what was on "
      "its way); %lld went by %s, %lld of them for the reason breaker:%s; the first came back %.1f s after its return, "
      "the last other one %.1f s\n",
      first.c_str(), kAwayS, opened_s, static_cast<long long>(errors_before), static_cast<long long>(errors_after),
      static_cast<long long>(meanwhile), second.c_str(), static_cast<long long>(by_breaker), first.c_str(), returned_s,
      static_cast<double>(last_elsewhere_us - back.us) / 1e6);
  if (opened_s < 0 || opened_s > kOpensWithinS) trial.fault("the breaker did not open in its time");
  if (errors_before < 20) trial.fault("the breaker opened on fewer attempts than its least number");
  if (meanwhile < kRate * (kAwayS - kOpensWithinS)) trial.fault("the traffic did not go by the other provider");
  if (returned_s < 0 || returned_s > kReturnsWithinS) trial.fault("the traffic did not come back after the probe");
  if (last_elsewhere_us > back.us + kReturnsWithinS * kSecondUs) trial.fault("a part of the traffic did not come back");
  trial.conclude(load, tokens.admin);
  return trial.status();
}

}  // namespace

int run_accept(int number, uint64_t seed, int64_t bulk) {
  switch (number) {
    case 2: {
      const int empty = redis_dies(seed, false);
      return std::max(empty, redis_dies(seed, true));
    }
    case 3:
      return critical_beside_bulk(seed, bulk);
    case 4:
      return one_rate(seed);
    case 5:
      return postgres_away(seed);
    case 6:
      return provider_away(seed);
    default:
      throw std::runtime_error("accept runs are 2, 3, 4, 5 and 6");
  }
}

}  // namespace signet::chaos

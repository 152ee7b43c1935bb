#include "tests/chaos/trial.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <tuple>
#include <unordered_map>

#include "providers/provider.h"

namespace signet::chaos {
namespace {

// Attempts and receipts that something still has to happen to. Receipts of messages that nobody knows wait for ever.
constexpr char kUnsettledSql[] = R"sql(
select (select count(*) from due)
  + (select count(*) from attempt_start p where p.kind = 1 and not exists (select from attempt_result r
      where r.message_id = p.message_id and r.attempt_no = p.attempt_no))
  + (select count(*) from callback_due u join callback c on c.id = u.callback_id
      join message m on m.id = c.message_id))sql";
// Doubts that settle by themselves, by their provider's class or by configuration: what is sent again between the
// journal's reading and the database's looks as if nobody had taken it.
constexpr char kDoubtsSql[] = "select count(*) from message where status = 10 and kind = 1";

constexpr size_t kSlowestShown = 3;

std::string time_of_day(WallTime at) {
  return rfc3339_ms(at).substr(std::strlen("2026-11-22T"), std::strlen("00:41:26.000"));
}

}  // namespace

bool enter_private_network() {
  if (::unshare(CLONE_NEWNET) != 0) return false;
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool is_up = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  ::close(fd);
  return is_up;
}

Tokens start_all(Fleet& fleet) {
  for (int d = 0; d < kDaemons; d++) fleet.start(d);
  for (int d = 0; d < kDaemons; d++) fleet.wait_ready(d);
  return {fleet.token("reviewer"), fleet.token("admin")};
}

int64_t percentile(std::vector<int64_t>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto at = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::min(values.size(), std::max<size_t>(at, 1)) - 1];
}

void Trial::fault(const std::string& text) {
  std::printf("FAULT %s\n", text.c_str());
  std::fflush(stdout);
  faults_.push_back(text);
}

void Trial::drain(int seconds) {
  const WallTime start = fleet_.clock.wall();
  int64_t left = 0;
  do {
    if (const auto gone = fleet_.unexpected_end(); !gone.empty()) fault(gone);
    left = fleet_.number(kUnsettledSql);
    if (fleet_.settings.sms_in_doubt == "resend") left += fleet_.number(kDoubtsSql);
    if (left == 0) return;
    ::usleep(300'000);
  } while (fleet_.clock.wall().us < start.us + seconds * int64_t{1'000'000});
  fault("drain: after " + std::to_string(seconds) + " s still unsettled: " + std::to_string(left));
}

void Trial::conclude(const Load& load, const std::string& admin_token) {
  Evidence evidence;
  evidence.seen = fleet_.seen();
  evidence.rules = fleet_.rules();
  evidence.acknowledged = load.acknowledged();
  evidence.cancelled = load.cancelled();
  evidence.permit_start_ms = fleet_.settings.permit_start_ms;
  const auto session = fleet_.postgres.session("postgres");
  Judgement judgement = signet::judge(*session, evidence);
  for (const auto& found : judgement.faults) faults_.push_back(found.contract + " " + found.rule);
  std::printf("%s", judgement.text().c_str());
  try {
    fleet_.run({"verify"});
  } catch (const std::exception& fault_of) {
    fault(fault_of.what());
  }
  for (int d = 0; d < kDaemons; d++)
    for (const char* name : {"signet_lost_total", "signet_duplicate_total"})
      if (const double value = fleet_.metric(d, name, admin_token); value != 0)
        fault("daemon " + std::to_string(d + 1) + " says " + name + " = " + std::to_string(value));
  auto& c = judgement.counts;
  int64_t lost = 0, once = 0, resolved = 0;
  for (const auto& found : judgement.faults) {
    if (found.rule.starts_with("lost")) lost = found.count;
    if (found.rule.starts_with("twice_once")) once = found.count;
    if (found.rule.starts_with("twice_resolved")) resolved = found.count;
  }
  std::printf(
      "chaos: %s: %lld accepted, lost %lld, twice %lld (idempotent, queryable), %lld (blind, beyond the decisions), "
      "sent again %lld on %lld recorded resends, in doubt %lld, all visible: %s, %zu faults\n",
      name_.c_str(), static_cast<long long>(c["acknowledged"]), static_cast<long long>(lost),
      static_cast<long long>(once), static_cast<long long>(resolved), static_cast<long long>(c["sent_again"]),
      static_cast<long long>(c["resends"]), static_cast<long long>(c["in_doubt"]),
      std::none_of(judgement.faults.begin(), judgement.faults.end(),
                   [](const Finding& f) { return f.rule.starts_with("doubt"); })
          ? "yes"
          : "no",
      faults_.size());
  std::fflush(stdout);
}

void Trial::judge_criticals(const Load& load, const std::vector<std::pair<WallTime, WallTime>>& outages,
                            int64_t p99_max_ms) {
  std::unordered_map<Uuid, WallTime> first;
  for (const auto& seen : fleet_.seen())
    if (const auto echo = parse_echo(seen.echo)) first.emplace(echo->message_id, seen.at);
  std::vector<int64_t> after_ms, whole_ms;
  std::vector<std::tuple<int64_t, WallTime, Uuid>> slowest;
  size_t excluded = 0, unseen = 0;
  for (const auto& [id, times] : load.criticals()) {
    const bool is_out = std::any_of(outages.begin(), outages.end(), [&times = times](const auto& outage) {
      return times.approved_at >= outage.first && times.approved_at <= outage.second;
    });
    const auto at = first.find(id);
    if (is_out) {
      excluded++;
    } else if (at == first.end()) {
      unseen++;
    } else {
      after_ms.push_back(std::max<int64_t>(0, (at->second.us - times.approved_at.us) / 1000));
      slowest.emplace_back(-after_ms.back(), times.approved_at, id);
      whole_ms.push_back((at->second.us - times.asked_at.us) / 1000);
    }
  }
  const int64_t p99 = percentile(after_ms, 0.99);
  std::printf(
      "critical: %zu of %zu counted (%zu approved while PostgreSQL was away, %zu never seen), first byte after the "
      "approval: p50 %lld ms, p99 %lld ms, most %lld ms; after it was asked for: p50 %lld ms, p99 %lld ms\n",
      after_ms.size(), load.criticals().size(), excluded, unseen, static_cast<long long>(percentile(after_ms, 0.5)),
      static_cast<long long>(p99), static_cast<long long>(percentile(after_ms, 1)),
      static_cast<long long>(percentile(whole_ms, 0.5)), static_cast<long long>(percentile(whole_ms, 0.99)));
  std::sort(slowest.begin(), slowest.end());
  if (slowest.size() > kSlowestShown) slowest.resize(kSlowestShown);
  const auto session = fleet_.postgres.session("postgres");
  for (const auto& [ms, approved_at, id] : slowest) {
    const auto permits = session->run(
        "select coalesce(string_agg((permitted_at at time zone 'utc')::time(3)::text, ' and '), 'never') from "
        "attempt_start where message_id = $1::uuid",
        {id.text()});
    std::printf("critical: %lld ms: approved %s, permitted %s, read %s\n", static_cast<long long>(-ms),
                time_of_day(approved_at).c_str(), permits ? permits->text(0, 0).c_str() : "unknown",
                time_of_day(first.at(id)).c_str());
  }
  if (after_ms.empty()) fault("no critical message was counted");
  if (p99 > p99_max_ms) fault("critical: p99 " + std::to_string(p99) + " ms, allowed " + std::to_string(p99_max_ms));
}

}  // namespace signet::chaos

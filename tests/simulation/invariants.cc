#include "tests/simulation/invariants.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "message/lifecycle.h"
#include "tests/simulation/people.h"

namespace signet::test {
namespace {

class EndCheck {
 public:
  EndCheck(const MemoryStore::Message& m, Judge& judge, const Knobs& knobs)
      : m_(m), id_(m.row.id), seen_(judge.of(m.row.id)), judge_(judge), knobs_(knobs) {}

  void run() {
    ends();
    has_effects_by_class();
    is_proven_by_evidence();
    has_gapless_attempts();
    has_its_chain();
  }

 private:
  void fail(const char* invariant, const std::string& text) { judge_.fail(invariant, id_, text); }

  void ends() {
    const Status status = m_.row.status;
    const bool has_ended = is_final(status) || status == Status::in_doubt || status == Status::sent;
    if (!has_ended) fail("I1", "it stands at " + std::string(name(status)));
    if (status == Status::in_doubt && knobs_.doubt_policy != 0) fail("I1", "its doubt was not settled");
    if (m_.due) fail("I8", "attempt " + std::to_string(m_.due->attempt_no) + " is still due");
  }

  // A provider that can be asked, or knows its keys, has it once; another one once, and again for each decision.
  void has_effects_by_class() {
    int effects = 0, leave = 1;
    for (const auto& [provider, count] : seen_.effects) effects += count;
    for (const auto& decided : m_.decisions)
      if (decided.decision == "requeue" || (decided.decision == "resend" && takes_risk(decided))) leave++;
    if (effects > leave)
      fail("I5", "it took effect " + std::to_string(effects) + " times, with leave for " + std::to_string(leave));
  }
  // A person's decision, or one of the policy: at a blind provider, or where the key may be forgotten.
  bool takes_risk(const MemoryStore::Decided& decided) const {
    if (decided.actor == kPerson) return true;
    auto start = m_.starts.upper_bound(decided.attempt_no);
    do {
      if (start == m_.starts.begin()) return true;
      --start;
    } while (start->second.is_void);
    const std::string& provider = start->second.provider;
    for (const auto& traits : knobs_.providers) {
      if (traits.name != provider) continue;
      if (traits.doubt_class != DoubtClass::idempotent) return traits.doubt_class == DoubtClass::blind;
      WallTime first = start->second.permitted_at;
      for (const auto& [n, result] : m_.results) {
        if (!m_.starts.contains(n)) return false;  // a store that forgets permits: no leave for anything
        if (result.outcome.kind == OutcomeKind::in_doubt && m_.starts.at(n).provider == provider)
          first = std::min(first, m_.starts.at(n).permitted_at);
      }
      return decided.at.us - first.us >= (traits.key_life_ms - kOverdueMs) * 1000;
    }
    return true;
  }

  void is_proven_by_evidence() {
    int effects = 0;
    for (const auto& [provider, count] : seen_.effects) effects += count;
    const Status status = m_.row.status;
    if ((status == Status::sent || status == Status::delivered) && m_.row.is_proven && effects == 0)
      fail("I6", "it is told as " + std::string(name(status)) + ", and no provider has it");
    if (status == Status::delivered && m_.row.is_proven && !seen_.is_delivered)
      fail("I6", "it is told as delivered, and no receipt says so");
    if (status == Status::failed && m_.row.is_proven && seen_.refused.empty() && !seen_.is_undelivered)
      fail("I6", "it is told as failed by the provider's word, and there is none");
  }

  void has_gapless_attempts() {
    int expected = 1;
    for (const auto& [n, start] : m_.starts) {
      if (n != expected++) fail("I7", "attempt " + std::to_string(n) + " follows a gap");
      if (start.is_void == m_.results.contains(n))
        fail("I7", "attempt " + std::to_string(n) + (start.is_void ? " is void and has a result" : " has no result"));
    }
    for (const auto& [n, result] : m_.results)
      if (!m_.starts.contains(n)) fail("I2", "attempt " + std::to_string(n) + " has a result and no permit");
  }

  void has_its_chain() {
    if (m_.row.head.n != 2 + static_cast<int64_t>(m_.entries.size())) fail("I7", "its chain lacks an entry");
    if (m_.entries.empty()) return;
    if (m_.entries.back().leaf != m_.row.head.leaf) fail("I7", "its head is not its last entry");
    for (size_t i = 1; i < m_.entries.size(); i++)
      if (m_.entries[i].canon.find(to_hex(view(m_.entries[i - 1].leaf))) == std::string::npos)
        fail("I7", "an entry does not name the one before");
  }

  const MemoryStore::Message& m_;
  const Uuid id_;
  const Judge::Seen& seen_;
  Judge& judge_;
  const Knobs& knobs_;
};

// In any second no more than rate, burst, and a chunk of each daemon's.
void check_rate(Judge& judge, const Knobs& knobs) {
  if (knobs.rate_per_s <= 0) return;
  const double chunk = std::max(1.0, std::ceil(knobs.rate_per_s * 0.05));
  const auto most = static_cast<size_t>(knobs.rate_per_s + knobs.burst + chunk * knobs.daemons);
  for (const auto& [provider, times] : judge.times())
    for (size_t i = most; i < times.size(); i++)
      if (times[i] - times[i - most] < 1'000'000)
        return judge.fail("I11", Uuid{}, std::to_string(most + 1) + " requests within a second at " + provider);
}

}  // namespace

void check_end(const MemoryStore& store, Judge& judge, const Knobs& knobs, const std::vector<Uuid>& accepted,
               bool has_settled) {
  if (!has_settled) judge.fail("I8", Uuid{}, "not everything has ended in time");
  for (const auto& id : accepted) {
    const auto found = store.messages.find(id);
    if (found == store.messages.end())
      judge.fail("I1", id, "it was accepted, and is gone");
    else
      EndCheck(found->second, judge, knobs).run();
  }
  check_rate(judge, knobs);
}

}  // namespace signet::test

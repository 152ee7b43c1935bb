// Providers of a simulated world: what reaches one has its effect, whatever becomes of the reply. The judge sees every
// request at its first byte and holds it against the store (design: engine, "What must always hold").
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "providers/provider.h"
#include "providers/transport.h"
#include "store/memory_store.h"
#include "tests/fakes/random.h"
#include "tests/simulation/sim_time.h"
#include "tests/simulation/trace.h"

namespace signet::test {

struct Fault {  // of an invariant
  std::string invariant, text;
};

// What a provider was asked, and what it did.
class Judge {
 public:
  struct Seen {
    std::set<int> attempts;                             // that were sent
    std::map<std::string, int> effects;                 // of a provider
    std::map<int, bool> refused;                        // attempts that the provider refused
    bool is_delivered = false, is_undelivered = false;  // by a receipt
  };

  Judge(const SimTime& time, const MemoryStore& store, Trace& trace, int64_t permit_start_ms)
      : time_(time), store_(store), trace_(trace), permit_start_ms_(permit_start_ms) {}

  // The first byte leaves. Where an invariant is broken the fault is kept.
  void request(const Outbound& message, const std::string& provider);
  void effect(const Uuid& id, const std::string& provider);
  void fail(const std::string& invariant, const Uuid& id, const std::string& text);
  Seen& of(const Uuid& id) { return seen_[id]; }
  const std::vector<Fault>& faults() const { return faults_; }
  int index_of(const Uuid& id);  // a short name, for traces
  int64_t requests() const { return requests_; }
  const std::map<std::string, std::vector<int64_t>>& times() const { return times_; }  // of each provider's requests

 private:
  const SimTime& time_;
  const MemoryStore& store_;
  Trace& trace_;
  const int64_t permit_start_ms_;
  std::map<Uuid, Seen> seen_;
  std::map<Uuid, int> index_;
  std::vector<Fault> faults_;
  std::map<std::string, std::vector<int64_t>> times_;
  int64_t requests_ = 0;
};

struct SimReceipt {
  std::string provider, event_id;
  Uuid message_id;
  int attempt_no = 0;
  ReceiptKind kind = ReceiptKind::delivered;
};

struct Manners {  // how a provider behaves: chances in 100, the rest is an ordinary acceptance
  int throttle = 0, fail = 0, refuse = 0, connect = 0, reset_taken = 0, reset_lost = 0, hang_taken = 0, hang_lost = 0,
      garbage_taken = 0, garbage_lost = 0, slow_connect = 0;
  int64_t reply_us_max = 50'000;
};

class SimProvider : public Provider {
 public:
  struct Traits {
    std::string name;
    DoubtClass doubt_class = DoubtClass::blind;
    bool has_echo = true, has_receipts = true;
    int64_t key_life_ms = 3'600'000;
  };
  struct Reply {
    Outcome outcome;
    int64_t after_us = 0;  // from the first byte; past the time-out it does not matter
  };
  SimProvider(SimTime& time, Judge& judge, SeededRandom& chance, Traits traits, std::function<void(SimReceipt)> tell)
      : time_(time), judge_(judge), chance_(chance), traits_(std::move(traits)), tell_(std::move(tell)) {}

  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind) const override { return true; }
  bool has_echo() const override { return traits_.has_echo; }
  bool has_receipts() const override { return traits_.has_receipts; }
  bool has_key() const override { return traits_.doubt_class == DoubtClass::idempotent; }
  int64_t key_life_ms() const override { return traits_.key_life_ms; }
  bool has_look_up() const override { return traits_.doubt_class == DoubtClass::queryable; }
  HttpRequest build_look_up(const Sent& sent) const override;
  LookUp parse_look_up(const HttpReply& reply) const override;

  int64_t connect_us();                               // until the first byte; negative: it cannot be reached
  Reply take(const Outbound& message);                // the first byte leaves now
  HttpReply known_of(const std::string& echo) const;  // to a look-up
  const Traits& traits() const { return traits_; }
  const std::string& name() const { return traits_.name; }

  Manners manners;
  bool forgets_keys = false, denies = false;  // planted: an idempotent provider that is not; look-ups that lie

 private:
  bool is_chosen(int& draw, int chance) const;
  bool knows(const Outbound& message) const;  // it acted on this key already
  void act(const Outbound& message, int64_t after_us);
  void plan_receipts(const Outbound& message, int64_t after_us);

  SimTime& time_;
  Judge& judge_;
  SeededRandom& chance_;
  const Traits traits_;
  const std::function<void(SimReceipt)> tell_;
  std::map<std::string, int64_t> keys_;  // first use of an idempotency key
  std::set<std::string> taken_;          // echoes of what it has
  int64_t receipts_ = 0;
};

class SimTransport : public Transport {
 public:
  SimTransport(SimTime& time, Loop& loop, const Clock& clock, SimProvider& provider, Judge& judge, int in_flight_max,
               int64_t request_timeout_ms)
      : time_(time),
        loop_(loop),
        clock_(clock),
        provider_(provider),
        judge_(judge),
        in_flight_max_(in_flight_max),
        request_timeout_ms_(request_timeout_ms) {}
  bool has_room() const override { return in_flight_ < in_flight_max_; }
  void send(const Outbound& message, Tick deadline, Done done) override;

  bool ignores_deadline = false, has_key_of_attempt = false;  // planted

 private:
  void end(int64_t after_us, Outcome outcome, std::shared_ptr<Done> done);
  // On the loop, so that a daemon that is stopped does nothing meanwhile.
  void later(int64_t us, std::function<void()> action);

  SimTime& time_;
  Loop& loop_;
  const Clock& clock_;
  SimProvider& provider_;
  Judge& judge_;
  const int in_flight_max_;
  const int64_t request_timeout_ms_;
  int in_flight_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace signet::test

// Messages that a back end approved in its own screens and sealed to the daemon (design: product, "Ways in"): opened,
// verified, committed. Whatever cannot be one is refused by a reason in one word (docs/intake.md) and an event, never
// with anything of its content.
#pragma once

#include <mutex>
#include <string>

#include "daemon/api/router.h"
#include "daemon/intake/jwe.h"
#include "daemon/metrics.h"

namespace signet {

constexpr size_t kEnvelopeOctetsMax = 1 << 20;

struct IntakeEntry {
  std::string id;        // of the stream, "1700000000000-0"
  std::string envelope;  // as it came
  std::string sha256;    // of it, hexadecimal; empty: it was not read
  std::string refused;   // why the reader did not bring it; empty: it did
};

// Later: nothing is decided, for want of the database or of what waits_for() names.
enum class Taken { accepted, repeated, refused, later };
struct IntakeVerdict {
  Taken taken = Taken::later;
  std::string reason = {};  // of a refusal
};

class Intake {
 public:
  // All outlives it. `service`: the name of the service account in whose name messages are handed over.
  Intake(const api::ApiServices& services, const IntakeKey& key, std::string service, Metrics& metrics)
      : services_(services), key_(key), service_(std::move(service)), metrics_(metrics) {}

  // One transaction, blocking, any thread. What it accepts or refuses is committed when this returns; the same entry
  // again is `repeated`, or refused again.
  IntakeVerdict take(const IntakeEntry& entry);
  std::string waits_for() const;  // what a person has to do before entries are taken; empty: nothing

 private:
  IntakeVerdict decide(const IntakeEntry& entry);
  IntakeVerdict hand_over(api::Context& context);
  IntakeVerdict record_refusal(const IntakeEntry& entry, const std::string& reason);
  void wait_for(const std::string& what);

  const api::ApiServices& services_;
  const IntakeKey& key_;
  const std::string service_;
  Metrics& metrics_;
  mutable std::mutex lock_;
  std::string waits_for_;
};

}  // namespace signet

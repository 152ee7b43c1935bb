// What becomes of a message in doubt: by the class of the provider that may have it, else by the policy for its kind
// (design: engine, "In doubt"). Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/ids.h"
#include "providers/provider.h"
#include "store/engine_store.h"

namespace signet {

enum class DoubtPolicy { resend, fail, wait };  // wait: for a person

struct DoubtCase {
  DoubtClass provider_class = DoubtClass::blind;
  bool is_key_alive = false;   // a repeat would reach the provider while it remembers the key
  std::optional<Found> found;  // what a look-up said
  DoubtPolicy policy = DoubtPolicy::wait;
  bool may_send = true;  // not cancelled, not expired, attempts left, a route
};

enum class DoubtStep {
  repeat,   // the same key at the same provider
  look_up,  // asked, or asked again: later
  settled,  // the look-up is kept as a callback, which settles it
  resend,   // the provider certainly has nothing, or the policy takes the risk
  fail,
  wait,  // a person decides
};
DoubtStep step_of(const DoubtCase& doubt);

// The due row of a message's next attempt: its lane, and the window in which it may be sent. None: no route.
using PlanDue = std::function<std::optional<DueRow>(const MessageRow&, int attempt_no, WallTime earliest)>;

struct DoubtSettings {
  std::string instance;
  int attempts_max = 8;      // a message in doubt is resent no more often than others are tried
  int64_t lasts_ms = 40000;  // from a permit until its request has certainly reached the provider or not
};

// What `step` does to a message. None: nothing, or the doubt is settled already.
class Doubts {
 public:
  Doubts(DoubtSettings settings, PlanDue plan, IdSource& ids)
      : settings_(std::move(settings)), plan_(std::move(plan)), ids_(ids) {}

  struct Decided {
    DoubtStep step = DoubtStep::settled;
    std::optional<MessageChange> change;
  };
  Decided decide(const MessageView& view, const Doubt& doubt, const DoubtRules& rules, DoubtPolicy policy,
                 std::optional<Found> found) const;

 private:
  const DoubtSettings settings_;
  const PlanDue plan_;
  IdSource& ids_;
};

}  // namespace signet

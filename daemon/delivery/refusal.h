// What a refused permit asks for: nothing, another question, or that the message is ended or moved. Pure; everything
// that can never be sent ends here, with its reason, so that nothing is asked for for ever.
#pragma once

#include <functional>
#include <string>

#include "daemon/delivery/due_plan.h"
#include "store/journal.h"

namespace signet {

struct PermitRefusal {
  enum class Step {
    drop,   // somebody else's by now, or nothing to do: what is due is offered again
    wait,   // the hint goes back until `again_at`
    ask,    // admission anew, by what the permit says
    end,    // as `status`, for `reason`
    move,   // to `lane`, due at `again_at`, until `send_until`
    prove,  // it may be this loop's own, of a COMMIT that was lost
  } step = Step::drop;
  Status status = Status::failed;
  std::string reason;
  bool is_alarm = false;  // a person has to look at it
  std::string lane;
  WallTime again_at;  // by the database's clock
  std::optional<WallTime> send_until;
};

struct RefusalView {
  const Routes& routes;
  const DuePlan& plan;
  std::function<bool(const std::string&)> has_provider;  // the configuration does
};

// `is_look`: nobody means to send it now. `was_unknown`: a COMMIT that may have granted it was lost. `now`: by the
// database's clock.
PermitRefusal refusal_of(const Permit& permit, bool is_look, bool was_unknown, const RefusalView& view, WallTime now);

}  // namespace signet

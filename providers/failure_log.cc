#include "providers/failure_log.h"

#include <utility>

namespace signet {

void FailureLog::tell(const Outcome& outcome, const std::string& detail) {
  if (outcome.kind == OutcomeKind::accepted) return answered();
  const bool is_own = outcome.scope == FaultScope::message || outcome.scope == FaultScope::recipient ||
                      outcome.scope == FaultScope::sender;
  if (is_own || std::exchange(last_reason_, outcome.reason) == outcome.reason) return;
  log_.warn("sending fails",
            {{"provider", provider_}, {"reason", outcome.reason}, {"code", outcome.provider_code}, {"detail", detail}});
}

}  // namespace signet

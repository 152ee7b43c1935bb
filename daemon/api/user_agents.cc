#include "daemon/api/user_agents.h"

#include "base/crypto.h"
#include "message/envelope.h"
#include "store/audit_entries.h"
#include "store/day_key.h"

namespace signet::api {
namespace {

constexpr size_t kKnownMax = 4096;

}  // namespace

void UserAgents::write(Context& context) {
  const auto agent = context.request.header("user-agent");
  if (!agent) return;
  const Digest digest = sha256(*agent);
  {
    std::lock_guard guard(lock_);
    if (known_.count(std::string(view(digest))) > 0) return;
  }
  if (context.must(has_user_agent(context.tx(), digest))) return;
  const auto& keyring = context.services.keyring;
  const DayKey day = context.must(day_key(context.tx(), keyring, context.services.clock.wall()));
  // The digest is the row's name; its first 16 octets serve as the row in the binding.
  const auto binding = seal_binding("audit.user_agent", Uuid::from_view(view(digest).substr(0, 16)), 0, "sealed");
  context.must(insert_user_agent(context.tx(), digest, day.day, keyring.seal_with(day.key, binding, *agent)));
}

void UserAgents::remember(const http::Request& request) {
  const auto agent = request.header("user-agent");
  if (!agent) return;
  std::lock_guard guard(lock_);
  if (known_.size() >= kKnownMax) known_.clear();
  known_.emplace(view(sha256(*agent)));
}

}  // namespace signet::api

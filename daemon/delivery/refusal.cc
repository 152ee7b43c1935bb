#include "daemon/delivery/refusal.h"

#include "message/route.h"

namespace signet {
namespace {

constexpr int64_t kPausedMs = 1000;  // before it is asked again whether somebody resumed

PermitRefusal end(Status status, std::string reason) {
  PermitRefusal out;
  out.step = PermitRefusal::Step::end;
  out.status = status;
  out.reason = std::move(reason);
  return out;
}

PermitRefusal alarm(std::string reason) {
  PermitRefusal out = end(Status::failed, std::move(reason));
  out.is_alarm = true;
  return out;
}

PermitRefusal wait(WallTime until) {
  PermitRefusal out;
  out.step = PermitRefusal::Step::wait;
  out.again_at = until;
  return out;
}

PermitRefusal ask_unless(bool is_look) {
  PermitRefusal out;
  out.step = is_look ? PermitRefusal::Step::drop : PermitRefusal::Step::ask;
  return out;
}

PermitRefusal move(std::string lane, WallTime due_at, std::optional<WallTime> send_until) {
  PermitRefusal out;
  out.step = PermitRefusal::Step::move;
  out.lane = std::move(lane);
  out.again_at = due_at;
  out.send_until = send_until;
  return out;
}

// The configuration has changed since the due row was written.
PermitRefusal other_lane(const Permit& permit, bool is_look, const RefusalView& view, WallTime now) {
  if (view.routes.route(permit.lane)) return ask_unless(is_look);
  DueFacts facts;
  facts.id = permit.id;
  facts.kind = permit.kind;
  facts.priority = permit.priority;
  facts.destination = permit.destination;
  facts.time_zone = permit.time_zone;
  facts.tags = permit.tags;
  facts.is_urgent = permit.is_urgent;
  facts.expires_at = permit.expires_at;
  const auto row = view.plan.row(facts, permit.attempt_no, now);
  return row ? move(row->lane, row->due_at, row->send_until) : alarm("no_route");
}

}  // namespace

PermitRefusal refusal_of(const Permit& permit, bool is_look, bool was_unknown, const RefusalView& view, WallTime now) {
  switch (permit.verdict) {
    case PermitVerdict::cancel_requested:
      return end(Status::cancelled, "cancelled");
    case PermitVerdict::expired:
      return end(Status::failed, "expired");
    case PermitVerdict::suppressed:
      return end(Status::suppressed, "opted_out");
    case PermitVerdict::not_yet:
      return is_look ? PermitRefusal{} : wait(permit.due_at);
    case PermitVerdict::window_closed: {
      // Of a repeat with a key it is the key's life, after which it could arrive twice: the relay takes it back.
      if (!permit.pinned_provider.empty()) return {};
      const auto window = view.plan.window(permit.priority, permit.is_urgent, permit.time_zone, now, permit.expires_at);
      return move(permit.lane, window.due_at, window.send_until);
    }
    case PermitVerdict::other_lane:
    case PermitVerdict::looked:
    case PermitVerdict::other_provider:
      if (!permit.pinned_provider.empty() && !view.has_provider(permit.pinned_provider)) return alarm("provider_gone");
      return other_lane(permit, is_look, view, now);
    case PermitVerdict::avoided_provider:
      return ask_unless(is_look);
    case PermitVerdict::paused:
      return wait({now.us + kPausedMs * 1000});
    case PermitVerdict::out_of_order:
      return alarm("out_of_order");
    case PermitVerdict::taken:
      if (was_unknown) {
        PermitRefusal out;
        out.step = PermitRefusal::Step::prove;
        return out;
      }
      return {};
    case PermitVerdict::granted:
    case PermitVerdict::nothing_due:
    case PermitVerdict::not_queued:
      break;
  }
  return {};
}

}  // namespace signet

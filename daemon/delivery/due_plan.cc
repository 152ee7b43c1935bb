#include "daemon/delivery/due_plan.h"

#include <utility>

namespace signet {
namespace {

constexpr size_t kSenderOctets = 12;  // the random end of an author's id: enough to be fair by, in every hint

}  // namespace

DueFacts due_facts(const MessageRow& message) {
  return {message.id,   message.kind,      message.priority,  message.destination, message.time_zone,
          message.tags, message.author_id, message.is_urgent, message.expires_at};
}

std::optional<DueRow> DuePlan::row(const DueFacts& facts, int attempt_no, WallTime earliest) const {
  auto lane = routes_.lane(facts.kind, facts.destination, facts.tags);
  if (!lane) return std::nullopt;
  const Window when = window(facts.priority, facts.is_urgent, facts.time_zone, earliest, facts.expires_at);
  DueRow out;
  out.message_id = facts.id;
  out.attempt_no = attempt_no;
  out.priority = facts.priority;
  out.lane = std::move(*lane);
  const std::string author = facts.author_id.text();
  out.sender = author.substr(author.size() - kSenderOctets);
  out.due_at = when.due_at;
  out.send_until = when.send_until;
  return out;
}

}  // namespace signet

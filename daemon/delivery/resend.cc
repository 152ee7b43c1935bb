#include "daemon/delivery/resend.h"

#include "daemon/evidence/entry_of.h"
#include "message/lifecycle.h"

namespace signet {
namespace {

constexpr char kByPerson[] = "operator";  // the decision's reason: a code, since its table takes no text of a person's

Result<ResendBar> bar_of(PgTransaction& tx, const MessageRow& message, WallTime now) {
  if (message.expires_at && *message.expires_at <= now) return ResendBar::expired;
  auto content = read_content(tx, message.id);
  if (!content) return content.error();
  if (!content->has_value()) return ResendBar::erased;
  if (message.recipient_key.empty()) return ResendBar::none;
  auto suppressed = is_suppressed(tx, message.recipient_key);
  if (!suppressed) return suppressed.error();
  return *suppressed ? ResendBar::suppressed : ResendBar::none;
}

}  // namespace

std::string_view name(ResendBar bar) {
  switch (bar) {
    case ResendBar::expired:
      return "EXPIRED";
    case ResendBar::suppressed:
      return "RECIPIENT_SUPPRESSED";
    case ResendBar::erased:
      return "ERASED";
    case ResendBar::no_route:
      return "NO_ROUTE";
    case ResendBar::none:
      break;
  }
  return "";
}

Result<Resent> send_again(PgTransaction& tx, const Routes& routes, const MessageRow& message, ResendKind kind,
                          Event event, const Uuid& decision_id) {
  const auto status = after(message.status, Step::resend);
  if (!status) return Error{ErrorCode::conflict, "the message is " + std::string(name(message.status))};
  auto bar = bar_of(tx, message, event.at);
  if (!bar) return bar.error();
  const auto lane = routes.lane(message.kind, message.destination, message.tags);
  if (*bar == ResendBar::none && !lane) *bar = ResendBar::no_route;
  if (*bar != ResendBar::none) return Resent{*bar, 0, {}};
  auto newest = newest_attempt_no(tx, message.id);
  if (!newest) return newest.error();
  const bool is_requeue = kind == ResendKind::requeue;
  auto done = insert_decision(tx, decision_id, message.id, *newest, is_requeue ? "requeue" : "resend", event.actor.id,
                              kByPerson, event.at);
  if (!done) return done.error();
  DueRow due;
  due.message_id = message.id;
  due.attempt_no = *newest + 1;
  due.priority = message.priority;
  due.lane = *lane;
  due.sender = message.author_id.text().substr(24);
  due.due_at = event.at;
  due.send_until = message.expires_at;

  event.object = {"message", message.id.text(), message.head.n + 1, message.head.leaf};
  event.status = name(*status);
  event.detail.emplace_back("attempt", int64_t{*newest});
  if (is_requeue) {
    event.detail.emplace_back("attemptNo", int64_t{due.attempt_no});
    event.detail.emplace_back("lane", due.lane);
    event.detail.emplace_back("version", int64_t{message.version});
  }
  StatusChange change;
  change.id = message.id;
  change.status = *status;
  change.before = message.head;
  change.entry = entry_of(event, message.id);
  change.is_requeue = is_requeue;
  done = change_status(tx, change);
  if (done) done = insert_due(tx, due);
  if (!done) return done.error();
  return Resent{ResendBar::none, due.attempt_no, {message.id, due.priority, due.lane, due.sender, due.due_at}};
}

}  // namespace signet

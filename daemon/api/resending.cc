#include "daemon/api/resending.h"

#include "store/suppressions.h"

namespace signet::api {
namespace {

[[noreturn]] void refuse(Context& context, std::string reason, std::string title, std::string detail) {
  context.refuse({.code = Code::status_conflict,
                  .title = std::move(title),
                  .detail = std::move(detail),
                  .reason = std::move(reason)});
}

}  // namespace

DueRow send_again(Context& context, const MessageRow& message, ResendKind kind, Event event) {
  const auto& services = context.services;
  if (!context.must(read_content(context.tx(), message.id)))
    refuse(context, "ERASED", "The message's content is erased", "There is nothing left to send.");
  if (message.expires_at && *message.expires_at <= services.clock.wall())
    refuse(context, "EXPIRED", "The message has expired", "It would come too late: have its author write a new one.");
  if (!message.recipient_key.empty() && context.must(is_suppressed(context.tx(), message.recipient_key)))
    refuse(context, "RECIPIENT_SUPPRESSED", "The recipient is suppressed",
           "Nothing is sent while the suppression stands.");
  std::optional<DueRow> due;
  const auto changed = context.must(change_messages(context.tx(), {message.id}, [&](const MessageView& view) {
    auto change = signet::send_again(view, *services.due_plan, kind, event, services.ids.next());
    if (change) due = change->due;
    return change;
  }));
  if (!due)
    refuse(context, "NO_ROUTE", "No route leads to the recipient",
           "Add one to `routes` of the configuration, or have its author write another message.");
  if (changed.front() != Changed::done) context.refuse({.code = Code::changed_meanwhile});
  return *due;
}

}  // namespace signet::api

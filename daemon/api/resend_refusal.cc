#include "daemon/api/resend_refusal.h"

namespace signet::api {
namespace {

struct Words {
  ResendBar bar;
  const char *title, *detail;
};
constexpr Words kWords[] = {
    {ResendBar::expired, "The message has expired", "It would come too late: have its author write a new one."},
    {ResendBar::suppressed, "The recipient has opted out", "Nothing is sent while the suppression stands."},
    {ResendBar::erased, "The message's content is erased", "There is nothing left to send."},
    {ResendBar::no_route, "No route leads to the recipient",
     "Add one to `routes` of the configuration, or have its author write another message."},
};

}  // namespace

void refuse_resend(const Context& context, ResendBar bar) {
  for (const auto& words : kWords)
    if (words.bar == bar)
      context.refuse({.code = Code::status_conflict,
                      .title = words.title,
                      .detail = words.detail,
                      .reason = std::string(name(bar))});
  context.refuse({.code = Code::internal});
}

}  // namespace signet::api

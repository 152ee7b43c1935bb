// What the sandbox does by the last four digits of the recipient: of the number, or of the local part of the address
// ("anna0003@example.org"). This table is the documentation: the page shows it.
#pragma once

#include <string_view>

namespace signet::sandbox {

enum class Behaviour {
  deliver,
  fail_at_once,
  fail_later,
  throttle,
  hang,
  reset,
  late,
  twice,
  out_of_order,
  fail_first,
  opted_out,
  silent,
};

struct Ending {
  std::string_view digits;
  Behaviour behaviour;
  std::string_view sms;
  std::string_view email;
};

// "First time" is per recipient, as long as the sandbox runs.
inline constexpr Ending kEndings[] = {
    {"0001", Behaviour::fail_at_once, "400, code 21211: not a valid number", "550 5.1.1 at RCPT: no such mailbox"},
    {"0002", Behaviour::fail_later, "accepted; called back sent, then undelivered with ErrorCode 30005", "taken"},
    {"0003", Behaviour::throttle, "429, code 20429, Retry-After: 1 the first two times; then accepted",
     "451 4.7.1 at RCPT (greylisted) the first time; then taken"},
    {"0004", Behaviour::hang, "never answered, not accepted", "no answer after the final dot, not taken"},
    {"0005", Behaviour::reset,
     "accepted, but the connection is reset instead of an answer; called back delivered, late",
     "taken, but the connection is closed instead of an answer to the final dot"},
    {"0006", Behaviour::late, "accepted; called back late", "taken"},
    {"0007", Behaviour::twice, "accepted; each status called back twice", "taken"},
    {"0008", Behaviour::out_of_order, "accepted; called back delivered, then sent", "taken"},
    {"0009", Behaviour::fail_first, "500, code 20500 the first time; then accepted",
     "421 4.3.2 at RCPT and the connection closed the first time; then taken"},
    {"0010", Behaviour::opted_out, "400, code 21610: unsubscribed", "taken"},
    {"0011", Behaviour::silent, "accepted; never called back", "taken"},
};
inline constexpr std::string_view kOtherwise =
    "Any other: an SMS is accepted and called back sent, then delivered; "
    "an e-mail is taken.";

Behaviour behaviour_of(std::string_view recipient);  // an E.164 number or an address; deliver if no row matches

}  // namespace signet::sandbox

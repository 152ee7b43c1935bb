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
  write_stop,
};

struct Ending {
  std::string_view digits;
  Behaviour behaviour;
  std::string_view sms;
  std::string_view email;
};

// "First time" is per provider and recipient, as long as the sandbox runs. What is refused is so in the provider's own
// words; those of Twilio, of an SMSC and of SMTP are given.
inline constexpr Ending kEndings[] = {
    {"0001", Behaviour::fail_at_once, "refused, no valid number: 400 with code 21211; by SMPP 0x0b",
     "refused, no valid address; by SMTP 550 5.1.1 at RCPT"},
    {"0002", Behaviour::fail_later, "accepted; called back sent, then undelivered (ErrorCode 30005)",
     "accepted; called back sent, then bounced; by SMTP a delivery status notification says so"},
    {"0003", Behaviour::throttle, "429, code 20429, Retry-After: 1 the first two times (by SMPP 0x58); then accepted",
     "429 the first two times; by SMTP 451 4.7.1 at RCPT (greylisted) the first time; then accepted"},
    {"0004", Behaviour::hang, "never answered, not accepted", "never answered, not accepted"},
    {"0005", Behaviour::reset,
     "accepted, but the connection is reset instead of an answer; called back delivered, late",
     "the same; by SMTP instead of an answer to the final dot"},
    {"0006", Behaviour::late, "accepted; called back late", "the same"},
    {"0007", Behaviour::twice, "accepted; each status called back twice", "the same"},
    {"0008", Behaviour::out_of_order, "accepted; called back delivered, then sent", "the same; by SMTP delivered only"},
    {"0009", Behaviour::fail_first, "500, code 20500 the first time (by SMPP 0x08); then accepted",
     "5xx the first time; by SMTP 421 4.3.2 at RCPT and the connection closed; then accepted"},
    {"0010", Behaviour::opted_out, "refused as opted out (400, code 21610; by SMPP 0x66), or called back so",
     "refused as opted out, or called back so; by SMTP delivered, then complained of"},
    {"0011", Behaviour::silent, "accepted; never called back", "the same"},
    {"0012", Behaviour::write_stop,
     "accepted; called back sent, then delivered; then STOP comes from the number, as people write back",
     "as any other"},
};
inline constexpr std::string_view kStop = "STOP";
inline constexpr std::string_view kOtherwise =
    "Any other: accepted, and called back sent, then delivered; by SMTP, a delivery status notification says "
    "delivered.";

Behaviour behaviour_of(std::string_view recipient);  // an E.164 number or an address; deliver if no row matches

}  // namespace signet::sandbox

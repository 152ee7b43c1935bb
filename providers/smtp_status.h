// What an enhanced status code (RFC 3463) comes to, in a relay's reply and in a report alike. Pure.
#pragma once

#include <string_view>

#include "message/outcome.h"

namespace signet {

struct SmtpStatus {
  const char* code;    // without its class: "1.1" is 5.1.1 and 4.1.1; "7." is all of 7
  const char* reason;  // of docs/states.md
  FaultScope scope;
  bool is_dead = false;  // in class 5: no mail will ever reach this recipient
};
const SmtpStatus* find_smtp_status(std::string_view enhanced);  // "5.1.1"; null: not in the table

}  // namespace signet

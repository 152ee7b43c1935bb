// Every code that a problem of the API may carry, in one table: status, what is wrong, what to do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/request.h"
#include "daemon/http/response.h"

namespace signet::api {

enum class Code {
  validation_error,
  not_found,
  unauthorized,
  wrong_password,
  letter_not_found,
  forbidden,
  foreign_letter,
  bad_approval,
  method_not_allowed,
  status_conflict,
  being_sent,
  high_risk,
  changed_meanwhile,
  claimed,
  precondition_required,
  stale,
  step_up_required,
  rate_limited,
  spool_full,
  too_large,
  key_reused,
  bad_signature,
  unreadable_callback,
  unsupported_media_type,
  evidence_faulty,
  unavailable,
  content_unreadable,
  internal,
};

struct CodeInfo {
  Code code;
  std::string_view text;  // the member `code`; digits are written as a number
  int status;
  std::string_view title;   // unless the caller says more
  std::string_view remedy;  // likewise
};
const std::vector<CodeInfo>& all_codes();
const CodeInfo& info(Code code);

struct Refused {
  Code code = Code::internal;
  int status = 0;           // 0: the table's
  std::string title = {};   // empty: the table's
  std::string detail = {};  // empty: the table's
  std::string reason = {};  // in the event of the refusal; empty: the code's text
  std::vector<std::string> errors = {};
  std::vector<std::string> warnings = {};
  std::string members = {};  // further members, as the text of a JSON object
};
http::Response answer(const http::Request& request, const Refused& refused);

}  // namespace signet::api

// What a person decides about a message, as a request says it: POST review, send-directly, letters/{id}/approve, and
// approval-statement, which asks for the bytes to sign before it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/body.h"
#include "daemon/api/router.h"
#include "store/directory.h"

namespace signet::api {

struct Review {
  UserRow reviewer;  // who decides: the caller, or who signed what a service hands over
  bool is_direct = false, is_approved = true;
  Uuid message_id;
  std::string notes;
  std::optional<std::string> final_content;
  std::vector<std::string> verified_value_ids, dismissed_flag_ids;
  std::vector<std::pair<std::string, std::string>> dismissed_reasons;  // by flag id
  std::optional<int64_t> review_ms;
  std::string signature;  // a DSSE envelope by the caller's own key; empty: a custodial key signs
};

// Members of a review but messageId and decision.
void read_review(Members& members, Review& review);
// What a signature given over a statement stands for, in RFC 8785 form: all but the signature and the time it took.
std::string intent_of(const Review& review);

}  // namespace signet::api

// What stands in the way of sending a draft. Pure; the caller has the facts.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "message/message.h"

namespace signet {

struct ApprovalFacts {
  Status status = Status::pending;
  Kind kind = Kind::sms;
  DeliveryMethod method = DeliveryMethod::sms;
  RiskLevel risk = RiskLevel::normal;
  Uuid author_id, last_editor_id, reviewer_id;
  bool is_direct = false;  // send-directly: separation of duties does not bind, high risk may not
  bool has_content = false, has_recipient = false, is_suppressed = false, has_route = true, is_expired = false;
};

struct Obstacle {
  std::string code;           // SELF_REVIEW, NOT_REVIEWABLE, ...: stands in the problem body
  std::string text;           // what to do
  bool is_forbidden = false;  // 403 rather than 400
};

std::vector<Obstacle> obstacles(const ApprovalFacts& facts);

}  // namespace signet

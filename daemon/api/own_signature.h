// A review that its reviewer has signed with a key of his own, over a statement that this daemon made for it.
#pragma once

#include <string>

#include "daemon/api/review.h"
#include "message/statement.h"
#include "store/approvals.h"
#include "store/signing_keys.h"

namespace signet::api {

struct OwnSignature {
  StatementRow row;
  Statement statement;
  SigningKeyRow key;
  std::string salt;  // for the text that the review changes
};

// 403 BAD_SIGNATURE unless it verifies by a valid key of the caller's, over a statement of ours for him, this message
// and this review, that has neither lapsed nor been used. The statement stays locked until the transaction ends.
OwnSignature own_signature(Context& context, const Review& review);
[[noreturn]] void refuse_signature(Context& context, std::string reason, std::string detail);

}  // namespace signet::api

//   Feedback-Type: abuse
//   User-Agent: SomeGenerator/1.0
//   Version: 1
//   Original-Mail-From: <clinic+TOKEN@example.org>
//   Original-Rcpt-To: <patient@example.net>
#include "providers/arf.h"

#include <algorithm>

#include "providers/mime.h"

namespace signet {
namespace {

// iana.org/assignments/marf-parameters; opt-out is of the drafts, and some still send it. Of other types none says that
// somebody wants no more mail: not-spam the contrary, auth-failure and dmarc are about our DNS.
constexpr struct {
  const char* word;
  ReceiptKind kind;
} kTypes[] = {
    {"abuse", ReceiptKind::complained},
    {"fraud", ReceiptKind::complained},
    {"virus", ReceiptKind::complained},
    {"opt-out", ReceiptKind::opted_out},
};

}  // namespace

Result<std::vector<Receipt>> receipts_of_arf(const std::vector<Fields>& groups, const Echo& echo) {
  const std::string type = groups.empty() ? "" : first_word(field_of(groups.front(), "feedback-type"));
  if (type.empty()) return Error{ErrorCode::invalid, "feedback report: no Feedback-Type"};
  const auto row = std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto& t) { return type == t.word; });
  if (row == std::end(kTypes)) return std::vector<Receipt>();
  Receipt receipt;
  receipt.message_id = echo.message_id;
  receipt.attempt_no = echo.attempt_no;
  receipt.kind = row->kind;
  receipt.provider_code = row->word;
  receipt.event_id = "arf:" + echo_of(echo.message_id, echo.attempt_no) + ":" + row->word;
  return std::vector<Receipt>{std::move(receipt)};
}

}  // namespace signet

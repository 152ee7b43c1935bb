//   Reporting-MTA: dns; relay.example                        one group of the message
//   Original-Envelope-Id: 0193b3c4-....1.TOKEN
//
//   Original-Recipient: rfc822;patient@example.net           then one a recipient
//   Final-Recipient: rfc822;patient@example.net
//   Action: failed
//   Status: 5.1.1
//   Diagnostic-Code: smtp; 550 5.1.1 <patient@example.net>: User unknown
#include "providers/dsn.h"

#include <algorithm>
#include <optional>

#include "providers/mime.h"
#include "providers/smtp_reply.h"
#include "providers/smtp_status.h"

namespace signet {
namespace {

// RFC 3464 section 2.3.3. `is_final`: nothing else will be said of this recipient.
constexpr struct Action {
  const char* word;
  ReceiptKind kind;
  bool is_final;
  const char* classes;  // of the status that it may stand with: another contradicts it, and nothing is proven
} kActions[] = {
    {"failed", ReceiptKind::failed, true, "45"}, {"delivered", ReceiptKind::delivered, true, "2"},
    {"delayed", ReceiptKind::sent, false, "45"},  // still in the relay's queue
    {"relayed", ReceiptKind::sent, false, "2"},   // to a server that reports no success
    {"expanded", ReceiptKind::sent, false, "2"},  // to a list, which goes on by itself
};

// "smtp; 550 5.1.1 <patient@example.net>: User unknown": nothing but the code, since the text names the recipient.
std::string smtp_code_of(const std::string& diagnostic) {
  if (first_word(diagnostic) != "smtp") return "";
  const auto mark = diagnostic.find(';');
  const auto at = mark == diagnostic.npos ? mark : diagnostic.find_first_not_of(' ', mark + 1);
  if (at == diagnostic.npos) return "";
  const auto code = diagnostic.substr(at, 3);
  const bool is_code = code.size() == 3 && (code[0] == '2' || code[0] == '4' || code[0] == '5') &&
                       code.find_first_not_of("0123456789") == code.npos;
  const auto behind = diagnostic.substr(std::min(at + 3, diagnostic.size()), 1);
  return is_code && behind.find_first_of("0123456789") == behind.npos ? code : "";
}

struct Fate {
  Receipt receipt;
  bool is_final = false;
};

std::optional<Fate> fate_of(const Fields& group, const Echo& echo) {
  const std::string action = first_word(field_of(group, "action"));
  const std::string status_word = first_word(field_of(group, "status"));
  const std::string status = status_word.empty() ? "" : enhanced_of(status_word, status_word.front());
  const auto row = std::find_if(std::begin(kActions), std::end(kActions), [&](auto& a) { return action == a.word; });
  if (row == std::end(kActions) || status.empty() ||
      std::string_view(row->classes).find(status[0]) == std::string::npos)
    return std::nullopt;
  Fate fate;
  fate.is_final = row->is_final;
  Receipt& receipt = fate.receipt;
  receipt.message_id = echo.message_id;
  receipt.attempt_no = echo.attempt_no;
  receipt.kind = row->kind;
  const std::string code = smtp_code_of(field_of(group, "diagnostic-code"));
  receipt.provider_code = code.empty() ? status : code + " " + status;
  receipt.event_id = "dsn:" + echo_of(echo.message_id, echo.attempt_no) + ":" + action + ":" + status;
  // A bounce suppresses the recipient: only where no mail will ever reach it, not where this one did not.
  const auto* meaning = find_smtp_status(status);
  if (receipt.kind == ReceiptKind::failed && status[0] == '5' && meaning && meaning->is_dead)
    receipt.kind = ReceiptKind::bounced;
  return fate;
}

}  // namespace

Result<std::vector<Receipt>> receipts_of_dsn(const std::vector<Fields>& groups, const Echo& echo) {
  std::vector<Fate> fates;
  for (const auto& group : groups) {
    if (field_of(group, "final-recipient").empty()) continue;  // the message's own
    auto fate = fate_of(group, echo);
    if (!fate) return Error{ErrorCode::invalid, "delivery report: an Action or Status that is not in the table"};
    fates.push_back(std::move(*fate));
  }
  if (fates.empty()) return Error{ErrorCode::invalid, "delivery report: no Final-Recipient"};
  // Of several that failed the one that could be reached another time counts.
  const auto has = [&](ReceiptKind kind) {
    return std::any_of(fates.begin(), fates.end(), [&](auto& fate) { return fate.receipt.kind == kind; });
  };
  if (has(ReceiptKind::failed)) std::erase_if(fates, [](auto& f) { return f.receipt.kind == ReceiptKind::bounced; });
  std::vector<Receipt> out;
  for (auto& fate : fates) {
    const auto kind = fate.receipt.kind;
    if (std::any_of(out.begin(), out.end(), [&](auto& receipt) { return receipt.kind == kind; })) continue;
    const bool is_alone = std::all_of(fates.begin(), fates.end(), [&](auto& f) { return f.receipt.kind == kind; });
    fate.receipt.is_partial = fate.is_final && !is_alone;
    out.push_back(fate.receipt);
  }
  // Ours is reached at another address, and so not suppressed.
  for (auto& receipt : out) {
    if (receipt.is_partial && receipt.kind == ReceiptKind::bounced) receipt.kind = ReceiptKind::failed;
  }
  return out;
}

}  // namespace signet

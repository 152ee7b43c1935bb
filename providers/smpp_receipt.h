// What an SMSC says about a message of ours: a deliver_sm of the type receipt, by TLV (SMPP 3.4 sections 5.3.2.12, .31
// and .35) and by text (appendix B). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "message/outcome.h"
#include "providers/smpp_pdu.h"

namespace signet {

struct SmppReceipt {
  std::string id;    // as the SMSC writes it
  std::string stat;  // DELIVRD, UNDELIV, ... of appendix B
  ReceiptKind kind = ReceiptKind::sent;
  std::string error;  // "err:" or network_error_code; empty if there is none
  std::string done;   // "done date:", digits; empty if there is none
};

bool is_receipt(const SmppMessage& message);
// What a TLV says comes before what the text says. An error: it names no message, or no state that the table knows.
Result<SmppReceipt> read_receipt(const SmppMessage& message);
// As an SMSC writes it: "id:... sub:001 dlvrd:001 submit date:... done date:... stat:DELIVRD err:000 text:".
std::string receipt_text(const SmppReceipt& receipt);

}  // namespace signet

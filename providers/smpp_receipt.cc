#include "providers/smpp_receipt.h"

#include <algorithm>

#include "providers/sms_text.h"

namespace signet {
namespace {

constexpr size_t kIdMax = 64, kWordMax = 16;

struct State {
  uint8_t number;  // message_state
  const char* stat;
  ReceiptKind kind;
};
// SMPP 3.4 section 5.2.28. Of UNKNOWN nothing is proven: it stays `sent`, and somebody looks.
constexpr State kStates[] = {
    {1, "ENROUTE", ReceiptKind::sent},   {2, "DELIVRD", ReceiptKind::delivered}, {3, "EXPIRED", ReceiptKind::failed},
    {4, "DELETED", ReceiptKind::failed}, {5, "UNDELIV", ReceiptKind::failed},    {6, "ACCEPTD", ReceiptKind::sent},
    {7, "UNKNOWN", ReceiptKind::sent},   {8, "REJECTD", ReceiptKind::failed},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

// Where this key begins a word; npos: nowhere.
size_t place_of(std::string_view text, std::string_view key) {
  for (size_t at = 0; at + key.size() <= text.size(); at++)
    if ((at == 0 || text[at - 1] == ' ') && is_same(text.substr(at, key.size()), key)) return at;
  return text.npos;
}

std::string_view value_of(std::string_view text, std::string_view key) {
  const auto at = place_of(text, key);
  if (at == text.npos) return {};
  const auto rest = text.substr(at + key.size());
  return rest.substr(0, rest.find(' '));
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string word_of(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, kWordMax))
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) out += c;
  return out;
}

std::string network_error(std::string_view octets) {
  if (octets.size() != 3) return "";
  const auto at = [&](size_t i) { return static_cast<unsigned char>(octets[i]); };
  const int code = at(1) << 8 | at(2);
  return code == 0 ? "" : std::to_string(at(0)) + "-" + std::to_string(code);
}

const State* state_of(std::string_view number, std::string_view stat) {
  const auto* found = std::find_if(std::begin(kStates), std::end(kStates), [&](const State& row) {
    return number.empty() ? is_same(row.stat, stat) : row.number == static_cast<unsigned char>(number[0]);
  });
  return found == std::end(kStates) ? nullptr : found;
}

}  // namespace

bool is_receipt(const SmppMessage& message) {
  const int type = message.esm_class & smpp::kTypeMask;
  if (type == smpp::kTypeReceipt || type == smpp::kTypeIntermediate) return true;
  return type == 0 && !message.tlv(smpp::kReceiptedMessageId).empty() && !message.tlv(smpp::kMessageState).empty();
}

Result<SmppReceipt> read_receipt(const SmppMessage& message) {
  auto payload = std::string(message.payload());
  if ((message.esm_class & smpp::kHasHeader) != 0) payload = without_sms_header(payload);
  if (message.data_coding == 8) payload = decode_sms(payload, SmsAlphabet::ucs2);
  auto text = std::string_view(payload);
  // What follows "text:" is what we wrote ourselves, and proves nothing.
  text = text.substr(0, place_of(text, "text:"));

  SmppReceipt out;
  const auto named = message.tlv(smpp::kReceiptedMessageId);
  out.id = named.empty() ? value_of(text, "id:") : named.substr(0, named.find('\0'));
  if (out.id.empty() || out.id.size() > kIdMax || !is_printable(out.id))
    return Error{ErrorCode::corrupt, "a receipt that names no message"};
  const auto* state = state_of(message.tlv(smpp::kMessageState), value_of(text, "stat:"));
  if (!state) return Error{ErrorCode::corrupt, "a receipt of no known state"};
  out.stat = state->stat;
  out.kind = state->kind;
  out.error = network_error(message.tlv(smpp::kNetworkErrorCode));
  if (out.error.empty()) out.error = word_of(value_of(text, "err:"));
  if (out.error.find_first_not_of('0') == out.error.npos) out.error.clear();
  out.done = word_of(value_of(text, "done date:"));
  return out;
}

std::string receipt_text(const SmppReceipt& receipt) {
  const bool is_there = receipt.kind == ReceiptKind::delivered;
  return "id:" + receipt.id + " sub:001 dlvrd:" + (is_there ? "001" : "000") + " submit date:" + receipt.done +
         " done date:" + receipt.done + " stat:" + receipt.stat +
         " err:" + (receipt.error.empty() ? "000" : receipt.error) + " text:";
}

}  // namespace signet

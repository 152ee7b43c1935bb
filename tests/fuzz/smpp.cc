// What an SMSC says over a link, cut anywhere: PDUs, and what is in them.
#include "message/outcome.h"
#include "providers/smpp_receipt.h"
#include "providers/sms_text.h"
#include "tests/fuzz/adapter.h"

using namespace signet;

namespace {

bool read(std::string_view octets, size_t piece, std::vector<SmppPdu>& pdus) {
  SmppReader reader;
  for (size_t at = 0; at < octets.size(); at += piece)
    if (!reader.feed(octets.substr(at, piece), pdus)) return false;
  return true;
}

void hear(const SmppPdu& pdu) {
  std::vector<SmppPdu> again;
  fuzz::must(read(to_octets(pdu), 1000, again) && again.size() == 1 && again[0].body == pdu.body,
             "a PDU is read as it was written");
  fuzz::must(read_id(pdu.body).size() <= 64, "an id is short");
  (void)read_bind(pdu.body);
  const auto message = read_message(pdu.body);
  if (!message) return;
  fuzz::must(read_message(to_octets(*message)).ok(), "a message that was read can be read again");
  for (const auto alphabet : {SmsAlphabet::gsm, SmsAlphabet::latin1, SmsAlphabet::ucs2}) {
    const std::string text = decode_sms(without_sms_header(message->payload()), alphabet);
    if (const auto octets = encode_sms(text, alphabet))
      fuzz::must(decode_sms(*octets, alphabet) == text, "a text is the same there and back");
  }
  if (!is_receipt(*message)) return;
  if (const auto receipt = read_receipt(*message))
    fuzz::must(!receipt->id.empty() && receipt->id.size() <= 256, "a receipt names a message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  std::vector<SmppPdu> whole, cut;
  const bool is_smpp = read(octets, octets.size() + 1, whole);
  fuzz::must(is_smpp == read(octets, 3, cut), "it does not matter how the octets come");
  if (is_smpp) fuzz::must(whole.size() == cut.size(), "it does not matter how the octets come");
  for (const auto& pdu : whole) hear(pdu);
  return 0;
}

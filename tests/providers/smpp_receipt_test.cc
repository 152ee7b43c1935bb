#include "providers/smpp_receipt.h"

#include <catch2/catch.hpp>

#include "providers/sms_text.h"

namespace signet {
namespace {

SmppMessage told(std::string text, std::vector<SmppTlv> tlvs = {}) {
  SmppMessage message;
  message.esm_class = smpp::kTypeReceipt;
  message.short_message = std::move(text);
  message.tlvs = std::move(tlvs);
  return message;
}

const char kUsual[] =
    "id:4F3C2A1B sub:001 dlvrd:001 submit date:2611271200 done date:2611271201 stat:DELIVRD err:000 text:Your results";

std::string said(const Result<SmppReceipt>& receipt) {
  if (!receipt) return "none";
  return receipt->id + " " + receipt->stat + " " + std::string(name(receipt->kind)) + " " + receipt->error + " " +
         receipt->done;
}

SmppTlv id_tlv(std::string id) { return {smpp::kReceiptedMessageId, id + std::string(1, '\0')}; }
SmppTlv state_tlv(char state) { return {smpp::kMessageState, std::string(1, state)}; }

}  // namespace

TEST_CASE("each state of SMPP is told by text and by TLV alike") {
  struct Row {
    char number;
    const char* stat;
    ReceiptKind kind;
  };
  for (const auto& row : std::vector<Row>{{1, "ENROUTE", ReceiptKind::sent},
                                          {2, "DELIVRD", ReceiptKind::delivered},
                                          {3, "EXPIRED", ReceiptKind::failed},
                                          {4, "DELETED", ReceiptKind::failed},
                                          {5, "UNDELIV", ReceiptKind::failed},
                                          {6, "ACCEPTD", ReceiptKind::sent},
                                          {7, "UNKNOWN", ReceiptKind::sent},
                                          {8, "REJECTD", ReceiptKind::failed}}) {
    INFO(row.stat);
    const auto by_text = read_receipt(told("id:1 stat:" + std::string(row.stat) + " err:000"));
    REQUIRE(by_text);
    CHECK((by_text->kind == row.kind && by_text->stat == row.stat));
    const auto by_tlv = read_receipt(told("", {id_tlv("1"), state_tlv(row.number)}));
    REQUIRE(by_tlv);
    CHECK((by_tlv->kind == row.kind && by_tlv->stat == row.stat && by_tlv->id == "1"));
  }
}

TEST_CASE("a receipt is read as SMSCs write it") {
  struct Row {
    SmppMessage message;
    std::string said;
  };
  for (const auto& row : std::vector<Row>{
           {told(kUsual), "4F3C2A1B DELIVRD delivered  2611271201"},
           {told("id:7 sub:001 dlvrd:000 submit date:1 done date:2611271201 stat:UNDELIV err:069 Text:x"),
            "7 UNDELIV failed 069 2611271201"},
           {told("id:7 stat:delivrd"), "7 DELIVRD delivered  "},
           {told("ID:7 STAT:EXPIRED ERR:1"), "7 EXPIRED failed 1 "},
           // What a TLV says comes first.
           {told("id:7 stat:ENROUTE err:000", {id_tlv("8"), state_tlv(2)}), "8 DELIVRD delivered  "},
           {told("id:7 stat:UNDELIV err:000", {{smpp::kNetworkErrorCode, std::string("\x03\x00\x07", 3)}}),
            "7 UNDELIV failed 3-7 "},
           // What we wrote ourselves proves nothing.
           {told("id:7 stat:UNDELIV err:001 text:id:9 stat:DELIVRD"), "7 UNDELIV failed 001 "},
           {told("text:id:9 stat:DELIVRD"), "none"},
           {told("id:7 text:stat:DELIVRD"), "none"},
           {told("id:7 substat:DELIVRD"), "none"},
           {told("id:7 stat:DELIVRD_"), "none"},
           {told("id:7 stat:SOMEHOW"), "none"},
           {told("stat:DELIVRD"), "none"},
           {told("id: stat:DELIVRD"), "none"},
           {told("id:\x01\x02 stat:DELIVRD"), "none"},
           {told("id:" + std::string(65, 'a') + " stat:DELIVRD"), "none"},
           {told("", {id_tlv("1"), state_tlv(9)}), "none"},
           {told("", {id_tlv("1"), state_tlv(0)}), "none"},
           {told(""), "none"},
           {told("Termin um neun"), "none"},
       }) {
    INFO(row.message.short_message);
    CHECK(said(read_receipt(row.message)) == row.said);
  }
}

TEST_CASE("a receipt in UCS-2, behind a header or in message_payload is one too") {
  auto message = told(*encode_sms(kUsual, SmsAlphabet::ucs2));
  message.data_coding = 8;
  CHECK(said(read_receipt(message)) == "4F3C2A1B DELIVRD delivered  2611271201");
  message = told(sms_header(SmsJoin::header, 1, 1, 1) + kUsual);
  message.esm_class |= smpp::kHasHeader;
  CHECK(said(read_receipt(message)) == "4F3C2A1B DELIVRD delivered  2611271201");
  message = told("", {{smpp::kMessagePayload, kUsual}});
  CHECK(said(read_receipt(message)) == "4F3C2A1B DELIVRD delivered  2611271201");
}

TEST_CASE("a receipt is told from a text by its class, or by its TLVs") {
  struct Row {
    uint8_t esm_class;
    bool has_tlvs, is;
  };
  for (const auto& row : std::vector<Row>{{0x00, false, false},
                                          {0x00, true, true},
                                          {0x04, false, true},
                                          {0x20, false, true},
                                          {0x44, false, true},
                                          {0x40, false, false},
                                          {0x08, true, false},
                                          {0x10, false, false}}) {
    INFO(int(row.esm_class));
    auto message = told("x", row.has_tlvs ? std::vector{id_tlv("1"), state_tlv(2)} : std::vector<SmppTlv>());
    message.esm_class = row.esm_class;
    CHECK(is_receipt(message) == row.is);
  }
}

TEST_CASE("a receipt that is written is read again") {
  const SmppReceipt receipt{"4F3C2A1B", "UNDELIV", ReceiptKind::failed, "069", "2611271201"};
  CHECK(said(read_receipt(told(receipt_text(receipt)))) == said(receipt));
}

}  // namespace signet

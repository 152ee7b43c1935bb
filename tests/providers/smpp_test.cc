#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "providers/smpp_receipt.h"
#include "providers/smpp_session.h"
#include "providers/sms_text.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

using Settings = std::map<std::string, std::string>;

ProviderSettings with(const Settings& more) {
  auto settings = testing::smsc_settings();
  for (const auto& [key, value] : more) settings.values[key] = value;
  return settings;
}

std::unique_ptr<Provider> provider(const Settings& more = {}) {
  auto made = make_provider(with(more));
  INFO((made ? "" : made.error().text));
  REQUIRE(made);
  return std::move(*made);
}

std::vector<SmppMessage> built(const std::string& text, const Settings& more = {}) {
  auto message = testing::outbound();
  message.body = Phi<std::string>(text);
  auto request = provider(more)->build_link(message);
  REQUIRE(request);
  std::vector<SmppMessage> out;
  for (const auto& part : request->parts) {
    auto read = read_message(part);
    REQUIRE(read);
    out.push_back(std::move(*read));
  }
  return out;
}

std::string said(const Outcome& outcome) {
  constexpr const char* kScopes[] = {"", "message", "recipient", "sender", "account", "provider", "credential"};
  return std::string(name(outcome.kind)) + " " + outcome.reason + " " + kScopes[static_cast<int>(outcome.scope)] +
         (outcome.is_throttled ? " throttled" : "");
}

CallbackRequest deliver(const SmppMessage& message) {
  CallbackRequest request;
  request.method = "deliver_sm";
  request.body = to_octets(message);
  request.received_at = WallTime{1795305600000000};
  return request;
}

SmppMessage receipt(const std::string& text) {
  SmppMessage message;
  message.esm_class = smpp::kTypeReceipt;
  message.short_message = text;
  return message;
}

}  // namespace

TEST_CASE("a text that fits is one submit_sm, exactly") {
  const auto parts = built("Hi \xe2\x82\xac");
  REQUIRE(parts.size() == 1);
  CHECK(to_hex(to_octets(parts[0])) ==
        "00"
        "0101"
        "313530303535353030303600"
        "0101"
        "313535353836373533313000"
        "00"
        "00"
        "00"
        "00"
        "00"
        "01"
        "00"
        "00"
        "00"
        "05"
        "4869201b65");
}

TEST_CASE("the alphabet is what the text needs and the SMSC is set to") {
  struct Row {
    const char* alphabet;
    std::string text;
    int data_coding;
    std::string octets;
  };
  for (const auto& row : std::vector<Row>{
           {"gsm", "\xc3\xa9@", 0, "0500"},
           {"gsm", "\xc3\xa7@", 8, "00e70040"},
           {"latin1", "\xc3\xa7@", 3, "e740"},
           {"latin1", "\xe2\x82\xac", 8, "20ac"},
           {"latin1_default", "\xc3\xa9@", 0, "e940"},
           {"latin1_default", "\xce\x94", 8, "0394"},
           {"ucs2", "a", 8, "0061"},
       }) {
    INFO(row.alphabet << " " << row.octets);
    const auto parts = built(row.text, {{"alphabet", row.alphabet}});
    REQUIRE(parts.size() == 1);
    CHECK(int(parts[0].data_coding) == row.data_coding);
    CHECK(to_hex(parts[0].short_message) == row.octets);
    CHECK(parts[0].esm_class == 0);
  }
}

TEST_CASE("a long text goes as parts with headers, with TLVs, or whole in message_payload") {
  const std::string text(200, 'a');
  for (std::string way : {"udh", "udh16", "sar", "payload"}) {
    INFO(way);
    const auto parts = built(text, {{"concatenation", way}});
    REQUIRE(parts.size() == (way == "payload" ? 1 : 2));
    if (way == "payload") {
      CHECK(parts[0].short_message.empty());
      CHECK(parts[0].tlv(smpp::kMessagePayload) == text);
      continue;
    }
    std::string again;
    for (size_t i = 0; i < 2; i++) {
      const bool has_header = way != "sar";
      CHECK((parts[i].esm_class == (has_header ? smpp::kHasHeader : 0)));
      if (way == "udh") CHECK(to_hex(parts[i].short_message.substr(0, 6)) == "050003cf020" + std::to_string(i + 1));
      if (way == "udh16") CHECK(to_hex(parts[i].short_message.substr(0, 7)) == "060804abcf020" + std::to_string(i + 1));
      if (way == "sar") {
        CHECK(to_hex(parts[i].tlv(smpp::kSarReference)) == "abcf");
        CHECK(to_hex(parts[i].tlv(smpp::kSarTotal)) == "02");
        CHECK(to_hex(parts[i].tlv(smpp::kSarNumber)) == "0" + std::to_string(i + 1));
      }
      again += has_header ? without_sms_header(parts[i].short_message) : std::string_view(parts[i].short_message);
    }
    CHECK(again == text);
  }
}

TEST_CASE("the sender's address has the type that its form has") {
  struct Row {
    std::string from;
    int ton, npi;
    std::string digits;
  };
  for (const auto& row : std::vector<Row>{
           {"+15005550006", 1, 1, "15005550006"}, {"12345", 3, 0, "12345"}, {"Clinic 24", 5, 0, "Clinic 24"}}) {
    INFO(row.from);
    const auto from = built("x", {{"from", row.from}})[0].from;
    CHECK((from.ton == row.ton && from.npi == row.npi && from.digits == row.digits));
  }
  const auto set = built("x", {{"from", "12345"}, {"from_ton", "6"}, {"from_npi", "9"}})[0].from;
  CHECK((set.ton == 6 && set.npi == 9));
}

TEST_CASE("receipts, validity and service type are asked for as set") {
  CHECK(built("x")[0].registered_delivery == 0x01);
  CHECK(built("x", {{"receipts", "all"}})[0].registered_delivery == 0x11);
  CHECK(built("x", {{"receipts", "off"}})[0].registered_delivery == 0x00);
  CHECK(!provider({{"receipts", "off"}})->has_receipts());
  CHECK(provider()->callback_way() == CallbackWay::link);
  CHECK(built("x", {{"validity_s", "3600"}})[0].validity_period == "000000010000000R");
  CHECK(built("x", {{"validity_s", "2419199"}})[0].validity_period == "000027235959000R");
  CHECK(built("x", {{"service_type", "CMT"}})[0].service_type == "CMT");
}

TEST_CASE("what cannot be sent is refused before it is") {
  auto message = testing::outbound();
  for (std::string to : {"", "15558675310", "+1555x", "+", "+123456789012345678901", "patient@example.net"}) {
    INFO(to);
    message.recipient = Phi<std::string>(to);
    CHECK(!provider()->build_link(message));
  }
  message = testing::outbound();
  message.body = Phi<std::string>("\xff");
  CHECK(!provider()->build_link(message));
  message.body = Phi<std::string>(std::string(40'000, 'a'));
  CHECK(!provider()->build_link(message));
}

TEST_CASE("each command_status of the facts has its class") {
  struct Row {
    std::vector<uint32_t> statuses;
    std::string said;
  };
  using enum LinkReply::Stage;
  for (const auto& row : std::vector<Row>{
           {{0x58, 0x14}, "retryable throttled account throttled"},
           {{0x08, 0x45, 0x64, 0xff, 0x102}, "retryable provider_error provider"},
           {{0xfe}, "retryable recipient_unreachable recipient"},
           {{0x0a, 0x48, 0x49}, "permanent sender_refused sender"},
           {{0x0b, 0x50, 0x51}, "permanent recipient_refused recipient"},
           {{0x33, 0x43, 0x4a, 0x4f, 0x61, 0x62, 0x65, 0x66, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0x101, 0x104},
            "permanent message_refused message"},
           {{0x04, 0x0d, 0x0e, 0x0f, 0x53}, "retryable auth_failed credential"},
           {{0x05, 0x15, 0x100, 0x103}, "retryable account_refused account"},
           {{0x09, 0x11, 0x400, 0x4ff, 0xffffffff}, "retryable provider_error message"},
       })
    for (uint32_t status : row.statuses) {
      INFO(std::hex << status);
      CHECK(said(provider()->parse_link({submit, status, ""})) == row.said);
      const auto bound = provider()->parse_link({bind, status, ""});
      CHECK(bound.kind == OutcomeKind::retryable);  // a message is never at fault for it
      CHECK((bound.scope == FaultScope::credential || bound.scope == FaultScope::account ||
             bound.scope == FaultScope::provider));
    }
  CHECK(said(provider()->parse_link({bind, 0x0e, ""})) == "retryable auth_failed credential");
  CHECK(said(provider()->parse_link({bind, 0x0a, ""})) == "retryable auth_failed credential");
  CHECK(provider()->parse_link({submit, 0x58, ""}).provider_code == "0x58");
  CHECK(provider()->parse_link({submit, 0x102, ""}).provider_code == "0x0102");
  CHECK(provider()->parse_link({submit, 0, "a"}).provider_code == "0x00");
}

TEST_CASE("I6 only an id that the SMSC gave is acceptance") {
  for (std::string id : {"", " ", "a b", "\x01", "\xff\xfe"}) {
    INFO(to_hex(id));
    CHECK(said(provider()->parse_link({LinkReply::Stage::submit, 0, id})) == "in_doubt unreadable_reply provider");
  }
  const auto outcome = provider()->parse_link({LinkReply::Stage::submit, 0, "4F3C2A1B"});
  CHECK(outcome.kind == OutcomeKind::accepted);
  CHECK(outcome.provider_reference == "4F3C2A1B");
}

TEST_CASE("ids that are hex in one place and decimal in the other are one") {
  struct Row {
    const char* ids;
    std::string submitted, told, reference;
  };
  for (const auto& row : std::vector<Row>{
           {"same", "0A", "0A", "0A"},
           {"hex_then_decimal", "0A3f", "2623", "2623"},
           {"hex_then_decimal", "000000000A", "0000000010", "10"},
           {"decimal_then_hex", "2623", "A3F", "2623"},
           {"decimal_then_hex", "0000000010", "0A", "10"},
           {"hex_then_decimal", "ffffffffffffffff", "18446744073709551615", "18446744073709551615"},
           {"hex_then_decimal", "not-a-number", "not-a-number", "not-a-number"},
       }) {
    INFO(row.ids << " " << row.submitted);
    const auto smsc = provider({{"message_ids", row.ids}});
    CHECK(smsc->parse_link({LinkReply::Stage::submit, 0, row.submitted}).provider_reference == row.reference);
    const auto receipts = smsc->receipts(deliver(receipt("id:" + row.told + " stat:DELIVRD")));
    REQUIRE(receipts);
    REQUIRE(receipts->size() == 1);
    CHECK((*receipts)[0].provider_reference == row.reference);
  }
}

TEST_CASE("a receipt becomes one event, which a repeat does not change and another state does") {
  const auto smsc = provider();
  const auto first = smsc->receipts(deliver(receipt("id:7 done date:2611271201 stat:UNDELIV err:069 text:x")));
  REQUIRE(first);
  REQUIRE(first->size() == 1);
  const Receipt& one = first->front();
  CHECK(one.provider_reference == "7");
  CHECK(one.kind == ReceiptKind::failed);
  CHECK(one.provider_code == "UNDELIV 069");
  CHECK(one.event_id == "7.UNDELIV.2611271201");
  CHECK(!one.message_id);
  const auto other = smsc->receipts(deliver(receipt("id:7 done date:2611271201 stat:ENROUTE err:069 text:x")));
  REQUIRE(other);
  CHECK(other->front().event_id != one.event_id);
  const auto inbounds = smsc->inbounds(deliver(receipt("id:7 stat:DELIVRD")));
  REQUIRE(inbounds);
  CHECK(inbounds->empty());
}

TEST_CASE("what cannot be read is said to be so") {
  for (std::string body : {std::string(), std::string("rubbish"), std::string(5, '\xff')}) {
    CallbackRequest request;
    request.body = body;
    CHECK(!provider()->receipts(request));
    CHECK(!provider()->inbounds(request));
  }
  CHECK(!provider()->receipts(deliver(receipt("nothing to see"))));
}

TEST_CASE("what somebody writes is read in its alphabet, and each time it counts") {
  SmppMessage message;
  message.from = {1, 1, "15558675310"};
  message.to = {1, 1, "15005550006"};
  struct Row {
    const char* alphabet;
    int data_coding;
    bool has_header;
    std::string octets, text;
  };
  for (const auto& row : std::vector<Row>{
           {"gsm", 0, false, "53544f50", "STOP"},
           {"gsm", 0, false, "00", "@"},
           {"latin1_default", 0, false, "40e9", "@\xc3\xa9"},
           {"gsm", 1, false, "40", "@"},
           {"gsm", 3, false, "e9", "\xc3\xa9"},
           {"gsm", 8, false, "0053d83dde00", "S\xf0\x9f\x98\x80"},
           {"gsm", 0, true, "05000301020153544f50", "STOP"},
       }) {
    INFO(row.octets);
    message.data_coding = static_cast<uint8_t>(row.data_coding);
    message.esm_class = row.has_header ? smpp::kHasHeader : 0;
    message.short_message = *from_hex(row.octets);
    const auto smsc = provider({{"alphabet", row.alphabet}});
    const auto receipts = smsc->receipts(deliver(message));
    REQUIRE(receipts);
    CHECK(receipts->empty());
    const auto inbounds = smsc->inbounds(deliver(message));
    REQUIRE(inbounds);
    REQUIRE(inbounds->size() == 1);
    CHECK(inbounds->front().from.reveal() == "+15558675310");
    CHECK(inbounds->front().to == "15005550006");
    CHECK(inbounds->front().text.reveal() == row.text);
    auto later = deliver(message);
    later.received_at.us++;
    CHECK(smsc->inbounds(later)->front().event_id != inbounds->front().event_id);
  }
}

TEST_CASE("settings that no SMSC can have are refused by their key") {
  struct Row {
    std::string key, value;
  };
  for (const auto& row : std::vector<Row>{
           {"url", "http://127.0.0.1:2775"},
           {"url", "smpp://"},
           {"url", "smpp://smsc.example:2775"},
           {"url", "smpp://127.0.0.1:0"},
           {"cleartext", "yes"},
           {"system_id", "sixteen-and-more"},
           {"system_id", "with blank"},
           {"system_type", "thirteen-long"},
           {"binds", "0"},
           {"binds", "17"},
           {"binds", "two"},
           {"window", "0"},
           {"window", "1001"},
           {"enquire_link_s", "0"},
           {"from", "TwelveLetter"},
           {"from",
            "Kl\xc3\xad"
            "nik"},
           {"from_ton", "x"},
           {"from_npi", "123"},
           {"alphabet", "ebcdic"},
           {"concatenation", "8bit"},
           {"receipts", "some"},
           {"message_ids", "octal"},
           {"validity_s", "59"},
           {"validity_s", "2419201"},
           {"service_type", "LONGER"},
       }) {
    INFO(row.key << " " << row.value);
    const auto made = make_provider(with({{row.key, row.value}}));
    REQUIRE(!made);
    CHECK(made.error().text.find("\"smsc\": " + row.key + ":") != std::string::npos);
  }
  auto settings = testing::smsc_settings();
  settings.secrets.clear();
  settings.secrets.emplace("password", Secret("ninechars"));
  const auto made = make_provider(settings);
  REQUIRE(!made);
  CHECK(made.error().text.find("ninechars") == std::string::npos);
}

TEST_CASE("an SMSC's address has its protocol's port, and is in the clear only where nobody else listens") {
  struct Row {
    Settings more;
    std::string host;
    int port;
    bool is_tls;
  };
  for (const auto& row : std::vector<Row>{
           {{{"url", "smpps://smsc.example"}}, "smsc.example", 3550, true},
           {{{"url", "smpps://smsc.example:8443/"}}, "smsc.example", 8443, true},
           {{{"url", "smpp://127.0.0.1"}}, "127.0.0.1", 2775, false},
           {{{"url", "smpp://[::1]:2776"}}, "::1", 2776, false},
           {{{"url", "smpp://10.8.0.1"}, {"cleartext", "allowed"}}, "10.8.0.1", 2775, false},
       }) {
    const auto options = smpp_options(with(row.more));
    INFO((options ? "" : options.error().text));
    REQUIRE(options);
    CHECK((options->smsc.host == row.host && options->smsc.port == row.port && options->is_tls == row.is_tls));
  }
}

}  // namespace signet

// Whole PDUs are as npm smpp 0.5.1 writes them.
#include "providers/smpp_pdu.h"

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "tests/fakes/random.h"

namespace signet {
namespace {

std::string octets_of(std::string_view hex) {
  auto octets = from_hex(hex);
  REQUIRE(octets);
  return *octets;
}

SmppMessage submit() {
  SmppMessage message;
  message.from = {1, 1, "15005550006"};
  message.to = {1, 1, "15558675310"};
  message.registered_delivery = 1;
  message.short_message = std::string("Hi \x1b\x65\x00", 6);
  return message;
}

}  // namespace

TEST_CASE("PDUs are what another implementation writes, octet for octet") {
  const SmppBind bind{"clinic", "secret", "VMA", 0x34, ""};
  CHECK(to_hex(to_octets(SmppPdu{smpp::kBindTransceiver, 0, 1, to_octets(bind)})) ==
        "00000026000000090000000000000001636c696e69630073656372657400564d410034000000");
  CHECK(to_hex(to_octets(SmppPdu{smpp::kSubmitSm, 0, 2, to_octets(submit())})) ==
        "0000003d000000040000000000000002000101313530303535353030303600010131353535383637353331300000000000000100000006"
        "4869201b6500");
  SmppMessage part;
  part.from = {5, 0, "Clinic"};
  part.to = {1, 1, "15558675310"};
  part.validity_period = "000000010000000R";
  part.registered_delivery = 0x11;
  part.data_coding = 8;
  part.esm_class = smpp::kHasHeader;
  part.short_message = octets_of("050003120201043f04400438043204350442d83dde00");
  CHECK(
      to_hex(to_octets(SmppPdu{smpp::kSubmitSm, 0, 3, to_octets(part)})) ==
      "00000058000000040000000000000003000500436c696e69630001013135353538363735333130004000000030303030303030313030303"
      "030303052001100080016050003120201043f04400438043204350442d83dde00");
  SmppMessage joined;
  joined.to = {1, 1, "15558675310"};
  joined.data_coding = 1;  // its own choice for a text in ASCII
  joined.short_message = "x";
  joined.tlvs = {{smpp::kSarReference, "\x12\x34"}, {smpp::kSarTotal, "\x02"}, {smpp::kSarNumber, "\x01"}};
  CHECK(
      to_hex(to_octets(SmppPdu{smpp::kSubmitSm, 0, 4, to_octets(joined)})) ==
      "0000003d0000000400000000000000040000000001013135353538363735333130000000000000000001000178020c00021234020e00010"
      "2020f000101");
  CHECK(to_hex(to_octets(SmppPdu{smpp::kSubmitSm | smpp::kResponse, 0, 2, id_body("4F3C2A1B")})) ==
        "00000019800000040000000000000002344633433241314200");
  CHECK(to_hex(to_octets(SmppPdu{smpp::kGenericNack, 3, 7, ""})) == "00000010800000000000000300000007");
}

TEST_CASE("what is written is read again, whole or octet by octet") {
  const std::string wire = to_octets(SmppPdu{smpp::kEnquireLink, 0, 8, ""}) +
                           to_octets(SmppPdu{smpp::kSubmitSm, 0, 9, to_octets(submit())}) +
                           to_octets(SmppPdu{smpp::kGenericNack, 3, 7, ""});
  for (size_t step : {wire.size(), size_t{1}, size_t{7}}) {
    SmppReader reader;
    std::vector<SmppPdu> pdus;
    for (size_t at = 0; at < wire.size(); at += step) REQUIRE(reader.feed(wire.substr(at, step), pdus));
    REQUIRE(pdus.size() == 3);
    CHECK((pdus[0].command == smpp::kEnquireLink && pdus[0].sequence == 8 && !pdus[0].is_response()));
    CHECK((pdus[2].status == smpp::kInvalidCommand && pdus[2].is_response()));
    auto read = read_message(pdus[1].body);
    REQUIRE(read);
    CHECK(read->from.digits == "15005550006");
    CHECK((read->to.ton == 1 && read->to.npi == 1 && read->to.digits == "15558675310"));
    CHECK(read->short_message == submit().short_message);
    CHECK(read->payload() == read->short_message);
  }
}

TEST_CASE("a bind is read as it was written, and no field longer than its room") {
  auto bind = read_bind(to_octets(SmppBind{"clinic", "secret", "VMA", 0x34, "1555"}));
  REQUIRE(bind);
  CHECK((bind->system_id == "clinic" && bind->password == "secret" && bind->system_type == "VMA"));
  CHECK((bind->interface_version == 0x34 && bind->address_range == "1555"));
  CHECK(!read_bind(to_octets(SmppBind{"sixteen-and-more", "", "", 0x34, ""})));
  CHECK(!read_bind("clinic"));
  CHECK(!read_bind(""));
}

TEST_CASE("TLVs are found by their tags, and a long text comes before a short one") {
  auto message = submit();
  message.tlvs = {{smpp::kReceiptedMessageId, std::string("abc\0", 4)}, {0x1400, ""}};
  auto read = read_message(to_octets(message));
  REQUIRE(read);
  CHECK(read->tlv(smpp::kReceiptedMessageId) == std::string("abc\0", 4));
  CHECK(read->tlv(smpp::kMessageState).empty());
  message.tlvs.push_back({smpp::kMessagePayload, std::string(60000, 'x')});
  read = read_message(to_octets(message));
  REQUIRE(read);
  CHECK(read->payload().size() == 60000);
}

TEST_CASE("a short message has up to 254 octets; a length of 255 is none") {
  auto message = submit();
  message.short_message.assign(254, 'x');
  auto octets = to_octets(message);
  REQUIRE(read_message(octets));
  octets[octets.size() - 255] = '\xff';
  octets += 'x';
  const auto read = read_message(octets);
  REQUIRE(!read);
  CHECK(read.error().text == "a short_message of more than 254 octets");
}

TEST_CASE("an id is a C-octet string of up to 64 octets, or none") {
  CHECK(read_id(id_body("4F3C")) == "4F3C");
  CHECK(read_id(id_body("4F3C") + "\x02\x10") == "4F3C");
  CHECK(read_id(id_body(std::string(64, 'a'))).size() == 64);
  CHECK(read_id(id_body(std::string(65, 'a'))).empty());
  CHECK(read_id("4F3C").empty());
  CHECK(read_id("").empty());
}

TEST_CASE("a length that no PDU has ends the reading") {
  for (std::string_view hex : {"00000000", "0000000f", "ffffffff", "48545450", "00011171"}) {
    INFO(hex);
    SmppReader reader;
    std::vector<SmppPdu> pdus;
    CHECK(!reader.feed(octets_of(hex), pdus));
    CHECK(pdus.empty());
  }
  SmppReader reader;
  std::vector<SmppPdu> pdus;
  CHECK(reader.feed(octets_of("000000"), pdus));
  CHECK(pdus.empty());
}

TEST_CASE("cut and random bodies are refused or read, never worse") {
  auto message = submit();
  message.tlvs = {{smpp::kMessageState, "\x02"}, {smpp::kMessagePayload, "text"}};
  const auto body = to_octets(message);
  for (size_t size = 0; size < body.size(); size++) {
    const auto read = read_message(body.substr(0, size));
    // Only where a TLV ends is a cut body still one.
    if (read) CHECK((size == body.size() - 8 || size == body.size() - 13));
  }
  SeededRandom random(20261127);
  for (int i = 0; i < 20'000; i++) {
    std::string octets(random.next() % 80, '\0');
    random.fill(octets.data(), octets.size());
    (void)read_message(octets).ok();
    (void)read_bind(octets).ok();
    (void)read_id(octets);
  }
}

}  // namespace signet

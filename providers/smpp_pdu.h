// SMPP on the wire ("Short Message Peer to Peer Protocol Specification v3.4", sections 3.2, 4 and 5): PDUs out of
// octets and back. Pure. Both ends use it: the sandbox is an SMSC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace signet {
namespace smpp {

// command_id. A response has the same with the highest bit set.
inline constexpr uint32_t kResponse = 0x80000000;
inline constexpr uint32_t kGenericNack = 0x80000000, kBindReceiver = 0x1, kBindTransmitter = 0x2, kSubmitSm = 0x4,
                          kDeliverSm = 0x5, kUnbind = 0x6, kBindTransceiver = 0x9, kEnquireLink = 0x15;

// command_status, those that we give or must tell apart; providers/smpp.cc has the table of all.
inline constexpr uint32_t kOk = 0, kInvalidLength = 0x2, kInvalidCommand = 0x3, kInvalidBindStatus = 0x4,
                          kAlreadyBound = 0x5, kSystemError = 0x8, kInvalidDestination = 0xb, kBindFailed = 0xd,
                          kInvalidPassword = 0xe, kInvalidSystemId = 0xf, kQueueFull = 0x14, kThrottled = 0x58,
                          kTemporaryAppError = 0x64, kPermanentAppError = 0x65;

// TLV tags
inline constexpr uint16_t kReceiptedMessageId = 0x1e, kSarReference = 0x20c, kSarTotal = 0x20e, kSarNumber = 0x20f,
                          kNetworkErrorCode = 0x423, kMessagePayload = 0x424, kMessageState = 0x427;

// esm_class: the type of a message that is delivered to us, and whether its text begins with a user data header.
inline constexpr uint8_t kTypeMask = 0x3c, kTypeReceipt = 0x04, kTypeIntermediate = 0x20, kHasHeader = 0x40;

}  // namespace smpp

constexpr size_t kSmppPduMax = 70'000;  // a message_payload of 64 KiB and its header
constexpr uint32_t kSmppSequenceMax = 0x7fffffff;

struct SmppPdu {
  uint32_t command = 0, status = 0, sequence = 0;
  std::string body;
  bool is_response() const { return (command & smpp::kResponse) != 0; }
};
std::string to_octets(const SmppPdu& pdu);

class SmppReader {
 public:
  // Appends every PDU that is complete. An error: a command_length below 16 or above kSmppPduMax; nothing can be read
  // from the connection after it.
  Result<void> feed(std::string_view octets, std::vector<SmppPdu>& pdus);

 private:
  std::string input_;
};

struct SmppBind {  // bind_transceiver, bind_transmitter, bind_receiver
  std::string system_id, password, system_type;
  uint8_t interface_version = 0x34;
  std::string address_range;
};
std::string to_octets(const SmppBind& bind);
Result<SmppBind> read_bind(std::string_view body);

struct SmppAddress {
  uint8_t ton = 0, npi = 0;
  std::string digits;  // or letters, where ton is 5
};
struct SmppTlv {
  uint16_t tag = 0;
  std::string value;
};
struct SmppMessage {  // the body of submit_sm and of deliver_sm
  std::string service_type;
  SmppAddress from, to;
  uint8_t esm_class = 0, protocol_id = 0, priority = 0;
  std::string schedule_at, validity_period;
  uint8_t registered_delivery = 0, replace_if_present = 0, data_coding = 0, default_message_id = 0;
  std::string short_message;  // up to 254 octets
  std::vector<SmppTlv> tlvs;
  std::string_view tlv(uint16_t tag) const;  // empty: it is not there
  std::string_view payload() const;          // message_payload, else short_message
};
std::string to_octets(const SmppMessage& message);
Result<SmppMessage> read_message(std::string_view body);  // no field longer than section 5.2 has it

// The body of submit_sm_resp, deliver_sm_resp and a bind's response: one C-octet string, and TLVs that nobody here
// needs.
std::string id_body(std::string_view id);
std::string read_id(std::string_view body);  // empty: there is none, or it is no C-octet string of up to 64 octets

}  // namespace signet

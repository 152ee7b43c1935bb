#include "providers/smpp_pdu.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/check.h"

namespace signet {
namespace {

constexpr size_t kHeaderSize = 16;
constexpr size_t kIdMax = 64;
constexpr uint8_t kShortMessageMax = 254;  // SMPP 3.4, 5.2.21

uint32_t u32_at(std::string_view octets, size_t at) {
  return static_cast<uint32_t>(read_big_endian(octets.substr(at, 4)));
}

void add_octet(std::string& to, uint8_t value) { to += static_cast<char>(value); }

// What would end the field early ends it.
void add_text(std::string& to, std::string_view text) {
  to += text.substr(0, text.find('\0'));
  to += '\0';
}

// Fields off the front of a body, in order; once one is not there, none is.
class Fields {
 public:
  explicit Fields(std::string_view body) : rest_(body) {}
  uint8_t octet() {
    auto one = octets(1);
    return one.empty() ? 0 : static_cast<uint8_t>(one[0]);
  }
  uint16_t u16() { return static_cast<uint16_t>(read_big_endian(octets(2))); }
  // `size_max` with the NUL, as the specification counts.
  std::string text(size_t size_max) {
    const auto end = rest_.substr(0, size_max).find('\0');
    if (end == rest_.npos) {
      is_broken_ = true;
      rest_ = {};
      return "";
    }
    auto found = std::string(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return found;
  }
  std::string_view octets(size_t size) {
    if (size > rest_.size()) {
      is_broken_ = true;
      rest_ = {};
      return {};
    }
    auto found = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return found;
  }
  bool is_broken() const { return is_broken_; }
  bool is_done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool is_broken_ = false;
};

SmppAddress address_of(Fields& fields) {
  SmppAddress out;
  out.ton = fields.octet();
  out.npi = fields.octet();
  out.digits = fields.text(21);
  return out;
}

void add_address(std::string& to, const SmppAddress& address) {
  add_octet(to, address.ton);
  add_octet(to, address.npi);
  add_text(to, address.digits);
}

}  // namespace

std::string to_octets(const SmppPdu& pdu) {
  std::string out;
  append_u32(out, static_cast<uint32_t>(kHeaderSize + pdu.body.size()));
  append_u32(out, pdu.command);
  append_u32(out, pdu.status);
  append_u32(out, pdu.sequence);
  return out + pdu.body;
}

Result<void> SmppReader::feed(std::string_view octets, std::vector<SmppPdu>& pdus) {
  input_ += octets;
  size_t at = 0;
  while (input_.size() - at >= 4) {
    const auto left = std::string_view(input_).substr(at);
    const size_t size = u32_at(left, 0);
    if (size < kHeaderSize || size > kSmppPduMax)
      return Error{ErrorCode::corrupt, "this is no SMPP: a PDU of " + std::to_string(size) + " octets"};
    if (left.size() < size) break;
    pdus.push_back({u32_at(left, 4), u32_at(left, 8), u32_at(left, 12),
                    std::string(left.substr(kHeaderSize, size - kHeaderSize))});
    at += size;
  }
  input_.erase(0, at);
  return {};
}

std::string to_octets(const SmppBind& bind) {
  std::string out;
  add_text(out, bind.system_id);
  add_text(out, bind.password);
  add_text(out, bind.system_type);
  add_octet(out, bind.interface_version);
  add_address(out, {0, 0, bind.address_range});
  return out;
}

Result<SmppBind> read_bind(std::string_view body) {
  Fields fields(body);
  SmppBind out;
  out.system_id = fields.text(16);
  out.password = fields.text(9);
  out.system_type = fields.text(13);
  out.interface_version = fields.octet();
  fields.octets(2);
  out.address_range = fields.text(41);
  if (fields.is_broken()) return Error{ErrorCode::corrupt, "a bind whose fields do not end"};
  return out;
}

std::string_view SmppMessage::tlv(uint16_t tag) const {
  const auto found = std::find_if(tlvs.begin(), tlvs.end(), [tag](const SmppTlv& one) { return one.tag == tag; });
  return found == tlvs.end() ? std::string_view() : std::string_view(found->value);
}

std::string_view SmppMessage::payload() const {
  const auto long_one = tlv(smpp::kMessagePayload);
  return long_one.empty() ? std::string_view(short_message) : long_one;
}

std::string to_octets(const SmppMessage& message) {
  SIGNET_CHECK(message.short_message.size() <= kShortMessageMax);
  std::string out;
  add_text(out, message.service_type);
  add_address(out, message.from);
  add_address(out, message.to);
  add_octet(out, message.esm_class);
  add_octet(out, message.protocol_id);
  add_octet(out, message.priority);
  add_text(out, message.schedule_at);
  add_text(out, message.validity_period);
  add_octet(out, message.registered_delivery);
  add_octet(out, message.replace_if_present);
  add_octet(out, message.data_coding);
  add_octet(out, message.default_message_id);
  add_octet(out, static_cast<uint8_t>(message.short_message.size()));
  out += message.short_message;
  for (const auto& tlv : message.tlvs) {
    append_u16(out, tlv.tag);
    append_u16(out, static_cast<uint16_t>(tlv.value.size()));
    out += tlv.value;
  }
  return out;
}

Result<SmppMessage> read_message(std::string_view body) {
  Fields fields(body);
  SmppMessage out;
  out.service_type = fields.text(6);
  out.from = address_of(fields);
  out.to = address_of(fields);
  out.esm_class = fields.octet();
  out.protocol_id = fields.octet();
  out.priority = fields.octet();
  out.schedule_at = fields.text(17);
  out.validity_period = fields.text(17);
  out.registered_delivery = fields.octet();
  out.replace_if_present = fields.octet();
  out.data_coding = fields.octet();
  out.default_message_id = fields.octet();
  const auto size = fields.octet();
  if (size > kShortMessageMax) return Error{ErrorCode::corrupt, "a short_message of more than 254 octets"};
  out.short_message = fields.octets(size);
  while (!fields.is_done()) {
    SmppTlv tlv;
    tlv.tag = fields.u16();
    tlv.value = fields.octets(fields.u16());
    out.tlvs.push_back(std::move(tlv));
  }
  if (fields.is_broken()) return Error{ErrorCode::corrupt, "a message whose fields do not end"};
  return out;
}

std::string id_body(std::string_view id) {
  std::string out;
  add_text(out, id);
  return out;
}

std::string read_id(std::string_view body) { return Fields(body).text(kIdMax + 1); }

}  // namespace signet

// The text of a short message: GSM 03.38 (3GPP TS 23.038 section 6.2.1), Latin-1 or UCS-2, and its parts (3GPP
// TS 23.040 section 9.2.3.24). Pure; text is UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace signet {

enum class SmsAlphabet { gsm, latin1, ucs2 };

// None: the text has a character that this alphabet lacks, or is not UTF-8. A septet takes an octet. UCS-2 takes what
// lies beyond its 16 bits as the two units of UTF-16, as handsets do.
std::optional<std::string> encode_sms(std::string_view text, SmsAlphabet alphabet);
// What a septet or unit does not stand for becomes U+FFFD.
std::string decode_sms(std::string_view octets, SmsAlphabet alphabet);

enum class SmsJoin {
  header,       // user data header 05 00 03: 8 bits of reference
  wide_header,  // user data header 06 08 04: 16 bits
  tlv,          // sar_msg_ref_num and its like: the SMSC writes the header
};
// The text in parts that a handset joins: one if it fits, else as few as can be. No part ends within a character of two
// septets or two units.
std::vector<std::string> split_sms(std::string_view octets, SmsAlphabet alphabet, SmsJoin join);
// The user data header of one of them. `number` counts from 1.
std::string sms_header(SmsJoin join, uint16_t reference, size_t total, size_t number);
// The text behind a user data header; all of it, if the header's length goes beyond.
std::string_view without_sms_header(std::string_view octets);

}  // namespace signet

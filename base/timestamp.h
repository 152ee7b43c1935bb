// Time stamps by a third party (RFC 3161) over SHA-256, by OpenSSL: an authority signs a digest and the time at which
// it saw it. Pure but for the file of certificates; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace signet {

struct TimeStampRequest {
  std::string der;    // TimeStampReq: POST it as application/timestamp-query
  std::string nonce;  // 8 octets: the reply is to this request
};
TimeStampRequest make_time_stamp_request(std::string_view data, Random& random);

struct TimeStamp {
  std::string token;  // DER of the TimeStampToken, with the authority's certificates
  WallTime at;
  std::string serial;  // of the stamp at its authority, hex
};

constexpr size_t kTimeStampTokenMax = 65536;

// The token in a TimeStampResp, verified as below and for its nonce. `ca_file`: PEM, the authorities that are trusted.
// Corrupt: refused by the authority (the text says its reason), of other data, not of this request, not signed by a
// certificate for time stamping of these authorities.
Result<TimeStamp> read_time_stamp_reply(std::string_view der, const TimeStampRequest& request, std::string_view data,
                                        const std::string& ca_file);
// A token that was stored. Its certificates are judged at the time that it names, so that it outlives them.
Result<TimeStamp> verify_time_stamp(std::string_view token, std::string_view data, const std::string& ca_file);

}  // namespace signet

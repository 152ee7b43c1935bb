#include "base/timestamp.h"

#include <openssl/err.h>
#include <openssl/ts.h>
#include <openssl/x509_vfy.h>

#include <ctime>
#include <memory>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crypto.h"

namespace signet {
namespace {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Request = std::unique_ptr<TS_REQ, Free<TS_REQ_free>>;
using Reply = std::unique_ptr<TS_RESP, Free<TS_RESP_free>>;
using Info = std::unique_ptr<TS_TST_INFO, Free<TS_TST_INFO_free>>;
using Token = std::unique_ptr<PKCS7, Free<PKCS7_free>>;
using Context = std::unique_ptr<TS_VERIFY_CTX, Free<TS_VERIFY_CTX_free>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;

constexpr size_t kNonceSize = 8;

Error refused(const std::string& why) { return {ErrorCode::corrupt, "the time stamp does not verify: " + why}; }

// The request over `data`; without a nonce it asks for the imprint only.
Request make_request(std::string_view data, std::string_view nonce) {
  const Digest digest = sha256(data);
  Request request(TS_REQ_new());
  std::unique_ptr<TS_MSG_IMPRINT, Free<TS_MSG_IMPRINT_free>> imprint(TS_MSG_IMPRINT_new());
  std::unique_ptr<X509_ALGOR, Free<X509_ALGOR_free>> algorithm(X509_ALGOR_new());
  SIGNET_CHECK(request && imprint && algorithm);
  SIGNET_CHECK(X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(NID_sha256), V_ASN1_NULL, nullptr) == 1);
  SIGNET_CHECK(TS_MSG_IMPRINT_set_algo(imprint.get(), algorithm.get()) == 1);
  SIGNET_CHECK(TS_MSG_IMPRINT_set_msg(imprint.get(), const_cast<uint8_t*>(digest.data()), int{sizeof digest}) == 1);
  SIGNET_CHECK(TS_REQ_set_version(request.get(), 1) == 1);
  SIGNET_CHECK(TS_REQ_set_msg_imprint(request.get(), imprint.get()) == 1);
  SIGNET_CHECK(TS_REQ_set_cert_req(request.get(), 1) == 1);
  if (nonce.empty()) return request;
  std::unique_ptr<ASN1_INTEGER, Free<ASN1_INTEGER_free>> number(ASN1_INTEGER_new());
  SIGNET_CHECK(number && ASN1_INTEGER_set_uint64(number.get(), read_big_endian(nonce)) == 1);
  SIGNET_CHECK(TS_REQ_set_nonce(request.get(), number.get()) == 1);
  return request;
}

// OpenSSL's last word, and what it adds to it.
std::string reason() {
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_peek_last_error_data(&data, &flags);
  const char* const text = ERR_reason_error_string(code);
  std::string out = text == nullptr ? "no reason given" : text;
  if (data != nullptr && (flags & ERR_TXT_STRING) != 0 && data[0] != 0) out += std::string(" (") + data + ')';
  ERR_clear_error();
  return out;
}

Result<WallTime> time_of(const TS_TST_INFO* info) {
  std::tm at{};
  if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &at) != 1) return refused("its time cannot be read");
  return WallTime{int64_t{::timegm(&at)} * 1'000'000};
}

// Who is trusted, at this time.
Result<Store> make_store(const std::string& ca_file, WallTime at) {
  Store store(X509_STORE_new());
  SIGNET_CHECK(store);
  if (X509_STORE_load_file(store.get(), ca_file.c_str()) != 1) {
    ERR_clear_error();
    return Error{ErrorCode::invalid, ca_file + " holds no certificates in PEM: ask the authority for them"};
  }
  X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store.get()), at.us / 1'000'000);
  return store;
}

Result<TimeStamp> verify(PKCS7* token, std::string_view data, std::string_view nonce, const std::string& ca_file) {
  const Info info(PKCS7_to_TS_TST_INFO(token));
  if (!info) return refused(reason());
  const auto at = time_of(info.get());
  if (!at) return at.error();
  auto store = make_store(ca_file, *at);
  if (!store) return store.error();
  const Request request = make_request(data, nonce);
  const Context context(TS_REQ_to_TS_VERIFY_CTX(request.get(), nullptr));
  SIGNET_CHECK(context);
  TS_VERIFY_CTX_add_flags(context.get(), TS_VFY_SIGNATURE);
  TS_VERIFY_CTX_set_store(context.get(), store->release());  // the context's from now on
  if (TS_RESP_verify_token(context.get(), token) != 1) return refused(reason());

  TimeStamp out;
  out.at = *at;
  uint8_t* der = nullptr;
  const int size = i2d_PKCS7(token, &der);
  SIGNET_CHECK(size > 0);
  out.token.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  const ASN1_INTEGER* serial = TS_TST_INFO_get_serial(info.get());
  out.serial = to_hex(
      {reinterpret_cast<const char*>(ASN1_STRING_get0_data(serial)), static_cast<size_t>(ASN1_STRING_length(serial))});
  return out;
}

}  // namespace

TimeStampRequest make_time_stamp_request(std::string_view data, Random& random) {
  TimeStampRequest out;
  append_u64(out.nonce, random.next() | 1);  // never 0, which would be no nonce
  const Request request = make_request(data, out.nonce);
  uint8_t* der = nullptr;
  const int size = i2d_TS_REQ(request.get(), &der);
  SIGNET_CHECK(size > 0);
  out.der.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

Result<TimeStamp> read_time_stamp_reply(std::string_view der, const TimeStampRequest& request, std::string_view data,
                                        const std::string& ca_file) {
  if (der.size() > kTimeStampTokenMax) return Error{ErrorCode::limit, "a time stamp is longer than 64 KiB"};
  SIGNET_CHECK(request.nonce.size() == kNonceSize);
  auto at = reinterpret_cast<const uint8_t*>(der.data());
  const Reply reply(d2i_TS_RESP(nullptr, &at, static_cast<long>(der.size())));
  if (!reply || at != reinterpret_cast<const uint8_t*>(der.data() + der.size())) {
    ERR_clear_error();
    return refused("the answer is no TimeStampResp of RFC 3161");
  }
  TS_STATUS_INFO* status = TS_RESP_get_status_info(reply.get());
  const int64_t granted = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(status));
  PKCS7* token = TS_RESP_get_token(reply.get());
  if ((granted != TS_STATUS_GRANTED && granted != TS_STATUS_GRANTED_WITH_MODS) || token == nullptr)
    return refused("the authority refused the request with status " + std::to_string(granted));
  return verify(token, data, request.nonce, ca_file);
}

Result<TimeStamp> verify_time_stamp(std::string_view der, std::string_view data, const std::string& ca_file) {
  if (der.size() > kTimeStampTokenMax) return Error{ErrorCode::limit, "a time stamp is longer than 64 KiB"};
  auto at = reinterpret_cast<const uint8_t*>(der.data());
  const Token token(d2i_PKCS7(nullptr, &at, static_cast<long>(der.size())));
  if (!token || at != reinterpret_cast<const uint8_t*>(der.data() + der.size())) {
    ERR_clear_error();
    return refused("it is no TimeStampToken of RFC 3161");
  }
  return verify(token.get(), data, "", ca_file);
}

}  // namespace signet

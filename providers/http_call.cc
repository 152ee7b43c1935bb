#include "providers/http_call.h"

#include <curl/curl.h>

#include <memory>
#include <string_view>

#include "base/check.h"

namespace signet {
namespace {

struct EasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct SlistFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistFree>;

void append(Slist& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  SIGNET_CHECK(longer);
  list.release();
  list.reset(longer);
}

size_t on_body(char* octets, size_t, size_t size, void* data) {
  auto& body = *static_cast<std::string*>(data);
  if (body.size() + size > kHttpReplyMax) return 0;
  body.append(octets, size);
  return size;
}

Error error_of(CURLcode code, const char* said) {
  const std::string text = said[0] != 0 ? said : curl_easy_strerror(code);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorCode::timeout, "no answer in time: whether it was done is not known"};
    case CURLE_WRITE_ERROR:
      return {ErrorCode::limit, "the answer is longer than 1 MiB"};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {ErrorCode::invalid, "not a URL with http:// or https://"};
    default:
      return {ErrorCode::unavailable, text};
  }
}

}  // namespace

Result<HttpReply> http_call(const HttpCall& call) {
  std::unique_ptr<CURL, EasyFree> easy(curl_easy_init());
  SIGNET_CHECK(easy);
  auto set = [&easy](CURLoption option, auto value) {
    SIGNET_CHECK(curl_easy_setopt(easy.get(), option, value) == CURLE_OK);
  };
  HttpReply reply;
  char said[CURL_ERROR_SIZE] = "";
  Slist headers;
  append(headers, "Expect:");  // a POST is not split in two by a wait for 100 Continue
  for (const auto& [name, value] : call.headers) append(headers, name + ": " + value);
  set(CURLOPT_URL, call.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  if (call.method != "GET" || !call.body.empty()) {
    set(CURLOPT_POSTFIELDSIZE, static_cast<long>(call.body.size()));
    set(CURLOPT_POSTFIELDS, call.body.c_str());
    set(CURLOPT_CUSTOMREQUEST, call.method.c_str());
  }
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_USERAGENT, "signetd");
  set(CURLOPT_PROXY, "");  // keeps libcurl from asking the environment
  set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  if (!call.ca_file.empty()) set(CURLOPT_CAINFO, call.ca_file.c_str());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(call.timeout_ms));
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, &reply.body);
  set(CURLOPT_ERRORBUFFER, said);
  if (const CURLcode code = curl_easy_perform(easy.get()); code != CURLE_OK) return error_of(code, said);

  long status = 0;
  SIGNET_CHECK(curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
  reply.status = static_cast<int>(status);
  for (curl_header* at = nullptr; (at = curl_easy_nextheader(easy.get(), CURLH_HEADER, -1, at));) {
    auto& header = reply.headers.emplace_back(at->name, at->value);
    for (char& c : header.first)
      if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  return reply;
}

}  // namespace signet

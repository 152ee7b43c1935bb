#include "providers/sigv4.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "tests/providers/webhook_vectors.h"

namespace signet {
namespace {

// "POST /path HTTP/1.1\nName:value\n\nbody", as the suite has its requests.
HttpRequest request_of(const std::string& text) {
  HttpRequest out;
  std::istringstream in(text);
  std::string line, host;
  std::getline(in, line);
  const auto first = line.find(' '), last = line.rfind(' ');
  out.method = line.substr(0, first);
  out.url = line.substr(first + 1, last - first - 1);
  while (std::getline(in, line) && !line.empty()) {
    const auto colon = line.find(':');
    out.headers.emplace_back(line.substr(0, colon), line.substr(colon + 1));
    if (line.starts_with("Host:")) host = line.substr(5);
  }
  out.url = "https://" + host + out.url;
  std::getline(in, out.body, '\0');
  return out;
}

std::string header_of(const HttpRequest& request, const std::string& name) {
  for (auto& [key, value] : request.headers)
    if (key == name) return value;
  return "";
}

const AwsCredentials kCredentials{"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret()};
const AwsScope kScope{"us-east-1", "service"};
const WallTime kAt{1440938160000000};  // 2015-08-30T12:36:00Z

// The canonical request's path and query: its second and third line.
std::string canonical(const std::string& path) {
  HttpRequest request{"GET", "https://example.amazonaws.com" + path, {}, ""};
  std::istringstream lines(sign_v4(request, kCredentials, kScope, kAt).canonical_request);
  std::string method, target, query;
  std::getline(lines, method);
  std::getline(lines, target);
  std::getline(lines, query);
  return target + "|" + query;
}

}  // namespace

TEST_CASE("requests are signed as AWS's own suite has them") {
  for (auto& vector : testing::webhook_vectors("aws-sigv4")) {
    INFO(vector.name);
    auto request = request_of(vector.body);
    const auto json = nlohmann::json::parse(vector.json);
    const auto& context = json["context"];
    if (context["sign_body"]) request.headers.emplace_back("x-amz-content-sha256", to_hex(view(sha256(request.body))));
    const auto at = parse_rfc3339(context["timestamp"].get<std::string>());
    REQUIRE(at);
    const AwsCredentials credentials{context["credentials"]["access_key_id"], Secret(vector.key), Secret()};
    const auto signature = sign_v4(request, credentials, {context["region"], context["service"]}, *at);
    CHECK(signature.canonical_request == json["canonical_request"]);
    CHECK(signature.string_to_sign == json["string_to_sign"]);
    CHECK(signature.signature == vector.expected);
    const std::string signed_request = json["signed_request"];
    CHECK(signed_request.find("Authorization:" + header_of(request, "Authorization") + "\n") != std::string::npos);
    CHECK(signed_request.find("X-Amz-Date:" + header_of(request, "X-Amz-Date") + "\n") != std::string::npos);
  }
}

TEST_CASE("paths, queries and headers are written in the one canonical way") {
  struct Row {
    std::string url, canonical;
  };
  for (auto& row : std::vector<Row>{
           {"", "/|"},
           {"/", "/|"},
           {"//", "/|"},
           {"/./example", "/example|"},
           {"/example/..", "/|"},
           {"/example1/example2/../..", "/|"},
           {"/../../a", "/a|"},
           {"/example/", "/example/|"},
           {"/a//b/./c", "/a/b/c|"},
           {"/example space/", "/example%20space/|"},
           {"/a%20b", "/a%2520b|"},
           {"/v2/email/outbound-emails", "/v2/email/outbound-emails|"},
           {"/?b=2&a=1&b=1", "/|a=1&b=1&b=2"},
           {"/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "/|%E1%88%B4=Value1&Param=Value2&Param-3=Value3"},
           {"/?a&c=d=e&x=%2F+", "/|a=&c=d%3De&x=%2F%2B"},
           {"/?x=%zz&y=%", "/|x=%25zz&y=%25"},
           {"/a#b?c", "/a|"},
       }) {
    INFO(row.url);
    CHECK(canonical(row.url) == row.canonical);
  }
  HttpRequest request{
      "GET", "https://example.amazonaws.com:8443/", {{"My-B", "  a \t b  c "}, {"my-a", "2"}, {"My-B", "x"}}, ""};
  const auto signature = sign_v4(request, kCredentials, kScope, kAt);
  CHECK(signature.canonical_request.find("\nhost:example.amazonaws.com:8443\nmy-a:2\nmy-b:a b c,x\nx-amz-date:") !=
        std::string::npos);
}

TEST_CASE("a session's token is sent and signed, and the secret key is nowhere in the request") {
  AwsCredentials credentials = kCredentials;
  credentials.session_token = Secret("session");
  HttpRequest request{"POST", "https://example.amazonaws.com/", {}, "body"};
  const auto signature = sign_v4(request, credentials, kScope, kAt);
  CHECK(header_of(request, "X-Amz-Security-Token") == "session");
  CHECK(header_of(request, "Authorization").find("host;x-amz-date;x-amz-security-token") != std::string::npos);
  for (auto& [name, value] : request.headers) CHECK(value.find("wJalrXUt") == std::string::npos);
  CHECK(signature.canonical_request.find("wJalrXUt") == std::string::npos);
  HttpRequest other{"POST", "https://example.amazonaws.com/", {}, "bodY"};
  CHECK(sign_v4(other, credentials, kScope, kAt).signature != signature.signature);
}

}  // namespace signet

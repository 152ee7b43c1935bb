#include "daemon/http/parser.h"

#include <catch2/catch.hpp>

#include "daemon/http/proxies.h"

using namespace signet::http;

namespace {

constexpr size_t kHeaderMax = 1024;
constexpr size_t kBodyMax = 256;

// What came of the octets: per request "METHOD path body", and a status if refused.
std::string outcome(const std::vector<std::string_view>& pieces) {
  RequestParser parser(kHeaderMax, kBodyMax);
  std::string out;
  for (const auto piece : pieces) {
    parser.append(piece);
    for (bool more = true; more;) {
      switch (parser.next()) {
        case RequestParser::Step::need_more:
          more = false;
          break;
        case RequestParser::Step::send_continue:
          break;
        case RequestParser::Step::request: {
          const Request request = parser.take();
          out += request.method + ' ' + request.path + ' ' + request.body + '\n';
          break;
        }
        case RequestParser::Step::refused:
          return out + std::to_string(parser.refusal().status);
      }
    }
  }
  return out;
}

std::string with_nul(std::string text) {
  for (char& c : text)
    if (c == '@') c = '\0';
  return text;
}

struct Case {
  std::string name;
  std::string octets;
  std::string expected;
};

std::string chunked(const std::string& body) {
  return "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body;
}
std::string get(const std::string& headers) { return "GET / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n"; }

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"plain", get(""), "GET / \n"},
      {"two, one behind the other", get("") + get("A: b\r\n"), "GET / \nGET / \n"},
      {"with a body", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "POST /x abc\n"},
      {"body, then another", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + get(""),
       "POST /x abc\nGET / \n"},
      {"chunked", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "POST /x abcde\n"},
      {"chunked, empty", chunked("0\r\n\r\n") + get(""), "POST /x \nGET / \n"},
      {"chunked, extension", chunked("3;a=b\r\nabc\r\n0;z\r\n\r\n"), "POST /x abc\n"},
      {"chunked, trailer", chunked("3\r\nabc\r\n0\r\nX-Late: 1\r\n\r\n") + get(""), "POST /x abc\nGET / \n"},
      {"HTTP/1.0 without Host", "GET /x HTTP/1.0\r\n\r\n", "GET /x \n"},
      {"an empty line before", "\r\n" + get(""), "GET / \n"},
      {"two empty lines before", "\r\n\r\n" + get(""), "400"},
      {"absolute form", "GET http://h/a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a \n"},
      {"escapes in the path", "GET /a%20b/%C3%A4 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a b/\xc3\xa4 \n"},

      {"bare CR in a value", get("A: b\rC: d\r\n"), "400"},
      {"bare LF between headers", get("A: b\nC: d\r\n"), "400"},
      {"bare LF throughout", "GET / HTTP/1.1\nHost: h\n\n", "400"},
      {"bare CR as a line's end", "GET / HTTP/1.1\rHost: h\r\r", "400"},
      {"CR CR LF", get("A: b\r\r\n"), "400"},
      {"space before the colon", get("Content-Length : 3\r\n"), "400"},
      {"tab before the colon", get("A\t: 3\r\n"), "400"},
      {"folded line", get("A: b\r\n c\r\n"), "400"},
      {"folded first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "400"},
      {"no colon", get("Abc\r\n"), "400"},
      {"empty name", get(": b\r\n"), "400"},
      {"NUL in a value", with_nul(get("A: b@c\r\n")), "400"},
      {"NUL in a name", with_nul(get("A@: b\r\n")), "400"},
      {"NUL in the target", with_nul("GET /@ HTTP/1.1\r\nHost: h\r\n\r\n"), "400"},
      {"DEL in a value", get("A: b\x7f\r\n"), "400"},
      {"TE: xchunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"},
      {"TE: gzip, chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
      {"TE: chunked, identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n", "400"},
      {"TE: identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", "400"},
      {"TE empty", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \r\n\r\n", "400"},
      {"TE twice",
       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400"},
      {"TE with vertical tab", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \vchunked\r\n\r\n", "400"},
      {"TE: CHUNKED", "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "POST /x \n"},
      {"TE over HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"CL then TE", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"TE then CL", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "400"},
      {"CL 0 and TE", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"two different CLs", get("Content-Length: 2\r\nContent-Length: 3\r\n"), "400"},
      {"two equal CLs", get("Content-Length: 2\r\nContent-Length: 2\r\n"), "400"},
      {"a list of CLs", get("Content-Length: 2, 2\r\n"), "400"},
      {"CL +2", get("Content-Length: +2\r\n"), "400"},
      {"CL -1", get("Content-Length: -1\r\n"), "400"},
      {"CL 0x2", get("Content-Length: 0x2\r\n"), "400"},
      {"CL 2 2", get("Content-Length: 2 2\r\n"), "400"},
      {"CL empty", get("Content-Length: \r\n"), "400"},
      {"CL over 64 bits", get("Content-Length: 18446744073709551617\r\n"), "400"},
      {"CL too large", get("Content-Length: 257\r\n"), "413"},
      {"CL as large as may be", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 256\r\n\r\n" + std::string(256, 'a'),
       "POST /x " + std::string(256, 'a') + "\n"},
      {"chunk too large", chunked("101\r\n" + std::string(257, 'a')), "413"},
      {"chunks too large together", chunked("ff\r\n" + std::string(255, 'a') + "\r\n2\r\n"), "413"},
      {"chunk size over 64 bits", chunked("10000000000000000\r\n"), "400"},
      {"chunk size signed", chunked("+3\r\nabc\r\n0\r\n\r\n"), "400"},
      {"chunk size 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n"), "400"},
      {"chunk size empty", chunked("\r\nabc\r\n0\r\n\r\n"), "400"},
      {"chunk without CRLF behind", chunked("3\r\nabcd\r\n0\r\n\r\n"), "400"},
      {"chunk head with bare LF", chunked("3\nabc\r\n0\r\n\r\n"), "400"},
      {"trailer that sets Content-Length", chunked("0\r\nContent-Length: 5\r\n\r\n"), "400"},
      {"trailer that sets Transfer-Encoding", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), "400"},
      {"trailer with space before colon", chunked("0\r\nA : b\r\n\r\n"), "400"},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two Hosts", get("Host: i\r\n"), "400"},
      {"Host empty", "GET / HTTP/1.1\r\nHost: \r\n\r\n", "400"},
      {"Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "501"},
      {"method in lower case", "get / HTTP/1.1\r\nHost: h\r\n\r\n", "501"},
      {"CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "501"},
      {"no method", "/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"no version", "GET /\r\nHost: h\r\n\r\n", "400"},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505"},
      {"HTTP/1.1 and a space", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "400"},
      {"http/1.1 in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", "400"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"a TLS greeting", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "400"},
      {"dot segments", "GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"escaped dot segments", "GET /a/%2e%2E/b HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"one dot", "GET /. HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"escaped slash", "GET /a%2fb HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"escaped NUL", "GET /a%00 HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"cut escape", "GET /a%4 HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"not UTF-8", "GET /a%ff HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"overlong slash", "GET /a%c0%af HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"bad escape in the query", "GET /?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"query not UTF-8", "GET /?a=%ff HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
      {"header too large", get("A: " + std::string(kHeaderMax, 'a') + "\r\n"), "431"},
      {"header without end", "GET /" + std::string(kHeaderMax, 'a'), "431"},
      {"chunk extension without end", chunked("3;" + std::string(2 * kHeaderMax, 'a')), "400"},
      {"unknown expectation", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: tea\r\n\r\na", "417"},
  };
  return all;
}

}  // namespace

TEST_CASE("each request, good or hostile, has one answer") {
  for (const Case& one : cases()) {
    INFO(one.name);
    CHECK(outcome({one.octets}) == one.expected);
  }
}

TEST_CASE("where the octets are cut changes nothing") {
  for (const Case& one : cases()) {
    INFO(one.name);
    const std::string_view octets = one.octets;
    for (size_t at = 1; at < octets.size(); ++at) {
      INFO("cut at " << at);
      REQUIRE(outcome({octets.substr(0, at), octets.substr(at)}) == one.expected);
    }
    std::vector<std::string_view> single;
    for (size_t at = 0; at < octets.size(); ++at) single.push_back(octets.substr(at, 1));
    CHECK(outcome(single) == one.expected);
  }
}

TEST_CASE("a header of exactly the permitted size is taken, one octet more is not") {
  const std::string frame = get("A: \r\n");
  const auto sized = [&](size_t size) { return get("A: " + std::string(size - frame.size(), 'a') + "\r\n"); };
  CHECK(outcome({sized(kHeaderMax)}) == "GET / \n");
  CHECK(outcome({sized(kHeaderMax + 1)}) == "431");
}

TEST_CASE("headers are joined, lower-cased, and not taken from trailers") {
  RequestParser parser(kHeaderMax, kBodyMax);
  parser.append(
      "POST /x?a=1&b=%C3%A4+c&a=2&flag HTTP/1.1\r\nHost: h\r\nX-One: a\r\nx-one:  b \r\nCookie: c=1\r\n"
      "Cookie: d=2\r\nTransfer-Encoding: chunked\r\nX-Request-Id: abc-1.2_3\r\n\r\n"
      "0\r\nAuthorization: Bearer stolen\r\nX-One: late\r\n\r\n");
  REQUIRE(parser.next() == RequestParser::Step::request);
  const Request request = parser.take();
  CHECK(request.header("x-one") == "a, b");
  CHECK(request.header("cookie") == "c=1; d=2");
  CHECK_FALSE(request.header("authorization"));
  CHECK(request.request_id == "abc-1.2_3");
  CHECK(request.raw_target == "/x?a=1&b=%C3%A4+c&a=2&flag");
  CHECK(request.query("a") == "1");
  CHECK(request.query("b") == "\xc3\xa4 c");
  CHECK(request.query("flag") == "");
  CHECK_FALSE(request.query("c"));
  CHECK(request.query_pairs.size() == 4);
}

TEST_CASE("a request id that is no plain word is not taken over") {
  for (const std::string id : {"a b", "", "a\"b", "<x>"}) {
    RequestParser parser(kHeaderMax, kBodyMax);
    parser.append(get("X-Request-Id: " + id + "\r\n"));
    REQUIRE(parser.next() == RequestParser::Step::request);
    CHECK(parser.take().request_id.empty());
  }
  RequestParser parser(kHeaderMax, kBodyMax);
  parser.append(get("X-Request-Id: " + std::string(65, 'a') + "\r\n"));
  REQUIRE(parser.next() == RequestParser::Step::request);
  CHECK(parser.take().request_id.empty());
}

TEST_CASE("keep-alive follows the version and the Connection header") {
  const auto keeps = [](const std::string& octets) {
    RequestParser parser(kHeaderMax, kBodyMax);
    parser.append(octets);
    REQUIRE(parser.next() == RequestParser::Step::request);
    parser.take();
    return parser.is_keep_alive();
  };
  CHECK(keeps(get("")));
  CHECK_FALSE(keeps(get("Connection: close\r\n")));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  CHECK(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST_CASE("100-continue is asked for once, and only if the body has not come") {
  const std::string head = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
  RequestParser parser(kHeaderMax, kBodyMax);
  parser.append(head);
  CHECK(parser.next() == RequestParser::Step::send_continue);
  CHECK(parser.next() == RequestParser::Step::need_more);
  parser.append("abc");
  CHECK(parser.next() == RequestParser::Step::request);
  CHECK(parser.take().body == "abc");
  parser.append(head + "abc");
  CHECK(parser.next() == RequestParser::Step::request);
}

TEST_CASE("X-Forwarded-For counts only from configured addresses") {
  const auto proxies = TrustedProxies::parse({"10.0.0.0/8", "192.0.2.7", "fd00::/8"});
  REQUIRE(proxies);
  CHECK(proxies->client("203.0.113.9", "1.2.3.4") == "203.0.113.9");
  CHECK(proxies->client("10.1.2.3", "1.2.3.4") == "1.2.3.4");
  CHECK(proxies->client("10.1.2.3", "") == "10.1.2.3");
  CHECK(proxies->client("::ffff:10.1.2.3", "1.2.3.4") == "1.2.3.4");
  CHECK(proxies->client("10.1.2.3", "6.6.6.6, 1.2.3.4, 192.0.2.7") == "1.2.3.4");
  CHECK(proxies->client("10.1.2.3", "1.2.3.4, nonsense") == "10.1.2.3");
  CHECK(proxies->client("fd12::1", "2001:db8::1") == "2001:db8::1");
  CHECK(proxies->client("192.0.2.8", "1.2.3.4") == "192.0.2.8");
  for (const char* bad : {"10.0.0.0/33", "10.0.0", "proxy.example", "10.0.0.0/", "::1/129", "10.0.0.0/8x", ""})
    CHECK_FALSE(TrustedProxies::parse({bad}));
}

// Beast asserts `n >= 5` for a last chunk that arrives cut ("0\r\n" then "\r"), which any client can do; nothing is
// read out of bounds there, so its assertions are off in this one file (tests/daemon/http cuts at every octet).
#define BOOST_DISABLE_ASSERTS
#include "daemon/http/parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "base/check.h"

namespace signet::http {

namespace beast = boost::beast::http;

namespace {

constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

bool is_host(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '?' && c != '#' && c != '@' && c != ',';
  });
}

bool ends_in_version(std::string_view header) {
  const std::string_view line = header.substr(0, header.find('\r'));
  const size_t slash = line.rfind(" HTTP/");
  return slash != std::string_view::npos && line.size() == slash + 9 && line[slash + 7] == '.';
}

Refusal malformed(std::string detail) { return {400, "BAD_REQUEST", "The request is malformed", std::move(detail)}; }

}  // namespace

struct RequestParser::Impl {
  Impl(size_t header_bytes_max, size_t body_bytes_max) : header_max(header_bytes_max), body_max(body_bytes_max) {
    restart();
  }

  void restart() {
    beast_parser.emplace();
    beast_parser->header_limit(static_cast<uint32_t>(std::min<size_t>(header_max + 1, UINT32_MAX)));
    beast_parser->body_limit(body_max);
    phase = Phase::header;
    scanned = 0;
    line_start = 0;
    has_skipped_line = false;
    request = Request{};
  }

  Step refuse(Refusal why) {
    refused = std::move(why);
    phase = Phase::refused;
    return Step::refused;
  }

  enum class Scan { more, end, bad };
  Scan scan_header();
  Step read_header();
  std::optional<Refusal> check_header();
  void copy_headers();
  Step read_body();

  const size_t header_max;
  const size_t body_max;
  std::string input;
  size_t used = 0;        // of input, by requests and parts of them read so far
  size_t scanned = 0;     // from `used`: how far the header was looked through
  size_t line_start = 0;  // from `used`: where the line being scanned begins
  bool has_skipped_line = false;
  enum class Phase { header, body, refused } phase = Phase::header;
  std::optional<beast::request_parser<beast::string_body>> beast_parser;
  Request request;
  bool keep_alive = true;
  bool http10 = false;
  Refusal refused;
};

// Looks for the header's end, and refuses what a lenient reader would take for a line's end. Done here and not by
// Beast, so that the answer does not depend on how the octets were cut.
RequestParser::Impl::Scan RequestParser::Impl::scan_header() {
  const std::string_view rest = std::string_view(input).substr(used, header_max);
  for (; scanned < rest.size(); ++scanned) {
    const auto c = static_cast<unsigned char>(rest[scanned]);
    if (c == '\r') {
      if (scanned + 1 == rest.size()) return Scan::more;
      if (rest[scanned + 1] != '\n') return Scan::bad;
      const bool is_empty_line = scanned == line_start;
      scanned += 2;
      line_start = scanned;
      if (is_empty_line) return Scan::end;
      --scanned;
      continue;
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f) return Scan::bad;
    if (scanned == line_start && (c == ' ' || c == '\t')) return Scan::bad;
  }
  return Scan::more;
}

RequestParser::Step RequestParser::Impl::read_header() {
  // RFC 9112 section 2.2: an empty line before the request line is ignored. One is.
  if (!has_skipped_line && scanned == 0 && std::string_view(input).substr(used).starts_with("\r\n")) {
    used += 2;
    has_skipped_line = true;
  }
  const Scan scan = scan_header();
  if (scan == Scan::bad)
    return refuse(malformed("Send header lines that end in CR LF, without control characters or folding."));
  if (scan == Scan::more && input.size() - used >= header_max)
    return refuse({431, "HEADER_TOO_LARGE", "The request's headers are too large",
                   "Send at most " + std::to_string(header_max) + " octets of request line and headers."});
  if (scan == Scan::more) return Step::need_more;

  boost::system::error_code fault;
  const size_t header_size = scanned;
  const size_t taken = beast_parser->put(boost::asio::buffer(input.data() + used, header_size), fault);
  copy_headers();
  if (fault == beast::error::body_limit)
    return refuse({413, "BODY_TOO_LARGE", "The request's body is too large",
                   "Send at most " + std::to_string(body_max) + " octets."});
  if (fault == beast::error::bad_version && ends_in_version(std::string_view(input).substr(used)))
    return refuse({505, "VERSION_NOT_SUPPORTED", "This HTTP version is not spoken here", "Use HTTP/1.1."});
  if (fault) return refuse(malformed("Check the request line and the headers (" + fault.message() + ")."));
  if (taken != header_size || !beast_parser->is_header_done())
    return refuse(malformed("Send one empty line after the headers."));
  used += taken;
  if (auto why = check_header()) return refuse(std::move(*why));
  keep_alive = beast_parser->keep_alive();
  http10 = beast_parser->get().version() == 10;
  phase = Phase::body;
  const auto expect = request.header("expect");
  if (!expect || beast_parser->is_done()) return read_body();
  if (lower(*expect) != "100-continue")
    return refuse({417, "EXPECTATION_FAILED", "This expectation cannot be met", "Leave the Expect header out."});
  return http10 || used < input.size() ? read_body() : Step::send_continue;
}

// Once, before the body: trailers land in the same map of Beast's and must not pass for headers.
void RequestParser::Impl::copy_headers() {
  for (const auto& field : beast_parser->get()) {
    std::string name = lower(std::string_view(field.name_string().data(), field.name_string().size()));
    const std::string_view value(field.value().data(), field.value().size());
    const auto same = std::find_if(request.headers.begin(), request.headers.end(),
                                   [&](const auto& header) { return header.first == name; });
    if (same == request.headers.end()) {
      request.headers.emplace_back(std::move(name), value);
    } else {
      same->second.append(name == "cookie" ? "; " : ", ").append(value);
    }
  }
  if (const auto id = request.header("x-request-id"); id && is_request_id(*id)) request.request_id = *id;
}

std::optional<Refusal> RequestParser::Impl::check_header() {
  const auto& message = beast_parser->get();
  const bool is_10 = message.version() == 10;
  const size_t hosts = message.count(beast::field::host);
  if (hosts > 1 || (hosts == 0 && !is_10)) return malformed("Send exactly one Host header.");
  if (hosts == 1 && !is_host(*request.header("host"))) return malformed("Send a Host header that names one host.");
  const auto coding = request.header("transfer-encoding");
  if (coding && (lower(*coding) != "chunked" || is_10))
    return malformed("Send no Transfer-Encoding other than \"chunked\", over HTTP/1.1.");
  const auto length = request.header("content-length");
  if (length && coding) return malformed("Send Content-Length or Transfer-Encoding, not both.");
  if (message.count(beast::field::content_length) > 1 ||
      (length && length->find_first_not_of("0123456789") != std::string_view::npos))
    return malformed("Send one Content-Length, in digits.");

  request.method.assign(message.method_string().data(), message.method_string().size());
  if (std::find(std::begin(kMethods), std::end(kMethods), request.method) == std::end(kMethods))
    return Refusal{501, "METHOD_UNKNOWN", "This method is not known here",
                   "Use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS."};
  if (!read_target(std::string_view(message.target().data(), message.target().size()), request))
    return malformed("Send a path that begins with '/', in UTF-8, without dot segments or an encoded slash.");
  return std::nullopt;
}

RequestParser::Step RequestParser::Impl::read_body() {
  beast_parser->eager(true);
  while (!beast_parser->is_done()) {
    const size_t left = input.size() - used;
    if (left == 0) return Step::need_more;
    boost::system::error_code fault;
    used += beast_parser->put(boost::asio::buffer(input.data() + used, left), fault);
    if (fault == beast::error::need_more) {
      // What stays unread here is the head of a chunk or the trailers.
      if (input.size() - used > header_max) return refuse(malformed("Send shorter chunk extensions and trailers."));
      return Step::need_more;
    }
    if (fault == beast::error::body_limit)
      return refuse({413, "BODY_TOO_LARGE", "The request's body is too large",
                     "Send at most " + std::to_string(body_max) + " octets."});
    if (fault) return refuse(malformed("Check the body's chunks (" + fault.message() + ")."));
  }
  request.body = std::move(beast_parser->get().body());
  return Step::request;
}

RequestParser::RequestParser(size_t header_bytes, size_t body_bytes)
    : impl_(std::make_unique<Impl>(header_bytes, body_bytes)) {}
RequestParser::~RequestParser() = default;

void RequestParser::append(std::string_view octets) {
  if (impl_->used > 0) {
    impl_->input.erase(0, impl_->used);
    impl_->used = 0;
  }
  impl_->input.append(octets);
}

RequestParser::Step RequestParser::next() {
  switch (impl_->phase) {
    case Impl::Phase::header:
      return impl_->read_header();
    case Impl::Phase::body:
      return impl_->read_body();
    case Impl::Phase::refused:
      break;
  }
  return Step::refused;
}

Request RequestParser::take() {
  SIGNET_CHECK(impl_->phase == Impl::Phase::body && impl_->beast_parser->is_done());
  Request out = std::move(impl_->request);
  impl_->restart();
  return out;
}

bool RequestParser::is_keep_alive() const { return impl_->keep_alive; }
bool RequestParser::is_http10() const { return impl_->http10; }
const Refusal& RequestParser::refusal() const { return impl_->refused; }
std::string RequestParser::request_id() const { return impl_->request.request_id; }
bool RequestParser::has_begun() const { return impl_->phase != Impl::Phase::header || buffered() > 0; }
size_t RequestParser::buffered() const { return impl_->input.size() - impl_->used; }

}  // namespace signet::http

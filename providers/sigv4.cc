#include "providers/sigv4.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Target {
  std::string_view authority, path, query;
};
Target target_of(std::string_view url) {
  Target out;
  const auto scheme = url.find("://");
  if (scheme != url.npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('#'));
  if (const auto mark = url.find('?'); mark != url.npos) {
    out.query = url.substr(mark + 1);
    url = url.substr(0, mark);
  }
  const auto slash = std::min(url.find('/'), url.size());
  out.authority = url.substr(0, slash);
  out.path = url.substr(slash);
  return out;
}

// All but the unreserved characters of RFC 3986 section 2.3, and '/' where it parts a path.
void append_encoded(std::string& to, std::string_view text, bool keeps_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (unsigned char c : text) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                          c == '.' || c == '_' || c == '~' || (keeps_slash && c == '/');
    if (is_plain) {
      to += static_cast<char>(c);
    } else {
      to += '%';
      to += kHex[c >> 4];
      to += kHex[c & 15];
    }
  }
}

// "." and ".." and empty segments go (RFC 3986 section 5.2.4). What is escaped in the URL is escaped once more: so does
// every service but S3.
std::string canonical_path(std::string_view path) {
  std::vector<std::string_view> segments;
  const bool ends_with_slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  while (!path.empty()) {
    const auto segment = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(segment.size() + 1, path.size()));
    if (segment.empty() || segment == ".") continue;
    if (segment != "..")
      segments.push_back(segment);
    else if (!segments.empty())
      segments.pop_back();
  }
  std::string out;
  for (const auto segment : segments) append_encoded(out += '/', segment, false);
  if (out.empty() || ends_with_slash) out += '/';
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (auto octet = from_hex(text.substr(i + 1, 2))) {
        out += *octet;
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string canonical_query(std::string_view query) {
  Pairs parameters;
  while (!query.empty()) {
    const auto one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    if (one.empty()) continue;
    const auto equals = std::min(one.find('='), one.size());
    auto& [name, value] = parameters.emplace_back();
    append_encoded(name, unescaped(one.substr(0, equals)), false);
    if (equals < one.size()) append_encoded(value, unescaped(one.substr(equals + 1)), false);
  }
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string one_spaced(std::string_view value) {  // without blanks around it, and one where there were several
  std::string out;
  for (char c : value) {
    if (c == '\t') c = ' ';
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

Pairs canonical_headers(const HttpRequest& request) {
  Pairs out;
  for (const auto& [name, value] : request.headers) {
    auto lower = lower_case(name);
    const auto same = std::find_if(out.begin(), out.end(), [&](const auto& header) { return header.first == lower; });
    if (same == out.end())
      out.emplace_back(std::move(lower), one_spaced(value));
    else
      same->second += "," + one_spaced(value);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool has_header(const HttpRequest& request, std::string_view name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&](const auto& header) { return lower_case(header.first) == name; });
}

std::string basic_time(WallTime at) {  // 20150830T123600Z
  std::string out;
  for (char c : rfc3339({at.us - at.us % 1'000'000}).substr(0, 19))
    if (c != '-' && c != ':') out += c;
  return out + "Z";
}

}  // namespace

AwsSignature sign_v4(HttpRequest& request, const AwsCredentials& credentials, const AwsScope& scope, WallTime at) {
  const auto target = target_of(request.url);
  const auto now = basic_time(at), day = now.substr(0, 8);
  if (!has_header(request, "host")) request.headers.emplace_back("Host", std::string(target.authority));
  request.headers.emplace_back("X-Amz-Date", now);
  if (!credentials.session_token.is_empty())
    request.headers.emplace_back("X-Amz-Security-Token", std::string(credentials.session_token.octets()));

  AwsSignature out;
  std::string signed_headers;
  out.canonical_request =
      request.method + "\n" + canonical_path(target.path) + "\n" + canonical_query(target.query) + "\n";
  for (const auto& [name, value] : canonical_headers(request)) {
    out.canonical_request += name + ":" + value + "\n";
    signed_headers += (signed_headers.empty() ? "" : ";") + name;
  }
  out.canonical_request += "\n" + signed_headers + "\n" + to_hex(view(sha256(request.body)));
  const auto within = day + "/" + scope.region + "/" + scope.service + "/aws4_request";
  out.string_to_sign =
      std::string(kAlgorithm) + "\n" + now + "\n" + within + "\n" + to_hex(view(sha256(out.canonical_request)));

  Digest key = hmac_sha256("AWS4" + std::string(credentials.secret_access_key.octets()), day);
  for (const std::string_view step :
       {std::string_view(scope.region), std::string_view(scope.service), std::string_view("aws4_request")})
    key = hmac_sha256(view(key), step);
  out.signature = to_hex(view(hmac_sha256(view(key), out.string_to_sign)));
  request.headers.emplace_back("Authorization", std::string(kAlgorithm) + " Credential=" + credentials.access_key_id +
                                                    "/" + within + ", SignedHeaders=" + signed_headers +
                                                    ", Signature=" + out.signature);
  return out;
}

}  // namespace signet

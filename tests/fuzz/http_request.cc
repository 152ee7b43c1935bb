// What comes to a listener, cut anywhere (daemon/http/parser.h): the webhooks' one is open to everybody.
#include "daemon/http/parser.h"
#include "tests/fuzz/adapter.h"

using namespace signet;

namespace {

std::vector<http::Request> read(std::string_view octets, size_t piece) {
  http::RequestParser parser(4096, 65536);
  std::vector<http::Request> out;
  for (size_t at = 0; at <= octets.size(); at += piece) {
    parser.append(octets.substr(at, piece));
    for (auto step = parser.next(); step != http::RequestParser::Step::need_more; step = parser.next()) {
      if (step == http::RequestParser::Step::refused) return out;
      if (step == http::RequestParser::Step::request) out.push_back(parser.take());
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const auto whole = read(octets, octets.size() + 1), cut = read(octets, 5);
  fuzz::must(whole.size() == cut.size(), "it does not matter how the octets come");
  for (size_t i = 0; i < whole.size(); ++i) {
    fuzz::must(whole[i].path == cut[i].path && whole[i].body == cut[i].body, "it does not matter how the octets come");
    fuzz::must(whole[i].path.starts_with('/'), "a path begins with a slash");
  }
  return 0;
}

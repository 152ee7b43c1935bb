// `signetd import`: a message a line, as POST /api/messages takes them, in arrays over the running daemon's API. A line
// that is refused is named by its number, never by what it says, and does not stop the others.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/bytes.h"
#include "base/sha256.h"
#include "daemon/commands/admin_api.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/operator.h"

namespace signet {
namespace {

using Json = nlohmann::json;

constexpr size_t kLinesMax = 100;  // of one request
constexpr int kTriesMax = 5;       // while the daemon has no database
constexpr int64_t kAgainS = 2;

struct Line {
  int64_t number = 0;
  std::string text;
};
using Lines = std::vector<Line>;

Result<std::string> hash_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{ErrorCode::not_found, "cannot read " + path};
  Sha256 sum;
  std::string octets(1 << 16, '\0');
  while (file.read(octets.data(), static_cast<std::streamsize>(octets.size())) || file.gcount() > 0)
    sum.add(std::string_view(octets).substr(0, static_cast<size_t>(file.gcount())));
  return to_hex(view(sum.finish()));
}

// The line with a clientReference of the file and its place in it, where it has none of its own: the same file again
// imports nothing twice. As text, so that the daemon sees what else there is as it was written.
std::string referenced(const std::string& text, const Json& object, const std::string& reference) {
  if (object.contains("clientReference")) return text;
  const std::string member = "\"clientReference\":\"" + reference + '"' + (object.empty() ? "" : ",");
  return std::string(text).insert(text.find('{') + 1, member);
}

// "[3].recipientPhone is ..." is of the line at 3; what names no place is of all, which only one line can bear.
std::optional<size_t> place_of(const std::string& error, size_t count) {
  if (!error.starts_with('[')) return count == 1 ? std::optional<size_t>(0) : std::nullopt;
  size_t place = 0;
  for (size_t i = 1; i < error.size() && error[i] >= '0' && error[i] <= '9'; i++)
    place = place * 10 + static_cast<size_t>(error[i] - '0');
  return place < count ? std::optional<size_t>(place) : std::nullopt;
}

std::string without_place(const std::string& error) {
  const size_t end = error.find("].");
  return error.starts_with('[') && end != std::string::npos ? error.substr(end + 2) : error;
}

class Import {
 public:
  explicit Import(const AdminApi& api) : api_(api) {}

  // An error: the import cannot go on.
  Result<void> send(Lines lines) {
    while (!lines.empty()) {
      auto answer = post(lines);
      if (!answer) return answer.error();
      if (answer->status == 200 || answer->status == 201) {
        taken_ += static_cast<int64_t>(lines.size());
        return {};
      }
      if (answer->status == 401 || answer->status >= 500) return Error{ErrorCode::forbidden, said(*answer)};
      if (!take_out(lines, errors_of(*answer))) return send_halves(std::move(lines), *answer);
    }
    return {};
  }
  void refuse(int64_t number, const std::string& why) {
    std::fprintf(stderr, "line %lld: %s\n", static_cast<long long>(number), why.c_str());  // NOLINT(google-runtime-int)
    refused_++;
  }
  int64_t taken() const { return taken_; }
  int64_t refused() const { return refused_; }

 private:
  Result<HttpReply> post(const Lines& lines) const {
    std::string body;
    for (const auto& line : lines) body += (body.empty() ? '[' : ',') + line.text;
    body += ']';
    for (int tries = 1;; tries++) {
      auto answer = api_.post("messages", body);
      if (!answer) return answer;
      const bool is_throttled = answer->status == 429;
      if (!is_throttled && (answer->status != 503 || tries == kTriesMax)) return answer;
      int64_t wait_s = kAgainS;
      for (const auto& [name, value] : answer->headers)
        if (name == "retry-after") wait_s = std::max<int64_t>(1, std::atoll(value.c_str()));
      std::this_thread::sleep_for(std::chrono::seconds(wait_s));
    }
  }

  // Refuses the lines that the errors name; false if one names none.
  bool take_out(Lines& lines, const std::vector<std::string>& errors) {
    std::map<size_t, std::string> by_place;
    for (const auto& error : errors) {
      const auto place = place_of(error, lines.size());
      if (!place) return false;
      std::string& all = by_place[*place];
      all += (all.empty() ? "" : "; ") + without_place(error);
    }
    if (by_place.empty()) return false;
    Lines rest;
    for (size_t i = 0; i < lines.size(); i++) {
      if (const auto found = by_place.find(i); found != by_place.end())
        refuse(lines[i].number, found->second);
      else
        rest.push_back(std::move(lines[i]));
    }
    lines = std::move(rest);
    return true;
  }

  // The answer is of one of them and does not say of which.
  Result<void> send_halves(Lines lines, const HttpReply& answer) {
    if (lines.size() == 1) {
      refuse(lines.front().number, said(answer));
      return {};
    }
    const auto middle = lines.begin() + static_cast<std::ptrdiff_t>(lines.size() / 2);
    Lines second(std::make_move_iterator(middle), std::make_move_iterator(lines.end()));
    lines.erase(middle, lines.end());
    if (auto done = send(std::move(lines)); !done) return done;
    return send(std::move(second));
  }

  const AdminApi& api_;
  int64_t taken_ = 0, refused_ = 0;
};

}  // namespace

int import_messages(const Config& config, const ImportOptions& options) {
  auto api = AdminApi::open(config, options.token_file, options.ca_file);
  if (!api) return failed(api.error().text);
  auto hash = hash_of(options.file);
  if (!hash) return failed(hash.error().text);
  const auto octets_max = static_cast<size_t>(config.http.limits.body_bytes) - 2;  // between [ and ]
  std::ifstream file(options.file, std::ios::binary);
  Import import(*api);
  Lines lines;
  size_t octets = 0;
  const auto flush = [&]() -> bool {
    const int64_t first = lines.empty() ? 0 : lines.front().number;
    auto done = import.send(std::exchange(lines, {}));
    octets = 0;
    if (!done)
      failed(done.error().text + "\nThe import stopped at line " + std::to_string(first) +
             "; run it again with the same file: nothing is taken twice");
    return done.ok();
  };
  int64_t number = 0;
  for (std::string text; std::getline(file, text);) {
    number++;
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Json object = Json::parse(text, nullptr, false);
    if (!object.is_object()) {
      import.refuse(number, "is no JSON object: write a message as POST /api/messages takes it");
      continue;
    }
    std::string line = referenced(text, object, "import:" + hash->substr(0, 32) + ':' + std::to_string(number));
    if (line.size() > octets_max) {
      import.refuse(number, "is longer than http.limits.body_bytes");
      continue;
    }
    if ((lines.size() == kLinesMax || octets + line.size() + 1 > octets_max) && !flush()) return 1;
    octets += line.size() + 1;
    lines.push_back({number, std::move(line)});
  }
  if (!flush()) return 1;
  std::printf("%lld messages are there; lines refused: %lld\n",
              static_cast<long long>(import.taken()),     // NOLINT(google-runtime-int)
              static_cast<long long>(import.refused()));  // NOLINT(google-runtime-int)
  return import.refused() == 0 ? 0 : 1;
}

}  // namespace signet

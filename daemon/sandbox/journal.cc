#include "daemon/sandbox/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/ids.h"

namespace signet::sandbox {

using Json = nlohmann::ordered_json;

namespace {

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::vector<std::string> more_than_once(const std::unordered_map<std::string, uint32_t>& counts) {
  std::vector<std::string> out;
  for (const auto& [id, count] : counts)
    if (count > 1) out.push_back(id);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::string echo_in(std::string_view text) {
  constexpr size_t kIdSize = 36;
  for (size_t at = 0; at + kIdSize <= text.size(); ++at) {
    if (text[at + 8] != '-' || !parse_uuid(text.substr(at, kIdSize))) continue;
    size_t end = at + kIdSize;
    if (end < text.size() && text[end] == '.') {
      const size_t digits = end + 1;
      size_t last = digits;
      while (last < text.size() && last < digits + 9 && text[last] >= '0' && text[last] <= '9') ++last;
      if (last > digits) end = last;
    }
    return std::string(text.substr(at, end - at));
  }
  return "";
}

Result<std::unique_ptr<Journal>> Journal::open(const Clock& clock, const std::string& path, bool fsync) {
  std::unique_ptr<Journal> journal(new Journal(clock, fsync));
  if (path.empty()) return journal;
  if (auto read = journal->read_existing(path); !read) return read.error();
  journal->fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (journal->fd_ < 0)
    return Error{ErrorCode::io, "cannot write the journal " + path + ": " + std::strerror(errno) +
                                    "; choose a folder that exists and may be written"};
  return journal;
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> Journal::read_existing(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("n"))
      return Error{ErrorCode::corrupt, "line " + std::to_string(last_n_ + 1) + " of the journal " + path +
                                           " is not ours; move the file away"};
    Arrival arrival;
    arrival.echo = json.value("echo", "");
    arrival.verdict = json.value("verdict", "");
    arrival.reference = json.value("reference", "");
    last_n_ = json.value("n", uint64_t{0});
    count(arrival);
  }
  return {};
}

std::shared_ptr<Arrival> Journal::record(Arrival fresh) {
  auto arrival = std::make_shared<Arrival>(std::move(fresh));
  arrival->n = ++last_n_;
  arrival->at = clock_.wall();
  if (fd_ >= 0) {
    std::string line = dump({{"n", arrival->n},
                             {"at", rfc3339(arrival->at)},
                             {"channel", arrival->channel},
                             {"recipient", arrival->recipient},
                             {"echo", arrival->echo},
                             {"verdict", arrival->verdict},
                             {"answer", arrival->answer},
                             {"reference", arrival->reference}}) +
                       '\n';
    // One write per line: whole or not there, also for a reader meanwhile.
    SIGNET_CHECK(::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    SIGNET_CHECK(!fsync_ || ::fdatasync(fd_) == 0);
  }
  count(*arrival);
  latest_.push_front(arrival);
  if (latest_.size() > kLatest) latest_.pop_back();
  return arrival;
}

void Journal::count(const Arrival& arrival) {
  if (arrival.echo.find('.') != std::string::npos) ++attempts_[arrival.echo];
  if (arrival.verdict != "accepted") return;
  ++accepted_;
  ++accepted_ids_[arrival.echo.empty() ? arrival.reference : arrival.echo.substr(0, arrival.echo.find('.'))];
}

Journal::Summary Journal::summary() const {
  return {accepted_, accepted_ids_.size(), more_than_once(accepted_ids_), more_than_once(attempts_)};
}

std::string Journal::summary_json() const {
  const Summary s = summary();
  return dump({{"accepted", s.accepted},
               {"distinct", s.distinct},
               {"twice", s.twice},
               {"repeatedAttempts", s.repeated_attempts}});
}

std::string Journal::latest_json() const {
  Json out = Json::array();
  for (const auto& arrival : latest_)
    out.push_back({{"n", arrival->n},
                   {"at", rfc3339(arrival->at)},
                   {"channel", arrival->channel},
                   {"recipient", arrival->recipient},
                   {"sender", arrival->sender},
                   {"subject", arrival->subject},
                   {"text", arrival->text},
                   {"echo", arrival->echo},
                   {"verdict", arrival->verdict},
                   {"answer", arrival->answer},
                   {"reference", arrival->reference},
                   {"statuses", arrival->statuses}});
  return dump(out);
}

}  // namespace signet::sandbox

#include "tests/chaos/judge_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "base/check.h"

namespace signet::chaos {

JudgeJournal::JudgeJournal(Loop& loop, const Clock& clock, const std::string& path) : loop_(loop), clock_(clock) {
  rounds_.fill(clock.wall());
  std::ifstream file(path, std::ios::binary);
  std::string line;
  while (std::getline(file, line)) {
    if (file.eof()) throw std::runtime_error("the journal's last line is torn; move it away: " + path);
    const auto json = nlohmann::json::parse(line);
    n_++;
    if (json.value("verdict", "") != "accepted") continue;
    if (json.value("effect", false)) effects_++;
    remember({json.value("provider", ""), json.value("echo", ""), json.value("key", ""), "accepted", ""},
             json.value("reference", ""));
  }
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0) throw std::runtime_error("the journal cannot be written: " + path);
}

JudgeJournal::~JudgeJournal() {
  writer_.reset();  // ends what it is at
  ::close(fd_);
}

void JudgeJournal::remember(const Offer& offer, const std::string& reference) {
  taken_.emplace(offer.provider + ' ' + offer.echo, reference);
  if (!offer.key.empty()) taken_.emplace(offer.provider + ' ' + offer.key, reference);
}

std::string JudgeJournal::find(const std::string& provider, const std::string& echo_or_key) const {
  const auto at = taken_.find(provider + ' ' + echo_or_key);
  return at == taken_.end() ? "" : at->second;
}

Taken JudgeJournal::add(const Offer& offer, std::function<void()> answer) {
  Taken out;
  n_++;
  const bool is_accepted = offer.verdict == "accepted";
  if (is_accepted) {
    if (!offer.key.empty()) out.reference = find(offer.provider, offer.key);
    out.is_repeat = !out.reference.empty();
    if (!out.is_repeat) {
      char reference[40];
      std::snprintf(reference, sizeof reference, "SM%032llx", static_cast<unsigned long long>(n_));
      out.reference = reference;
      effects_++;
    }
    remember(offer, out.reference);
  }
  nlohmann::ordered_json line{{"n", n_},
                              {"at", rfc3339(clock_.wall())},
                              {"since", rfc3339(rounds_.front())},
                              {"tick_us", clock_.tick().us},
                              {"provider", offer.provider},
                              {"echo", offer.echo},
                              {"verdict", offer.verdict},
                              {"answer", offer.answer},
                              {"reference", out.reference}};
  if (!offer.key.empty()) line["key"] = offer.key;
  if (is_accepted) line["effect"] = !out.is_repeat;
  lines_ += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  answers_.push_back(std::move(answer));
  return out;
}

void JudgeJournal::flush() {
  std::rotate(rounds_.begin(), rounds_.begin() + 1, rounds_.end());
  rounds_.back() = clock_.wall();
  if (answers_.empty() || is_writing_) return;
  is_writing_ = true;
  const bool is_taken =
      writer_->submit([this, lines = std::exchange(lines_, {}), answers = std::exchange(answers_, {})]() mutable {
        // A judge with holes in its memory would acquit: a failed write ends it.
        SIGNET_CHECK(::write(fd_, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()));
        SIGNET_CHECK(::fdatasync(fd_) == 0);
        loop_.post([this, answers = std::move(answers)] {
          is_writing_ = false;
          for (const auto& answer : answers) answer();
        });
      });
  SIGNET_CHECK(is_taken);
}

}  // namespace signet::chaos

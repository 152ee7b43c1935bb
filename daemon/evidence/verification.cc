#include "daemon/evidence/verification.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/bytes.h"
#include "daemon/evidence/log_check.h"
#include "daemon/evidence/message_check.h"
#include "store/evidence_rows.h"

namespace signet {
namespace {

constexpr int64_t kEntriesAtOnce = 4096;  // 16 tiles
constexpr int kMessagesAtOnceMax = 4000;
constexpr size_t kOctetsWanted = 16 << 20;  // of messages that are read at once, whatever they are
constexpr size_t kListsWaitingMax = 8;      // of messages that began; more: the log waits
constexpr size_t kFindingsMax = 10000;
constexpr int kSurplusMax = 1000;
constexpr int64_t kMonthUs = 35LL * 86'400'000'000;

void append(Discrepancies& to, Discrepancies from) {
  for (auto& finding : from)
    if (to.size() < kFindingsMax) to.push_back(std::move(finding));
}

// The messages' side, on its thread.
class MessageReading {
 public:
  MessageReading(const VerificationParts& parts, std::unique_ptr<PgSession> session, bool is_whole,
                 const VerificationReport& before)
      : parts_(parts), session_(std::move(session)), is_whole_(is_whole), after_(before.message_id) {}
  ~MessageReading() { stop(); }

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    {
      std::lock_guard guard(lock_);
      is_stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  // Of what is not whole: messages to look at. Waits while too much waits.
  void add(std::vector<Uuid> ids) {
    if (ids.empty()) return;
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return waiting_.size() < kListsWaitingMax || is_done_; });
    waiting_.push_back(std::move(ids));
    changed_.notify_all();
  }
  void add_no_more() {
    std::lock_guard guard(lock_);
    is_all_added_ = true;
    changed_.notify_all();
  }
  // True: it is done, with its error if it has one. Waits up to wait_ms.
  bool wait(int64_t wait_ms) {
    std::unique_lock guard(lock_);
    return changed_.wait_for(guard, std::chrono::milliseconds(wait_ms), [this] { return is_done_; });
  }
  // Adds what came since the last call.
  void drain(VerificationReport& to) {
    std::lock_guard guard(lock_);
    append(to.findings, std::exchange(findings_, {}));
    to.messages += std::exchange(messages_, 0);
    to.erased += std::exchange(erased_, 0);
    if (is_whole_) to.message_id = after_;
  }
  const std::optional<Error>& error() const { return error_; }  // once it is done

 private:
  void run() {
    auto done = read_all();
    std::lock_guard guard(lock_);
    if (!done) error_ = done.error();
    is_done_ = true;
    changed_.notify_all();
  }
  Result<void> read_all() {
    auto keys = read_public_keys(*session_);
    if (!keys) return keys.error();
    const SignerKeys signers(std::move(*keys));
    auto newest = newest_event_id(*session_);
    if (!newest) return newest.error();
    newest_ = *newest;
    while (true) {
      auto ids = next();
      if (!ids) return ids.error();
      if (ids->empty()) return {};
      const Tick began = parts_.clock.tick();
      if (auto done = check(*ids, signers); !done) return done;
      if (parts_.share) parts_.share->rest(began);
    }
  }
  Result<std::vector<Uuid>> next() {  // empty: no more
    if (is_whole_) {
      std::unique_lock guard(lock_);
      if (is_stopping_) return std::vector<Uuid>();
      guard.unlock();
      return list_message_ids(*session_, after_, at_once_);
    }
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return !waiting_.empty() || is_all_added_ || is_stopping_; });
    if (waiting_.empty() || is_stopping_) return std::vector<Uuid>();
    auto& list = waiting_.front();
    const auto begin = list.end() - std::min<ptrdiff_t>(at_once_, std::ssize(list));
    std::vector<Uuid> ids(begin, list.end());
    list.erase(begin, list.end());
    if (list.empty()) waiting_.pop_front();
    changed_.notify_all();
    return ids;
  }
  // One message may have many entries, or a long text: as many at once as need about the same memory.
  void learn(const std::vector<MessageEvidence>& found) {
    size_t octets = found.size();
    for (const auto& message : found) {
      octets += message.content.sealed.size() + message.content.details.size();
      for (const auto& entry : message.entries) octets += entry.canon.size();
      for (const auto& confirmation : message.confirmations)
        if (confirmation.callback) octets += confirmation.callback->sealed.size();
      for (const auto& provenance : message.provenances) octets += provenance.sealed.size();
      for (const auto& edit : message.edits) octets += edit.sealed.size();
    }
    const size_t fit = std::max<size_t>(1, kOctetsWanted * found.size() / octets);
    at_once_ = static_cast<int>(std::min<size_t>(fit, kMessagesAtOnceMax));
  }
  Result<void> check(const std::vector<Uuid>& ids, const SignerKeys& signers) {
    const Uuid lowest = *std::min_element(ids.begin(), ids.end());
    // A message's events come after its id was made, but for a clock that was set back.
    auto found = read_evidence(*session_, ids, is_whole_ ? Spread::run : Spread::single,
                               Uuid::lowest_at({std::max<int64_t>(0, lowest.unix_ms() * 1000 - kMonthUs)}), newest_);
    if (!found) return found.error();
    if (!found->empty()) learn(*found);
    Discrepancies findings;
    int64_t erased = 0;
    for (const auto& message : *found) {
      auto verdict = check_message(message, parts_.keys, signers);
      if (!verdict.findings.empty()) {
        auto again = read_evidence(*session_, {message.id}, Spread::single, Uuid{}, newest_);
        if (!again) return again.error();
        verdict = check_message(again->front(), parts_.keys, signers);
      }
      for (auto& finding : verdict.findings) {
        if (finding.event_id) {
          auto seq = place_of(*session_, *finding.event_id);
          if (!seq) return seq.error();
          finding.seq = *seq;
        }
        findings.push_back(std::move(finding));
      }
      erased += verdict.is_erased ? 1 : 0;
    }
    std::lock_guard guard(lock_);
    append(findings_, std::move(findings));
    messages_ += static_cast<int64_t>(found->size());
    erased_ += erased;
    if (is_whole_) after_ = ids.back();
    return {};
  }

  const VerificationParts& parts_;
  std::unique_ptr<PgSession> session_;
  const bool is_whole_;
  std::thread thread_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::vector<Uuid>> waiting_;
  int at_once_ = 20;  // messages; then by what those before needed
  bool is_all_added_ = false, is_stopping_ = false, is_done_ = false;
  Uuid after_, newest_;
  Discrepancies findings_;
  int64_t messages_ = 0, erased_ = 0;
  std::optional<Error> error_;
};

class Run {
 public:
  Run(const VerificationParts& parts, const VerificationRange& range, const VerificationReport& before,
      const std::function<Result<void>(const VerificationReport&)>& progress)
      : parts_(parts), range_(range), report_(before), progress_(progress), begun_at_(parts.clock.tick()) {
    spent_ms_ = before.duration_ms;
  }

  Result<VerificationReport> verify() {
    auto opened = open();
    if (!opened) return opened.error();
    if (auto done = find_end(); !done) return done.error();
    messages_->start();
    if (auto done = read_log_through(); !done) return done.error();
    messages_->add_no_more();
    while (!messages_->wait(500))
      if (auto done = tell(); !done) return done.error();
    messages_->drain(report_);
    if (messages_->error()) return *messages_->error();
    if (range_.is_whole)
      if (auto done = look_beyond(); !done) return done.error();
    report_.duration_ms = elapsed();
    return std::move(report_);
  }

 private:
  Result<void> open() {
    auto first = PgSession::open(parts_.postgres);
    if (!first) return first.error();
    session_ = std::move(*first);
    auto snapshot = begin_snapshot(*session_);
    if (!snapshot) return snapshot.error();
    auto second = PgSession::open(parts_.postgres);
    if (!second) return second.error();
    auto joined = join_snapshot(**second, *snapshot);
    if (!joined) return joined;
    messages_ = std::make_unique<MessageReading>(parts_, std::move(*second), range_.is_whole, report_);
    return {};
  }

  // The log is as long as anything says that it is.
  Result<void> find_end() {
    auto backlog = read_backlog(*session_);
    if (!backlog) return backlog.error();
    log_size_ = backlog->size;
    auto newest = newest_checkpoint(*session_);
    if (!newest) return newest.error();
    auto known = read_verifications(*session_);
    if (!known) return known.error();
    for (const auto& level : *known)
      if (level.level == 0) pinned_ = level;
    const int64_t signed_size = *newest ? (*newest)->size : 0;
    log_size_ = std::max(log_size_, signed_size);
    if (pinned_) log_size_ = std::max(log_size_, pinned_->size);
    if (range_.is_whole && pinned_ && pinned_->size > signed_size)
      add({{"checkpoint_missing", pinned_->size, std::nullopt, "audit.checkpoint", std::to_string(pinned_->size)}});
    if (report_.to == 0) {
      report_.from = std::min(range_.from, log_size_) / kTileWidth * kTileWidth;
      report_.size = report_.from;
    }
    report_.to = std::min(range_.to.value_or(log_size_), log_size_);
    if (report_.to < log_size_ && range_.to) {
      // Whole tiles, so that each can be told right or wrong.
      report_.to = std::min(log_size_, (report_.to + kTileWidth - 1) / kTileWidth * kTileWidth);
    }
    return {};
  }

  Result<void> read_log_through() {
    LogCheck check(*session_, parts_.log, report_.size);
    const int64_t checkpoints_before = report_.checkpoints;
    while (report_.size < report_.to) {
      const int64_t to = std::min(report_.to, (report_.size / kEntriesAtOnce + 1) * kEntriesAtOnce);
      const Tick began = parts_.clock.tick();
      auto rows = read_log(*session_, report_.size, static_cast<int>(to - report_.size));
      if (!rows) return rows.error();
      std::erase_if(*rows, [to](const LogRow& row) { return row.seq >= to; });  // where places are missing
      if (auto done = check.take(*rows, to); !done) return done;
      add(check.take_findings());
      auto begun = check.take_begun();
      auto gone = missing_messages(*session_, begun);
      if (!gone) return gone.error();
      for (const auto& id : *gone) add({{"head", std::nullopt, std::nullopt, "message", id.text()}});
      if (!range_.is_whole) messages_->add(std::move(begun));
      report_.entries += static_cast<int64_t>(rows->size());
      report_.checkpoints = checkpoints_before + check.checkpoints();
      report_.size = to;
      if (parts_.share) parts_.share->rest(began);
      if (auto done = tell(); !done) return done;
    }
    if (auto done = check.finish(); !done) return done;
    add(check.take_findings());
    report_.root = check.root();
    return {};
  }

  Result<void> look_beyond() {
    auto surplus = read_surplus(*session_, log_size_, kSurplusMax);
    if (!surplus) return surplus.error();
    for (const auto seq : surplus->places)
      add({{"place_unnamed", seq, std::nullopt, "audit.log", std::to_string(seq)}});
    for (const auto& [level, index] : surplus->tiles)
      add({{"tile_unnamed", std::nullopt, std::nullopt, "audit.tile",
            std::to_string(level) + '/' + std::to_string(index)}});
    for (const auto& id : surplus->entries) add({{"entry_unplaced", std::nullopt, id, "audit.entry", id.text()}});
    auto strays = read_stray_rows(*session_, kSurplusMax);
    if (!strays) return strays.error();
    for (auto& row : *strays) add({{"stray", std::nullopt, std::nullopt, row.relation, row.key}});
    return {};
  }

  void add(Discrepancies findings) { append(report_.findings, std::move(findings)); }
  int64_t elapsed() const { return spent_ms_ + (parts_.clock.tick().us - begun_at_.us) / 1000; }
  Result<void> tell() {
    messages_->drain(report_);
    report_.duration_ms = elapsed();
    return progress_ ? progress_(report_) : Result<void>();
  }

  const VerificationParts& parts_;
  const VerificationRange& range_;
  VerificationReport report_;
  const std::function<Result<void>(const VerificationReport&)>& progress_;
  const Tick begun_at_;
  int64_t spent_ms_ = 0;
  int64_t log_size_ = 0;
  std::optional<Verification> pinned_;
  std::unique_ptr<PgSession> session_;
  std::unique_ptr<MessageReading> messages_;
};

}  // namespace

std::string findings_json(const Discrepancies& findings) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& f : findings) {
    nlohmann::json one{{"what", f.what}};
    if (f.event_id) one["eventId"] = f.event_id->text();
    if (f.seq) one["seq"] = *f.seq;
    if (!f.relation.empty()) one["table"] = f.relation;
    if (!f.row_key.empty()) one["rowKey"] = f.row_key;
    out.push_back(std::move(one));
  }
  return out.dump();
}

Discrepancies parse_findings(const std::string& json) {
  Discrepancies out;
  const auto read = nlohmann::json::parse(json, nullptr, false);
  if (!read.is_array()) return out;
  for (const auto& one : read) {
    Discrepancy f{one.value("what", ""), std::nullopt, std::nullopt, one.value("table", ""), one.value("rowKey", "")};
    if (one.contains("seq")) f.seq = one["seq"].get<int64_t>();
    if (auto id = parse_uuid(one.value("eventId", ""))) f.event_id = *id;
    out.push_back(std::move(f));
  }
  return out;
}

std::string result_json(const VerificationReport& r) {
  return "{\"checkpoints\":" + std::to_string(r.checkpoints) + ",\"durationMs\":" + std::to_string(r.duration_ms) +
         ",\"entries\":" + std::to_string(r.entries) + ",\"erased\":" + std::to_string(r.erased) +
         ",\"faults\":" + findings_json(r.findings) + ",\"from\":" + std::to_string(r.from) +
         ",\"messages\":" + std::to_string(r.messages) + ",\"ok\":" + (r.findings.empty() ? "true" : "false") +
         ",\"root\":" + (r.root ? '"' + to_hex(view(*r.root)) + '"' : "null") + ",\"to\":" + std::to_string(r.to) + '}';
}

Result<VerificationReport> verify_log(const VerificationParts& parts, const VerificationRange& range,
                                      const VerificationReport& before,
                                      const std::function<Result<void>(const VerificationReport&)>& progress) {
  return Run(parts, range, before, progress).verify();
}

}  // namespace signet

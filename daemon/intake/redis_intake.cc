#include "daemon/intake/redis_intake.h"

#include "base/bytes.h"
#include "base/crash_point.h"

namespace signet {
namespace {

constexpr size_t kEntriesMax = 16;          // at once, so that memory is bounded whatever lies in the stream
constexpr size_t kReadOctetsMax = 4 << 20;  // of one entry; a longer one is refused unread
constexpr char kRejectedMax[] = "100000";   // kept, about
constexpr std::string_view kMember = "jwe";
constexpr int64_t kCallMs = 5000;

// What this consumer took in an earlier life (if asked), what dead ones took, new ones: {id, {name, value, ...}} each,
// or {id, octets} of one too long.
constexpr char kRead[] = R"lua(
local out = {}
local function add(entries)
  for _, entry in ipairs(entries) do
    if entry[2] then
      local octets = 0
      for _, text in ipairs(entry[2]) do octets = octets + #text end
      out[#out + 1] = octets > tonumber(ARGV[5]) and {entry[1], octets} or entry
    else
      redis.call('XACK', KEYS[1], ARGV[1], entry[1]) -- somebody deleted it meanwhile
    end
  end
end
local group, consumer, count, idle = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local function read(from)
  if #out >= count then return end
  local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count - #out, 'STREAMS', KEYS[1], from)
  if read then add(read[1][2]) end
end
if ARGV[6] == '1' then read('0') end
if #out < count then
  add(redis.call('XAUTOCLAIM', KEYS[1], group, consumer, idle, '0-0', 'COUNT', count - #out)[2])
end
read('>')
return out
)lua";

// Both or neither: an entry that is acknowledged and not deleted would lie there for ever.
constexpr char kRemove[] = R"lua(
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])
)lua";

IntakeEntry entry_of(Reply& reply) {
  IntakeEntry out;
  out.id = reply.elements[0].text;
  Reply& content = reply.elements[1];
  if (content.type == Reply::Type::integer) {
    out.refused = "TOO_LARGE";
    return out;
  }
  auto& members = content.elements;
  if (members.size() == 2 && members[0].text == kMember) {
    out.envelope = std::move(members[1].text);
  } else {
    out.refused = "CLEAR";
    for (size_t i = 1; i < members.size(); i += 2) out.envelope += members[i].text;
  }
  out.sha256 = to_hex(view(sha256(out.envelope)));
  if (!out.refused.empty()) out.envelope.clear();
  return out;
}

}  // namespace

RedisIntake::RedisIntake(Loop& loop, const Clock& clock, Random& random, Log& log, const RedisOptions& redis,
                         RedisIntakeSettings settings, ThreadPool& threads, Take take)
    : loop_(loop), log_(log), settings_(std::move(settings)), threads_(threads), take_(std::move(take)), timer_(loop) {
  RedisClient::Handlers handlers;
  handlers.on_up = [this] { make_group(); };
  client_ = std::make_unique<RedisClient>(loop, clock, random, redis, std::move(handlers));
}

RedisIntake::~RedisIntake() { *is_alive_ = false; }

// From the stream's beginning: what was put there before the first daemon came is meant too.
void RedisIntake::make_group() {
  client_->call({"XGROUP", "CREATE", kIntakeStream, kIntakeGroup, "0", "MKSTREAM"}, [this](const Result<Reply>& made) {
    const bool is_there = made.ok() || made.error().text.starts_with("BUSYGROUP");
    tell(is_there ? "" : made.error().text);
    has_read_own_ = false;
    round_over();
  });
}

void RedisIntake::read() {
  if (is_stopping_ || is_reading_) return;
  for (auto& entry : waiting_) ready_.push_back(std::move(entry));
  waiting_.clear();
  undecided_ = 0;
  const size_t room = kEntriesMax - ids_.size();
  if (room == 0 || !client_->is_up()) {
    hand_out();
    return round_over();
  }
  is_reading_ = true;
  const std::string count = std::to_string(room), idle = std::to_string(settings_.takeover_after_ms),
                    octets = std::to_string(kReadOctetsMax), has_own = has_read_own_ ? "0" : "1";
  client_->call({"EVAL", kRead, "1", kIntakeStream, kIntakeGroup, settings_.consumer, count, idle, octets, has_own},
                kCallMs, [this, room](Result<Reply> entries) {
                  is_reading_ = false;
                  has_more_ = entries.ok() && entries->elements.size() >= room;
                  if (entries.ok()) {
                    tell("");
                    has_read_own_ = true;
                    keep(*entries);
                    if (!ready_.empty()) SIGNET_CRASH_POINT(intake_read);
                  } else if (entries.error().text.find("NOGROUP") != std::string::npos) {
                    make_group();                                               // Redis has lost everything
                  } else if (entries.error().code != ErrorCode::unavailable) {  // of which the queue tells
                    tell(entries.error().text);
                  }
                  hand_out();
                  round_over();
                });
}

void RedisIntake::keep(Reply& entries) {
  for (auto& reply : entries.elements) {
    if (reply.elements.size() != 2) continue;
    IntakeEntry entry = entry_of(reply);
    // What waits here too long counts as a dead consumer's, our own included.
    if (ids_.insert(entry.id).second) ready_.push_back(std::move(entry));
  }
}

void RedisIntake::hand_out() {
  while (!is_stopping_ && running_ < settings_.at_once && undecided_ < settings_.at_once && !ready_.empty()) {
    const auto entry = std::make_shared<const IntakeEntry>(std::move(ready_.front()));
    ready_.pop_front();
    const bool is_taken = threads_.submit([this, is_alive = is_alive_, entry, take = take_, &loop = loop_] {
      const IntakeVerdict verdict = take(*entry);
      SIGNET_CRASH_POINT(intake_taken);
      loop.post([this, is_alive, entry, verdict] {
        if (*is_alive) decided(*entry, verdict);
      });
    });
    if (!is_taken) {
      waiting_.push_back(*entry);
      return;
    }
    running_++;
  }
}

void RedisIntake::decided(const IntakeEntry& entry, const IntakeVerdict& verdict) {
  running_--;
  undecided_ = verdict.taken == Taken::later ? undecided_ + 1 : 0;
  if (verdict.taken == Taken::later)
    waiting_.push_back(entry);
  else if (verdict.taken == Taken::refused)
    reject(entry, verdict.reason);
  else
    remove(entry.id);
  hand_out();
  round_over();
}

void RedisIntake::reject(const IntakeEntry& entry, const std::string& reason) {
  client_->call({"XADD", kRejectedStream, "MAXLEN", "~", kRejectedMax, "*", "id", entry.id, "sha256", entry.sha256,
                 "reason", reason},
                [this, id = entry.id](const Result<Reply>& added) {
                  SIGNET_CRASH_POINT(intake_rejected);
                  if (added) return remove(id);
                  ended(id);  // it comes again, and is refused again
                });
}

void RedisIntake::remove(const std::string& id) {
  // Where this fails it comes again, and is a repeat.
  client_->call({"EVAL", kRemove, "1", kIntakeStream, kIntakeGroup, id},
                [this, id](const Result<Reply>&) { ended(id); });
}

void RedisIntake::ended(const std::string& id) {
  ids_.erase(id);
  round_over();
}

void RedisIntake::round_over() {
  if (running_ > 0 || is_reading_) return;
  // What is neither ready nor waiting is being told to Redis.
  const size_t told = ids_.size() - ready_.size() - waiting_.size();
  if (told > 0) return;
  if (is_stopping_) {
    if (const auto stopped = std::exchange(stopped_, nullptr)) stopped();
    return;
  }
  if (timer_.is_active()) return;
  const bool is_again = !waiting_.empty() || !client_->is_up() || !problem_.empty();
  timer_.start(has_more_ && !is_again ? 0 : is_again ? settings_.again_ms : settings_.poll_ms, [this] { read(); });
}

void RedisIntake::tell(const std::string& problem) {
  if (!problem.empty() && problem != problem_) log_.warn("cannot read the intake stream", {{"reason", problem}});
  problem_ = problem;
}

void RedisIntake::stop(std::function<void()> stopped) {
  is_stopping_ = true;
  stopped_ = std::move(stopped);
  timer_.stop();
  round_over();
}

}  // namespace signet

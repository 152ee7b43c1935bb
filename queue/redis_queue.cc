#include "queue/redis_queue.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <optional>

#include "base/check.h"
#include "queue/hint_list.h"

namespace signet {

extern const char* const kLuaVersion;  // made from lua/signet.lua
extern const char* const kLuaLibrary;

namespace {

constexpr size_t kIdsMax = 256;   // of one script call
constexpr size_t kListsMax = 64;  // of one offer
constexpr int64_t kReloadMs = 1000;

std::string tag_of(int shard) {
  SIGNET_CHECK(shard >= 0 && shard < kShards);
  return {'{', 's', 'g', ':', static_cast<char>('0' + shard / 10), static_cast<char>('0' + shard % 10), '}'};
}

void append_ms(std::string& to, WallTime time) {  // 14 digits, rounded up: nothing is due early
  int64_t ms = std::clamp<int64_t>((time.us + 999) / 1000, 0, 99'999'999'999'999);
  char digits[14];
  for (size_t i = sizeof digits; i-- > 0; ms /= 10) digits[i] = static_cast<char>('0' + ms % 10);
  to.append(digits, sizeof digits);
}

Result<int64_t> to_count(const Result<Reply>& reply) {
  if (!reply) return reply.error();
  if (reply->type != Reply::Type::integer) return Error{ErrorCode::corrupt, "the queue's script gave no number"};
  return reply->integer;
}

Result<OfferReply> to_offered(const Result<Reply>& reply, int shard) {
  if (!reply) return reply.error();
  const Error bad{ErrorCode::corrupt, "the queue's script did not say what it took"};
  const auto& parts = reply->elements;
  if (parts.empty() || parts[0].type != Reply::Type::integer) return bad;
  OfferReply out{parts[0].integer, {}};
  for (size_t i = 1; i < parts.size(); i++) {
    const std::string& text = parts[i].text;
    const size_t colon = text.find(':');
    const auto priority = parse_priority(std::string_view(text).substr(0, colon));
    if (colon == std::string::npos || !priority) return bad;
    out.full.push_back({shard, *priority, text.substr(colon + 1)});
  }
  return out;
}

std::string decimal(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", number);
  return text;
}

Result<std::vector<Claimed>> to_claimed(const Result<Reply>& reply) {
  if (!reply) return reply.error();
  const Error bad{ErrorCode::corrupt, "the queue's script gave no claim"};
  const auto& parts = reply->elements;
  if (reply->type != Reply::Type::array || parts.size() % 2 != 0) return bad;
  std::vector<Claimed> claimed;
  for (size_t i = 0; i < parts.size(); i += 2) {
    const auto list = parse_list_name(parts[i].text);
    const std::string_view ids = parts[i + 1].text;
    if (!list || ids.size() % 16 != 0) return bad;
    claimed.reserve(claimed.size() + ids.size() / 16);
    for (size_t at = 0; at < ids.size(); at += 16)
      claimed.push_back({Uuid::from_view(ids.substr(at, 16)), list->priority, list->lane, list->sender});
  }
  return claimed;
}

}  // namespace

struct RedisQueue::Call {
  const char* function;
  std::string key;
  std::vector<std::string> arguments;
  RedisClient::Done done;
  bool is_repeated = false;
};

RedisQueue::RedisQueue(Loop& loop, const Clock& clock, Random& random, Log& log, const RedisOptions& redis,
                       QueueOptions options)
    : loop_(loop), clock_(clock), log_(log), options_(std::move(options)), reload_timer_(loop) {
  SIGNET_CHECK(!options_.owner.empty() && options_.owner.find('@') == std::string::npos);
  RedisClient::Handlers calls;
  calls.on_up = [this] { ask_version(); };
  calls.on_down = [this](const Error& error) { went_down(error); };
  client_ = std::make_unique<RedisClient>(loop, clock, random, redis, std::move(calls));
  RedisOptions listening = redis;
  listening.subscribe = {"sg:bell"};
  RedisClient::Handlers bells;  // its losses are not told: the first connection tells the same
  bells.on_message = [this](const std::string&, const std::string& text) { heard_bell(text); };
  bell_ = std::make_unique<RedisClient>(loop, clock, random, std::move(listening), std::move(bells));
}

RedisQueue::~RedisQueue() { *is_alive_ = false; }

void RedisQueue::post(std::function<void()> action) {
  loop_.post([is_alive = is_alive_, action = std::move(action)] {
    if (*is_alive) action();
  });
}

// the library ----------------------------------------------------------------------------------------------------

void RedisQueue::ask_version() {
  is_loading_ = true;
  client_->call({"FCALL", "sg_version", "0"}, [this](const Result<Reply>& reply) {
    if (reply && reply->text == kLuaVersion) return load_ended(reply);
    load();
  });
}

void RedisQueue::load() {
  is_loading_ = true;
  client_->call({"FUNCTION", "LOAD", "REPLACE", kLuaLibrary}, [this](const Result<Reply>& reply) {
    if (reply) log_.info("loaded the queue's functions into redis", {{"version", kLuaVersion}});
    load_ended(reply);
  });
}

void RedisQueue::load_ended(const Result<Reply>& reply) {
  is_loading_ = false;
  std::vector<std::shared_ptr<Call>> waiting;
  waiting.swap(waiting_for_load_);
  if (reply) {
    set_loaded(true);
    client_->begin_batch();
    for (auto& call : waiting) send(std::move(call));
    return client_->end_batch();
  }
  std::string text = "cannot load the queue's functions into redis: " + reply.error().text;
  if (text.find("unknown command") != std::string::npos) text += " (Redis 7 or later is needed)";
  if (text.find("NOPERM") != std::string::npos) text += " (redis.user must be allowed FUNCTION and FCALL)";
  set_loaded(false);
  if (client_->is_up()) {
    if (text != last_error_) log_.error(text);
    last_error_ = text;
    reload_timer_.start(kReloadMs, [this] {
      if (client_->is_up() && !is_loading_ && !is_loaded_) ask_version();
    });
  }
  const Error error{ErrorCode::unavailable, text};
  for (auto& call : waiting) post([call, error] { call->done(error); });
}

void RedisQueue::set_loaded(bool is_loaded) {
  if (is_loaded == is_loaded_) return;
  is_loaded_ = is_loaded;
  if (is_loaded) {
    log_.info("redis is up");
    last_error_.clear();
  }
  if (changed_) changed_(is_loaded);
}

void RedisQueue::went_down(const Error& error) {
  is_loading_ = false;
  if (error.text != last_error_) log_.warn("redis is down: " + error.text);  // once, not for every attempt
  last_error_ = error.text;
  set_loaded(false);
}

// A loaded library can go: FUNCTION FLUSH, or a failover to a server that never had it. Then it is loaded and the call
// made once more.
void RedisQueue::send(std::shared_ptr<Call> call) {
  std::vector<std::string_view> words{"FCALL", call->function, "1", call->key};
  words.insert(words.end(), call->arguments.begin(), call->arguments.end());
  client_->call(words, [this, call](Result<Reply> reply) {
    if (reply || call->is_repeated || reply.error().text.find("Function not found") == std::string::npos)
      return call->done(std::move(reply));
    call->is_repeated = true;
    waiting_for_load_.push_back(call);
    if (!is_loading_) load();
  });
}

void RedisQueue::fcall(const char* function, std::string key, std::vector<std::string> arguments,
                       RedisClient::Done done) {
  if (is_loaded_)
    return send(std::make_shared<Call>(Call{function, std::move(key), std::move(arguments), std::move(done)}));
  const std::string text = last_error_.empty() ? "redis is not connected yet" : last_error_;
  post([text, done = std::move(done)] { done(Error{ErrorCode::unavailable, text}); });
}

// the bell -------------------------------------------------------------------------------------------------------

void RedisQueue::heard_bell(const std::string& text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int shard = -1;
    const auto [next, code] = std::from_chars(at, end, shard);
    if (code != std::errc{} || shard < 0 || shard >= kShards) return;  // not ours
    if (rung_) rung_(shard);
    at = next + 1;
  }
}

// calls ----------------------------------------------------------------------------------------------------------

// Gives what each part is answered with; the last answers the whole: their sum, or the first error.
template <class T>
std::function<void(Result<T>)> RedisQueue::sum_of(size_t parts, std::function<void(Result<T>)> done) {
  if (parts == 1) return done;
  struct Sum {
    size_t left;
    std::function<void(Result<T>)> done;
    T total{};
    std::optional<Error> error;
  };
  auto sum = std::make_shared<Sum>(Sum{parts, std::move(done), {}, std::nullopt});
  return [sum](const Result<T>& part) {
    if (part) {
      sum->total += *part;
    } else if (!sum->error) {
      sum->error = part.error();
    }
    if (--sum->left > 0) return;
    if (sum->error) return sum->done(*sum->error);
    sum->done(sum->total);
  };
}

void RedisQueue::offer(std::vector<Hint> hints, std::function<void(Result<OfferReply>)> done) {
  struct Group {
    std::string ids, dues;
    bool has_later = false;
  };
  struct Part {
    int shard;
    size_t count = 0;
    std::map<std::string, Group> groups;
  };
  std::vector<Part> parts;
  std::array<size_t, kShards> part_of_shard;  // one more than its place; 0: none yet
  part_of_shard.fill(0);
  std::string bell;
  std::array<bool, kShards> rings{};
  const WallTime now = clock_.wall();
  for (const Hint& hint : hints) {
    if (const auto valid = check_hint(hint); !valid) return post([done, error = valid.error()] { done(error); });
    const int shard = shard_of(hint.id);
    size_t& place = part_of_shard[static_cast<size_t>(shard)];
    if (place == 0 || parts[place - 1].count == kIdsMax || parts[place - 1].groups.size() == kListsMax) {
      parts.push_back({shard, 0, {}});
      place = parts.size();
    }
    Part& part = parts[place - 1];
    part.count++;
    Group& group = part.groups[list_name(hint)];
    group.ids += hint.id.view();
    append_ms(group.dues, hint.due_at);
    if (hint.due_at > now) {
      group.has_later = true;
    } else if (!rings[static_cast<size_t>(shard)]) {
      rings[static_cast<size_t>(shard)] = true;
      bell += (bell.empty() ? "" : ",") + std::to_string(shard);
    }
  }
  if (parts.empty()) return post([done] { done(OfferReply{}); });
  const bool rings_bell = !bell.empty() && is_loaded_;
  const auto offered = sum_of<OfferReply>(parts.size(), std::move(done));
  client_->begin_batch();
  for (Part& part : parts) {
    std::vector<std::string> arguments;
    for (auto& [list, group] : part.groups) {
      arguments.push_back(list);
      arguments.push_back(std::move(group.ids));
      arguments.push_back(group.has_later ? std::move(group.dues) : std::string());
    }
    fcall("sg_offer", tag_of(part.shard), std::move(arguments),
          [offered, shard = part.shard](const Result<Reply>& reply) { offered(to_offered(reply, shard)); });
  }
  // After the offers, and once for all shards; nobody waits for its reply.
  if (rings_bell) client_->call({"PUBLISH", "sg:bell", bell}, [](const Result<Reply>&) {});
  client_->end_batch();
}

void RedisQueue::claim(const ClaimRequest& request, std::function<void(Result<std::vector<Claimed>>)> done) {
  SIGNET_CHECK(request.count_max >= 1 && request.count_max <= static_cast<int>(kIdsMax));
  std::vector<std::string> arguments{std::to_string(request.count_max), options_.owner,
                                     std::to_string(request.lease_ms)};
  for (const int weight : options_.weights) arguments.push_back(std::to_string(weight));
  arguments.push_back(std::to_string(options_.aging_ms));
  arguments.emplace_back(request.critical_only ? "1" : "0");
  std::string& closed = arguments.emplace_back();
  for (const bool is_closed : request.closed_priorities) closed += is_closed ? '1' : '0';
  arguments.insert(arguments.end(), request.closed_lanes.begin(), request.closed_lanes.end());
  fcall("sg_claim", tag_of(request.shard), std::move(arguments),
        [done = std::move(done)](const Result<Reply>& reply) { done(to_claimed(reply)); });
}

template <class Pack>
void RedisQueue::per_shard(const char* function, const std::vector<Uuid>& ids, Pack pack, Counted done) {
  std::array<std::vector<size_t>, kShards> places;
  size_t parts = 0;
  for (size_t i = 0; i < ids.size(); i++) {
    auto& of_shard = places[static_cast<size_t>(shard_of(ids[i]))];
    if (of_shard.size() % kIdsMax == 0) parts++;
    of_shard.push_back(i);
  }
  if (parts == 0) return post([done = std::move(done)] { done(int64_t{0}); });
  const Counted counted = sum_of<int64_t>(parts, std::move(done));
  client_->begin_batch();
  for (int shard = 0; shard < kShards; shard++) {
    const auto& of_shard = places[static_cast<size_t>(shard)];
    for (size_t from = 0; from < of_shard.size(); from += kIdsMax) {
      const size_t to = std::min(of_shard.size(), from + kIdsMax);
      std::string packed;
      packed.reserve((to - from) * 16);
      for (size_t i = from; i < to; i++) packed += ids[of_shard[i]].view();
      std::vector<std::string> arguments{options_.owner, std::move(packed)};
      pack(arguments, of_shard, from, to);
      fcall(function, tag_of(shard), std::move(arguments),
            [counted](const Result<Reply>& reply) { counted(to_count(reply)); });
    }
  }
  client_->end_batch();
}

void RedisQueue::ack(const std::vector<Uuid>& ids, Counted done) {
  per_shard(
      "sg_ack", ids, [](auto&&...) {}, std::move(done));
}

void RedisQueue::nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids, Counted done) {
  std::vector<Uuid> only_ids;
  only_ids.reserve(ids.size());
  for (const auto& [id, due_at] : ids) only_ids.push_back(id);
  per_shard(
      "sg_nack_at", only_ids,
      [&ids](std::vector<std::string>& arguments, const std::vector<size_t>& places, size_t from, size_t to) {
        std::string dues;
        for (size_t i = from; i < to; i++) append_ms(dues, ids[places[i]].second);
        arguments.push_back(std::move(dues));
      },
      std::move(done));
}

void RedisQueue::renew(const std::vector<Uuid>& ids, int64_t lease_ms, Counted done) {
  per_shard(
      "sg_renew", ids,
      [lease_ms](std::vector<std::string>& arguments, auto&&...) { arguments.push_back(std::to_string(lease_ms)); },
      std::move(done));
}

void RedisQueue::sweep(int shard, Counted done) {
  fcall("sg_sweep", tag_of(shard), {}, [done = std::move(done)](const Result<Reply>& reply) { done(to_count(reply)); });
}

void RedisQueue::inspect(int shard, std::function<void(Result<ShardReport>)> done) {
  fcall("sg_inspect", tag_of(shard), {}, [done = std::move(done)](const Result<Reply>& reply) {
    if (!reply) return done(reply.error());
    const auto& parts = reply->elements;
    if (parts.size() != 3) return done(Error{ErrorCode::corrupt, "the queue's script gave no report"});
    done(ShardReport{parts[0].integer, parts[1].integer, parts[2].integer});
  });
}

void RedisQueue::clear(int shard, std::function<void(Result<void>)> done) {
  fcall("sg_clear", tag_of(shard), {}, [done = std::move(done)](const Result<Reply>& reply) {
    if (!reply) return done(reply.error());
    done({});
  });
}

void RedisQueue::lease_tokens(const std::string& provider, double rate_per_s, double burst, int want,
                              std::function<void(Result<TokenLease>)> done) {
  SIGNET_CHECK(rate_per_s > 0 && burst >= 1 && want >= 1);
  fcall("sg_tokens", "sg:tokens:" + provider, {decimal(rate_per_s), decimal(burst), std::to_string(want)},
        [done = std::move(done)](const Result<Reply>& reply) {
          if (!reply) return done(reply.error());
          const auto& parts = reply->elements;
          if (parts.size() != 2) return done(Error{ErrorCode::corrupt, "the queue's script gave no lease of tokens"});
          done(TokenLease{static_cast<int>(parts[0].integer), parts[1].integer});
        });
}

}  // namespace signet

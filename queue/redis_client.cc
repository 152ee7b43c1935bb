#include "queue/redis_client.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace signet {
namespace {

constexpr int kElementsMax = 1 << 20;  // of one array: a server that sends rubbish must not cost memory
constexpr size_t kReplyOctetsMax = 64 << 20;

// hiredis builds replies through these, straight into Reply. Children live inside their parent, so only the root is
// made and freed by itself.
Reply* place_of(const redisReadTask* task) {
  if (task->parent == nullptr) return new Reply;
  return &static_cast<Reply*>(task->parent->obj)->elements[static_cast<size_t>(task->idx)];
}

void* make_text(const redisReadTask* task, char* octets, size_t size) {
  Reply* reply = place_of(task);
  reply->type = task->type == REDIS_REPLY_ERROR    ? Reply::Type::error
                : task->type == REDIS_REPLY_STATUS ? Reply::Type::status
                                                   : Reply::Type::text;
  reply->text.assign(octets, size);
  return reply;
}

void* make_array(const redisReadTask* task, int size) {
  if (size > kElementsMax) return nullptr;
  Reply* reply = place_of(task);
  reply->type = Reply::Type::array;
  reply->elements.resize(static_cast<size_t>(size));
  return reply;
}

void* make_integer(const redisReadTask* task, long long value) {  // NOLINT(google-runtime-int): hiredis' type
  Reply* reply = place_of(task);
  reply->type = Reply::Type::integer;
  reply->integer = value;
  return reply;
}

void* make_nil(const redisReadTask* task) { return place_of(task); }

void free_reply(void* reply) { delete static_cast<Reply*>(reply); }

redisReplyObjectFunctions functions{make_text, make_array, make_integer, make_nil, free_reply};

ErrorCode code_of(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  for (auto known : {"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "MISCONF"})
    if (word == known) return ErrorCode::unavailable;
  for (auto known : {"NOAUTH", "WRONGPASS", "NOPERM", "DENIED"})
    if (word == known) return ErrorCode::forbidden;
  return word == "OOM" ? ErrorCode::limit : ErrorCode::invalid;
}

Result<int> parse_number(std::string_view text, int max) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value < 0 || value > max)
    return Error{ErrorCode::invalid, "not a number from 0 to " + std::to_string(max)};
  return value;
}

}  // namespace

Result<RedisAddress> parse_redis_url(std::string_view url) {
  const Error bad{ErrorCode::invalid,
                  "redis.url must be redis://host:port/db or, with TLS, rediss://host:port/db (port 6379 and db 0 may "
                  "be left out)"};
  RedisAddress address;
  if (url.starts_with("rediss://")) {
    address.is_tls = true;
    url.remove_prefix(9);
  } else if (url.starts_with("redis://")) {
    url.remove_prefix(8);
  } else {
    return bad;
  }
  if (const size_t slash = url.find('/'); slash != std::string_view::npos) {
    const std::string_view db = url.substr(slash + 1);
    if (!db.empty()) {
      const auto number = parse_number(db, 1 << 20);
      if (!number) return bad;
      address.db = *number;
    }
    url = url.substr(0, slash);
  }
  if (url.find('@') != std::string_view::npos)
    return Error{ErrorCode::invalid,
                 "redis.url may not hold a user or password: put them in redis.user and the file named by "
                 "redis.password_file"};
  if (url.empty()) return bad;
  const bool is_bracketed = url.front() == '[';
  const size_t host_end = is_bracketed ? url.find(']') : url.find(':');
  if (is_bracketed && host_end == std::string_view::npos) return bad;
  const size_t colon = is_bracketed ? host_end + 1 : host_end;
  address.endpoint.host = is_bracketed ? url.substr(1, host_end - 1) : url.substr(0, host_end);
  address.endpoint.port = 6379;
  if (colon < url.size()) {
    if (url[colon] != ':') return bad;
    const auto port = parse_number(url.substr(colon + 1), 65535);
    if (!port || *port == 0) return bad;
    address.endpoint.port = *port;
  }
  if (address.endpoint.host.empty()) return bad;
  return address;
}

struct RedisClient::Reader {
  Reader() : reader(redisReaderCreateWithFunctions(&functions)) { SIGNET_CHECK(reader != nullptr); }
  ~Reader() { redisReaderFree(reader); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  redisReader* reader;
};

RedisClient::RedisClient(Loop& loop, const Clock& clock, Random& random, RedisOptions options, Handlers handlers)
    : loop_(loop),
      clock_(clock),
      random_(random),
      options_(std::move(options)),
      address_(parse_redis_url(options_.url).value()),
      handlers_(std::move(handlers)),
      retry_timer_(loop),
      deadline_timer_(loop),
      ping_timer_(loop) {
  SIGNET_CHECK(!address_.is_tls || options_.tls);
  connect();
}

RedisClient::~RedisClient() { *is_alive_ = false; }

std::string RedisClient::place() const {
  return "redis at " + address_.endpoint.host + ":" + std::to_string(address_.endpoint.port);
}

// The one place that says where the server is. Sentinel (get-master-addr-by-name) and Cluster (CLUSTER SLOTS) begin
// here.
void RedisClient::find_address(std::function<void(Result<Endpoint>)> found) { found(address_.endpoint); }

void RedisClient::connect() {
  find_address([this](Result<Endpoint> endpoint) {
    if (!endpoint) return lose(endpoint.error());
    reader_ = std::make_unique<Reader>();
    StreamOptions options;
    options.connect_timeout_ms = options_.connect_timeout_ms;
    options.user_timeout_ms = std::max<int64_t>(options_.call_timeout_ms * 2, 1000);
    if (address_.is_tls) options.tls = options_.tls;
    options.tls_host = address_.endpoint.host;
    stream_ = Stream::connect(loop_, *endpoint, options,
                              {.on_open = [this] { greet(); },
                               .on_data = [this](std::string_view octets) { feed(octets); },
                               .on_close = [this](const Error& error) { lose(error); },
                               .on_drained = nullptr});
  });
}

void RedisClient::greet() {
  const auto ask = [this](std::string_view what, const std::vector<std::string_view>& arguments) {
    push(arguments, options_.call_timeout_ms, [this, what, generation = generation_](const Result<Reply>& reply) {
      if (generation == generation_) greeted(what, reply);  // else it was lost meanwhile, and said so
    });
  };
  begin_batch();
  if (!options_.password.is_empty()) {
    std::vector<std::string_view> auth{"AUTH"};
    if (!options_.user.empty()) auth.push_back(options_.user);
    auth.push_back(options_.password.octets());
    ask("AUTH", auth);
  }
  if (address_.db != 0) ask("SELECT", {"SELECT", std::to_string(address_.db)});
  ask("PING", {"PING"});
  end_batch();
}

void RedisClient::greeted(std::string_view what, const Result<Reply>& reply) {
  if (!reply) {
    Error error = reply.error();
    if (error.text.starts_with("NOAUTH")) {
      error.text = "wants a password (" + error.text + "): name the file that holds it in redis.password_file";
    } else if (what == "AUTH") {
      error.text = "refused user and password (" + error.text +
                   "): correct redis.user or the password in the file named by redis.password_file";
    } else if (what == "SELECT") {
      error.text = "refused the database of redis.url (" + error.text + ")";
    }
    return lose(std::move(error));
  }
  if (what != "PING") return;
  is_up_ = true;
  failures_ = 0;
  if (!options_.subscribe.empty()) subscribe();
  if (handlers_.on_up) handlers_.on_up();
}

void RedisClient::subscribe() {
  std::vector<std::string_view> arguments{"SUBSCRIBE"};
  arguments.insert(arguments.end(), options_.subscribe.begin(), options_.subscribe.end());
  push(arguments, 0, nullptr);
  ping_timer_.repeat(options_.ping_ms, [this] {
    if (clock_.tick().us - heard_at_.us > options_.ping_ms * 2000)
      return lose({ErrorCode::timeout, "silent for " + std::to_string(options_.ping_ms * 2) + " ms"});
    push({"PING"}, 0, nullptr);
  });
}

// Everything pending learns of it; the next attempt follows by itself.
void RedisClient::lose(Error error, ErrorCode first_call) {
  stream_.reset();
  out_.clear();
  generation_++;
  is_up_ = false;
  ping_timer_.stop();
  deadline_timer_.stop();
  armed_for_ = {};
  const int64_t longest = std::min(options_.backoff_ms_max, options_.backoff_ms_min << std::min(failures_, 16));
  failures_++;
  const auto delay_ms = static_cast<int64_t>(static_cast<double>(longest) * (0.5 + random_.unit() / 2));
  retry_timer_.start(delay_ms, [this] { connect(); });
  error.text = place() + ": " + error.text;
  std::deque<Pending> pending;
  pending.swap(pending_);
  const auto is_alive = is_alive_;
  // Posted, so that a caller inside call() or a handler is not called back there.
  loop_.post([is_alive, error, first_call, pending = std::make_shared<std::deque<Pending>>(std::move(pending))] {
    ErrorCode code = first_call;
    for (Pending& call : *pending) {
      if (!*is_alive) return;
      if (call.done) call.done(Error{code, error.text});
      code = ErrorCode::unavailable;
    }
  });
  if (handlers_.on_down) handlers_.on_down(error);
}

void RedisClient::feed(std::string_view octets) {
  heard_at_ = clock_.tick();
  const uint64_t generation = generation_;
  const auto is_alive = is_alive_;
  redisReader* reader = reader_->reader;
  if (redisReaderFeed(reader, octets.data(), octets.size()) != REDIS_OK)
    return lose({ErrorCode::corrupt, "not a Redis reply: " + std::string(reader->errstr)});
  for (;;) {
    void* got = nullptr;
    if (redisReaderGetReply(reader, &got) != REDIS_OK)
      return lose({ErrorCode::corrupt, "not a Redis reply (" + std::string(reader->errstr) +
                                           "): is redis.url the address of a Redis server?"});
    if (got == nullptr) break;
    const std::unique_ptr<Reply> reply(static_cast<Reply*>(got));
    take(std::move(*reply));
    if (!*is_alive || generation != generation_) return;  // lost, or gone, in a callback
  }
  if (reader->len - reader->pos > kReplyOctetsMax) lose({ErrorCode::corrupt, "a reply beyond all bounds"});
}

void RedisClient::take(Reply reply) {
  if (!options_.subscribe.empty() && is_up_) {
    auto& parts = reply.elements;
    if (reply.type == Reply::Type::error)
      return lose({code_of(reply.text), "refused the subscription (" + reply.text + ")"});
    if (parts.size() == 3 && parts[0].text == "message" && handlers_.on_message)
      handlers_.on_message(parts[1].text, parts[2].text);
    return;
  }
  if (pending_.empty()) return lose({ErrorCode::corrupt, "a reply that nobody asked for: " + reply.text});
  const Done done = std::move(pending_.front().done);
  pending_.pop_front();
  if (reply.type != Reply::Type::error) return done(std::move(reply));
  // A server that became a replica takes no writes: look again for the one that does.
  const bool is_replica = reply.text.starts_with("READONLY") && is_up_;
  const uint64_t generation = generation_;
  const auto is_alive = is_alive_;
  Error error{code_of(reply.text), std::move(reply.text)};
  done(error);
  if (is_replica && *is_alive && generation == generation_) lose(std::move(error));
}

void RedisClient::call(const std::vector<std::string_view>& arguments, Done done) {
  call(arguments, options_.call_timeout_ms, std::move(done));
}

void RedisClient::call(const std::vector<std::string_view>& arguments, int64_t timeout_ms, Done done) {
  SIGNET_CHECK(options_.subscribe.empty());
  if (is_up_ && pending_.size() < options_.in_flight_max) return push(arguments, timeout_ms, std::move(done));
  Error error = is_up_ ? Error{ErrorCode::limit, place() + ": too many calls in flight"}
                       : Error{ErrorCode::unavailable, place() + ": not connected"};
  loop_.post([is_alive = is_alive_, error = std::move(error), done = std::move(done)] {
    if (*is_alive) done(error);
  });
}

void RedisClient::push(const std::vector<std::string_view>& arguments, int64_t timeout_ms, Done done) {
  std::vector<const char*> starts(arguments.size());
  std::vector<size_t> sizes(arguments.size());
  for (size_t i = 0; i < arguments.size(); i++) {
    starts[i] = arguments[i].data() != nullptr ? arguments[i].data() : "";
    sizes[i] = arguments[i].size();
  }
  char* text = nullptr;
  const int size = redisFormatCommandArgv(&text, static_cast<int>(arguments.size()), starts.data(), sizes.data());
  SIGNET_CHECK(size > 0);
  out_.append(text, static_cast<size_t>(size));
  redisFreeCommand(text);
  if (done) {  // a subscriber's requests are answered by messages, not by position
    const Tick now = clock_.tick();
    pending_.push_back({{now.us + timeout_ms * 1000}, std::move(done)});
    if (armed_for_.us == 0 || pending_.back().deadline < armed_for_) arm(now);
  }
  if (batch_depth_ == 0) flush();
}

void RedisClient::end_batch() {
  if (--batch_depth_ == 0) flush();
}

void RedisClient::flush() {
  if (out_.empty() || !stream_) return;
  std::string out;
  out.swap(out_);
  stream_->write(out);
}

// One timer for all calls. It is not stopped by replies: when it fires early it looks for the next deadline.
void RedisClient::arm(Tick now) {
  Tick next{INT64_MAX};
  for (const Pending& call : pending_) next = std::min(next, call.deadline);
  armed_for_ = next;
  deadline_timer_.start(std::max<int64_t>(1, (next.us - now.us + 999) / 1000), [this] { check_deadlines(); });
}

void RedisClient::check_deadlines() {
  armed_for_ = {};
  if (pending_.empty()) return;
  const Tick now = clock_.tick();
  const auto late =
      std::find_if(pending_.begin(), pending_.end(), [now](const Pending& call) { return call.deadline <= now; });
  if (late == pending_.end()) return arm(now);
  // All that were written may have happened; only the late one is said to have timed out.
  if (late != pending_.begin()) std::rotate(pending_.begin(), late, late + 1);
  lose({ErrorCode::timeout, "no reply in time"}, ErrorCode::timeout);
}

}  // namespace signet

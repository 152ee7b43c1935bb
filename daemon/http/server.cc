#include "daemon/http/server.h"

#include <atomic>
#include <ctime>
#include <thread>
#include <typeinfo>
#include <unordered_map>

#include "base/check.h"
#include "daemon/http/parser.h"
#include "daemon/http/proxies.h"

namespace signet::http {

namespace {

constexpr size_t kOutputMax = 1 << 20;  // a client that pipelines and does not read is not read either
constexpr size_t kInputMax = 1 << 16;   // kept of the requests that wait behind the one in progress
constexpr size_t kPiece = 1 << 17;      // of a long body
constexpr int kPiecesAtOnce = 8;        // then the loop's others have their turn

std::string http_date(int64_t unix_s) {  // RFC 9110 section 5.6.7
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = unix_s;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char out[64];
  std::snprintf(out, sizeof out, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[tm.tm_wday], tm.tm_mday,
                kMonths[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return out;
}

void append_header(std::string& to, std::string_view name, std::string_view value) {
  to.append(name).append(": ");
  for (const char c : value) to += (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? ' ' : c;
  to += "\r\n";
}

bool is_name(std::string_view a, std::string_view b) {  // header names, whatever their case
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x - 'A' + 'a' : x) == y; });
}

// What the server needs to know of a request while its answer is made.
struct Pending {
  std::string request_id;
  bool is_head = false;
  bool is_http10 = false;
  bool keep_alive = true;
};

}  // namespace

class Connection;

struct Door {  // one listener
  ListenerOptions options;
  TrustedProxies proxies;
  std::unique_ptr<Listener> listener;
  size_t connections = 0;
};

struct Server::Impl {
  Impl(Loop& l, ThreadPool* p, const Clock& c, IdSource& i, Log& lg)
      : loop(l), pool(p), clock(c), ids(i), log(lg), deadline(l) {}
  Result<int> open(ListenerOptions options,
                   const std::function<Result<std::unique_ptr<Listener>>(Listener::Accept)>& make);
  void accept(Door& door, std::unique_ptr<Stream> stream);
  void remove(uint64_t id);
  void finish_stop();
  const std::string& date();

  Loop& loop;
  ThreadPool* pool;
  const Clock& clock;
  IdSource& ids;
  Log& log;
  std::vector<std::unique_ptr<Door>> doors;
  std::unordered_map<uint64_t, std::shared_ptr<Connection>> connections;
  uint64_t last_id = 0;
  bool is_stopping = false;
  std::function<void()> stopped;
  Timer deadline;
  int64_t date_s = -1;
  std::string date_text;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server::Impl& server, Door& door, uint64_t id, std::unique_ptr<Stream> stream)
      : server_(server),
        door_(door),
        id_(id),
        stream_(std::move(stream)),
        timer_(server.loop),
        parser_(door.options.limits.header_bytes, door.options.limits.body_bytes) {
    ++door_.connections;
  }
  ~Connection() { --door_.connections; }

  void start();
  void stop();                     // idle: closes; else answers first
  void answer(Response response);  // what the handler said, on the loop
  void abort();

 private:
  // opening: TLS handshake. handling: a handler has the request. closing: waits for its last octets to leave, and
  // discards what still comes.
  // sending: a long body leaves piece by piece.
  enum class State { opening, idle, reading, handling, sending, closing };

  void on_data(std::string_view octets);
  void read_requests();
  void enter_idle();
  void start_patience();
  void dispatch(Request request);
  void refuse(const Refusal& why);
  void send(const Response& response, bool close);
  void send_more();
  void end_answer(bool close);
  void close_when_sent();
  void on_timeout();

  Server::Impl& server_;
  Door& door_;
  const uint64_t id_;
  std::unique_ptr<Stream> stream_;
  Timer timer_;
  RequestParser parser_;
  State state_ = State::opening;
  Pending pending_;
  size_t queued_before_ = 0;
  std::shared_ptr<LongBody> long_body_;  // while sending
  int64_t body_left_ = 0;
  bool close_after_ = false;
  bool in_read_ = false;    // read_requests is on the stack: answers given meanwhile are continued there
  bool is_paused_ = false;  // the stream is not read: too much waits, in or out
};

namespace {

// One request's way back. The last copy going without an answer is an answer too: nobody waits forever for a handler
// that forgot.
class ReplyState {
 public:
  ReplyState(Loop& loop, std::weak_ptr<Connection> connection, std::string request_id)
      : loop_(loop),
        loop_thread_(std::this_thread::get_id()),
        connection_(std::move(connection)),
        request_id_(std::move(request_id)) {}
  ~ReplyState() {
    if (!is_answered_.load())
      send(problem(500, "INTERNAL", "The request was not answered",
                   "Try again; if it happens again, report the requestId.", request_id_));
  }
  void send(Response response) {
    if (is_answered_.exchange(true)) return;
    if (std::this_thread::get_id() == loop_thread_) {
      if (const auto connection = connection_.lock()) connection->answer(std::move(response));
      return;
    }
    loop_.post([connection = std::move(connection_), response = std::move(response)]() mutable {
      if (const auto alive = connection.lock()) alive->answer(std::move(response));
    });
  }

 private:
  Loop& loop_;
  const std::thread::id loop_thread_;
  std::weak_ptr<Connection> connection_;  // locked on the loop only, so that it dies there
  const std::string request_id_;
  std::atomic<bool> is_answered_ = false;
};

void run_handler(const Handler& handler, Log& log, Request request, const std::shared_ptr<ReplyState>& reply) {
  const std::string id = request.request_id;
  try {
    handler(std::move(request), [reply](Response response) { reply->send(std::move(response)); });
  } catch (const std::exception& fault) {
    // By its type only: the text of, say, a JSON error quotes the body.
    log.error("a request handler threw", {{"request_id", id}, {"exception", typeid(fault).name()}});
    reply->send(problem(500, "INTERNAL", "Something went wrong here",
                        "Try again; if it happens again, report the requestId.", id));
  }
}

}  // namespace

void Connection::start() {
  Stream::Handlers handlers;
  handlers.on_open = [this] {
    if (state_ == State::opening) enter_idle();
  };
  handlers.on_data = [this](std::string_view octets) { on_data(octets); };
  handlers.on_close = [this](const Error&) { server_.remove(id_); };
  handlers.on_drained = [this] {
    if (state_ == State::sending)
      send_more();
    else if (state_ == State::idle || state_ == State::reading)
      read_requests();
  };
  stream_->set_handlers(std::move(handlers));
  const bool is_full = door_.connections > door_.options.limits.connections;
  if (door_.options.tls) {
    if (is_full) return abort();
    timer_.start(door_.options.limits.request_ms, [this] { on_timeout(); });
  } else if (is_full) {
    pending_.request_id = server_.ids.next().text();
    Response full = problem(503, "OVERLOADED", "Too many connections", "Try again in a second.", pending_.request_id);
    full.headers.emplace_back("Retry-After", "1");
    send(full, true);
    close_when_sent();
  } else {
    enter_idle();
  }
}

void Connection::stop() {
  if (state_ == State::opening) return abort();
  if (state_ == State::idle && !parser_.has_begun()) close_when_sent();
}

void Connection::abort() {
  const auto self = shared_from_this();
  timer_.stop();
  stream_->reset();
  server_.remove(id_);
}

void Connection::enter_idle() {
  state_ = State::idle;
  start_patience();
}

// For a client between requests, or slow to take an answer.
void Connection::start_patience() {
  queued_before_ = stream_->queued_bytes();
  timer_.start(door_.options.limits.idle_ms, [this] { on_timeout(); });
}

void Connection::on_data(std::string_view octets) {
  if (state_ == State::closing) return;
  const auto self = shared_from_this();
  parser_.append(octets);
  if (state_ == State::idle || state_ == State::reading) return read_requests();
  if (parser_.buffered() > kInputMax && !is_paused_) {
    is_paused_ = true;
    stream_->pause();
  }
}

void Connection::read_requests() {
  if (in_read_) return;
  const auto self = shared_from_this();
  in_read_ = true;
  while (state_ == State::idle || state_ == State::reading) {
    if (stream_->queued_bytes() > kOutputMax) {  // on_drained goes on; the idle timer ends it if that never comes
      if (!is_paused_) stream_->pause();
      is_paused_ = true;
      break;
    }
    const auto step = parser_.next();
    if (step == RequestParser::Step::need_more) {
      if (is_paused_) {
        is_paused_ = false;
        stream_->resume();
      }
      if (parser_.has_begun()) {
        if (state_ == State::idle) {
          state_ = State::reading;
          timer_.start(door_.options.limits.request_ms, [this] { on_timeout(); });
        }
      } else if (server_.is_stopping) {
        close_when_sent();
      }
      break;
    }
    if (step == RequestParser::Step::send_continue) {
      stream_->write("HTTP/1.1 100 Continue\r\n\r\n");
    } else if (step == RequestParser::Step::refused) {
      refuse(parser_.refusal());
    } else {
      dispatch(parser_.take());
    }
  }
  in_read_ = false;
}

void Connection::dispatch(Request request) {
  state_ = State::handling;
  timer_.stop();
  if (request.request_id.empty()) request.request_id = server_.ids.next().text();
  const auto forwarded = request.header("x-forwarded-for");
  request.peer_address = door_.proxies.client(stream_->peer_address(), forwarded.value_or(""));
  request.listener = door_.options.name;
  pending_ = {request.request_id, request.method == "HEAD", parser_.is_http10(), parser_.is_keep_alive()};
  auto reply = std::make_shared<ReplyState>(server_.loop, weak_from_this(), request.request_id);
  if (door_.options.inline_handler) return run_handler(door_.options.handler, server_.log, std::move(request), reply);
  // The handler is copied: a task may outlive the Server.
  auto task = [handler = door_.options.handler, &log = server_.log,
               request = std::make_shared<Request>(std::move(request)),
               reply] { run_handler(handler, log, std::move(*request), reply); };
  if (server_.pool->submit(std::move(task))) return;
  Response busy = problem(503, "OVERLOADED", "Too many requests wait", "Try again in a second.", pending_.request_id);
  busy.headers.emplace_back("Retry-After", "1");
  reply->send(std::move(busy));
}

void Connection::answer(Response response) {
  if (state_ != State::handling) return;
  const auto self = shared_from_this();
  if (response.delivery == Response::Delivery::hang) return;
  if (response.delivery == Response::Delivery::reset) return abort();
  if (response.delivery == Response::Delivery::raw) {
    stream_->write(response.body);
    return close_when_sent();
  }
  const bool close = response.close || server_.is_stopping || !pending_.keep_alive;
  send(response, close);
  const bool has_body = response.status != 204 && response.status != 304;
  if (!response.long_body || !has_body || pending_.is_head) return end_answer(close);
  state_ = State::sending;
  long_body_ = std::move(response.long_body);
  body_left_ = long_body_->size();
  close_after_ = close;
  send_more();
}

void Connection::end_answer(bool close) {
  if (close) return close_when_sent();
  enter_idle();
  read_requests();
}

// A piece of a file is read here, on the loop: it is short, and most often in the page cache.
void Connection::send_more() {
  const auto self = shared_from_this();
  for (int i = 0; body_left_ > 0 && stream_->queued_bytes() < kPiece; i++) {
    if (i == kPiecesAtOnce)
      return server_.loop.post([alive = weak_from_this()] {
        if (const auto connection = alive.lock(); connection && connection->state_ == State::sending)
          connection->send_more();
      });
    auto piece = long_body_->read(static_cast<size_t>(std::min<int64_t>(body_left_, kPiece)));
    if (!piece || piece->empty()) {
      server_.log.error("an answer broke off",
                        {{"request_id", pending_.request_id},
                         {"reason", piece ? "the file is shorter than it was" : piece.error().text}});
      return abort();
    }
    body_left_ -= static_cast<int64_t>(piece->size());
    stream_->write(*piece);
    if (state_ != State::sending) return;  // the client left
  }
  if (body_left_ > 0) return start_patience();
  long_body_.reset();
  end_answer(close_after_ || server_.is_stopping);
}

void Connection::refuse(const Refusal& why) {
  pending_ = {parser_.request_id(), false, false, false};
  if (pending_.request_id.empty()) pending_.request_id = server_.ids.next().text();
  send(problem(why.status, why.code, why.title, why.detail, pending_.request_id), true);
  close_when_sent();
}

void Connection::send(const Response& response, bool close) {
  const bool has_body = response.status != 204 && response.status != 304;
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ' + reason_phrase(response.status) + "\r\n";
  out.reserve(512 + (pending_.is_head ? 0 : response.body.size()));
  append_header(out, "Date", server_.date());
  if (!response.content_type.empty() && has_body) append_header(out, "Content-Type", response.content_type);
  if (has_body)
    append_header(
        out, "Content-Length",
        std::to_string(response.long_body ? response.long_body->size() : static_cast<int64_t>(response.body.size())));
  if (close) {
    append_header(out, "Connection", "close");
  } else if (pending_.is_http10) {
    append_header(out, "Connection", "keep-alive");
  }
  if (!pending_.request_id.empty()) append_header(out, "X-Request-Id", pending_.request_id);
  append_header(out, "X-Content-Type-Options", "nosniff");
  if (stream_->is_tls()) append_header(out, "Strict-Transport-Security", "max-age=31536000");
  bool has_cache_control = false;
  for (const auto& [name, value] : response.headers) {
    append_header(out, name, value);
    has_cache_control = has_cache_control || is_name(name, "cache-control");
  }
  if (!has_cache_control) append_header(out, "Cache-Control", "no-store");
  out += "\r\n";
  if (has_body && !pending_.is_head) out += response.body;
  stream_->write(out);
}

void Connection::close_when_sent() {
  state_ = State::closing;
  start_patience();
  stream_->finish();
}

void Connection::on_timeout() {
  if (state_ == State::reading)
    return refuse({408, "REQUEST_TIMEOUT", "The request took too long to arrive",
                   "Send it whole within " + std::to_string(door_.options.limits.request_ms) + " ms."});
  const size_t queued = stream_->queued_bytes();
  if (state_ == State::idle && queued == 0) return close_when_sent();
  if (queued > 0 && queued < queued_before_) return start_patience();
  abort();
}

Result<int> Server::Impl::open(ListenerOptions options,
                               const std::function<Result<std::unique_ptr<Listener>>(Listener::Accept)>& make) {
  SIGNET_CHECK(options.handler && (pool != nullptr || options.inline_handler));
  auto proxies = TrustedProxies::parse(options.trusted_proxies);
  if (!proxies) return proxies.error();
  auto door = std::make_unique<Door>();
  door->options = std::move(options);
  door->proxies = std::move(*proxies);
  auto listener = make([this, at = door.get()](std::unique_ptr<Stream> stream) { accept(*at, std::move(stream)); });
  if (!listener) return listener.error();
  door->listener = std::move(*listener);
  const int port = door->listener->port();
  doors.push_back(std::move(door));
  return port;
}

void Server::Impl::accept(Door& door, std::unique_ptr<Stream> stream) {
  // Twice the limit is turned away unheard: even saying 503 holds a connection.
  if (is_stopping || door.connections >= 2 * door.options.limits.connections) return stream->reset();
  const uint64_t id = ++last_id;
  const auto connection = std::make_shared<Connection>(*this, door, id, std::move(stream));
  connections.emplace(id, connection);
  connection->start();
}

void Server::Impl::remove(uint64_t id) {
  const auto node = connections.extract(id);  // destroyed at the end of this function, after the bookkeeping
  if (is_stopping && connections.empty()) finish_stop();
}

void Server::Impl::finish_stop() {
  deadline.stop();
  if (!stopped) return;
  loop.post([done = std::move(stopped)] { done(); });
  stopped = nullptr;
}

const std::string& Server::Impl::date() {
  const int64_t now_s = clock.wall().us / 1000000;
  if (now_s != date_s) date_text = http_date(now_s);
  date_s = now_s;
  return date_text;
}

Server::Server(Loop& loop, ThreadPool* pool, const Clock& clock, IdSource& ids, Log& log)
    : impl_(std::make_unique<Impl>(loop, pool, clock, ids, log)) {}

Server::~Server() {
  impl_->is_stopping = true;
  impl_->stopped = nullptr;
  for (auto& door : impl_->doors) door->listener.reset();
  impl_->connections.clear();
}

Result<int> Server::listen(const Endpoint& at, ListenerOptions options) {
  auto tls = options.tls;
  return impl_->open(std::move(options),
                     [&](Listener::Accept accept) { return Listener::bind(impl_->loop, at, tls, std::move(accept)); });
}

Result<int> Server::adopt(int fd, ListenerOptions options) {
  auto tls = options.tls;
  return impl_->open(std::move(options),
                     [&](Listener::Accept accept) { return Listener::adopt(impl_->loop, fd, tls, std::move(accept)); });
}

void Server::stop(int64_t deadline_ms, std::function<void()> done) {
  SIGNET_CHECK(!impl_->is_stopping);
  impl_->is_stopping = true;
  impl_->stopped = std::move(done);
  for (auto& door : impl_->doors) door->listener.reset();
  std::vector<std::shared_ptr<Connection>> open;
  for (const auto& [id, connection] : impl_->connections) open.push_back(connection);
  for (const auto& connection : open) connection->stop();
  if (impl_->connections.empty()) return impl_->finish_stop();
  impl_->deadline.start(deadline_ms, [impl = impl_.get()] {
    std::vector<std::shared_ptr<Connection>> late;
    for (const auto& [id, connection] : impl->connections) late.push_back(connection);
    for (const auto& connection : late) connection->abort();
  });
}

size_t Server::connections() const { return impl_->connections.size(); }

}  // namespace signet::http

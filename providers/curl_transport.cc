#include "providers/curl_transport.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/crash_point.h"
#include "providers/failure_log.h"
#include "providers/host_cache.h"
#include "providers/settings.h"

namespace signet {
namespace {

constexpr size_t kBodyMax = 64 * 1024;
// A request that is written in one piece: if no octet of it was taken, not even a part can have left. (Under TLS a
// larger one is several records, of which the first may have.)
constexpr size_t kOneRecord = 8 * 1024;
constexpr size_t kHeadersMax = 16 * 1024;
constexpr int64_t kConnectMs = 5000;
// Of a connection that is used again. The server may close an idle one at any time: then a request on it is in doubt,
// where a new connection would have cost a handshake.
constexpr long kIdleSeconds = 1;

using Headers = std::vector<std::pair<std::string, std::string>>;

struct SlistFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Slist = std::unique_ptr<curl_slist, SlistFree>;

void append(Slist& list, const std::string& line) {
  auto longer = curl_slist_append(list.get(), line.c_str());
  SIGNET_CHECK(longer);
  list.release();
  list.reset(longer);
}

// Host and port that a URL connects to.
struct Target {
  std::string host;
  int port = 0;
};
Target target_of(std::string_view url) {
  Target target;
  target.port = url.starts_with("https://") ? 443 : 80;
  auto scheme = url.find("://");
  if (scheme != url.npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (auto at = url.rfind('@'); at != url.npos) url.remove_prefix(at + 1);
  auto colon = url.find(':', url.starts_with('[') ? std::min(url.find(']'), url.size()) : 0);
  target.host = url.substr(0, colon);
  if (colon != url.npos) target.port = std::atoi(std::string(url.substr(colon + 1)).c_str());
  return target;
}

class CurlTransport : public Transport {
 public:
  CurlTransport(Loop& loop, const Clock& clock, Log& log, std::shared_ptr<const Provider> provider,
                const ProviderSettings& settings, TransportOptions options)
      : loop_(loop),
        clock_(clock),
        provider_(std::move(provider)),
        proxy_(setting_of(settings, "proxy")),
        ca_file_(setting_of(settings, "ca_file")),
        options_(std::move(options)),
        failures_(log, settings.name),
        hosts_(loop, clock),
        timer_(loop) {
    static std::once_flag once;
    std::call_once(once, [] { SIGNET_CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK); });
    multi_ = curl_multi_init();
    SIGNET_CHECK(multi_);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    // The default is four times the handles at work now, so that a pause would close the connections.
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, long{options_.in_flight_max});
  }

  ~CurlTransport() override {
    *is_alive_ = false;
    for (auto& transfer : all_) {
      if (transfer->is_added) curl_multi_remove_handle(multi_, transfer->easy);
      curl_easy_cleanup(transfer->easy);
    }
    curl_multi_cleanup(multi_);
    for (size_t fd = 0; fd < watches_.size(); fd++) forget(curl_socket_t(fd));
  }

  bool has_room() const override { return !idle_.empty() || int(all_.size()) < options_.in_flight_max; }

  void send(const Outbound& message, Tick deadline, Done done) override {
    SIGNET_CHECK(has_room());
    if (idle_.empty()) idle_.push_back(make_transfer());
    auto transfer = idle_.back();
    idle_.pop_back();
    transfer->deadline = deadline;
    transfer->done = std::move(done);
    transfer->request = provider_->build(message);
    transfer->time_left_ms = options_.request_timeout_ms;
    const auto& url = proxy_.empty() ? transfer->request.url : proxy_;
    if (url != target_url_) {
      target_url_ = url;
      target_ = target_of(url);
      is_target_numeric_ = is_numeric_host(target_.host);
    }
    if (is_target_numeric_) return start(transfer);
    if (auto known = hosts_.find(target_.host)) {
      pin(transfer, target_, *known);
      return start(transfer);
    }
    auto answered = [this, transfer, target = target_, asked_at = clock_.tick(),
                     is_alive = is_alive_](const auto& answer) {
      if (!*is_alive) return;
      auto waited_ms = (clock_.tick().us - asked_at.us) / 1000;
      transfer->time_left_ms = std::max<int64_t>(transfer->time_left_ms - waited_ms, 1);
      if (answer) {
        pin(transfer, target, *answer);
        return start(transfer);
      }
      fail(transfer, failure(OutcomeKind::retryable, "dns_failed"), answer.error().text);
    };
    hosts_.ask(target_.host, std::move(answered));
  }

  void round() override {
    if (std::exchange(has_fresh_, false)) act(CURL_SOCKET_TIMEOUT, 0);
  }

 private:
  struct Transfer {
    CURL* easy = nullptr;
    CurlTransport* owner = nullptr;
    bool is_added = false;
    Tick deadline;
    Done done;
    HttpRequest request;
    HttpReply reply;
    size_t header_octets = 0;
    int requests = 0;  // how often libcurl began a request in this attempt
    bool is_lapsed = false;
    int64_t time_left_ms = 0;
    // What the handle was told last, so that equal things are not told again.
    int64_t timeout_ms = 0;
    std::string url, method;
    Headers headers;
    Slist header_list, resolve_list;
    char error_text[CURL_ERROR_SIZE] = "";
  };
  // One a socket, from the first poll to the close, also while libcurl keeps the connection and asks nothing of it:
  // to begin and end a poll with each message costs as much as half of the sending.
  struct Watch {
    uv_poll_t poll{};
    curl_socket_t fd = 0;
    CurlTransport* owner = nullptr;
    int events = 0;        // polled for now
    bool is_idle = false;  // libcurl has said CURL_POLL_REMOVE
  };

  Transfer* make_transfer() {
    auto& t = all_.emplace_back(std::make_unique<Transfer>());
    t->owner = this;
    t->easy = curl_easy_init();
    SIGNET_CHECK(t->easy);
    auto set = [easy = t->easy](CURLoption option, auto value) {
      SIGNET_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
    };
    set(CURLOPT_PRIVATE, t.get());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_POST, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});  // a lost HTTP/2 connection puts all its streams in doubt
    set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    set(CURLOPT_PROXY, proxy_.c_str());  // "" keeps libcurl from asking the environment
    if (!ca_file_.empty()) set(CURLOPT_CAINFO, ca_file_.c_str());
    set(CURLOPT_USERAGENT, "signetd");
    set(CURLOPT_CONNECTTIMEOUT_MS, long(std::min(kConnectMs, options_.request_timeout_ms)));
    set(CURLOPT_MAXAGE_CONN, kIdleSeconds);
    set(CURLOPT_SOCKOPTFUNCTION, on_new_socket);
    set(CURLOPT_SOCKOPTDATA, this);
    set(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    set(CURLOPT_CLOSESOCKETDATA, this);
    set(CURLOPT_PREREQFUNCTION, on_prereq);
    set(CURLOPT_PREREQDATA, t.get());
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, t.get());
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, t.get());
    set(CURLOPT_ERRORBUFFER, t->error_text);
    return t.get();
  }

  void start(Transfer* t) {
    auto set = [easy = t->easy](CURLoption option, auto value) {
      SIGNET_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
    };
    t->requests = 0;
    t->is_lapsed = false;
    t->error_text[0] = 0;
    if (t->timeout_ms != t->time_left_ms) set(CURLOPT_TIMEOUT_MS, long(t->timeout_ms = t->time_left_ms));
    if (t->url != t->request.url) set(CURLOPT_URL, (t->url = t->request.url).c_str());
    if (t->method != t->request.method) set(CURLOPT_CUSTOMREQUEST, (t->method = t->request.method).c_str());
    if (!t->header_list || t->headers != t->request.headers) {
      Slist list;
      append(list, "Expect:");  // a POST is not split in two by a wait for 100 Continue
      for (const auto& [name, value] : t->request.headers) append(list, name + ": " + value);
      set(CURLOPT_HTTPHEADER, list.get());
      t->header_list = std::move(list);
      t->headers = t->request.headers;
    }
    set(CURLOPT_POSTFIELDSIZE, long(t->request.body.size()));
    set(CURLOPT_POSTFIELDS, t->request.body.c_str());
    t->is_added = true;
    has_fresh_ = true;
    SIGNET_CHECK(curl_multi_add_handle(multi_, t->easy) == CURLM_OK);
  }

  // Puts the addresses into the cache that all transfers share; permanent there, since ours is the cache that ages.
  void pin(Transfer* t, const Target& target, const Addresses& addresses) {
    auto key = target.host + ":" + std::to_string(target.port);
    if (std::exchange(pinned_[key], addresses.generation) == addresses.generation) return;
    Slist list;
    append(list, key + ":" + addresses.list);
    SIGNET_CHECK(curl_easy_setopt(t->easy, CURLOPT_RESOLVE, list.get()) == CURLE_OK);
    t->resolve_list = std::move(list);
  }

  // Between connecting and the first request byte. The second call in one attempt is libcurl repeating a request
  // whose connection died: the provider may have acted on the first, so that is not ours to repeat.
  static int on_prereq(void* data, char*, char*, int, int) {
    auto t = static_cast<Transfer*>(data);
    if (t->requests == 0 && t->owner->clock_.tick() > t->deadline) {
      t->is_lapsed = true;
      return CURL_PREREQFUNC_ABORT;
    }
    bool is_repeat = t->requests++ > 0;
    SIGNET_CRASH_POINT(http_before_first_byte);
    return is_repeat && t->owner->options_.guard_resend ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
  }

  static size_t on_body(char* octets, size_t, size_t size, void* data) {
    auto& body = static_cast<Transfer*>(data)->reply.body;
    if (body.size() + size > kBodyMax) return 0;
    body.append(octets, size);
    return size;
  }

  static size_t on_header(char* octets, size_t, size_t size, void* data) {
    auto t = static_cast<Transfer*>(data);
    std::string_view line(octets, size);
    if (line.starts_with("HTTP/")) {  // also the one that follows a 1xx or a proxy's answer
      SIGNET_CRASH_POINT(http_reply_begun);
      t->reply.headers.clear();
      t->header_octets = 0;
      return size;
    }
    t->header_octets += size;
    if (t->header_octets > kHeadersMax) return 0;
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
    auto colon = line.find(':');
    if (colon == line.npos || colon == 0) return size;
    auto value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    auto& header = t->reply.headers.emplace_back(line.substr(0, colon), value);
    for (char& c : header.first)
      if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    return size;
  }

  static int on_new_socket(void* data, curl_socket_t fd, curlsocktype) {
    auto self = static_cast<CurlTransport*>(data);
    self->forget(fd);
    auto limit = static_cast<unsigned>(self->options_.request_timeout_ms);
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
    return CURL_SOCKOPT_OK;
  }

  static int on_close_socket(void* data, curl_socket_t fd) {
    static_cast<CurlTransport*>(data)->forget(fd);
    return ::close(fd);
  }

  // Before the descriptor is closed, so that its number cannot mean another connection to libuv.
  void forget(curl_socket_t fd) {
    if (size_t(fd) >= watches_.size() || !watches_[size_t(fd)]) return;
    auto watch = std::exchange(watches_[size_t(fd)], nullptr);
    uv_poll_stop(&watch->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll),
             [](uv_handle_t* handle) { delete static_cast<Watch*>(handle->data); });
  }

  // Never 0: socket_action must not be called inside libcurl's own callback, nor starve the loop.
  static int on_timer(CURLM*, long ms, void* data) {
    auto self = static_cast<CurlTransport*>(data);
    if (ms < 0)
      self->timer_.stop();
    else
      self->timer_.start(std::max(ms, 1L), [self] { self->act(CURL_SOCKET_TIMEOUT, 0); });
    return 0;
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* data, void*) {
    auto self = static_cast<CurlTransport*>(data);
    if (size_t(fd) >= self->watches_.size()) self->watches_.resize(size_t(fd) + 1);
    auto& watch = self->watches_[size_t(fd)];
    if (what == CURL_POLL_REMOVE) {
      if (!watch) return 0;
      watch->is_idle = true;
      if (watch->events & UV_WRITABLE) self->poll(*watch, 0);
      return 0;
    }
    if (!watch) {
      watch = new Watch{{}, fd, self};
      SIGNET_CHECK(uv_poll_init_socket(self->loop_.uv(), &watch->poll, fd) == 0);
      watch->poll.data = watch;
    }
    watch->is_idle = false;
    if (what == CURL_POLL_IN) SIGNET_CRASH_POINT(http_after_first_byte);  // all is written: it waits for the answer
    self->poll(*watch, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0));
    return 0;
  }

  void poll(Watch& watch, int events) {
    if (std::exchange(watch.events, events) == events) return;
    SIGNET_CHECK((events ? uv_poll_start(&watch.poll, events, on_ready) : uv_poll_stop(&watch.poll)) == 0);
  }

  static void on_ready(uv_poll_t* poll, int status, int events) {
    auto watch = static_cast<Watch*>(poll->data);
    if (watch->is_idle) return watch->owner->on_idle_end(*watch);
    if (status < 0) {
      // Reset; libuv has stopped the poll. Not CURL_CSELECT_ERR, with which libcurl gives up unread: the reply may have
      // come before the reset (an early refusal by a server that did not read on). Reading finds first it, then the
      // error.
      auto wanted = std::exchange(watch->events, 0);
      watch->owner->poll(*watch, wanted);
      events = wanted;
    }
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    watch->owner->act(watch->fd, flags);
  }

  // The other end has closed a connection that nobody uses. libcurl looks before it reuses one, but takes one that was
  // reset for alive: its look uses up the error, its send then fails. Used up here, the look finds the end instead.
  void on_idle_end(Watch& watch) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(watch.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    poll(watch, 0);
  }

  void act(curl_socket_t fd, int flags) {
    int running = 0, left = 0;
    auto code = curl_multi_socket_action(multi_, fd, flags, &running);
    SIGNET_CHECK(code == CURLM_OK || code == CURLM_BAD_SOCKET);
    auto is_alive = is_alive_;
    while (*is_alive) {
      auto info = curl_multi_info_read(multi_, &left);
      if (!info) break;
      if (info->msg == CURLMSG_DONE) finish(info->easy_handle, info->data.result);
    }
  }

  void finish(CURL* easy, CURLcode result) {
    Transfer* t = nullptr;
    long status = 0, os_error = 0, request_octets = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_octets);  // over all repeats of this attempt
    curl_multi_remove_handle(multi_, easy);
    t->is_added = false;
    t->reply.status = int(status);
    if (result == CURLE_OK) {
      SIGNET_CRASH_POINT(http_replied);
      failures_.answered();
      return end_begun(t, provider_->parse(t->reply));
    }
    if (t->is_lapsed) return end(t, failure(OutcomeKind::unsent, "permit_lapsed"));
    if (t->requests == 0)
      return fail(t, failure(OutcomeKind::retryable, reason_before(result, os_error)), t->error_text);
    if (request_octets == 0 && t->request.body.size() < kOneRecord)
      return fail(t, failure(OutcomeKind::retryable, "connection_lost"), t->error_text);
    // A refusal stands even if its text was cut off; a success does not.
    if (status >= 400) {
      auto refused = provider_->parse(t->reply);
      if (refused.kind != OutcomeKind::accepted) return end_begun(t, std::move(refused));
    }
    auto outcome = failure(OutcomeKind::in_doubt, reason_after(result));
    outcome.status_code = int(status);
    outcome.has_begun = true;
    fail(t, std::move(outcome), t->error_text);
  }

  // Certainly before the first request byte.
  static const char* reason_before(CURLcode result, long os_error) {
    switch (result) {
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
        return "dns_failed";
      case CURLE_OPERATION_TIMEDOUT:
        return "connect_timed_out";
      case CURLE_COULDNT_CONNECT:
        return os_error == ECONNREFUSED ? "connect_refused" : "connect_failed";
      case CURLE_SSL_CONNECT_ERROR:
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CERTPROBLEM:
      case CURLE_SSL_CIPHER:
      case CURLE_SSL_CACERT_BADFILE:
      case CURLE_SSL_ISSUER_ERROR:
      case CURLE_USE_SSL_FAILED:
        return "tls_failed";
      default:
        return "connect_failed";
    }
  }

  static const char* reason_after(CURLcode result) {
    switch (result) {
      case CURLE_OPERATION_TIMEDOUT:
        return "timed_out";
      case CURLE_ABORTED_BY_CALLBACK:  // libcurl was about to repeat it
      case CURLE_GOT_NOTHING:
      case CURLE_SEND_ERROR:
      case CURLE_RECV_ERROR:
        return "reset_after_send";
      case CURLE_PARTIAL_FILE:
        return "reply_cut_off";
      case CURLE_WRITE_ERROR:
        return "reply_too_large";
      default:
        return "unreadable_reply";
    }
  }

  static Outcome failure(OutcomeKind kind, const char* reason) {
    Outcome outcome;
    outcome.kind = kind;
    outcome.reason = reason;
    outcome.scope = FaultScope::provider;
    return outcome;
  }

  // The outcome goes to its message; what libcurl or the resolver said goes to the log.
  void fail(Transfer* t, Outcome outcome, const std::string& detail) {
    failures_.tell(outcome, detail);
    end(t, std::move(outcome));
  }

  void end_begun(Transfer* t, Outcome outcome) {
    outcome.has_begun = true;
    end(t, std::move(outcome));
  }

  void end(Transfer* t, Outcome outcome) {
    auto done = std::exchange(t->done, nullptr);
    t->request.body.clear();
    t->reply.headers.clear();
    t->reply.body.clear();
    t->reply.status = 0;
    t->header_octets = 0;
    idle_.push_back(t);
    done(std::move(outcome));  // may send again, or end this transport
  }

  Loop& loop_;
  const Clock& clock_;
  std::shared_ptr<const Provider> provider_;
  std::string proxy_, ca_file_;
  TransportOptions options_;
  FailureLog failures_;
  HostCache hosts_;
  Timer timer_;
  CURLM* multi_ = nullptr;
  std::vector<std::unique_ptr<Transfer>> all_;
  std::vector<Transfer*> idle_;
  std::vector<Watch*> watches_;  // by descriptor; freed by libuv's close callback
  std::map<std::string, uint64_t> pinned_;
  std::string target_url_;
  Target target_;
  bool is_target_numeric_ = false;
  bool has_fresh_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Transport> make_curl_transport(Loop& loop, const Clock& clock, Log& log,
                                               std::shared_ptr<const Provider> provider,
                                               const ProviderSettings& settings, TransportOptions options) {
  return std::make_unique<CurlTransport>(loop, clock, log, std::move(provider), settings, options);
}

}  // namespace signet

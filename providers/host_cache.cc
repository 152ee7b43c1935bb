#include "providers/host_cache.h"

#include <uv.h>

#include <optional>
#include <utility>

namespace signet {
namespace {

constexpr int64_t kFreshUs = 60'000'000;
constexpr int64_t kUsableUs = 600'000'000;
constexpr int64_t kWaitMs = 5000;

std::string list_of(const addrinfo* found) {
  std::string list;
  for (; found; found = found->ai_next) {
    char text[INET6_ADDRSTRLEN + 1] = "";
    bool is_v6 = found->ai_family == AF_INET6;
    if (is_v6)
      uv_ip6_name(reinterpret_cast<const sockaddr_in6*>(found->ai_addr), text, sizeof text);
    else
      uv_ip4_name(reinterpret_cast<const sockaddr_in*>(found->ai_addr), text, sizeof text);
    list += (list.empty() ? "" : ",") + (is_v6 ? "[" + std::string(text) + "]" : std::string(text));
  }
  return list;
}

}  // namespace

bool is_numeric_host(const std::string& host) {
  bool has_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  auto bare = has_brackets ? host.substr(1, host.size() - 2) : host;
  sockaddr_in v4;
  sockaddr_in6 v6;
  return uv_ip4_addr(bare.c_str(), 0, &v4) == 0 || uv_ip6_addr(bare.c_str(), 0, &v6) == 0;
}

struct HostCache::Entry {
  explicit Entry(Loop& loop) : timer(loop) {}
  std::optional<Addresses> known;
  std::shared_ptr<Lookup> lookup;
  std::vector<Ready> waiting;
  Timer timer;
};

struct HostCache::Lookup {
  uv_getaddrinfo_t uv{};
  HostCache* owner = nullptr;  // null once the cache is gone
  std::string host;
  std::shared_ptr<Lookup> self;  // libuv holds it until the callback
};

HostCache::HostCache(Loop& loop, const Clock& clock) : loop_(loop), clock_(clock) {}

HostCache::~HostCache() {
  for (auto& [host, entry] : entries_) {
    if (!entry->lookup) continue;
    entry->lookup->owner = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&entry->lookup->uv));
  }
}

const Addresses* HostCache::find(const std::string& host) {
  auto found = entries_.find(host);
  if (found == entries_.end() || !found->second->known) return nullptr;
  auto& entry = *found->second;
  auto age = clock_.tick().us - entry.known->asked_at.us;
  if (age > kFreshUs && !entry.lookup) begin(host, entry);
  return age > kUsableUs ? nullptr : &*entry.known;
}

void HostCache::ask(const std::string& host, Ready ready) {
  auto& entry = entries_[host];
  if (!entry) entry = std::make_unique<Entry>(loop_);
  entry->waiting.push_back(std::move(ready));
  if (!entry->lookup) begin(host, *entry);
  if (entry->timer.is_active()) return;
  entry->timer.start(kWaitMs, [this, &entry = *entry] {
    tell(entry, Error{ErrorCode::timeout, "no answer from the resolver"});
  });
}

void HostCache::begin(const std::string& host, Entry& entry) {
  auto lookup = std::make_shared<Lookup>();
  lookup->owner = this;
  lookup->host = host;
  lookup->uv.data = lookup.get();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  auto answered = [](uv_getaddrinfo_t* uv, int status, addrinfo* found) {
    auto lookup = std::move(static_cast<Lookup*>(uv->data)->self);
    auto list = status == 0 ? list_of(found) : std::string();
    uv_freeaddrinfo(found);
    if (!lookup->owner) return;
    if (list.empty())
      lookup->owner->came(lookup->host, Error{ErrorCode::unavailable, status ? uv_strerror(status) : "no address"});
    else
      lookup->owner->came(lookup->host, list);
  };
  int status = uv_getaddrinfo(loop_.uv(), &lookup->uv, answered, host.c_str(), nullptr, &hints);
  if (status == 0) {
    lookup->self = entry.lookup = lookup;
    return;
  }
  // A name that cannot even be asked for: told like any other failure, not at once.
  entry.timer.start(0, [this, &entry, status] { tell(entry, Error{ErrorCode::invalid, uv_strerror(status)}); });
}

void HostCache::came(const std::string& host, Result<std::string> list) {
  auto& entry = *entries_.at(host);
  entry.lookup.reset();
  if (!list) return tell(entry, list.error());
  if (!entry.known || entry.known->list != *list) entry.known = Addresses{*list, ++generations_, {}};
  entry.known->asked_at = clock_.tick();
  tell(entry, *entry.known);
}

void HostCache::tell(Entry& entry, const Result<Addresses>& answer) {
  entry.timer.stop();
  auto waiting = std::exchange(entry.waiting, {});
  for (auto& ready : waiting) ready(answer);  // touches no member: one of them may end this
}

}  // namespace signet

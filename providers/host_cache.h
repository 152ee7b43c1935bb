// Addresses of names, asked for on libuv's thread pool (libcurl starts a thread for each look-up). One loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/result.h"

namespace signet {

struct Addresses {
  std::string list;         // as CURLOPT_RESOLVE takes them: "192.0.2.1,[2001:db8::1]"
  uint64_t generation = 0;  // another one when the list changed
  Tick asked_at;            // when it came
};

bool is_numeric_host(const std::string& host);  // an IPv4 or IPv6 address, the latter with or without brackets

class HostCache {
 public:
  using Ready = std::function<void(const Result<Addresses>&)>;
  HostCache(Loop& loop, const Clock& clock);
  ~HostCache();  // who still waits is not called
  // Null if nothing usable is known. Asks anew after 60 s, and meanwhile, up to 10 minutes, answers with what it
  // has: connections in use must not suffer from a resolver that is away.
  const Addresses* find(const std::string& host);
  // Never calls back at once. Gives up after 5 s; what comes later still goes into the cache.
  void ask(const std::string& host, Ready ready);

 private:
  struct Entry;
  struct Lookup;
  void begin(const std::string& host, Entry& entry);
  void came(const std::string& host, Result<std::string> list);
  void tell(Entry& entry, const Result<Addresses>& answer);

  Loop& loop_;
  const Clock& clock_;
  uint64_t generations_ = 0;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
};

}  // namespace signet

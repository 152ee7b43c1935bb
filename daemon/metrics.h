// Counters and gauges in Prometheus' text form. Labels are few and closed: never an id, an address or a text.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace signet {

class Metrics {  // any thread
 public:
  // `labels` as they stand in the text: `outcome="accepted",provider="relay"`; empty for none.
  void add(std::string_view name, std::string_view labels = {}, int64_t amount = 1);
  void set(std::string_view name, std::string_view labels, int64_t value);
  int64_t value(std::string_view name, std::string_view labels = {}) const;
  std::string text() const;

 private:
  mutable std::mutex lock_;
  std::map<std::string, std::map<std::string, int64_t, std::less<>>, std::less<>> values_;
};

}  // namespace signet

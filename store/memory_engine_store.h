// The background work's side of the store in memory: see store/memory_store.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/engine_store.h"
#include "store/memory_store.h"

namespace signet {

class MemoryEngineStore : public EngineStore {
 public:
  // The store outlives it. `is_reachable`: whether this daemon's network leads there now.
  explicit MemoryEngineStore(
      MemoryStore& store, std::function<bool()> is_reachable = [] { return true; })
      : store_(store), is_reachable_(std::move(is_reachable)) {}
  ~MemoryEngineStore() override { leave(); }

  Result<bool> lead(Elected place) override;
  void leave() override;
  Result<Pulse> beat(const std::string& instance, const std::vector<Uuid>& epochs) override;
  Result<std::vector<DueLane>> due_lanes(int64_t ahead_ms) override;
  Result<std::vector<DueRow>> scan_due(const DueLane& lane, const DueSpan& span, const std::optional<DueCursor>& after,
                                       int count_max) override;
  Result<Stamps> stamps() override;
  Result<void> record_stamps(const Stamps& stamps) override;
  Result<StaleDue> stale_due(const Uuid& after, int count_max, const std::vector<std::string>& lanes) override;
  Result<OverduePermits> overdue_permits(const Uuid& after, int count_max, int64_t age_ms, int64_t grace_ms) override;
  Result<std::vector<Doubt>> doubts(int64_t wait_ms, int count_max) override;
  Result<void> postpone_doubts(const std::vector<Postponed>& messages) override;
  Result<std::optional<std::pair<std::string, std::string>>> data_key(const Uuid& message_id) override;
  Result<bool> keep_callback(const CallbackRow& row) override;
  Result<Slice> look_at_messages(const Uuid& after, int count_max) override;
  Result<std::vector<MessageCount>> count_messages(const Uuid& after, const Uuid& last,
                                                   const std::vector<ReceiptLimit>& limits) override;
  Result<Totals> totals() override;
  Result<std::vector<CallbackRow>> take_callbacks(int count_max, int64_t lease_ms) override;
  Result<void> postpone_callbacks(const std::vector<Postponed>& callbacks) override;
  Result<void> end_callback(const Uuid& id) override;
  Result<std::map<Reference, std::pair<Uuid, int>>> find_references(const std::vector<Reference>& references) override;
  Result<std::vector<Changed>> change(const std::vector<Uuid>& ids, const Decide& decide) override;

  std::function<bool()> loses_change;  // whether the next change takes effect with nobody told; none: never

 private:
  std::optional<Error> fault();  // why nothing can be asked now
  bool is_alive(const Uuid& epoch) const;
  Changed apply(MemoryStore::Message& message, const MessageChange& change);

  MemoryStore& store_;
  const std::function<bool()> is_reachable_;
  std::optional<Elected> place_;
};

}  // namespace signet

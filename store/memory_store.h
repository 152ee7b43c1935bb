// PostgreSQL in memory, for the simulation and tests: what the delivery engine's statements do (pg_journal.cc and its
// neighbours), with the failures of a real server. A MemoryStore stands for the server, a MemoryJournal for one loop's
// connections to it. The conformance suite (tests/store/journal_test.cc) holds it to what PostgreSQL does.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/loop.h"
#include "message/pauses.h"
#include "store/audit_log.h"
#include "store/callbacks.h"
#include "store/journal.h"
#include "store/messages.h"

namespace signet {

class MemoryJournal;

class MemoryStore {
 public:
  struct Approval {
    int version = 1;
    std::string envelope_commit, approval_mac, policy_id;
    WallTime at;
  };
  struct Start {  // of an attempt: a permit, or a void that keeps others from it
    bool is_void = false;
    Uuid epoch;
    std::string instance, provider, lane, route_reason;
    WallTime permitted_at;
  };
  struct Decided {
    int attempt_no = 0;
    std::string decision, actor;
    WallTime at;
  };
  struct Message {  // a row of message, and what names it elsewhere
    MessageRow row;
    SealedContent content;
    std::vector<Approval> approvals;
    std::map<int, Start> starts;
    std::map<int, ResultRow> results;
    std::vector<Decided> decisions;
    std::optional<DueRow> due;
    std::vector<Entry> entries;
    std::vector<ConfirmationRow> confirmations;
  };
  struct Beat {  // of a run of a loop
    std::string instance;
    WallTime seen_at;
  };
  struct DueCallback {
    WallTime due_at;
    int tries = 0;
  };
  struct NotedDoubt {
    int attempt_no = 0;
    WallTime due_at;
    int looks = 0;
  };
  struct Held {  // by the session of an elected daemon
    const void* session = nullptr;
    WallTime seen_at;
  };

  // How one exchange goes, in microseconds from its beginning. Its statements see what is committed at `read_us`; at
  // `commit_us` it takes effect, where what they saw must still hold.
  struct Fate {
    int64_t read_us = 0, commit_us = 0, reply_us = 0;
    enum class End {
      answered,
      lost,      // the connection broke: the answer says that the end is not known
      conflict,  // a deadlock's victim: nothing took effect
    } end = End::answered;
    bool is_applied = true;  // of `lost`: it takes effect all the same, perhaps long after the connection broke
  };
  using After = std::function<void(int64_t us, std::function<void()>)>;

  // `clock` is the server's. Without `after` everything happens at once.
  explicit MemoryStore(const Clock& clock, After after = {});

  std::map<Uuid, Message> messages;
  std::set<std::string> suppressed;  // recipient keys
  Pauses pauses;
  std::map<Uuid, Beat> beats;             // by epoch
  std::array<int64_t, kShards> stamps{};  // of each shard's queue
  std::map<Uuid, CallbackRow> callbacks;  // the ledger
  std::map<Uuid, DueCallback> due_callbacks;
  std::map<Uuid, NotedDoubt> doubts;
  std::map<std::pair<std::string, std::string>, std::pair<Uuid, int>> references;  // (provider, its name): an attempt
  std::map<Elected, Held> places;
  WallTime started_at;
  std::set<Uuid> refused;                   // a batch with a row of these is bad data
  std::function<Fate(bool is_write)> fate;  // of the next exchange; none: at once, answered
  // Told of each change of an attempt: "permit", "void", "move", or a result's outcome.
  std::function<void(std::string_view what, const Uuid& id, int attempt_no)> watch;
  std::function<bool()> survives = [] { return false; };  // of a batch under way when the server stops

  WallTime now() const { return clock_.wall(); }
  bool is_up() const { return is_up_; }
  // An immediate stop: what is committed stays; each batch under way is committed or lost, and nobody is told which.
  void stop();
  void start();

  // Rules of the real server that a test takes away, to prove that it would be seen.
  struct Broken {
    bool head_gate = false;      // a result is recorded over any head
    bool permit_key = false;     // an attempt may be permitted twice
    bool own_epoch = false;      // open permits of others pass for one's own
    bool next_due = false;       // a retryable result leaves no due row
    bool attempt_order = false;  // an attempt needs nothing of the one before
    bool durability = false;     // a stop loses what was committed within the last 50 ms
  } broken;

 private:
  friend class MemoryJournal;
  struct Exchange;
  void at(int64_t us, std::function<void()> action) const;
  void begin(const std::shared_ptr<Exchange>& exchange, const Fate& fate);
  void commit(Exchange& exchange);
  Permit judge(const PermitRequest& request) const;
  bool is_in_order(const Message& message, int attempt_no) const;
  void tell(std::string_view what, const Uuid& id, int attempt_no) const {
    if (watch) watch(what, id, attempt_no);
  }
  bool apply(const ResultRow& row);
  void apply(const MoveRow& row);
  bool apply(const EndRow& row, const std::string& instance);
  BatchReply apply(const Batch& batch, std::vector<Permit> judged, const JournalOptions& options);

  const Clock& clock_;
  const After after_;
  std::vector<MemoryJournal*> journals_;
  std::vector<std::shared_ptr<Exchange>> under_way_;
  std::vector<std::pair<WallTime, std::map<Uuid, Message>>> before_;  // of each commit, if durability is broken
  bool is_up_ = true;
};

class MemoryJournal : public Journal {
 public:
  // The store outlives its journals. What a journal began goes its way when the journal is gone.
  MemoryJournal(Loop& loop, const Clock& clock, MemoryStore& store, JournalOptions options);
  ~MemoryJournal() override;

  // A network that swallows everything: what is asked is not heard and not answered, and fails after `limit_us`.
  void set_reachable(bool is_reachable, int64_t limit_us = 5'000'000);

  bool has_room() const override { return is_connected_ && busy_ < options_.connections; }
  int connections() const override { return is_connected_ ? options_.connections : 0; }
  bool is_up() const override { return is_connected_; }
  void write(Batch batch, std::function<void(Result<BatchReply>)> done) override;
  void heads(std::vector<std::pair<Uuid, int>> attempts,
             std::function<void(Result<std::vector<Present>>)> done) override;
  void open_permits(std::vector<Uuid> ids, bool only_mine,
                    std::function<void(Result<std::vector<Permit>>)> done) override;
  void claim_due(DueQuery query, std::function<void(Result<std::vector<DueClaim>>)> done) override;
  void on_change(std::function<void(bool)> changed) override { changed_ = std::move(changed); }

 private:
  friend class MemoryStore;
  using Exchange = MemoryStore::Exchange;
  template <class T>
  void ask(std::function<T()> read, std::function<void(Result<T>)> done);
  void begin(const std::shared_ptr<Exchange>& exchange, bool is_write);
  void answer(const std::shared_ptr<Exchange>& exchange, std::optional<Error> error);
  void give_up_later(const std::shared_ptr<Exchange>& exchange);
  void connect(bool is_connected);

  Loop& loop_;
  const Clock& clock_;
  MemoryStore& store_;
  const JournalOptions options_;
  std::function<void(bool)> changed_;
  std::vector<std::shared_ptr<Exchange>> asked_;
  int busy_ = 0;
  bool is_connected_ = true, is_reachable_ = true;
  int64_t limit_us_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace signet

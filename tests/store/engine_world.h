// Where the engine store's suite runs: a real PostgreSQL, and the one in memory that the simulation is over.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "store/memory_engine_store.h"
#include "tests/fakes/approved_messages.h"
#include "tests/fakes/postgres_server.h"

namespace signet::test {

struct Planted {  // a queued message whose first attempt is due
  Priority priority = Priority::normal;
  std::string lane = "sms", provider;
  int64_t due_in_ms = 0;
  std::optional<int64_t> lasts_ms;  // until its window closes
  std::optional<int> shard;         // instead of the id's own
};

class EngineWorld {
 public:
  virtual ~EngineWorld() = default;
  virtual EngineStore& store(const std::string& daemon = "one") = 0;  // made when first named
  virtual void cut(const std::string& daemon) = 0;                    // its sessions end
  virtual Uuid insert(const Planted& planted = {}) = 0;
  virtual void permit(const Uuid& id, int attempt_no, const std::string& provider, const Uuid& epoch,
                      int64_t ago_ms = 0) = 0;
  // Where the message stays queued, the next attempt is due; else nothing is.
  virtual void end(const Uuid& id, int attempt_no, OutcomeKind outcome, Status status) = 0;
  virtual void decide(const Uuid& id, int attempt_no, const std::string& decision) = 0;
  virtual void lose_due(const Uuid& id) = 0;
  virtual void silence(const Uuid& epoch) = 0;  // its last beat was a minute ago
  virtual void refer(const std::string& provider, const std::string& reference, const Uuid& id, int attempt_no) = 0;
  virtual MessageView view(const Uuid& id) = 0;
  virtual int64_t confirmations() = 0;

  CallbackRow callback(const std::string& event_id, const std::optional<Uuid>& message_id);
  std::string reference = "ref";  // of the attempts that end() ends
  // As the reconciler would: with an event of its own, over the head as it stands.
  StatusChange change_of(const MessageView& view, Status status);

  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
};

class PgEngineWorld : public EngineWorld {
 public:
  PgEngineWorld();
  EngineStore& store(const std::string& daemon) override;
  using EngineWorld::store;
  void cut(const std::string& daemon) override;
  Uuid insert(const Planted& planted) override;
  using EngineWorld::insert;
  void permit(const Uuid& id, int attempt_no, const std::string& provider, const Uuid& epoch, int64_t ago_ms) override;
  void end(const Uuid& id, int attempt_no, OutcomeKind outcome, Status status) override;
  void decide(const Uuid& id, int attempt_no, const std::string& decision) override;
  void lose_due(const Uuid& id) override;
  void silence(const Uuid& epoch) override;
  void refer(const std::string& provider, const std::string& reference, const Uuid& id, int attempt_no) override;
  MessageView view(const Uuid& id) override;
  int64_t confirmations() override;

  PgRows run(const std::string& sql, const std::vector<PgValue>& values = {});  // throws when it is refused
  std::unique_ptr<PgSession> session;                                           // a superuser's

 private:
  Keyring keys_ = test_keys(random);
  std::map<std::string, std::unique_ptr<EngineStore>> stores_;
};

class MemoryEngineWorld : public EngineWorld {
 public:
  MemoryEngineWorld() { memory_.started_at = clock.wall(); }
  EngineStore& store(const std::string& daemon) override;
  using EngineWorld::store;
  void cut(const std::string& daemon) override;
  Uuid insert(const Planted& planted) override;
  using EngineWorld::insert;
  void permit(const Uuid& id, int attempt_no, const std::string& provider, const Uuid& epoch, int64_t ago_ms) override;
  void end(const Uuid& id, int attempt_no, OutcomeKind outcome, Status status) override;
  void decide(const Uuid& id, int attempt_no, const std::string& decision) override;
  void lose_due(const Uuid& id) override;
  void silence(const Uuid& epoch) override;
  void refer(const std::string& provider, const std::string& reference, const Uuid& id, int attempt_no) override;
  MessageView view(const Uuid& id) override;
  int64_t confirmations() override;

 private:
  MemoryStore memory_{clock};
  Keyring keys_ = test_keys(random);
  std::map<std::string, std::unique_ptr<MemoryEngineStore>> stores_;
};

}  // namespace signet::test

#define ENGINE_WORLDS signet::test::PgEngineWorld, signet::test::MemoryEngineWorld

// The queue in Redis 7 or later: lua/signet.lua does the work, one FCALL a shard and call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "queue/queue.h"
#include "queue/redis_client.h"

namespace signet {

class RedisQueue : public Queue {
 public:
  // Two connections: one for calls, one that listens to the bell ("sg:bell", shards as decimal numbers with commas
  // between; own offers ring too). Each time it connects it sees to it that the server has this version of the
  // library. Logs when the server comes and goes.
  RedisQueue(Loop& loop, const Clock& clock, Random& random, Log& log, const RedisOptions& redis, QueueOptions options);
  ~RedisQueue() override;

  void offer(std::vector<Hint> hints, std::function<void(Result<OfferReply>)> done) override;
  void claim(const ClaimRequest& request, std::function<void(Result<std::vector<Claimed>>)> done) override;
  void ack(const std::vector<Uuid>& ids, std::function<void(Result<int64_t>)> done) override;
  void nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids, std::function<void(Result<int64_t>)> done) override;
  void renew(const std::vector<Uuid>& ids, int64_t lease_ms, std::function<void(Result<int64_t>)> done) override;
  void sweep(int shard, std::function<void(Result<int64_t>)> done) override;
  void inspect(int shard, std::function<void(Result<ShardReport>)> done) override;
  void clear(int shard, std::function<void(Result<void>)> done) override;
  void lease_tokens(const std::string& provider, double rate_per_s, double burst, int want,
                    std::function<void(Result<TokenLease>)> done) override;
  bool is_up() const override { return is_loaded_; }
  void on_change(std::function<void(bool is_up)> changed) override { changed_ = std::move(changed); }
  void on_bell(std::function<void(int shard)> rung) override { rung_ = std::move(rung); }

 private:
  struct Call;
  using Counted = std::function<void(Result<int64_t>)>;
  void ask_version();
  void load();
  void load_ended(const Result<Reply>& reply);
  void set_loaded(bool is_loaded);
  void went_down(const Error& error);
  void heard_bell(const std::string& text);
  void send(std::shared_ptr<Call> call);
  // `key`: what the call is about, and so which server of a Cluster takes it; the script derives all others from it.
  void fcall(const char* function, std::string key, std::vector<std::string> arguments, RedisClient::Done done);
  template <class T>  // with +=
  static std::function<void(Result<T>)> sum_of(size_t parts, std::function<void(Result<T>)> done);
  void post(std::function<void()> action);
  template <class Pack>  // pack(arguments, shard, first, last): what follows the owner
  void per_shard(const char* function, const std::vector<Uuid>& ids, Pack pack, Counted done);

  Loop& loop_;
  const Clock& clock_;
  Log& log_;
  const QueueOptions options_;
  std::function<void(bool)> changed_;
  std::function<void(int)> rung_;
  std::vector<std::shared_ptr<Call>> waiting_for_load_;
  std::string last_error_;
  bool is_loaded_ = false;
  bool is_loading_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  Timer reload_timer_;
  std::unique_ptr<RedisClient> client_;
  std::unique_ptr<RedisClient> bell_;
};

}  // namespace signet

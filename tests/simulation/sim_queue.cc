#include "tests/simulation/sim_queue.h"

#include <algorithm>

namespace signet::test {
namespace {

constexpr int64_t kBellUs = 300;
constexpr int64_t kReconnectUs = 50'000;

}  // namespace

SimQueue::SimQueue(SimTime& time, Loop& loop, MemoryQueueServer& server, const Clock& server_clock,
                   QueueOptions options, std::function<Fate()> fate)
    : time_(time),
      loop_(loop),
      server_clock_(server_clock),
      options_(std::move(options)),
      fate_(std::move(fate)),
      server_(&server),
      is_up_(server.is_up()) {
  queue_on(server);
}

SimQueue::~SimQueue() {
  for (auto& [server, queue] : queues_) queue->on_bell({});  // a call on its way keeps it a little longer
}

std::shared_ptr<MemoryQueue> SimQueue::queue_on(MemoryQueueServer& server) {
  auto& queue = queues_[&server];
  if (queue) return queue;
  auto at_once = [](const std::function<void()>& action) { action(); };  // the way there and back is this class's
  queue = std::make_shared<MemoryQueue>(server, server_clock_, at_once, options_);
  queue->on_bell([this, at = &server](int shard) {
    if (at != server_ || !is_up_) return;
    time_.after(kBellUs, [this, alive = std::weak_ptr(alive_), shard] {
      if (alive.expired()) return;
      loop_.post([this, alive, shard] {
        if (!alive.expired() && rung_) rung_(shard);
      });
    });
  });
  return queue;
}

void SimQueue::move_to(MemoryQueueServer& server) {
  set_link(false);
  server_ = &server;
  queue_on(server);
  set_link(true);
}

void SimQueue::set_link(bool is_up) {
  if (is_up && !server_->is_up()) return;
  if (!is_up)
    for (auto& call : std::exchange(under_way_, {})) {
      call->is_over = true;
      loop_.post([call, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) call->fail();
      });
    }
  if (is_up == is_up_) return;
  is_up_ = is_up;
  loop_.post([this, alive = std::weak_ptr(alive_), is_up] {
    if (!alive.expired() && changed_) changed_(is_up);
  });
}

template <class T>
void SimQueue::call(std::function<void(MemoryQueue&, std::function<void(Result<T>)>)> act,
                    std::function<void(Result<T>)> done) {
  const std::weak_ptr<int> alive = alive_;
  auto shared = std::make_shared<std::function<void(Result<T>)>>(std::move(done));
  auto call = std::make_shared<Call>();
  call->fail = [shared] { (*shared)(Error{ErrorCode::unavailable, "Redis is away"}); };
  if (!is_up_)
    return loop_.post([alive, call] {
      if (!alive.expired()) call->fail();
    });
  under_way_.push_back(call);
  const Fate fate = fate_();
  if (fate.end != Fate::End::answered)
    time_.after(fate.there_us + fate.back_us, [this, alive, call] {
      if (alive.expired() || call->is_over) return;
      set_link(false);
      time_.after(kReconnectUs, [this, alive] {
        if (!alive.expired()) set_link(true);
      });
    });
  if (fate.end == Fate::End::request_lost) return;
  there_at_us_ = std::max(there_at_us_, time_.now_us() + fate.there_us);
  // The server acts whether or not the caller lives: what it was sent has arrived.
  time_.after(there_at_us_ - time_.now_us(),
              [this, alive, call, shared, fate, act = std::move(act), queue = queue_on(*server_)] {
                act(*queue, [&](Result<T> result) {
                  if (alive.expired() || call->is_over || fate.end == Fate::End::reply_lost) return;
                  back_at_us_ = std::max(back_at_us_, time_.now_us() + fate.back_us);
                  time_.after(back_at_us_ - time_.now_us(), [this, alive, call, shared, result = std::move(result)] {
                    if (alive.expired() || std::exchange(call->is_over, true)) return;
                    under_way_.remove(call);
                    loop_.post([alive, shared, result] {
                      if (!alive.expired()) (*shared)(result);
                    });
                  });
                });
              });
}

void SimQueue::offer(std::vector<Hint> hints, std::function<void(Result<OfferReply>)> done) {
  call<OfferReply>([hints = std::move(hints)](MemoryQueue& q, auto reply) { q.offer(hints, reply); }, std::move(done));
}
void SimQueue::claim(const ClaimRequest& request, std::function<void(Result<std::vector<Claimed>>)> done) {
  call<std::vector<Claimed>>([request](MemoryQueue& q, auto reply) { q.claim(request, reply); }, std::move(done));
}
void SimQueue::ack(const std::vector<Uuid>& ids, std::function<void(Result<int64_t>)> done) {
  call<int64_t>([ids](MemoryQueue& q, auto reply) { q.ack(ids, reply); }, std::move(done));
}
void SimQueue::nack_at(const std::vector<std::pair<Uuid, WallTime>>& ids, std::function<void(Result<int64_t>)> done) {
  call<int64_t>([ids](MemoryQueue& q, auto reply) { q.nack_at(ids, reply); }, std::move(done));
}
void SimQueue::renew(const std::vector<Uuid>& ids, int64_t lease_ms, std::function<void(Result<int64_t>)> done) {
  call<int64_t>([ids, lease_ms](MemoryQueue& q, auto reply) { q.renew(ids, lease_ms, reply); }, std::move(done));
}
void SimQueue::sweep(int shard, std::function<void(Result<int64_t>)> done) {
  call<int64_t>([shard](MemoryQueue& q, auto reply) { q.sweep(shard, reply); }, std::move(done));
}
void SimQueue::inspect(int shard, std::function<void(Result<ShardReport>)> done) {
  call<ShardReport>([shard](MemoryQueue& q, auto reply) { q.inspect(shard, reply); }, std::move(done));
}
void SimQueue::clear(int shard, std::function<void(Result<void>)> done) {
  call<void>([shard](MemoryQueue& q, auto reply) { q.clear(shard, reply); }, std::move(done));
}
void SimQueue::lease_tokens(const std::string& provider, double rate_per_s, double burst, int want,
                            std::function<void(Result<TokenLease>)> done) {
  call<TokenLease>([provider, rate_per_s, burst, want](
                       MemoryQueue& q, auto reply) { q.lease_tokens(provider, rate_per_s, burst, want, reply); },
                   std::move(done));
}

}  // namespace signet::test

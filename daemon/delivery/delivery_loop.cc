#include "daemon/delivery/delivery_loop.h"

#include <algorithm>
#include <chrono>

namespace signet {
namespace {

constexpr int64_t kBeatMs = 500;
constexpr auto kAnswerWait = std::chrono::seconds(10);

}  // namespace

DeliveryLoop::DeliveryLoop(Shared shared, DeliveryLoopOptions options)
    : shared_(shared), options_(std::move(options)) {}

DeliveryLoop::~DeliveryLoop() {
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

void DeliveryLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void DeliveryLoop::run() {
  queue_ =
      std::make_unique<RedisQueue>(loop_, shared_.clock, shared_.random, shared_.log, options_.redis, options_.queue);
  journal_ = make_pg_journal(loop_, shared_.clock, shared_.random, shared_.log, options_.journal);
  std::map<std::string, int> slots;
  std::map<std::string, DeliveryProvider> providers;
  int in_flight = 0;
  for (const auto& [name, one] : options_.providers) {
    slots[name] = one.limits.in_flight;
    in_flight += one.limits.in_flight;
    TransportOptions transport;
    transport.in_flight_max = one.limits.in_flight;
    transport.request_timeout_ms = options_.delivery.request_timeout_ms;
    if (shared_.unasked) transport.on_unasked = unasked_of(name);
    providers[name] = {one.provider,
                       make_transport(loop_, shared_.clock, shared_.log, one.provider, one.settings, transport)};
  }
  // More than half of what can be in flight may never come together.
  DeliverySettings settings = options_.delivery;
  settings.hold = std::clamp(in_flight / 2, 1, settings.rows);
  settings.loop = options_.number;
  settings.loops = options_.loops;
  settings.loop_label = "loop=\"" + std::to_string(options_.number) + "\"";
  delivery_ = std::make_unique<Delivery>(
      DeliveryParts{loop_, shared_.clock, shared_.random, shared_.ids, shared_.log, shared_.metrics, *queue_, *journal_,
                    shared_.keys, shared_.routes, shared_.plan, shared_.spool},
      std::move(settings),
      Admit({shared_.routes, *queue_, shared_.clock, shared_.random, shared_.pace, shared_.log, shared_.metrics},
            slots),
      Dispatcher(options_.number, options_.loops), std::move(providers));
  delivery_->on_redis_up([this] {
    if (redis_up_) redis_up_();
  });
  if (options_.number == 0) delivery_->take_over(shared_.spool.take_left());
  {
    Timer beat(loop_);
    beat.repeat(kBeatMs, [this] {
      beats_++;
      is_busy_ = delivery_->in_flight() > 0;
      auto health = delivery_->health();
      std::lock_guard guard(lock_);
      health_ = std::move(health);
    });
    loop_.run();
  }
  delivery_.reset();
  journal_.reset();
  queue_.reset();
}

OnUnasked DeliveryLoop::unasked_of(const std::string& provider) {
  return [this, provider](CallbackRequest request, std::function<void(UnaskedEnd)> done) {
    shared_.unasked(provider, std::move(request),
                    [this, done = std::move(done)](UnaskedEnd end) { loop_.post([done, end] { done(end); }); });
  };
}

void DeliveryLoop::stop(int64_t deadline_ms, std::function<void()> done) {
  loop_.post([this, deadline_ms, done = std::move(done)] { delivery_->stop(deadline_ms, done); });
}

void DeliveryLoop::hurry() {
  loop_.post([this] { delivery_->hurry(); });
}

void DeliveryLoop::offer_soon(std::vector<Hint> hints) {
  loop_.post([this, hints = std::move(hints)]() mutable {
    if (queue_->is_up()) queue_->offer(std::move(hints), [](Result<OfferReply>) {});
  });
}

void DeliveryLoop::settle_overdue(std::vector<Uuid> ids) {
  loop_.post([this, ids = std::move(ids)]() mutable { delivery_->settle_overdue(std::move(ids)); });
}

void DeliveryLoop::look(std::vector<Uuid> ids) {
  loop_.post([this, ids = std::move(ids)]() mutable { delivery_->look(std::move(ids)); });
}

void DeliveryLoop::set_pauses(const Pauses& pauses) {
  loop_.post([this, pauses] { delivery_->set_pauses(pauses); });
}

std::vector<ProviderHealth> DeliveryLoop::health() const {
  std::lock_guard guard(lock_);
  return health_;
}

void DeliveryLoop::without_held(std::vector<Uuid> ids, std::function<void(std::vector<Uuid>)> then) {
  loop_.post([this, ids = std::move(ids), then = std::move(then)]() mutable {
    std::erase_if(ids, [this](const Uuid& id) { return delivery_->is_holding(id); });
    then(std::move(ids));
  });
}

template <class T>
Result<T> DeliveryLoop::ask(std::function<void(Queue&, std::function<void(Result<T>)>)> question) {
  auto answer = std::make_shared<std::promise<Result<T>>>();
  auto future = answer->get_future();
  loop_.post([this, question = std::move(question), answer] {
    question(*queue_, [answer](Result<T> result) { answer->set_value(std::move(result)); });
  });
  // A loop that ends meanwhile drops the question.
  if (future.wait_for(kAnswerWait) != std::future_status::ready)
    return Error{ErrorCode::timeout, "Redis did not answer in time"};
  return future.get();
}

Result<OfferReply> DeliveryLoop::offer(std::vector<Hint> hints) {
  return ask<OfferReply>([hints = std::move(hints)](Queue& queue, auto done) { queue.offer(hints, std::move(done)); });
}
Result<ShardReport> DeliveryLoop::inspect(int shard) {
  return ask<ShardReport>([shard](Queue& queue, auto done) { queue.inspect(shard, std::move(done)); });
}
Result<void> DeliveryLoop::clear(int shard) {
  return ask<void>([shard](Queue& queue, auto done) { queue.clear(shard, std::move(done)); });
}

}  // namespace signet

#include "daemon/api/link_callbacks.h"

#include <utility>

#include "daemon/delivery/inbounds.h"

namespace signet::api {
namespace {

constexpr size_t kWaitingMax = 4096, kBatch = 256;
constexpr int64_t kLookEveryMs = 1000;  // it is woken by each

}  // namespace

LinkCallbacks::LinkCallbacks(const ApiServices& services)
    : services_(services),
      ledger_(services.pool, services.keyring, services.log),
      worker_(std::make_unique<Worker>(kLookEveryMs, [this] { return keep_waiting(); })) {}

void LinkCallbacks::take(const std::string& provider, CallbackRequest request, Done done) {
  std::unique_lock guard(lock_);
  if (is_stopped_ || waiting_.size() >= kWaitingMax) {
    guard.unlock();
    return done(UnaskedEnd::unavailable);
  }
  waiting_.push_back({provider, std::move(request), std::move(done)});
  worker_->wake();
}

void LinkCallbacks::stop() {
  {
    std::lock_guard guard(lock_);
    is_stopped_ = true;
  }
  worker_.reset();
  for (const auto& told : std::exchange(waiting_, {})) told.done(UnaskedEnd::unavailable);
}

bool LinkCallbacks::keep_waiting() {
  std::vector<Told> batch;
  bool is_more = false;
  {
    std::lock_guard guard(lock_);
    if (is_stopped_) return false;
    while (!waiting_.empty() && batch.size() < kBatch) {
      batch.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    is_more = !waiting_.empty();
  }
  if (batch.empty()) return false;
  std::vector<UnaskedEnd> ends;
  std::vector<std::vector<ToldCallback>> rows(batch.size());
  std::vector<ToldCallback> all;
  for (size_t i = 0; i < batch.size(); i++) {
    ends.push_back(read(batch[i], rows[i]));
    all.insert(all.end(), rows[i].begin(), rows[i].end());
  }
  auto kept = keep(all);
  int added = kept ? *kept : 0;
  for (size_t i = 0; !kept && i < batch.size(); i++) {
    // What the database refuses stands alone, and holds up nobody else.
    const bool is_alone = kept.error().code != ErrorCode::unavailable && batch.size() > 1;
    const auto one = is_alone ? keep(rows[i]) : kept;
    if (one)
      added += *one;
    else if (!rows[i].empty())
      ends[i] = end_of(batch[i], one.error());
  }
  if (added > 0 && services_.callbacks_came) services_.callbacks_came();
  for (size_t i = 0; i < batch.size(); i++) batch[i].done(ends[i]);
  return is_more;
}

// What somebody wrote is acted on here, receipts become `rows`.
UnaskedEnd LinkCallbacks::read(const Told& told, std::vector<ToldCallback>& rows) const {
  const Provider& provider = *services_.providers.at(told.provider);
  const auto receipts = provider.receipts(told.request);
  const auto inbounds = provider.inbounds(told.request);
  if (!receipts || !inbounds) {
    services_.log.error(
        "what a provider told cannot be read",
        {{"provider", told.provider}, {"reason", receipts ? inbounds.error().text : receipts.error().text}});
    return UnaskedEnd::unreadable;
  }
  for (const auto& inbound : *inbounds)
    if (auto done = act_on(told, inbound); !done) return end_of(told, done.error());
  for (const auto& receipt : *receipts)
    rows.push_back(told_by(services_.ids, told.provider, receipt, told.request.body, told.request.received_at));
  return UnaskedEnd::kept;
}

Result<void> LinkCallbacks::act_on(const Told& told, const Inbound& inbound) const {
  if (services_.inbounds == nullptr) return {};
  auto session = services_.pool.take();
  if (!session) return session.error();
  PgTransaction tx(**session);
  const auto is_to_answer = services_.inbounds->take(tx, told.provider, inbound, told.request.received_at);
  if (!is_to_answer) return is_to_answer.error();
  if (*is_to_answer) {
    const auto queued = services_.inbounds->answer(tx, told.provider, inbound);
    if (!queued && queued.error().code != ErrorCode::invalid) return queued.error();
    if (!queued)
      services_.log.warn("who asked for help is not answered",
                         {{"provider", told.provider}, {"reason", queued.error().text}});
  }
  return tx.commit();
}

Result<int> LinkCallbacks::keep(const std::vector<ToldCallback>& rows) {
  if (rows.empty()) return 0;
  return ledger_.keep(rows);
}

UnaskedEnd LinkCallbacks::end_of(const Told& told, const Error& error) const {
  const bool is_away = error.code == ErrorCode::unavailable;
  if (!is_away)
    services_.log.error("what a provider told cannot be kept", {{"provider", told.provider}, {"reason", error.text}});
  return is_away ? UnaskedEnd::unavailable : UnaskedEnd::unreadable;
}

}  // namespace signet::api

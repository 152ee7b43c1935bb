#include "daemon/api/callback_ledger.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/api/sealing_key.h"
#include "message/envelope.h"

namespace signet::api {
namespace {

constexpr size_t kBatch = 256;

}  // namespace

ToldCallback told_by(IdSource& ids, const std::string& provider, const Receipt& receipt, std::string body,
                     WallTime received_at) {
  CallbackRow row;
  row.id = ids.next();
  row.provider = provider;
  row.event_id = receipt.event_id;
  row.message_id = receipt.message_id;
  row.attempt_no = receipt.attempt_no;
  row.provider_reference = receipt.provider_reference;
  row.kind = receipt.kind;
  row.provider_code = receipt.provider_code;
  row.is_partial = receipt.is_partial;
  row.received_at = received_at;
  return {std::move(row), std::move(body)};
}

struct CallbackLedger::Turn {
  std::vector<ToldCallback*> told;
  std::optional<Result<int>> result;
};

Result<int> CallbackLedger::keep(std::vector<ToldCallback> told) {
  Turn own;
  for (auto& one : told) own.told.push_back(&one);
  std::unique_lock guard(lock_);
  waiting_.push_back(&own);
  for (;;) {
    done_.wait(guard, [&] { return own.result || !is_writing_; });
    if (own.result) return *own.result;
    write_waiting(guard);
  }
}

Result<int> CallbackLedger::own_of(const Turn& turn, const Result<std::set<Uuid>>& added) {
  if (!added) return added.error();
  return static_cast<int>(std::count_if(turn.told.begin(), turn.told.end(),
                                        [&](const ToldCallback* one) { return added->contains(one->row.id); }));
}

void CallbackLedger::write_waiting(std::unique_lock<std::mutex>& guard) {
  is_writing_ = true;
  std::vector<Turn*> turns;
  std::vector<ToldCallback*> all;
  while (!waiting_.empty() && (turns.empty() || all.size() + waiting_.front()->told.size() <= kBatch)) {
    turns.push_back(waiting_.front());
    waiting_.pop_front();
    all.insert(all.end(), turns.back()->told.begin(), turns.back()->told.end());
  }
  guard.unlock();
  const auto written = write(all);
  // What the database refuses stands alone, and holds up nobody else.
  const bool is_one_by_one = !written && turns.size() > 1 && written.error().code != ErrorCode::unavailable;
  std::vector<Result<int>> results;
  for (const Turn* turn : turns) results.push_back(own_of(*turn, is_one_by_one ? write(turn->told) : written));
  guard.lock();
  for (size_t i = 0; i < turns.size(); i++) turns[i]->result = std::move(results[i]);
  is_writing_ = false;
  done_.notify_all();
}

Result<std::set<Uuid>> CallbackLedger::write(const std::vector<ToldCallback*>& told) {
  auto session = pool_.take();
  if (!session) return session.error();
  PgTransaction tx(**session);
  std::vector<Uuid> messages;
  for (const auto* one : told)
    if (one->row.message_id) messages.push_back(*one->row.message_id);
  auto keys = read_data_keys(tx, messages);
  if (!keys) return keys.error();
  std::vector<CallbackRow> rows;
  for (auto* one : told) {
    CallbackRow& row = one->row;
    const auto wrapped = row.message_id ? keys->find(*row.message_id) : keys->end();
    auto key = sealing_key_of(tx, keyring_, row.message_id,
                              wrapped == keys->end() ? std::nullopt : std::optional(wrapped->second), row.received_at);
    if (!key && key.error().code == ErrorCode::corrupt) tell_of_key(log_, key.error());
    if (!key) return key.error();
    row.sealed_by = std::move(key->sealed_by);
    row.sealed = keyring_.seal_with(key->key, seal_binding("callback", row.id, 0, "sealed"), one->body);
    rows.push_back(row);
  }
  // In one order everywhere: two transactions that know the same events do not wait for each other.
  std::sort(rows.begin(), rows.end(), [](const CallbackRow& a, const CallbackRow& b) {
    return std::pair(a.provider, a.event_id) < std::pair(b.provider, b.event_id);
  });
  auto added = insert_callbacks(tx, rows);
  if (!added) return added.error();
  if (auto committed = tx.commit(); !committed) return committed.error();
  return *added;
}

}  // namespace signet::api

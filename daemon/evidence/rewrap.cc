#include "daemon/evidence/rewrap.h"

#include "audit/event.h"
#include "daemon/evidence/entry_of.h"
#include "store/messages.h"

namespace signet {

bool Rewrap::pass() {
  if (keys_.previous_kek_ids().empty()) return false;
  auto is_ours = place_.take();
  Result<bool> more = is_ours ? Result<bool>(false) : Result<bool>(is_ours.error());
  if (is_ours && *is_ours) more = turn();
  if (!more) {
    if (more.error().text != told_)
      log_.warn("keys cannot be wrapped anew; it is tried again", {{"reason", more.error().text}});
    told_ = more.error().text;
    place_.leave();
    return false;
  }
  if (!*more) place_.leave();  // it is asked for again at the next look
  return *more;
}

// The next batch, of whichever key and table has one; after the last, a look at what is left.
Result<bool> Rewrap::turn() {
  const auto previous = keys_.previous_kek_ids();
  const auto& tables = wrapped_tables();
  for (; key_ < previous.size(); key_++) {
    for (; table_ < tables.size(); table_++) {
      auto rows = wrap_batch(previous[key_], tables[table_]);
      if (!rows) return rows.error();
      if (*rows > 0) return true;
      after_.clear();
    }
    table_ = 0;
    if (auto ended = end(previous[key_]); !ended) return ended.error();
  }
  key_ = 0;
  // What was locked, or what a daemon with the older configuration wrote meanwhile, is for the next look.
  int64_t left = 0;
  for (const auto& id : previous) {
    auto count = count_wrapped(place_.session(), id);
    if (!count) return count.error();
    left += *count;
  }
  metrics_.set("signet_keys_to_rewrap", "", left);
  return false;
}

Result<int64_t> Rewrap::wrap_batch(const std::string& from, const WrappedTable& table) {
  PgTransaction tx(place_.session());
  auto rows = lock_wrapped(tx, table, from, after_, batch_);
  if (!rows) return rows.error();
  if (rows->empty()) return int64_t{0};
  std::vector<WrappedRow> wrapped;
  for (const auto& row : *rows) {
    auto anew = keys_.rewrap(table.bound, row.owner, from, row.wrapped);
    if (anew)
      wrapped.push_back({row.owner, std::move(*anew)});
    else
      log_.error("a wrapped key does not open; it stays as it is",
                 {{"alarm", "key"}, {"table", std::string(table.name)}, {"owner", row.owner}});
  }
  if (!wrapped.empty()) {
    if (auto kept = replace_wrapped(tx, table, keys_.kek_id(), wrapped); !kept) return kept.error();
    auto counted =
        count_rewrapped(tx, {ids_.next(), from, keys_.kek_id(), static_cast<int64_t>(wrapped.size())}, clock_.wall());
    if (!counted) return counted.error();
  }
  if (auto committed = tx.commit(); !committed) return committed.error();
  after_ = rows->back().owner;
  return static_cast<int64_t>(rows->size());
}

// Nothing is left under `from`: the rotation's event, once, and the word that its file can go.
Result<void> Rewrap::end(const std::string& from) {
  auto left = count_wrapped(place_.session(), from);
  if (!left) return left.error();
  if (*left > 0) {
    free_.erase(from);
    return {};
  }
  PgTransaction tx(place_.session());
  auto rotation = open_rotation(tx, from, keys_.kek_id());
  if (!rotation) return rotation.error();
  if (*rotation) {
    Event event;
    event.id = ids_.next();
    event.at = clock_.wall();
    event.actor = {instance_, "daemon", "", "", ""};
    event.action = "keys_rewrapped";
    event.object.type = "key";
    event.detail = {{"from", from}, {"rows", (*rotation)->rows}, {"to", keys_.kek_id()}};
    if (auto written = insert_entry(tx, entry_of(event, {})); !written) return written;
    if (auto ended = end_rotation(tx, (*rotation)->id, clock_.wall()); !ended) return ended;
    if (auto committed = tx.commit(); !committed) return committed;
  }
  if (!free_.insert(from).second) return {};
  log_.info(
      "no key in the database is wrapped by this key-encryption key: once every daemon has the newer one, its file can "
      "go from secrets.previous_key_encryption_key_files",
      {{"key", from}, {"newest", keys_.kek_id()}});
  return {};
}

}  // namespace signet

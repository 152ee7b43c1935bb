#include "daemon/evidence/purge.h"

#include "daemon/evidence/entry_of.h"
#include "store/messages.h"

namespace signet {

bool Purge::pass() {
  // The place only while there is work: a purge once a day needs no session that lasts.
  Place place(postgres_, Elected::purge, clock_);
  auto is_ours = place.take();
  Result<void> done = is_ours ? Result<void>() : Result<void>(is_ours.error());
  if (is_ours && *is_ours) done = turn(place.session());
  const std::string why = done ? "" : done.error().text;
  if (!why.empty() && why != told_) log_.warn("content cannot be purged; it is tried again", {{"reason", why}});
  told_ = why;
  return false;
}

Result<void> Purge::turn(PgSession& session) const {
  if (auto recorded = record_policy_change(session); !recorded) return recorded;
  std::optional<WallTime> last;
  {
    PgTransaction tx(session);
    auto found = last_purge(tx);
    if (!found) return found.error();
    last = *found;
  }
  if (last && clock_.wall().us - last->us < settings_.every_ms * 1000) return {};
  auto erased = run(session, {});
  if (!erased) return erased.error();
  return {};
}

Result<Purge::Erased> Purge::run(const std::function<Result<void>(int64_t)>& progress) const {
  auto session = PgSession::open(postgres_);
  if (!session) return session.error();
  return run(**session, progress);
}

Result<TaskEnd> Purge::work(TaskRun& task) const {
  auto erased = run([&](int64_t messages) { return task.progress(messages, 0); });
  if (!erased) return erased.error();
  TaskEnd end;
  end.result =
      "{\"dayKeys\":" + std::to_string(erased->days) + ",\"messages\":" + std::to_string(erased->messages) + '}';
  return end;
}

Result<Purge::Erased> Purge::run(PgSession& session, const std::function<Result<void>(int64_t)>& progress) const {
  Erased erased;
  for (const RetentionBy by : {RetentionBy::policy, RetentionBy::own_date}) {
    Uuid after;
    for (bool has_more = true; has_more;) {
      auto count = erase_batch(session, by, after, has_more);
      if (!count) return count.error();
      erased.messages += *count;
      if (is_stopping_) return Error{ErrorCode::unavailable, "the daemon stops; what is left is for the next purge"};
      if (progress)
        if (auto going = progress(erased.messages); !going) return going.error();
    }
  }
  PgTransaction tx(session);
  auto days = erase_day_keys(tx, {settings_.retention_years, clock_.wall()});
  if (!days) return days.error();
  erased.days = *days;
  Event event = own_event("purge_ended");
  event.object.type = "retention";
  event.detail = {{"days", erased.days}, {"rows", erased.messages}};
  if (auto written = insert_entry(tx, entry_of(event, {})); !written) return written.error();
  auto recorded = record_purge(tx, settings_.retention_years, clock_.wall(), erased.messages);
  if (!recorded) return recorded.error();
  if (auto committed = tx.commit(); !committed) return committed.error();
  if (erased.messages + erased.days > 0)
    log_.info("content was erased under the retention policy",
              {{"messages", std::to_string(erased.messages)}, {"day_keys", std::to_string(erased.days)}});
  return erased;
}

Result<int64_t> Purge::erase_batch(PgSession& session, RetentionBy by, Uuid& after, bool& has_more) const {
  PgTransaction tx(session);
  const WallTime now = clock_.wall();
  auto batch = lock_due(tx, {settings_.retention_years, now}, by, after, settings_.batch);
  if (!batch) return batch.error();
  has_more = batch->last.has_value();
  if (has_more) after = *batch->last;
  if (batch->due.empty()) return int64_t{0};
  std::vector<Uuid> ids;
  for (const auto& one : batch->due) ids.push_back(one.id);
  if (auto erased = erase_content(tx, ids, now); !erased) return erased.error();
  for (const auto& one : batch->due) {
    Event event = own_event("purged");
    event.object = {"message", one.id.text(), one.head.n + 1, one.head.leaf};
    event.status = name(one.status);
    event.detail = {{"policy", std::string(one.has_own_date ? "retain_until" : "retention_years")}};
    if (auto written = append_event(tx, one.id, one.head, entry_of(event, one.id)); !written) return written.error();
  }
  if (auto committed = tx.commit(); !committed) return committed.error();
  const auto count = static_cast<int64_t>(ids.size());
  metrics_.add("signet_purged_messages", "", count);
  return count;
}

Result<void> Purge::record_policy_change(PgSession& session) const {
  PgTransaction tx(session);
  auto before = record_policy(tx, settings_.retention_years);
  if (!before) return before.error();
  if (*before && **before == settings_.retention_years) return {};
  Event event = own_event("retention_changed");
  event.object.type = "retention";
  if (*before) event.detail.emplace_back("fromYears", int64_t{**before});
  event.detail.emplace_back("toYears", int64_t{settings_.retention_years});
  if (auto written = insert_entry(tx, entry_of(event, {})); !written) return written;
  return tx.commit();
}

Event Purge::own_event(std::string action) const {
  Event event;
  event.id = ids_.next();
  event.at = clock_.wall();
  event.actor = {settings_.instance, "daemon", "", "", ""};
  event.action = std::move(action);
  return event;
}

}  // namespace signet

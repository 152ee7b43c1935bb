#include "daemon/delivery/bulk_requeue.h"

#include <nlohmann/json.hpp>

#include "daemon/delivery/resend.h"
#include "store/dead_letters.h"

namespace signet {
namespace {

using Json = nlohmann::json;  // members sorted, as RFC 8785 wants

constexpr int kBatch = 200;
constexpr int kRoundsMax = 3;  // what others held in one round is free in the next, or stays

class Work {
 public:
  Work(TaskRun& run, BulkRequeue what, const DuePlan& plan, const Clock& clock, IdSource& ids, Log& log,
       const std::function<void(std::vector<Hint>)>& offer)
      : run_(run), what_(std::move(what)), plan_(plan), clock_(clock), ids_(ids), log_(log), offer_(offer) {}

  Result<TaskEnd> go() {
    for (int round = 0; round < kRoundsMax; round++) {
      const int64_t before = requeued_;
      what_.filter.after_id.reset();
      bool has_more = true;
      while (has_more) {
        auto found = batch();
        if (!found) return found.error();
        has_more = *found;
        if (auto told = run_.progress(requeued_, what_.count); !told) return told.error();
      }
      if (requeued_ == before) break;
    }
    PgTransaction tx(run_.session());
    what_.filter.after_id.reset();
    auto left = count_dead_letters(tx, what_.filter, what_.as_of);
    if (!left) return left.error();
    return TaskEnd{Json{{"left", left->count}, {"requeued", requeued_}}.dump(), "", ""};
  }

 private:
  // False: there are no more. A batch that the database refuses is taken one by one, so that no row holds up another.
  Result<bool> batch() {
    const int count_max = careful_ > 0 ? 1 : kBatch;
    PgTransaction tx(run_.session());
    auto found = list_dead_letters(tx, what_.filter, what_.as_of, count_max);
    if (!found) return found.error();
    if (found->empty()) return false;
    std::vector<Hint> hints;
    auto changed = change_messages(tx, *found, [&](const MessageView& view) {
      auto change = again(view);
      if (change) hints.push_back(hint_of(*change->due));
      return change;
    });
    Result<void> done = changed ? tx.commit() : Result<void>(changed.error());
    if (careful_ > 0) careful_--;
    if (!done) {
      if (done.error().code == ErrorCode::unavailable) return done.error();
      if (count_max > 1) {
        careful_ = kBatch;
        return true;
      }
      log_.warn("a failed message could not be requeued; it stays failed",
                {{"message_id", found->front().text()}, {"reason", done.error().text}});
    } else {
      requeued_ += static_cast<int64_t>(hints.size());
      if (offer_ && !hints.empty()) offer_(std::move(hints));
    }
    what_.filter.after_id = found->back();
    return true;
  }

  std::optional<MessageChange> again(const MessageView& view) {
    const Task& task = run_.task();
    Event event;
    event.id = ids_.next();
    event.at = clock_.wall();
    event.actor = {task.asked_by.text(), std::string(name(task.asked_role)), "", "", ""};
    event.action = "requeue";
    return send_again(view, plan_, ResendKind::requeue, std::move(event), ids_.next());
  }

  TaskRun& run_;
  BulkRequeue what_;
  const DuePlan& plan_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  const std::function<void(std::vector<Hint>)>& offer_;
  int64_t requeued_ = 0;
  int careful_ = 0;  // rows still to be taken one by one
};

std::optional<WallTime> time_at(const Json& json, const char* member) {
  if (!json.contains(member)) return std::nullopt;
  auto parsed = parse_rfc3339(json[member].get<std::string>());
  return parsed ? std::optional(*parsed) : std::nullopt;
}

}  // namespace

std::string canonical(const BulkRequeue& what) {
  const MessageFilter& f = what.filter;
  Json filter = Json::object();
  if (f.kind) filter["kind"] = name(*f.kind);
  if (f.priority) filter["priority"] = name(*f.priority);
  if (f.failure_reason) filter["reason"] = *f.failure_reason;
  if (f.provider) filter["provider"] = *f.provider;
  if (f.changed_from) filter["from"] = rfc3339(*f.changed_from);
  if (f.changed_before) filter["to"] = rfc3339(*f.changed_before);
  return Json{{"asOf", rfc3339(what.as_of)}, {"count", what.count}, {"filter", std::move(filter)}}.dump();
}

Result<BulkRequeue> parse_bulk_requeue(std::string_view canonical) {
  const Error corrupt{ErrorCode::corrupt, "the task's parameters are not those of this version: ask for it again"};
  try {
    const Json json = Json::parse(canonical);
    const Json& filter = json.at("filter");
    const auto as_of = time_at(json, "asOf");
    if (!as_of) return corrupt;
    BulkRequeue what;
    what.as_of = *as_of;
    what.count = json.at("count");
    what.filter.kind = parse_kind(filter.value("kind", ""));
    what.filter.priority = parse_priority(filter.value("priority", ""));
    if (filter.contains("reason")) what.filter.failure_reason = filter["reason"].get<std::string>();
    if (filter.contains("provider")) what.filter.provider = filter["provider"].get<std::string>();
    what.filter.changed_from = time_at(filter, "from");
    what.filter.changed_before = time_at(filter, "to");
    return what;
  } catch (const Json::exception&) {
    return corrupt;
  }
}

TaskWork bulk_requeue_work(const DuePlan& plan, const Clock& clock, IdSource& ids, Log& log,
                           std::function<void(std::vector<Hint>)> offer) {
  return [&plan, &clock, &ids, &log, offer = std::move(offer)](TaskRun& run) -> Result<TaskEnd> {
    auto what = parse_bulk_requeue(run.task().parameters);
    if (!what) return what.error();
    return Work(run, std::move(*what), plan, clock, ids, log, offer).go();
  };
}

}  // namespace signet

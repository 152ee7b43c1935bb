#include "store/message_change.h"

#include <algorithm>
#include <map>

namespace signet {
namespace {

struct Decided {
  const MessageView* view;
  MessageChange change;
};

// What is tried first, each message for itself; whoever came too late is taken out of `all`.
Result<void> drop_late(PgTransaction& tx, std::vector<Decided>& all, std::map<Uuid, Changed>& outcomes) {
  std::vector<Uuid> ends;
  for (const auto& one : all) {
    const auto& row = one.change.void_attempt;
    if (row) {
      auto inserted = insert_void(tx, one.view->message.id, row->attempt_no, row->instance, row->at);
      if (!inserted) return inserted.error();
      if (!*inserted) outcomes[one.view->message.id] = Changed::taken;
    }
    if (one.change.ends_callback && !outcomes.contains(one.view->message.id)) ends.push_back(*one.change.ends_callback);
  }
  auto ended = finish_callbacks(tx, ends);
  if (!ended) return ended.error();
  for (const auto& one : all)
    if (one.change.ends_callback && !ended->contains(*one.change.ends_callback))
      outcomes.emplace(one.view->message.id, Changed::left);
  std::erase_if(all, [&](const Decided& one) { return outcomes.contains(one.view->message.id); });
  return {};
}

// A statement for each kind of row, however many messages there are.
Result<void> write(PgTransaction& tx, const std::vector<Decided>& all) {
  std::vector<StatusChange> statuses;
  std::vector<Entry> entries;
  std::vector<ConfirmationRow> confirmations;
  std::vector<Uuid> not_due;
  for (const auto& [view, change] : all) {
    if (change.status) statuses.push_back(*change.status);
    entries.insert(entries.end(), change.entries.begin(), change.entries.end());
    if (change.confirmation) confirmations.push_back(*change.confirmation);
    if (change.ends_due || change.due) not_due.push_back(view->message.id);
  }
  auto done = change_statuses(tx, statuses);
  if (done) done = insert_entries(tx, entries);
  if (done) done = insert_confirmations(tx, confirmations);
  if (done) done = delete_due(tx, not_due);
  for (const auto& [view, change] : all) {
    const Uuid& id = view->message.id;
    if (const auto& row = change.decision; row && done)
      done = insert_decision(tx, row->id, id, row->attempt_no, row->decision, row->actor, row->reason, row->at);
    if (change.suppression && done)
      if (auto added = add_suppression(tx, *change.suppression); !added) done = added.error();
    if (change.due && done) done = insert_due(tx, *change.due);
  }
  return done;
}

Result<WallTime> time_of(PgTransaction& tx) {
  auto rows = tx.run("select now()");
  if (!rows) return rows.error();
  return rows->time(0, 0);
}

}  // namespace

const AttemptRow* MessageView::attempt(int attempt_no) const {
  const auto found = std::find_if(attempts.begin(), attempts.end(),
                                  [attempt_no](const AttemptRow& row) { return row.attempt_no == attempt_no; });
  return found == attempts.end() ? nullptr : &*found;
}

bool MessageView::has_result(int attempt_no) const {
  const AttemptRow* row = attempt(attempt_no);
  return row != nullptr && row->outcome.has_value();
}

int MessageView::newest_attempt_no() const {
  return std::max(attempts.empty() ? 0 : attempts.back().attempt_no, due ? due->attempt_no : 0);
}

Result<std::vector<Changed>> change_messages(PgTransaction& tx, const std::vector<Uuid>& ids, const Decide& decide) {
  std::vector<Uuid> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  auto locked = lock_free_messages(tx, sorted);
  if (!locked) return locked.error();
  auto now = time_of(tx);
  if (!now) return now.error();
  std::map<Uuid, Changed> outcomes;
  std::map<Uuid, MessageView> views;
  std::vector<Uuid> found;
  for (auto& message : *locked) {
    found.push_back(message.id);
    views[message.id] = {*now, std::move(message), {}, {}, {}};
  }
  auto due = read_due(tx, found);
  if (!due) return due.error();
  for (auto& row : *due) views[row.message_id].due = row;
  auto attempts = list_attempts(tx, found);
  if (!attempts) return attempts.error();
  std::vector<Uuid> in_parts;
  for (auto& [id, rows] : *attempts) {
    if (std::any_of(rows.begin(), rows.end(),
                    [](const AttemptRow& row) { return references_of(row.provider_reference).size() > 1; }))
      in_parts.push_back(id);
    views[id].attempts = std::move(rows);
  }
  if (!in_parts.empty()) {
    auto told = list_part_receipts(tx, in_parts);
    if (!told) return told.error();
    for (auto& [id, rows] : *told) views[id].part_receipts = std::move(rows);
  }
  std::vector<Decided> decided;
  for (const auto& [id, view] : views) {
    auto change = decide(view);
    if (!change) {
      outcomes[id] = Changed::left;
      continue;
    }
    decided.push_back({&view, std::move(*change)});
  }
  if (auto tried = drop_late(tx, decided, outcomes); !tried) return tried.error();
  if (auto applied = write(tx, decided); !applied) return applied.error();
  for (const auto& one : decided) outcomes[one.view->message.id] = Changed::done;
  if (found.size() < sorted.size()) {
    std::vector<Uuid> missing;
    std::set_difference(sorted.begin(), sorted.end(), found.begin(), found.end(), std::back_inserter(missing));
    auto rows = tx.run("select id from message where id = any ($1)", {PgValue::uuids(missing)});
    if (!rows) return rows.error();
    for (int i = 0; i < rows->size(); i++) outcomes[rows->uuid(i, 0)] = Changed::held;
  }
  std::vector<Changed> out;
  for (const auto& id : ids) {
    const auto outcome = outcomes.find(id);
    out.push_back(outcome == outcomes.end() ? Changed::absent : outcome->second);
  }
  return out;
}

}  // namespace signet

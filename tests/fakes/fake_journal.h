// The journal's contract in memory, with failures on demand: lost COMMITs before and after they took effect.
#pragma once

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "store/journal.h"

namespace signet {

class FakeJournal : public Journal {
 public:
  FakeJournal(Loop& loop, const Clock& clock) : loop_(loop), clock_(clock) {}

  struct Message {
    Permit permit;  // what a granted permit returns
    Status status = Status::queued;
    bool is_due = true, is_permitted = false;
    bool is_cancel_requested = false;
    std::vector<ResultRow> results;
    std::vector<EndRow> ends;
  };
  enum class Failure { none, lost_before, lost_after, deadlock, bad_data };

  std::map<Uuid, Message> messages;
  std::deque<Failure> failures;  // of the next writes; then none
  std::vector<std::string> trace;
  bool is_there = true;
  int64_t answer_age_us = 0;  // how long ago the next permit's statement was written; once
  int writes = 0;

  bool has_room() const override { return is_there && !is_busy_; }
  bool is_up() const override { return is_there; }
  void on_change(std::function<void(bool)> changed) override { changed_ = std::move(changed); }

  void write(Batch batch, std::function<void(Result<BatchReply>)> done) override {
    is_busy_ = true;
    loop_.post([this, batch = std::move(batch), done = std::move(done)] {
      is_busy_ = false;
      writes++;
      Failure failure = Failure::none;
      if (!failures.empty()) {
        failure = failures.front();
        failures.pop_front();
      }
      if (failure == Failure::deadlock) return done(Error{ErrorCode::conflict, "deadlock detected"});
      if (failure == Failure::bad_data) return done(Error{ErrorCode::invalid, "invalid byte sequence"});
      if (failure == Failure::lost_before) return done(Error{ErrorCode::unavailable, "gone"});
      BatchReply reply = commit(batch);
      if (failure == Failure::lost_after) return done(Error{ErrorCode::unavailable, "gone"});
      done(std::move(reply));
    });
  }
  void heads(std::vector<std::pair<Uuid, int>> attempts,
             std::function<void(Result<std::vector<Present>>)> done) override {
    loop_.post([this, attempts = std::move(attempts), done = std::move(done)] {
      std::vector<Present> out;
      for (const auto& [id, attempt_no] : attempts) {
        const Message& m = messages.at(id);
        bool has_result = false;
        for (const auto& row : m.results) has_result = has_result || row.attempt_no == attempt_no;
        out.push_back({id, m.status, m.permit.head, m.is_cancel_requested, has_result, true, m.permit.attempts});
      }
      done(std::move(out));
    });
  }
  void open_permits(std::vector<Uuid> ids, bool, std::function<void(Result<std::vector<Permit>>)> done) override {
    loop_.post([this, ids = std::move(ids), done = std::move(done)] {
      std::vector<Permit> out;
      for (const auto& id : ids)
        if (messages.at(id).is_permitted) out.push_back(messages.at(id).permit);
      done(std::move(out));
    });
  }
  void claim_due(DueQuery query, std::function<void(Result<std::vector<DueClaim>>)> done) override {
    loop_.post([this, query = std::move(query), done = std::move(done)] {
      std::vector<DueClaim> out;
      for (const auto& [id, m] : messages)
        if (m.is_due && !m.is_permitted && static_cast<int>(out.size()) < query.count_max)
          out.push_back({id, m.permit.priority, "sms", "", ""});
      done(std::move(out));
    });
  }
  void go(bool there) {
    is_there = there;
    if (changed_) changed_(there);
  }

 private:
  BatchReply commit(const Batch& batch) {
    BatchReply reply;
    for (const auto& row : batch.results) {
      Message& m = messages.at(row.id);
      if (m.permit.head.leaf != row.head.leaf) {
        reply.stale.push_back(row.id);
        continue;
      }
      trace.push_back("result " + std::string(name(row.outcome.kind)));
      m.results.push_back(row);
      m.status = row.status;
      m.permit.head = {row.head.n + 1, row.entry.leaf};
      m.permit.attempts += row.is_counted;
      m.is_permitted = false;
      m.is_due = row.next_delay_ms.has_value();
      if (row.next_delay_ms) {
        m.permit.attempt_no++;
        m.permit.due_at = {clock_.wall().us + *row.next_delay_ms * 1000};
        reply.next_due.emplace_back(row.id, m.permit.due_at);
      }
    }
    for (const auto& row : batch.ends) {
      Message& m = messages.at(row.id);
      m.ends.push_back(row);
      m.status = row.status;
      m.is_due = false;
    }
    for (const auto& request : batch.permits) {
      Permit permit;
      permit.id = request.id;
      if (const auto found = messages.find(request.id); found != messages.end() && found->second.is_due) {
        Message& m = found->second;
        permit = m.permit;
        permit.verdict = m.is_cancel_requested             ? PermitVerdict::cancel_requested
                         : m.permit.due_at > clock_.wall() ? PermitVerdict::not_yet
                         : m.permit.lane != request.lane   ? PermitVerdict::other_lane
                         : m.is_permitted                  ? PermitVerdict::taken
                                                           : PermitVerdict::granted;
        if (permit.verdict == PermitVerdict::granted) {
          m.is_permitted = true;
          m.permit.provider = permit.provider = request.provider;
          m.permit.permitted_at = permit.permitted_at = clock_.wall();
          trace.push_back("permit");
        }
      }
      permit.written_at = {clock_.tick().us - std::exchange(answer_age_us, 0)};
      reply.permits.push_back(std::move(permit));
    }
    return reply;
  }

  Loop& loop_;
  const Clock& clock_;
  std::function<void(bool)> changed_;
  bool is_busy_ = false;
};

}  // namespace signet

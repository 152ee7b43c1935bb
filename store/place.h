// A place that one daemon holds at a time, by an advisory lock on a session of its own: who is stopped longer than the
// server waits for a word (store/audit_log.h) loses it. One thread.
#pragma once

#include <memory>
#include <optional>

#include "base/clock.h"
#include "store/audit_log.h"

namespace signet {

class Place {
 public:
  Place(PgOptions postgres, Elected what, const Clock& clock)
      : postgres_(std::move(postgres)), what_(what), clock_(clock) {}

  // Whether it is ours now; while another holds it, it asks again every 2 s. An error is the session's: leave().
  Result<bool> take();
  void leave();  // the session goes, and with it the place
  void ask_at_once() { asked_at_.reset(); }
  bool is_held() const { return is_held_; }
  const PgOptions& options() const { return postgres_; }
  PgSession& session() { return *session_; }  // while it is held

 private:
  const PgOptions postgres_;
  const Elected what_;
  const Clock& clock_;
  std::unique_ptr<PgSession> session_;
  std::optional<Tick> asked_at_;
  bool is_held_ = false;
};

}  // namespace signet

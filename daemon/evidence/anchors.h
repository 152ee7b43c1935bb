// Anchors the log outside the database (design: evidence, "Anchors, instead of a blockchain"): each new checkpoint goes
// to the write-once folder and to the witness, one every so often to the time-stamping authority, and what came back is
// stored once it verified. Now and then it holds all of that against the log as it is. One daemon of all does it. One
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/evidence/anchor_check.h"
#include "daemon/evidence/faults.h"
#include "daemon/evidence/sequencer.h"
#include "store/place.h"

namespace signet {

struct AnchorSettings {
  AnchorSources sources;
  std::string witness_url;  // prefix of add-checkpoint
  std::string tsa_url;
  int64_t stamp_every_ms = 600000;  // time stamps
  int64_t overdue_ms = 3600000;     // that a checkpoint may wait for an anchor; then it alarms
  int64_t check_every_ms = 3600000;
};

class Anchors {
 public:
  // `writer` is the login signet_sequencer's, `reader` signet_verify's. `alarmed` hears of each fault once.
  Anchors(PgOptions writer, PgOptions reader, AnchorSettings settings, const LogKey& key, const Clock& clock,
          Random& random, IdSource& ids, Log& log, Metrics& metrics, Alarmed alarmed);

  Anchors(const Anchors&) = delete;
  Anchors& operator=(const Anchors&) = delete;

  // What is due. Called every few seconds, or the place is lost to another. Always false: nothing waits.
  bool pass();
  // Anchors the newest checkpoint by each kind, and checks, whatever the time; for tests and on demand. Unavailable:
  // another daemon does it, or a kind failed (the text says why).
  Result<void> anchor();

 private:
  struct Kind {
    std::string name;
    int64_t every_ms = 0;
    std::function<Result<std::string>(const CheckpointRow&)> ask;  // the token, verified
    int64_t size = -1;                                             // anchored up to
    std::optional<Tick> not_before = {};
    int failures = 0;
    std::string told = {};
    bool is_overdue = false;
  };

  bool take_lead();
  void lose(const Error& error);
  Result<void> begin();
  Result<void> step(Kind& kind, const CheckpointRow& row);
  Result<void> watch(Kind& kind);
  Result<void> check();
  Result<void> record();
  void fail(Kind& kind, const Error& error);
  Result<std::string> keep_in_folder(const CheckpointRow& row);
  Result<std::string> ask_witness(const CheckpointRow& row);
  Result<std::string> ask_for_stamp(const CheckpointRow& row);
  Error disputed(const CheckpointRow& row, const std::string& what, const std::string& text);

  Place place_;
  const PgOptions reader_;
  const AnchorSettings settings_;
  const LogKey& key_;
  const Clock& clock_;
  Random& random_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const Alarmed alarmed_;
  AnchorCheck check_;
  std::vector<Kind> kinds_;
  std::optional<Tick> checked_at_;
  std::vector<AnchorFault> faults_;  // to be recorded
  std::set<std::string> fault_told_;
  std::string told_;
};

// For /readyz: which anchor is overdue and what to look at; empty: none. Any login that may read the log.
Result<std::string> describe_overdue(PgSession& session, const AnchorSettings& settings);

}  // namespace signet

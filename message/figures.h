// What happened in a period, counted: the store counts, audit/report.h writes it down. Ids, codes and numbers only; no
// PHI.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "message/message.h"

namespace signet {

struct Counted {
  std::string name;
  int64_t count = 0;
  bool operator==(const Counted&) const = default;
};

struct Durations {  // milliseconds; all 0 if there is none
  int64_t count = 0, p50_ms = 0, p95_ms = 0, max_ms = 0;
};

struct MessageFigures {  // drafted in the period, as they stand now
  Kind kind = Kind::sms;
  Priority priority = Priority::normal;
  Status status = Status::pending;
  bool is_proven = true;
  int64_t count = 0;
};

struct ReviewFigures {
  int64_t approved = 0, rejected = 0, direct = 0;
  int64_t signatures = 0;       // that were not the last of their quorum
  int64_t multi_signature = 0;  // approvals by more than one
  int64_t quorum_lowered = 0;   // high risk, approved by one where the site allows it
  int64_t high_risk = 0, self_edited = 0;
  int64_t own_keys = 0, server_keys = 0;
  int64_t with_warnings = 0;  // approvals given in spite of them
  int64_t values_verified = 0, flags_dismissed = 0;
  int64_t dismissed_without_reason = 0;  // approvals that dismissed a flag without one
  int64_t self_reviews_blocked = 0;
  Durations time_to_review;             // from submission to decision
  std::vector<Counted> direct_by_role;  // by name
  std::vector<Counted> warnings;        // by code: on how many approvals
};

struct ModelFigures {
  std::string name;
  int64_t messages = 0, tokens = 0;
};

struct ProviderFigures {
  std::string name;
  int64_t accepted = 0, failed = 0, in_doubt = 0, delivered = 0;  // attempts; receipts
};

struct DeliveryFigures {
  std::vector<ProviderFigures> providers;  // by name
  std::vector<Counted> failure_reasons;    // of attempts, the most frequent first
  int64_t retries = 0, failed_for_good = 0;
  int64_t opt_outs = 0;
  Durations opt_out;  // from the callback to the suppression
};

struct PersonFigures {
  Uuid id;
  std::string name, role;  // as they are now
  int64_t drafted = 0, approved = 0, rejected = 0, signed_as_one = 0;
  int64_t review_p50_ms = 0, review_mean_ms = 0;  // from submission; as the reviewer's client measured
};

struct AnchorFigures {
  std::string kind;
  int64_t count = 0;  // in the period
  int64_t newest_size = 0;
  WallTime newest_at;
};

struct CheckpointFigures {  // of one end of the period; size 0: there was none
  int64_t size = 0;
  std::string root, note;  // 32 octets; signed
  std::optional<WallTime> at;
};

struct LogFigures {
  CheckpointFigures from, to;
  int64_t entries = 0;  // of the period
  std::vector<AnchorFigures> anchors;
  std::optional<WallTime> verified_at;  // the last full verification
  int64_t verified_size = 0;
  int64_t faults_open = 0, faults_in_period = 0;
  bool has_guards = true;  // event triggers against a change of the schema
};

struct AccessFigures {
  std::vector<Counted> exports;  // by format
  int64_t exports_with_content = 0;
  int64_t break_glass_unreviewed = 0;  // of those opened in the period, now
};

struct Figures {
  WallTime from, to;  // [from, to)
  LogFigures log;
  std::map<std::string, int64_t> actions;  // events of the period
  std::vector<MessageFigures> messages;
  ReviewFigures reviews;
  std::vector<ModelFigures> models;  // of messages drafted in the period
  DeliveryFigures delivery;
  std::vector<PersonFigures> people;
  AccessFigures access;
  int64_t of(const std::string& action) const {
    const auto found = actions.find(action);
    return found == actions.end() ? 0 : found->second;
  }
};

}  // namespace signet

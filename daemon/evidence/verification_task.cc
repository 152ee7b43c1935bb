#include "daemon/evidence/verification_task.h"

#include <nlohmann/json.hpp>

#include "daemon/evidence/entry_of.h"
#include "store/integrity.h"
#include "store/messages.h"

namespace signet {
namespace {

constexpr int64_t kSaveEveryMs = 2000;

VerificationRange range_of(const std::string& parameters) {
  const auto read = nlohmann::json::parse(parameters, nullptr, false);
  VerificationRange range;
  range.from = read.value("from", int64_t{0});
  if (read.contains("to")) range.to = read["to"].get<int64_t>();
  range.is_whole = range.from == 0 && !range.to;
  return range;
}

VerificationReport report_of(const VerificationRun& run) {
  VerificationReport report;
  report.from = run.from;
  report.to = run.to;
  report.size = run.size;
  report.message_id = run.message_id;
  report.entries = run.entries;
  report.checkpoints = run.checkpoints;
  report.messages = run.messages;
  report.erased = run.erased;
  report.findings = parse_findings(run.faults);
  report.duration_ms = run.duration_ms;
  return report;
}

VerificationRun run_of(const Uuid& id, const VerificationReport& report, WallTime now) {
  return {id,
          report.from,
          report.to,
          report.size,
          report.message_id,
          report.entries,
          report.checkpoints,
          report.messages,
          report.erased,
          findings_json(report.findings),
          report.duration_ms,
          now};
}

class Work {
 public:
  Work(const VerificationParts& parts, const FaultRecord& record, TaskRun& run)
      : parts_(parts), record_(record), run_(run) {}

  Result<TaskEnd> verify() {
    auto session = PgSession::open(parts_.postgres);
    if (!session) return session.error();
    session_ = std::move(*session);
    auto before = read_run(*session_, run_.task().id);
    if (!before) return before.error();
    const auto range = range_of(run_.task().parameters);
    auto report = verify_log(parts_, range, *before ? report_of(**before) : VerificationReport(),
                             [this](const VerificationReport& so_far) { return hear(so_far); });
    if (!report) return report.error();
    if (auto done = save(*report); !done) return done.error();
    if (range.is_whole) {
      auto written = write_verification(*session_, {3, report->to, report->root, parts_.clock.wall()});
      if (!written) return written.error();
    }
    if (auto done = delete_run(*session_, run_.task().id); !done) return done.error();
    return TaskEnd{result_json(*report), "", "", false};
  }

 private:
  Result<void> hear(const VerificationReport& so_far) {
    const Tick now = parts_.clock.tick();
    if (!saved_at_ || now.us - saved_at_->us >= kSaveEveryMs * 1000) {
      saved_at_ = now;
      if (auto done = save(so_far); !done) return done;
    }
    return run_.progress(so_far.size - so_far.from, so_far.to - so_far.from);
  }
  Result<void> save(const VerificationReport& so_far) {
    if (so_far.findings.size() > recorded_) {
      auto done = record_.record(*session_, 3, so_far.findings);
      if (!done) return done;
      recorded_ = so_far.findings.size();
    }
    return write_run(*session_, run_of(run_.task().id, so_far, parts_.clock.wall()));
  }

  const VerificationParts& parts_;
  const FaultRecord& record_;
  TaskRun& run_;
  std::unique_ptr<PgSession> session_;  // signet_verify's, which may write what it found
  std::optional<Tick> saved_at_;
  size_t recorded_ = 0;
};

}  // namespace

std::string verification_parameters(std::optional<int64_t> from, std::optional<int64_t> to) {
  nlohmann::json out = nlohmann::json::object();
  if (from) out["from"] = *from;
  if (to) out["to"] = *to;
  return out.dump();
}

TaskWork verification_work(VerificationParts parts, const FaultRecord& record) {
  return [parts = std::move(parts), &record](TaskRun& run) { return Work(parts, record, run).verify(); };
}

TaskEnded verification_ended(std::string instance, IdSource& ids, const Clock& clock) {
  return [instance = std::move(instance), &ids, &clock](PgTransaction& tx, const Task& task) -> Result<void> {
    if (task.state != TaskState::done) return {};
    const auto result = nlohmann::json::parse(task.result, nullptr, false);
    Event event;
    event.id = ids.next();
    event.at = clock.wall();
    event.actor = {instance, "daemon", "", "", ""};
    event.action = "integrity_check";
    event.object.type = "task";
    event.object.id = task.id.text();
    event.detail = {{"durationMs", result.at("durationMs").get<int64_t>()},
                    {"erased", result.at("erased").get<int64_t>()},
                    {"faults", static_cast<int64_t>(result.at("faults").size())},
                    {"from", result.at("from").get<int64_t>()},
                    {"level", int64_t{3}},
                    {"ok", result.at("ok").get<bool>()},
                    {"rows", result.at("entries").get<int64_t>()},
                    {"to", result.at("to").get<int64_t>()}};
    if (result.at("root").is_string()) event.detail.emplace_back("root", result.at("root").get<std::string>());
    return insert_entry(tx, entry_of(event, task.id));
  };
}

Result<std::optional<Uuid>> insert_nightly(PgTransaction& tx, const std::string& instance, IdSource& ids,
                                           WallTime now) {
  auto open = has_open_task(tx, kVerificationTask);
  if (!open) return open.error();
  if (*open) return std::optional<Uuid>();
  Task task;
  task.id = ids.next();
  task.kind = kVerificationTask;
  task.parameters = verification_parameters({}, {});
  task.instance = instance;
  task.asked_at = now;
  auto inserted = insert_task(tx, task);
  if (!inserted) return inserted.error();
  return std::optional(task.id);
}

}  // namespace signet

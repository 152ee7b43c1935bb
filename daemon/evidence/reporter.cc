#include "daemon/evidence/reporter.h"

#include <nlohmann/json.hpp>

#include "audit/checkpoint.h"
#include "base/bytes.h"
#include "base/file.h"
#include "daemon/evidence/entry_of.h"
#include "store/messages.h"
#include "store/report_figures.h"
#include "store/report_schedules.h"

namespace signet {
namespace {

using Json = nlohmann::json;

struct Wanted {  // what a task's parameters say
  std::string format, from_text, to_text, schedule;
  WallTime from, to;
  Uuid schedule_id;
};

Result<Wanted> wanted_of(const Task& task) {
  const Json json = Json::parse(task.parameters, nullptr, false);
  Wanted out;
  if (json.is_object()) {
    out.format = json.value("format", "");
    out.from_text = json.value("from", "");
    out.to_text = json.value("to", "");
    out.schedule = json.value("schedule", "");
    if (const auto id = parse_uuid(json.value("scheduleId", ""))) out.schedule_id = *id;
  }
  auto from = parse_rfc3339(out.from_text), to = parse_rfc3339(out.to_text);
  if (!from || !to) return Error{ErrorCode::corrupt, "the task's parameters cannot be read"};
  out.from = *from;
  out.to = *to;
  return out;
}

const char* media_type_of(const std::string& format) {
  return format == "pdf" ? "application/pdf" : format == "csv" ? "text/csv; charset=utf-8" : "application/json";
}

Result<std::string> rendered(const std::string& format, const std::string& json) {
  StringSink out;
  Result<void> done;
  if (format == "pdf")
    done = report_pdf(json, out);
  else if (format == "csv")
    done = report_csv(json, out);
  else
    out.text = json;
  if (!done) return done.error();
  return std::move(out.text);
}

std::string day_of(const std::string& time) { return time.substr(0, 10); }

std::string file_name(const Wanted& wanted) {
  return "compliance-report-" + day_of(wanted.from_text) + "-to-" + day_of(wanted.to_text) + '.' + wanted.format;
}

// In a folder they lie beside each other: the schedule's name and the whole times tell them apart.
std::string path_in(const std::string& folder, const Wanted& wanted) {
  return folder + '/' + file_name_of(wanted.schedule + '-' + wanted.from_text + '-' + wanted.to_text) + '.' +
         wanted.format;
}

std::string letter_of(const Wanted& wanted, const Task& task, const std::string& json_sha256) {
  return "A compliance report was made.\n\n"
         "Schedule:  " +
         wanted.schedule +
         "\n"
         "Period:    " +
         wanted.from_text + " to " + wanted.to_text +
         " (not included)\n"
         "File:      " +
         task.file_name + ", " + std::to_string(task.size) +
         " octets\n"
         "SHA-256:   " +
         to_hex(view(*task.sha256)) +
         "\n"
         "of JSON:   " +
         json_sha256 +
         "\n\n"
         "It waits on the daemon " +
         task.instance + ": GET /api/tasks/" + task.id.text() +
         "/file\n"
         "with the role admin or auditor, until somebody deletes it (DELETE /api/tasks/" +
         task.id.text() + ").\n";
}

}  // namespace

Result<std::string> Reporter::json(PgSession& session, WallTime from, WallTime to, const std::string& made_for) {
  PgTransaction tx(session);
  auto figures = read_figures(tx, from, to);
  if (!figures) return figures.error();
  ReportSource source;
  source.version = settings_.version;
  source.instance = settings_.instance;
  source.log_name = key_.name.name();
  source.made_at = clock_.wall();
  source.made_for = made_for;
  source.retention_years = settings_.retention_years;
  source.quorum = settings_.quorum;
  auto consistency = check_ends(session, figures->log, source.proof_hashes);  // in the same snapshot
  if (!consistency) return consistency.error();
  source.consistency = *consistency;
  return report_json(*figures, source);
}

// Signatures of both ends, and that the later extends the earlier.
Result<Consistency> Reporter::check_ends(PgSession& session, const LogFigures& log, int& proof_hashes) {
  auto read = [this](const CheckpointFigures& end) -> Result<Checkpoint> {
    auto note = verify_checkpoint(end.note, key_.name);
    if (!note) return note.error();
    if (static_cast<int64_t>(note->checkpoint.size) != end.size || view(note->checkpoint.root) != end.root)
      return Error{ErrorCode::corrupt, "a checkpoint's columns are not its note's"};
    return note->checkpoint;
  };
  if (log.to.size == 0) return Consistency::empty;
  const auto to = read(log.to);
  if (!to) return Consistency::failed;
  if (log.from.size == 0) return Consistency::empty;
  const auto from = read(log.from);
  if (!from) return Consistency::failed;
  if (from->size == to->size) return from->root == to->root ? Consistency::unchanged : Consistency::failed;
  auto proof = ProofBuilder(stored_tiles(session), to->size).consistency(from->size);
  if (!proof && proof.error().code == ErrorCode::unavailable) return proof.error();
  if (!proof || !verify_consistency(from->size, to->size, *proof, from->root, to->root)) return Consistency::failed;
  proof_hashes = static_cast<int>(proof->size());
  return Consistency::verified;
}

Result<TaskEnd> Reporter::make(TaskRun& run) {
  auto wanted = wanted_of(run.task());
  if (!wanted) return wanted.error();
  if (auto going = run.progress(0, 2); !going) return going.error();
  const std::string made_for =
      wanted->schedule_id.is_nil() ? run.task().asked_by.text() : "schedule " + wanted->schedule;
  auto report = json(run.session(), wanted->from, wanted->to, made_for);
  if (!report) return report.error();
  if (auto going = run.progress(1, 2); !going) return going.error();
  auto file = rendered(wanted->format, *report);
  if (!file) return file.error();
  if (auto done = run.file().write(*file); !done) return done.error();

  Json result{{"dataSha256", to_hex(view(sha256(*report)))}};
  if (!wanted->schedule_id.is_nil()) {
    PgTransaction tx(run.session());
    auto row = lock_run(tx, run.task().id);
    if (!row) return row.error();
    const std::string to = *row ? (**row).deliver_to : "";
    if (to.starts_with('/')) {
      auto laid = receivers_.report_folders.contains(to)
                      ? replace_file(path_in(to, *wanted), *file, 0600)
                      : Result<void>(Error{ErrorCode::invalid, "the configuration does not name this folder any more"});
      result["laid"] = laid.ok();
      if (!laid) result["failure"] = laid.error().text + ": make the folder, writable for signetd, and fetch the file";
    }
  }
  if (auto going = run.progress(2, 2); !going) return going.error();
  return TaskEnd{result.dump(), file_name(*wanted), media_type_of(wanted->format)};
}

Result<void> Reporter::ended(PgTransaction& tx, const Task& task) {
  auto wanted = wanted_of(task);
  if (!wanted) return {};  // nothing of ours
  const Json result = Json::parse(task.result, nullptr, false);
  const std::string json_sha256 = result.is_object() ? result.value("dataSha256", "") : "";
  const bool is_scheduled = !wanted->schedule_id.is_nil();
  bool is_delivered = false;
  if (is_scheduled) {
    const bool is_laid = result.is_object() && result.value("laid", false);
    auto done = deliver(tx, task, is_laid, result.is_object() ? result.value("failure", "") : "", is_delivered);
    if (!done) return done;
  }
  return write_event(tx, task, json_sha256, is_delivered, is_scheduled);
}

Result<void> Reporter::deliver(PgTransaction& tx, const Task& task, bool is_laid, std::string failure,
                               bool& is_delivered) {
  auto found = lock_run(tx, task.id);
  if (!found) return found.error();
  if (!found->has_value()) return {};
  ReportRun run = std::move(**found);
  const auto wanted = wanted_of(task);
  bool is_mail = !run.deliver_to.empty() && !run.deliver_to.starts_with('/');
  if (task.state != TaskState::done) {
    failure = task.state == TaskState::cancelled ? "it was cancelled: ask for it if it is needed" : task.failure;
  } else if (is_mail) {
    const Json result = Json::parse(task.result, nullptr, false);
    auto queued = messages_.queue(
        tx, {run.deliver_to, "Signet compliance report " + day_of(wanted->from_text) + " to " + day_of(wanted->to_text),
             letter_of(*wanted, task, result.value("dataSha256", "")), "report/" + task.id.text(), Priority::normal});
    if (queued)
      run.message_id = *queued;
    else if (queued.error().code == ErrorCode::invalid)
      failure = queued.error().text;
    else
      return queued.error();
  } else if (!run.deliver_to.empty() && !is_laid && failure.empty()) {
    failure = "it was not laid into its folder: fetch the file";
  }
  is_delivered = failure.empty();
  run.state = is_delivered ? "delivered" : "failed";
  run.failure = failure;
  // A mail tells where the file is, and a receiver who is gone may come back: it stays until somebody deletes it.
  if (task.state == TaskState::done && (is_mail || !is_delivered))
    if (auto kept = keep_file(tx, task.id, true); !kept) return kept;
  if (!is_delivered)
    log_.error("a scheduled report did not reach its receiver; its file is kept",
               {{"alarm", "report_undelivered"}, {"task_id", task.id.text()}, {"reason", failure}});
  return end_run(tx, run);
}

Result<void> Reporter::write_event(PgTransaction& tx, const Task& task, const std::string& json_sha256,
                                   bool is_delivered, bool is_scheduled) {
  const auto wanted = wanted_of(task);
  Event event;
  event.id = ids_.next();
  event.at = clock_.wall();
  event.actor = {settings_.instance, "daemon", "", "", ""};
  event.action = "report";
  event.object.type = "report";
  event.object.id = task.id.text();
  if (task.state != TaskState::done) event.reason_code = to_string(task.state);
  event.detail = {{"format", wanted->format}, {"from", wanted->from_text}, {"to", wanted->to_text}};
  if (!json_sha256.empty()) event.detail.emplace_back("dataSha256", json_sha256);
  if (is_scheduled) {
    event.detail.emplace_back("delivered", is_delivered);
    event.detail.emplace_back("schedule", wanted->schedule_id.text());
  }
  return insert_entry(tx, entry_of(event, task.id));
}

}  // namespace signet

#include "daemon/evidence/exporter.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/thread_priority.h"
#include "daemon/evidence/entry_of.h"
#include "store/directory.h"
#include "store/messages.h"

namespace signet {
namespace {

using Json = nlohmann::json;

struct Writer {
  ExportFormat format;
  ExportWriter write;
};
constexpr Writer kWriters[] = {{ExportFormat::csv, write_csv},
                               {ExportFormat::json, write_json},
                               {ExportFormat::pdf, write_pdf},
                               {ExportFormat::fhir, write_fhir},
                               {ExportFormat::evidence, write_evidence}};

Result<std::string> name_of(PgSession& session, const Uuid& user_id) {
  PgTransaction tx(session);
  auto user = read_user(tx, user_id);
  if (!user) return user.error();
  return *user ? (*user)->name : std::string();
}

// "signet-audit-20261126T133000Z.csv"
std::string file_name(const ExportForm& form, WallTime asked_at) {
  std::string at;
  for (const char c : rfc3339(asked_at).substr(0, 19))
    if (c != '-' && c != ':') at += c;
  return "signet-audit-" + at + "Z" + (form.format == ExportFormat::fhir ? ".fhir." : ".") +
         std::string(form.extension);
}

}  // namespace

TaskWork export_work(const Keyring& keyring, const Clock& clock, const BundleSource* bundles) {
  return [&keyring, &clock, bundles](TaskRun& run) -> Result<TaskEnd> {
    lower_thread_priority();
    const auto what = parse_export_parameters(run.task().parameters);
    if (!what) return what.error();
    auto asked_by = name_of(run.session(), run.task().asked_by);
    if (!asked_by) return asked_by.error();
    const ExportSource source{*what,
                              run.task(),
                              std::move(*asked_by),
                              run.session(),
                              keyring,
                              clock,
                              bundles,
                              [&run](int64_t done, int64_t total) { return run.progress(done, total); }};
    for (const auto& [format, write] : kWriters) {
      if (format != what->format) continue;
      const auto totals = write(source, run.file());
      if (!totals) return totals.error();
      const ExportForm& form = form_of(format);
      TaskEnd end;
      end.result = Json{{"checkpointSize", what->size},
                        {"dataSha256", to_hex(view(totals->sha256))},
                        {"format", form.name},
                        {"rows", totals->rows}}
                       .dump();
      end.file_name = file_name(form, run.task().asked_at);
      end.media_type = form.media_type;
      return end;
    }
    return Error{ErrorCode::invalid, "this signetd does not write " + std::string(form_of(what->format).name)};
  };
}

TaskEnded export_ended(IdSource& ids, const Clock& clock) {
  return [&ids, &clock](PgTransaction& tx, const Task& task) -> Result<void> {
    if (task.state != TaskState::done) return {};
    const auto what = parse_export_parameters(task.parameters);
    if (!what) return what.error();
    const Json result = Json::parse(task.result);
    Event event;
    event.id = ids.next();
    event.at = clock.wall();
    event.actor = {task.asked_by.text(), std::string(name(task.asked_role)), "", "", ""};
    event.action = "export";
    event.object.type = "task";
    event.object.id = task.id.text();
    event.detail = {{"checkpointSize", what->size},
                    {"dataSha256", result.at("dataSha256").get<std::string>()},
                    {"fileSha256", task.sha256 ? to_hex(view(*task.sha256)) : std::string()},
                    {"filters", what->filters},
                    {"format", std::string(form_of(what->format).name)},
                    {"include", what->include()},
                    {"includeContent", what->is_about_content()},
                    {"purpose", what->purpose},
                    {"rows", result.at("rows").get<int64_t>()}};
    return insert_entry(tx, entry_of(event, task.id));
  };
}

}  // namespace signet

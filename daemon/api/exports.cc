// Entries of the audit log as a file: who may have what is decided here; a task writes it (daemon/evidence/exporter.h).
#include <algorithm>

#include "daemon/api/entry_filter.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/tasks.h"
#include "daemon/evidence/bundle_writer.h"
#include "daemon/evidence/export_parameters.h"
#include "store/audit_log.h"
#include "store/bundle_rows.h"
#include "store/entry_scan.h"
#include "store/messages.h"

namespace signet::api {
namespace {

constexpr size_t kNoteOctetsMax = 64 * 1024;

std::optional<std::string_view> parse_purpose(std::string_view text) {
  const auto found = std::find(std::begin(kExportPurposes), std::end(kExportPurposes), text);
  return found == std::end(kExportPurposes) ? std::nullopt : std::optional(*found);
}

ExportParameters read_parameters(Context& context) {
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  ExportParameters out;
  std::string formats, purposes;
  for (const auto& form : export_forms()) formats += (formats.empty() ? "" : ", ") + std::string(form.name);
  for (const auto& purpose : kExportPurposes) purposes += (purposes.empty() ? "" : ", ") + std::string(purpose);
  members.require("format", "write one of " + formats);
  members.require("purpose", "write why it is needed, one of " + purposes);
  if (const auto format = members.text("format", 64)) {
    if (const auto known = parse_export_format(*format))
      out.format = *known;
    else
      members.refuse("format", "is not one of its words", "write one of " + formats);
  }
  if (const auto purpose = members.text("purpose", 64)) {
    if (const auto known = parse_purpose(*purpose))
      out.purpose = *known;
    else
      members.refuse("purpose", "is not one of its words", "write one of " + purposes);
  }
  if (const JsonValue* include = members.object("include")) {
    Members parts(*include, members.place("include"), body.faults);
    out.has_content = parts.flag("content").value_or(false);
    out.has_edit_history = parts.flag("editHistory").value_or(false);
    out.has_metadata = parts.flag("metadata").value_or(true);
    parts.finish();
  }
  JsonValue none;
  none.type = JsonValue::Type::object;
  const JsonValue* given = members.object("filters");
  Members filters(given ? *given : none, members.place("filters"), body.faults);
  auto fields = Fields::of_body(context, filters);
  read_entry_filter(fields, out.filter);
  read_people_filter(context, filters, fields, out.filter);
  filters.finish();
  if (const auto note = members.text("previousCheckpoint", kNoteOctetsMax, true)) out.previous_checkpoint = *note;
  if (!out.previous_checkpoint.empty() && out.format != ExportFormat::evidence)
    members.refuse("previousCheckpoint", "belongs to the format evidence", "leave it out, or ask for evidence");
  if (out.is_about_content() && out.format == ExportFormat::evidence)
    members.refuse("include", "asks for content, which evidence never has", "leave content and editHistory out");
  members.finish();
  context.refuse_faults(body.faults);
  fields.finish();
  out.filters = fields.used();
  return out;
}

void check_content_right(Context& context) {
  if (context.principal().is_content_open) return;
  context.refuse({.code = Code::forbidden,
                  .title = "What messages say is not open to you",
                  .detail = context.role() == Role::admin
                                ? "Open POST /api/break-glass first, or export without content and editHistory."
                                : "Ask an administrator for the right to content, or export without content and "
                                  "editHistory.",
                  .reason = "METADATA_ONLY"});
}

void check_size(Context& context, const ExportParameters& what) {
  const int64_t most = form_of(what.format).rows_max;
  const bool is_whole_log = what.format == ExportFormat::evidence && what.filters.empty();
  if (most == 0 || is_whole_log) return;
  if (context.must(count_scanned(context.tx(), what.filter, what.size, most + 1)) <= most) return;
  context.refuse({.code = Code::too_large,
                  .detail = "A " + std::string(form_of(what.format).name) + " has up to " + std::to_string(most) +
                            " entries: narrow the filters, or ask for csv.",
                  .reason = "TOO_MANY_ROWS"});
}

// Of evidence: one that the witness cosigned, and none before the auditor's.
std::optional<CheckpointRow> checkpoint_for(Context& context, const ExportParameters& what) {
  auto newest = context.must(newest_checkpoint(context.tx()));
  if (what.format != ExportFormat::evidence) return newest;
  if (context.services.bundles == nullptr || !newest)
    context.refuse({.code = Code::unavailable,
                    .title = "There is no evidence to export yet",
                    .detail = "The log has no checkpoint: try again in 15 seconds."});
  auto witnessed = context.must(witnessed_checkpoint(context.tx()));
  if (what.previous_checkpoint.empty()) return witnessed;
  const auto previous = read_previous_checkpoint(what.previous_checkpoint, context.services.bundles->key);
  if (!previous) context.refuse({.code = Code::validation_error, .errors = {previous.error().text}});
  if (static_cast<int64_t>(previous->size) > newest->size)
    context.refuse({.code = Code::status_conflict,
                    .title = "The log is shorter than previousCheckpoint",
                    .detail = "Keep that note: it is evidence that entries were taken away.",
                    .reason = "LOG_SHORTER"});
  return static_cast<int64_t>(previous->size) > witnessed->size ? newest : witnessed;
}

}  // namespace

http::Response post_export(Context& context) {
  context.only_query({"wait"});
  must_be_allowed(context, Action::export_evidence);
  ExportParameters what = read_parameters(context);
  if (what.is_about_content()) check_content_right(context);
  // What is written is as of this checkpoint, whenever the task runs.
  if (const auto checkpoint = checkpoint_for(context, what)) {
    what.size = checkpoint->size;
    what.root = checkpoint->root;
  }
  check_size(context, what);
  const Task task = new_task(context, "export", canonical(what), true);
  Event event = new_event(context, "export_requested");
  event.object.type = "task";
  event.detail = {{"breakGlass", what.is_about_content() && context.role() == Role::admin},
                  {"checkpointSize", what.size},
                  {"filters", what.filters},
                  {"format", std::string(form_of(what.format).name)},
                  {"include", what.include()},
                  {"includeContent", what.is_about_content()},
                  {"purpose", what.purpose}};
  context.must(insert_entry(context.tx(), beside(std::move(event), task.id)));
  return accept(context, task);
}

}  // namespace signet::api

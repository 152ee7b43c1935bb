// Exports of the audit log: the work of a task of the kind "export" and its event. A format is one function below and
// one row of each table (daemon/evidence/export_parameters.cc, exporter.cc). Whoever may have content is decided where
// it is asked for (daemon/api/exports.cc).
#pragma once

#include <functional>
#include <string>

#include "base/sink.h"
#include "daemon/evidence/bundle_writer.h"
#include "daemon/evidence/export_parameters.h"
#include "daemon/evidence/tasks.h"
#include "store/keyring.h"

namespace signet {

struct ExportSource {  // one export that runs; one thread
  const ExportParameters& what;
  const Task& task;
  std::string asked_by;  // the name of who asked; empty if he is not known any more
  PgSession& session;
  const Keyring& keyring;
  const Clock& clock;
  const BundleSource* bundles;  // null: no evidence is written
  std::function<Result<void>(int64_t done, int64_t total)> progress;
};
struct ExportTotals {
  int64_t rows = 0;
  // Of the data, whatever the format: the canonical bytes of each entry and a line feed, in the order of the log; so
  // the `events.jsonl` of a bundle over the same entries has it too.
  Digest sha256{};
};
using ExportWriter = Result<ExportTotals> (*)(const ExportSource& source, Sink& to);

Result<ExportTotals> write_csv(const ExportSource& source, Sink& to);
Result<ExportTotals> write_json(const ExportSource& source, Sink& to);
Result<ExportTotals> write_pdf(const ExportSource& source, Sink& to);
Result<ExportTotals> write_fhir(const ExportSource& source, Sink& to);
Result<ExportTotals> write_evidence(const ExportSource& source, Sink& to);

// What it is given outlives it.
TaskWork export_work(const Keyring& keyring, const Clock& clock, const BundleSource* bundles = nullptr);
TaskEnded export_ended(IdSource& ids, const Clock& clock);

}  // namespace signet

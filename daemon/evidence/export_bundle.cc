#include "daemon/evidence/bundle_writer.h"
#include "daemon/evidence/exporter.h"

namespace signet {

Result<ExportTotals> write_evidence(const ExportSource& source, Sink& to) {
  if (source.bundles == nullptr) return Error{ErrorCode::invalid, "this signetd gives no evidence"};
  BundleRequest request;
  request.filter = source.what.filter;
  request.is_whole_log = source.what.filters.empty();
  request.shown = shown_filters(source.what);
  request.previous_checkpoint = source.what.previous_checkpoint;
  request.size = source.what.size;
  const auto made = write_bundle(source.session, *source.bundles, request, to, source.progress);
  if (!made) return made.error();
  return ExportTotals{made->events, made->events_sha256};
}

}  // namespace signet

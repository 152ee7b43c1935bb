// The proofs of one message, to take away (docs/bundle.md).
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/message_rights.h"
#include "daemon/api/rights.h"
#include "daemon/evidence/bundle_writer.h"

namespace signet::api {

http::Response get_evidence(Context& context) {
  context.only_query({});
  const MessageRow message = visible_message(context, context.path_id());
  must_be_allowed(context, Action::export_evidence);  // events name the address of whoever touched the message
  const auto& services = context.services;
  if (services.bundles == nullptr) context.refuse({.code = Code::unavailable, .title = "No evidence is given here"});
  context.roll_back();  // what follows has a session of its own, and may take a while

  BundleRequest request;
  request.filter.message_id = message.id;
  request.head = message.head;
  request.shown = {{"messageId", message.id.text()}};
  StringSink zip;
  {
    auto session = context.must(services.pool.take());
    const auto written = write_bundle(*session, *services.bundles, request, zip);
    if (!written && written.error().code == ErrorCode::conflict)
      context.refuse({.code = Code::status_conflict,
                      .title = "The proofs are not there yet",
                      .detail = written.error().text,
                      .reason = "NO_CHECKPOINT_YET"});
    if (!written) context.fail(written.error());
  }
  context.must(insert_entry(context.tx(), beside(new_event(context, "evidence_read"), message.id)));
  context.commit();
  http::Response out;
  out.content_type = "application/zip";
  out.headers.emplace_back("Content-Disposition",
                           "attachment; filename=\"signet-evidence-" + message.id.text() + ".zip\"");
  out.body = std::move(zip.text);
  return out;
}

}  // namespace signet::api

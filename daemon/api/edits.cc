#include "daemon/api/edits.h"

namespace signet::api {

void record_edit(Context& context, const Uuid& id, const Content& content, const TextDiff& diff, WallTime now) {
  EditRow row{id, content.version, context.user_id(), now, {}};
  row.sealed = seal_beside(context.services.keyring, content, "edit", id, content.version, "diff", canonical(diff));
  context.must(insert_edit(context.tx(), row));
}

std::string etag(int version) { return '"' + std::to_string(version) + '"'; }

}  // namespace signet::api

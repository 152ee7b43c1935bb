// What became of a message's text: one row a version, its diff sealed under the message's key.
#pragma once

#include "daemon/api/content.h"
#include "message/diff.h"

namespace signet::api {

// `content` is the text after the edit, its version the new one.
void record_edit(Context& context, const Uuid& id, const Content& content, const TextDiff& diff, WallTime now);
std::string etag(int version);  // "3", with its quotes (RFC 9110 section 8.8.3)

}  // namespace signet::api

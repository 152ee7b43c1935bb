// Words that people wrote to our numbers: that each is acted on once, and how often one asked. Each function is one
// step inside the caller's transaction.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "message/reply_word.h"
#include "store/pg_session.h"

namespace signet {

struct InboundRow {
  Uuid id;
  std::string provider, event_id;
  std::string recipient_key;  // 32 octets: of who wrote it
  ReplyWord word = ReplyWord::stop;
  WallTime received_at;
};

Result<bool> insert_inbound(PgTransaction& tx, const InboundRow& row);  // false: the provider told us this one already
Result<int64_t> count_inbounds(PgTransaction& tx, std::string_view recipient_key, ReplyWord word, WallTime since);

}  // namespace signet

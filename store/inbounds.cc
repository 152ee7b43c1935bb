#include "store/inbounds.h"

namespace signet {

Result<bool> insert_inbound(PgTransaction& tx, const InboundRow& row) {
  auto rows = tx.run(
      "insert into inbound (id, provider, event_id, recipient_key, word, received_at) values ($1, $2, $3, $4, $5, $6) "
      "on conflict (provider, event_id) do nothing",
      {row.id, row.provider, row.event_id, PgValue::octets(row.recipient_key), static_cast<int32_t>(row.word),
       row.received_at});
  if (!rows) return rows.error();
  return rows->affected() == 1;
}

Result<int64_t> count_inbounds(PgTransaction& tx, std::string_view recipient_key, ReplyWord word, WallTime since) {
  auto rows = tx.run("select count(*) from inbound where recipient_key = $1 and word = $2 and received_at > $3",
                     {PgValue::octets(recipient_key), static_cast<int32_t>(word), since});
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

}  // namespace signet

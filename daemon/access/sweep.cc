#include "daemon/access/sweep.h"

#include "store/idempotency.h"
#include "store/sessions.h"
#include "store/webhook_keys.h"

namespace signet {
namespace {

constexpr int64_t kDayUs = 24 * 3600 * 1'000'000LL;

Result<void> sweep(PgPool& pool, WallTime now) {
  auto session = pool.take();
  if (!session) return session.error();
  PgTransaction tx(**session);
  if (auto done = delete_replies(tx, {now.us - kDayUs}); !done) return done.error();
  if (auto done = delete_sessions(tx, {now.us - 30 * kDayUs}); !done) return done.error();
  if (auto done = delete_webhook_keys(tx, {now.us - 7 * kDayUs}); !done) return done.error();
  return tx.commit();
}

}  // namespace

void sweep_access(PgPool& pool, const Clock& clock, Log& log) {
  if (auto done = sweep(pool, clock.wall()); !done)
    log.warn("old sessions, replies and keys of webhooks are not swept", {{"reason", done.error().text}});
}

}  // namespace signet

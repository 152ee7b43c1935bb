#include "store/provider_health.h"

namespace signet {

std::string_view name(BreakerState state) {
  return state == BreakerState::closed ? "closed" : state == BreakerState::half_open ? "half_open" : "open";
}

std::optional<BreakerState> parse_breaker_state(std::string_view text) {
  for (const auto state : {BreakerState::closed, BreakerState::half_open, BreakerState::open})
    if (text == name(state)) return state;
  return std::nullopt;
}

Result<void> write_health(PgSession& session, const std::string& instance, const std::vector<ProviderHealth>& rows,
                          int64_t forget_after_ms) {
  PgTransaction tx(session);
  auto gone =
      tx.run("delete from provider_health where instance = $1 or seen_at < now() - $2 * interval '1 millisecond'",
             {instance, forget_after_ms});
  if (!gone) return gone.error();
  for (const auto& row : rows) {
    auto done = tx.run(
        "insert into provider_health (instance, provider, breaker, reason, since, attempts, errors, in_use, in_flight, "
        "paused_until, seen_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now())",
        {instance, row.provider, name(row.breaker), row.reason, row.since, row.attempts, row.errors,
         static_cast<int32_t>(row.in_use), static_cast<int32_t>(row.in_flight), PgValue(row.paused_until)});
    if (!done) return done.error();
  }
  return tx.commit();
}

Result<std::vector<SeenHealth>> read_health(PgTransaction& tx) {
  auto rows = tx.run(
      "select provider, breaker, reason, since, attempts, errors, in_use, in_flight, paused_until, instance, seen_at "
      "from provider_health order by provider, instance");
  if (!rows) return rows.error();
  std::vector<SeenHealth> out;
  for (int i = 0; i < rows->size(); i++) {
    SeenHealth h;
    h.provider = rows->text(i, 0);
    h.breaker = parse_breaker_state(rows->octets(i, 1)).value_or(BreakerState::open);
    h.reason = rows->text(i, 2);
    h.since = rows->time(i, 3);
    h.attempts = rows->number(i, 4);
    h.errors = rows->number(i, 5);
    h.in_use = static_cast<int>(rows->number(i, 6));
    h.in_flight = static_cast<int>(rows->number(i, 7));
    h.paused_until = rows->optional_time(i, 8);
    h.instance = rows->text(i, 9);
    h.seen_at = rows->time(i, 10);
    out.push_back(std::move(h));
  }
  return out;
}

}  // namespace signet

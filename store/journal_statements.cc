#include "store/journal_statements.h"

namespace signet {
namespace {

// Insert-only tables are partitioned by message_id. A batch's lowest and highest id stand beside each look-up of one by
// a row's id: so all other partitions are put aside when the statement starts, under a plan made once for any batch.

// Verdicts in the order of the case below are those of PermitVerdict. Laterals with OFFSET 0 are not flattened, so that
// each row is looked up by its key whatever the planner believed about an empty table (design: engine, "Speed"). Nor is
// one CTE joined with another: the planner takes both for tiny and compares each row with each. `is true` keeps an IN
// from becoming such a join: it is a look-up in a hash table. Who is in neither part of the answer was taken by
// somebody else. What is read most often stands first in a CTE's row: each reader takes it apart from the left.
constexpr char kPermitSql[] = R"sql(
with z as materialized (
  select scope, name from pause
), a as materialized (
  select u.id,
    case
      when d.message_id is null or m.id is null then 1
      when m.status <> 4 then 2
      when m.cancel_requested then 3
      when m.expires_at <= now() then 4
      when exists (select from suppressions s where s.recipient_key = m.recipient_key) then 5
      when d.due_at > now() then 6
      when d.send_until <= now() then 7
      when u.provider = '' then 14
      when d.lane <> u.lane then 8
      when exists (select from z where (scope = 'provider' and name = u.provider) or (scope = 'priority'
        and name = (array['critical', 'high', 'normal', 'bulk'])[d.priority])) then 13
      when d.provider <> u.provider then 9
      when d.avoid = u.provider and d.provider is null and u.has_choice then 12
      when d.attempt_no > 1 and not may_follow(u.id, d.attempt_no - 1, m.version) then 10
      else 0
    end as verdict, d.attempt_no, u.provider, u.lane, u.why, clock_timestamp() as permitted_at, m.version, m.kind,
    d.priority, d.lane as due_lane, d.sender, d.due_at, d.send_until, m.expires_at, m.requeues, m.attempts,
    m.max_attempts, m.status, m.event_n, m.event_leaf, m.recipient_key, d.provider as pinned, d.avoid, m.destination,
    m.time_zone, m.tags, m.is_urgent
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $9::bool[]) u(id, lane, provider, why, has_choice)
  left join lateral (select * from due where due.message_id = u.id offset 0) d on true
  left join lateral (select * from message where message.id = u.id offset 0) m on true
), g as (
  insert into attempt_start (message_id, attempt_no, kind, epoch, instance, provider, lane, route_reason, permitted_at)
  select id, attempt_no, 1, $5, $6, provider, lane, why, permitted_at from a where verdict = 0 order by id
  on conflict do nothing
  returning message_id
)
select a.id, 0::int, a.attempt_no, a.kind, a.priority, a.due_lane, a.sender, a.provider, a.why, a.due_at,
  a.permitted_at, a.send_until, a.expires_at, a.version, a.requeues, a.attempts, a.max_attempts, a.status, a.event_n,
  a.event_leaf, a.recipient_key, k.kek_id, k.wrapped, c.version, c.sealed, p.envelope_commit, p.approval_mac,
  p.policy_id, a.pinned, a.avoid, null, null, null::text[], false
from a
left join lateral (select * from content where content.message_id = a.id offset 0) c on true
left join lateral (select * from data_key where data_key.message_id = a.id offset 0) k on true
left join lateral (select * from approval where approval.message_id = a.id
  and approval.message_id between $7 and $8 and approval.version = a.version and approval.decision = 1
  and approval.approval_mac is not null  -- of several signatures the one that made the quorum whole
  order by approval.at desc limit 1) p on true
where a.verdict = 0 and (a.id in (select message_id from g)) is true
union all
select id, verdict, attempt_no, kind, priority, due_lane, sender, provider, why, due_at, now(), send_until, expires_at,
  version, requeues, attempts, max_attempts, status, event_n, event_leaf, recipient_key, null, null, null, null, null,
  null, null, pinned, avoid, destination, time_zone, tags, is_urgent
from a where verdict <> 0)sql";

// One gate: what follows takes effect only for messages whose head is the expected one.
constexpr char kResultSql[] = R"sql(
with m as (
  update message set status = u.status, event_n = event_n + 1, event_leaf = u.leaf,
    attempts = attempts + u.is_counted::int, last_attempt_at = u.finished_at, is_proven = u.is_proven,
    provider = case when u.outcome in (1, 4) then u.provider else message.provider end,
    provider_reference = case when u.reference <> '' then u.reference else message.provider_reference end,
    sent_at = case when u.outcome = 1 then u.finished_at else sent_at end,
    failure_reason = case when u.outcome = 1 then failure_reason when u.failure <> '' then u.failure else u.reason end,
    updated_at = u.finished_at
  from unnest($1::uuid[], $2::int2[], $3::int2[], $4::text[], $5::text[], $6::text[], $7::int2[], $8::int2[],
    $9::timestamptz[], $10::timestamptz[], $11::int2[], $12::text[], $13::bool[], $14::bool[], $15::int8[],
    $16::bytea[], $17::uuid[], $18::bytea[], $19::bytea[], $20::text[], $21::text[], $22::text[],
    $23::bool[])
  u(id, attempt_no, outcome, reason, reference, code, status_code, parts, started_at, finished_at, status, failure,
    is_counted, is_proven, delay_ms, head, event_id, canon, leaf, provider, action, next_avoid, is_named)
  where message.id = u.id and message.event_leaf = u.head
  returning u.id, case when u.delay_ms < 0 then '-infinity' else clock_timestamp() + u.delay_ms * interval
    '1 millisecond' end as next_due, u.is_named, u.attempt_no, u.next_avoid, u.provider, u.reference, u.finished_at,
    u.status, u.outcome, u.reason, u.code, u.status_code, u.parts, u.started_at, u.event_id, u.action, u.leaf, u.canon
), r as (
  insert into attempt_result (message_id, attempt_no, outcome, reason, provider_reference, provider_code, status_code,
    parts, started_at, finished_at)
  select id, attempt_no, outcome, reason, reference, code, status_code, parts, started_at, finished_at
  from m on conflict do nothing
), gone as (
  delete from due using m where due.message_id = m.id and m.next_due = '-infinity'
), next as (
  update due set attempt_no = m.attempt_no + 1, due_at = m.next_due, avoid = nullif(m.next_avoid, '') from m
  where due.message_id = m.id and m.next_due > '-infinity'
), named as (
  insert into callback_reference (provider, reference, message_id, attempt_no)
  select provider, unnest(string_to_array(reference, ' ')), id, attempt_no from m where is_named on conflict do nothing
), e as (  -- the event's status, provider and time are the result's own
  insert into audit.entry (event_id, canon, leaf, object_id, action, status, provider, at)
  select event_id, canon, leaf, id, action, status, provider, finished_at from m
)
select id, nullif(next_due, '-infinity') from m)sql";

// After the results of its batch, and only where one took effect: the head is its leaf.
constexpr char kOptOutSql[] = R"sql(
with u as materialized (
  select * from unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::int2[], $5::text[], $6::text[], $7::uuid[], $8::bytea[],
    $9::bytea[], $10::timestamptz[])
  u(id, head, suppression_id, channel, reason, source, event_id, canon, leaf, at)
), s as (
  insert into suppressions (id, recipient_key, channel, reason, source)
  select u.suppression_id, m.recipient_key, u.channel, u.reason, u.source
  from u cross join lateral (select recipient_key from message where message.id = u.id and message.event_leaf = u.head
    and message.recipient_key is not null offset 0) m
  on conflict (recipient_key) do nothing
  returning id
)
insert into audit.entry (event_id, canon, leaf, object_id, action, at)
select event_id, canon, leaf, suppression_id, 'suppression_added', at from u
where suppression_id in (select id from s))sql";

// A void takes the attempt's key; where a permit holds it already nothing happens here.
constexpr char kEndSql[] = R"sql(
with u as materialized (
  select * from unnest($1::uuid[], $2::int2[], $3::int2[], $4::text[], $5::bool[], $6::bytea[], $7::uuid[], $8::bytea[],
    $9::bytea[], $11::text[], $12::timestamptz[])
  u(id, attempt_no, status, reason, is_proven, head, event_id, canon, leaf, action, at)
), l as materialized (  -- the row first, as cancel does: neither the void nor the status comes without the other
  select u.* from u cross join lateral (select id from message where message.id = u.id and message.event_leaf = u.head
    for no key update) x
), v as (
  insert into attempt_start (message_id, attempt_no, kind, epoch, instance, permitted_at)
  select id, attempt_no, 2, null, $10, at from l on conflict do nothing returning message_id
), m as (
  update message set status = l.status, event_n = event_n + 1, event_leaf = l.leaf, is_proven = l.is_proven,
    failure_reason = l.reason, updated_at = now()
  from l, v where message.id = l.id and v.message_id = l.id and message.event_leaf = l.head
  returning l.*
), gone as (
  delete from due using m where due.message_id = m.id
), e as (
  insert into audit.entry (event_id, canon, leaf, object_id, action, status, at)
  select event_id, canon, leaf, id, action, status, at from m
)
select id from m)sql";

constexpr char kMoveSql[] = R"sql(
with u as materialized (
  select * from unnest($1::uuid[], $2::int2[], $3::text[], $4::timestamptz[], $5::timestamptz[])
  u(id, attempt_no, lane, due_at, send_until)
)
update due set lane = u.lane, due_at = u.due_at, send_until = nullif(u.send_until, '-infinity')
from u where due.message_id = u.id and due.attempt_no = u.attempt_no
  and (select true from attempt_start s where s.message_id = u.id and s.message_id between $6 and $7
    and s.attempt_no = u.attempt_no) is null)sql";

constexpr char kHeadsSql[] = R"sql(
select m.id, m.status, m.event_n, m.event_leaf, m.cancel_requested, m.is_proven, m.attempts,
  exists (select from attempt_result r where r.message_id = u.id and r.message_id between $3 and $4
    and r.attempt_no = u.attempt_no)
from unnest($1::uuid[], $2::int2[]) u(id, attempt_no)
cross join lateral (select * from message where message.id = u.id offset 0) m)sql";

constexpr char kOpenSql[] = R"sql(
select s.message_id, s.attempt_no, s.provider, s.lane, s.route_reason, s.instance, s.permitted_at, m.event_n,
  m.event_leaf, m.attempts, m.max_attempts, m.expires_at, m.kind, m.priority
from unnest($1::uuid[]) u(id)
cross join lateral (select * from attempt_start a where a.message_id = u.id
  and a.message_id between $3 and $4 and a.kind = 1
  and ($2::uuid = '00000000-0000-0000-0000-000000000000' or a.epoch = $2) offset 0) s
cross join lateral (select * from message where message.id = u.id offset 0) m
where (select true from attempt_result r where r.message_id = s.message_id and r.message_id between $3 and $4
  and r.attempt_no = s.attempt_no) is null)sql";

// List by list as they stand in the index, so that the first ones are found without a look at the rest of the table.
constexpr char kClaimSql[] = R"sql(
with h as materialized (
  select id from unnest($4::uuid[]) h(id)
), c as materialized (
  select priority, shard, lane
  from unnest($1::int2[]) with ordinality s(shard, n), unnest($2::text[]) l(lane), unnest($3::int2[]) p(priority)
  order by priority, n, lane
)
select d.message_id, d.priority, d.lane, coalesce(d.provider, ''), coalesce(d.avoid, '')
from c cross join lateral (
  select * from due where due.shard = c.shard and due.priority = c.priority and due.lane = c.lane
    and due.due_at <= now()
    and due.message_id not in (select id from h)
    and (select true from attempt_start s where s.message_id = due.message_id and s.attempt_no = due.attempt_no) is null
  order by due.due_at limit $5 for update skip locked
) d limit $5)sql";

}  // namespace

const std::vector<PgStatement>& journal_statements() {
  static const std::vector<PgStatement> all{
      {"permit", kPermitSql, true}, {"result", kResultSql, true}, {"opt_out", kOptOutSql}, {"end", kEndSql},
      {"move", kMoveSql},           {"heads", kHeadsSql},         {"open", kOpenSql},      {"claim", kClaimSql}};
  return all;
}

}  // namespace signet

-- How long content is kept, what keeps it longer, what was erased; and the change of the key-encryption key. Table
-- classes:
--   mutable      retention, retention_policy, key_rotation (their traces that last are events)

create table retention (                     -- of messages that have something to say here
  message_id uuid primary key,
  retain_until timestamptz,                  -- in place of the policy's years
  held_at timestamptz,                       -- legal hold: nothing is erased
  held_by uuid,
  hold_reason text,
  erased_at timestamptz,
  check ((held_at is null) = (held_by is null) and (held_at is null) = (hold_reason is null))
);
create index retention_due on retention (message_id) where retain_until is not null and erased_at is null;
create index retention_held on retention (message_id) where held_at is not null;
create index retention_erased on retention (message_id) where erased_at is not null;

create table retention_policy (              -- as daemons last had it; one row
  is_only boolean primary key default true check (is_only),
  years integer not null,
  purged_at timestamptz,                     -- the last purge that went through
  purged_messages bigint not null default 0  -- of that one
);

-- From one key-encryption key to the next. How far it is stands in the wrapped rows themselves.
create table key_rotation (
  id uuid primary key,
  from_id text not null,
  to_id text not null,
  rows bigint not null default 0,            -- wrapped again so far
  began_at timestamptz not null,
  ended_at timestamptz
);
create unique index key_rotation_open on key_rotation (from_id, to_id) where ended_at is null;
create index data_key_kek on data_key (kek_id, message_id);

-- A day key goes with what it sealed; the reason of a break-glass is then erased, its row stays.
alter table break_glass drop constraint break_glass_sealed_by_fkey;

-- What was erased is to leave the pages soon too.
alter table data_key set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50);
alter table content set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 50);

grant select, insert on retention to signet_app;
grant update (retain_until, held_at, held_by, hold_reason) on retention to signet_app;
grant select on retention_policy to signet_app;
grant select, insert, update on key_rotation to signet_app;
grant select on retention, retention_policy, key_rotation to signet_verify;
-- Erases, and says so in the message's chain, in one transaction.
grant select on retention, due, message_facts, approval_statement, confirmation, callback to signet_purge;
grant insert (message_id, erased_at), update (erased_at) on retention to signet_purge;
grant select, insert, update on retention_policy to signet_purge;
grant update (event_n, event_leaf) on message to signet_purge;
grant update (content_key) on message_facts to signet_purge;
grant delete on approval_statement to signet_purge;
grant select, delete on day_key to signet_purge;
grant insert (event_id, canon, leaf, object_id, actor_id, at, status, action, provider) on audit.entry to signet_purge;

-- The engine over several daemons: what operators stopped, what each daemon knows of its providers, who is alive, how
-- far each shard's queue has come. None of it is evidence: all of it may be written anew by whoever is there.

alter table due add column avoid text;       -- the provider that has just failed, where the route has another
alter table message add column is_urgent boolean not null default false;  -- quiet hours do not hold it

create table pause (                         -- what people have stopped, until they resume it
  scope text not null check (scope in ('priority', 'provider')),
  name text not null,
  by_user uuid not null,
  at timestamptz not null,
  primary key (scope, name)
);

create table provider_health (               -- as each daemon last saw it
  instance text not null,
  provider text not null,
  breaker text not null check (breaker in ('closed', 'open', 'half_open')),
  reason text not null default '',           -- why it opened
  since timestamptz not null,
  attempts bigint not null,                  -- within the breaker's window
  errors bigint not null,
  in_use integer not null,
  in_flight integer not null,
  paused_until timestamptz,                  -- throttled by the provider
  seen_at timestamptz not null,
  primary key (instance, provider)
);

create table daemon (                        -- its beat, by this server's clock
  instance text primary key,
  epoch uuid not null,
  seen_at timestamptz not null
);

-- The highest stamp known of each shard's queue: a queue with a lower one was lost or rolled back.
create table shard_stamp (
  shard smallint primary key check (shard between 0 and 63),
  stamp bigint not null
);

create table callback_reference (            -- of adapters without an echo: which attempt a provider's name is of
  provider text not null,
  reference text not null,
  message_id uuid not null,
  attempt_no smallint not null,
  primary key (provider, reference)
);

create index message_dead on message (id) where status = 8;
create index callback_orphan on callback (received_at) where message_id is null;

grant select, insert, update, delete on pause, provider_health, daemon, shard_stamp, callback_reference to signet_app;
grant select on pause, provider_health, daemon, shard_stamp, callback_reference to signet_verify;

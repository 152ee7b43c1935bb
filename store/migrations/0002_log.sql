-- The log and its immutability (design: evidence, "Immutable in PostgreSQL"). Table classes:
--   insert-only  0001's approval, attempt_start, attempt_result, confirmation, decision, callback, audit.entry;
--                audit.log, audit.tile, audit.checkpoint, audit.anchor, audit.fault, audit.guarded
--   mutable      0001's others; audit.cursor, audit.verification
-- migrate.cc lowers and raises the guards around each migration, hands every table to signet_owner, and makes the
-- partitions of every table that is partitioned by range of a UUIDv7.

-- What the guards protect, partitions too. By regclass, so that a dump carries names.
create table audit.guarded (relation regclass primary key);

create function audit.make_insert_only(t regclass) returns void language plpgsql as $$
begin
  if not exists (select from pg_trigger where tgrelid = t and tgname = 'insert_only') then
    execute format('create trigger insert_only before update or delete on %s for each row '
                   'execute function audit.refuse_change()', t);
  end if;
  -- Statement triggers are not inherited: TRUNCATE of a partition fires none of its parent's.
  if not exists (select from pg_trigger where tgrelid = t and tgname = 'insert_only_truncate') then
    execute format('create trigger insert_only_truncate before truncate on %s for each statement '
                   'execute function audit.refuse_change()', t);
  end if;
  execute format('alter table %s enable always trigger insert_only', t);
  execute format('alter table %s enable always trigger insert_only_truncate', t);
  insert into audit.guarded values (t) on conflict do nothing;
end $$;

-- The smallest UUIDv7 of a moment (RFC 9562 section 5.7: 48 bits of milliseconds first).
create function audit.uuid_at(at timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Months from that of `since` to two years ahead, and the default one, as far as they are missing; how many it made.
-- Rows that the default partition caught meanwhile move to their month.
create function audit.make_partitions(t regclass, since timestamptz default now()) returns integer language plpgsql as $$
declare
  made integer := 0;
  month timestamp := date_trunc('month', since at time zone 'UTC');
  past timestamp := date_trunc('month', now() at time zone 'UTC') + interval '25 months';
  is_guarded boolean := exists (select from audit.guarded where relation = t);
  key text := (select attname from pg_partitioned_table p join pg_attribute a
               on a.attrelid = p.partrelid and a.attnum = p.partattrs[0] where p.partrelid = t);
  home text; base text; part text; rest text; low uuid; high uuid; within text; is_moving boolean;
begin
  select quote_ident(nspname), relname into home, base
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = t;
  rest := home || '.' || quote_ident(base || '_default');
  if to_regclass(rest) is null then
    execute format('create table %s partition of %s default', rest, t);
    execute format('grant select on %s to signet_verify', rest);  -- it looks there for what no month takes
    if is_guarded then perform audit.make_insert_only(rest::regclass); end if;
    made := 1;
  end if;
  while month < past loop
    part := home || '.' || quote_ident(base || to_char(month, '_YYYYMM'));
    if to_regclass(part) is null then
      low := audit.uuid_at(month at time zone 'UTC');
      high := audit.uuid_at((month + interval '1 month') at time zone 'UTC');
      within := format('%I >= %L and %I < %L', key, low, key, high);
      execute format('select exists (select from %s where %s)', rest, within) into is_moving;
      if is_moving then
        execute format('create temporary table moving on commit drop as select * from %s where %s', rest, within);
        execute format('alter table %s disable trigger user', rest);
        execute format('delete from %s where %s', rest, within);
        execute format('alter table %s enable trigger user', rest);
        if is_guarded then perform audit.make_insert_only(rest::regclass); end if;
      end if;
      execute format('create table %s partition of %s for values from (%L) to (%L)', part, t, low, high);
      if is_guarded then perform audit.make_insert_only(part::regclass); end if;
      if is_moving then
        execute format('insert into %s select * from moving', part);
        drop table moving;
      end if;
      made := made + 1;
    end if;
    month := month + interval '1 month';
  end loop;
  return made;
end $$;

-- Every table partitioned by range of a uuid.
create function audit.partitioned() returns setof regclass language sql stable as $$
  select p.partrelid::regclass from pg_partitioned_table p
    join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    join pg_class c on c.oid = p.partrelid join pg_namespace n on n.oid = c.relnamespace
  where p.partstrat = 'r' and a.atttypid = 'uuid'::regtype and n.nspname in ('public', 'audit') order by 1
$$;

-- The guards: event triggers on these refuse what would change a guarded table or loosen it, to its owner too.
-- ddl_command_end alone lets DROP through.
create function audit.refuse_ddl() returns event_trigger language plpgsql security definer
  set search_path = pg_catalog as $$
declare c record; t oid;
begin
  for c in select * from pg_event_trigger_ddl_commands() loop
    t := case c.classid
      when 'pg_class'::regclass then coalesce((select indrelid from pg_index where indexrelid = c.objid), c.objid)
      when 'pg_trigger'::regclass then (select tgrelid from pg_trigger where oid = c.objid)
      when 'pg_rewrite'::regclass then (select ev_class from pg_rewrite where oid = c.objid)
      when 'pg_policy'::regclass then (select polrelid from pg_policy where oid = c.objid)
      when 'pg_constraint'::regclass then (select conrelid from pg_constraint where oid = c.objid)
    end;
    if exists (select from audit.guarded where relation = t) or exists (
        select from pg_inherits i join audit.guarded g on g.relation = i.inhparent where i.inhrelid = t)
      or (c.classid = 'pg_proc'::regclass and c.schema_name = 'audit') then
      raise exception '% is guarded: only `signetd migrate` changes it', c.object_identity
        using errcode = 'insufficient_privilege';
    end if;
  end loop;
end $$;

create function audit.refuse_drop() returns event_trigger language plpgsql security definer
  set search_path = pg_catalog as $$
declare c record;
begin
  for c in select * from pg_event_trigger_dropped_objects() loop
    if (c.classid = 'pg_class'::regclass and exists (select from audit.guarded where relation = c.objid))
      or (c.classid = 'pg_proc'::regclass and c.schema_name = 'audit')
      -- A trigger, rule, policy, constraint or default of a table that stays: {schema, table, name}.
      or exists (select from audit.guarded g join pg_class r on r.oid = g.relation
          join pg_namespace n on n.oid = r.relnamespace
          where n.nspname = c.address_names[1] and r.relname = c.address_names[2]) then
      raise exception '% is guarded: only `signetd migrate` changes it', c.object_identity
        using errcode = 'insufficient_privilege';
    end if;
  end loop;
end $$;

-- Partitions by range of the id and not of a time: only so can the permit's key stay a primary key.

create function audit.status_number(word text) returns smallint language sql immutable as $$
  select array_position(array['pending', 'pending_review', 'approved', 'queued', 'sent', 'delivered', 'rejected',
                              'failed', 'cancelled', 'in_doubt', 'suppressed'], word)::smallint
$$;

do $$
declare
  t record;
  oldest uuid;
begin
  for t in select * from (values
      ('approval', 'message_id, id'), ('attempt_start', 'message_id, attempt_no'),
      ('attempt_result', 'message_id, attempt_no'), ('confirmation', 'message_id, id'),
      ('decision', 'message_id, id')) v(name, key) loop
    execute format('alter table %I rename to %I', t.name, t.name || '_0001');
    execute format('create table %I (like %I including defaults including constraints) partition by range (message_id)',
                   t.name, t.name || '_0001');
    execute format('select (array_agg(message_id order by message_id))[1] from %I', t.name || '_0001') into oldest;
    perform audit.make_insert_only(t.name::regclass);
    perform audit.make_partitions(t.name::regclass, least(now(), greatest('2020-01-01', to_timestamp(
      ('x' || left(replace(coalesce(oldest, audit.uuid_at(now()))::text, '-', ''), 12))::bit(48)::bigint / 1000.0))));
    execute format('insert into %I select * from %I', t.name, t.name || '_0001');
    execute format('drop table %I', t.name || '_0001');
    execute format('alter table %I add primary key (%s)', t.name, t.key);
  end loop;
end $$;
create index approval_message on approval (message_id, version);
alter table confirmation add unique (message_id, callback_id);
select audit.make_insert_only('callback');  -- not partitioned: its unique key is the provider's

alter table audit.entry rename to entry_0001;
create table audit.entry (
  event_id uuid not null,
  xact xid8 not null default pg_current_xact_id(),
  canon bytea not null,                                    -- the evidence; what follows leaf is a projection of it
  leaf bytea not null check (length(leaf) = 32),
  object_id uuid,
  actor_id uuid,                                           -- a user's
  at timestamptz not null,
  created_at timestamptz not null default now(),
  status smallint,
  action text not null,
  provider text
) partition by range (event_id);
select audit.make_insert_only('audit.entry');
do $$
begin
  perform audit.make_partitions('audit.entry', least(now(), greatest('2020-01-01', coalesce(
    (select min(created_at) - interval '1 month' from audit.entry_0001), now()))));
  insert into audit.entry (event_id, xact, canon, leaf, object_id, actor_id, at, created_at, status, action, provider)
    select event_id, xact, canon, leaf, object_id,
      case when e #>> '{actor,role}' <> 'daemon' and e #>> '{actor,id}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        then (e #>> '{actor,id}')::uuid end,
      (e ->> 'at')::timestamptz, created_at, audit.status_number(e ->> 'status'), e ->> 'action',
      coalesce(e #>> '{attempt,provider}', e #>> '{detail,provider}')
    from (select *, convert_from(canon, 'UTF8')::json e from audit.entry_0001) o;
end $$;
drop table audit.entry_0001;
alter table audit.entry add primary key (event_id);
create index entry_object on audit.entry (object_id);
-- The sequencer's way: commits in the order of their transactions. Ascending, so that it grows at its right edge.
create index entry_xact on audit.entry (xact, event_id);
-- For searching; deliveries, the many, are in neither.
create index entry_actor on audit.entry (actor_id, event_id) where actor_id is not null;
create index entry_action on audit.entry (action, event_id) where action <> all (array['queued', 'sent',
  'delivery_confirmed', 'delivery_failed', 'delivery_in_doubt', 'delivery_unsent']);

-- One sequencer gives each entry its place.
create table audit.log (
  seq bigint primary key,
  event_id uuid not null unique,
  leaf bytea not null check (length(leaf) = 32)
);
-- Full ones only (C2SP tlog-tiles): 256 hashes.
create table audit.tile (
  level smallint not null,
  idx bigint not null,
  hashes bytea not null check (length(hashes) = 8192),
  primary key (level, idx)
);
create table audit.checkpoint (
  size bigint primary key,
  root bytea not null check (length(root) = 32),
  note text not null,                                      -- C2SP tlog-checkpoint, signed
  created_at timestamptz not null default now()
);
create table audit.anchor (                                -- what stands outside about a checkpoint
  size bigint not null,
  kind text not null,
  token bytea not null,
  status text not null,
  created_at timestamptz not null default now()
);
create index anchor_size on audit.anchor (size);
-- How far the sequencer has come; one row. Entries up to (xact, event_id) have their place. Entries whose xact is not
-- above foreign_xact may be of the cluster that this database was dumped from, whose numbers say nothing here.
create table audit.cursor (
  is_only boolean primary key default true check (is_only),
  xact xid8 not null default '0',
  event_id uuid not null default '00000000-0000-0000-0000-000000000000',
  size bigint not null default 0,
  foreign_xact xid8 not null default '0',
  is_rescan boolean not null default false                 -- a restored database is being looked through
);
-- Up to where each level of verification has come, with the root it had there.
create table audit.verification (
  level smallint primary key,
  size bigint not null,
  root bytea check (length(root) = 32),
  at timestamptz not null
);
-- What did not verify. Nothing mends it by itself.
create table audit.fault (
  id uuid primary key,
  level smallint not null,
  what text not null,
  seq bigint,
  event_id uuid,
  at timestamptz not null
);
create unique index fault_once on audit.fault (what, seq, event_id) nulls not distinct;

select audit.make_insert_only(t) from unnest(array['audit.log', 'audit.tile', 'audit.checkpoint', 'audit.anchor',
  'audit.fault', 'audit.guarded']::regclass[]) t;

revoke all on all tables in schema public, audit from public;
revoke all on all functions in schema audit from public;
grant execute on function audit.refuse_change(), audit.uuid_at(timestamptz) to public;
grant select, insert on approval, attempt_start, attempt_result, confirmation, decision to signet_app;
-- xact and created_at are the database's word: a small xact would keep an entry out of the log.
grant select, insert (event_id, canon, leaf, object_id, actor_id, at, status, action, provider) on audit.entry
  to signet_app;
grant select on audit.log, audit.tile, audit.checkpoint, audit.anchor, audit.cursor, audit.verification, audit.fault,
  audit.guarded to signet_app;
grant select, insert on audit.log, audit.tile, audit.checkpoint, audit.anchor to signet_sequencer;
grant select, insert, update on audit.cursor to signet_sequencer;
grant select on audit.entry, audit.guarded, audit.verification, audit.fault to signet_sequencer;
grant select on all tables in schema public to signet_verify;
grant select on all tables in schema audit to signet_verify;
grant insert, update on audit.verification to signet_verify;
grant insert on audit.fault to signet_verify;
grant usage on schema public, audit to signet_migrate;
grant usage, create on schema public, audit to signet_owner;  -- who is handed a table must be able to make one
grant select on schema_migration to signet_app, signet_sequencer, signet_verify, signet_purge, signet_migrate;

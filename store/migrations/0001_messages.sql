-- The memory of Signet. Table classes (design: evidence, "Immutable in PostgreSQL"):
--   insert-only  approval, attempt_start, attempt_result, confirmation, decision, callback, audit.entry
--   mutable      message, due, callback_due, content, data_key, day_key, users, tokens, suppressions
-- None of the logins owns a table.

create schema audit;

-- Numbers are those of message/message.h, message/outcome.h.

create table users (
  id uuid primary key,
  name text not null,
  email text not null,
  role smallint not null check (role between 1 and 6),
  registration text not null default '',
  created_at timestamptz not null default now(),
  disabled_at timestamptz
);
create unique index users_email on users (lower(email)) where disabled_at is null;

create table tokens (
  id uuid primary key,
  user_id uuid not null references users,
  sha256 bytea not null unique check (length(sha256) = 32),
  scopes text[] not null default '{}',
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);

-- Narrow, since every delivery rewrites it: what is sealed stands in content.
create table message (
  id uuid primary key,
  kind smallint not null check (kind between 1 and 3),
  delivery_method smallint not null check (delivery_method between 1 and 3),
  status smallint not null check (status between 1 and 11),
  priority smallint not null check (priority between 1 and 4),
  risk_level smallint not null default 1,
  version integer not null default 1,        -- of the content
  requeues smallint not null default 0,
  attempts smallint not null default 0,      -- those that count
  max_attempts smallint not null default 0,  -- 0: the configured number
  is_proven boolean not null default true,   -- a `failed` that rests on the provider's word
  cancel_requested boolean not null default false,
  author_id uuid not null,
  last_editor_id uuid not null,
  reviewer_id uuid,
  recipient_key bytea,                       -- HMAC under the index key
  destination text not null default '',      -- country or mail domain: what routes look at
  tags text[] not null default '{}',
  purpose text not null default '',
  time_zone text not null default '',
  client_reference text,
  expires_at timestamptz,
  scheduled_for timestamptz,
  event_n integer not null default 0,        -- the head of this message's chain of events:
  event_leaf bytea not null,                 -- the one gate of every change
  provider text,
  provider_reference text,
  failure_reason text,
  submitted_at timestamptz,
  approved_at timestamptz,
  last_attempt_at timestamptz,
  sent_at timestamptz,
  confirmed_at timestamptz,
  updated_at timestamptz not null default now()
) with (fillfactor = 80);
create unique index message_client_reference on message (author_id, client_reference)
  where client_reference is not null;
create index message_in_review on message (id) where status = 2;
create index message_in_doubt on message (id) where status = 10;

-- message/lifecycle.h's table, held equal by tests/store: a change it does not know is refused here too.
-- A WHEN clause and not a function's body: legal changes, which are all but bugs, cost no call.
create function refuse_status_change() returns trigger language plpgsql as $$
begin
  raise exception 'status % may not become %', old.status, new.status using errcode = 'check_violation';
end $$;
create trigger message_status before update of status on message for each row
  when (old.status <> new.status and (old.status * 100 + new.status) <> all (array[
    102, 702, 701, 201, 401, 204, 104, 704, 203, 103, 207, 109, 709, 209, 409, 405, 1005, 408, 1008, 410, 411, 1004,
    804, 406, 1006, 506, 806, 508, 608]))
  execute function refuse_status_change();

create table content (
  message_id uuid primary key,
  version integer not null,
  sealed bytea not null,                     -- message/envelope.h pack(), under the data key
  details bytea                              -- what else is about the patient, canonical JSON, sealed likewise
);

create table data_key (
  message_id uuid primary key,
  kek_id text not null,
  wrapped bytea not null
);

create table day_key (                       -- seals callbacks that name no message of ours
  day date primary key,
  kek_id text not null,
  wrapped bytea not null
);

-- Shows at start that a key file is the one this database was sealed with. Holds an HMAC of a constant.
create table key_check (name text primary key, mac bytea not null);

create table suppressions (
  id uuid primary key,
  recipient_key bytea not null unique,
  reason text not null,
  source text not null,
  created_at timestamptz not null default now()
);

create table approval (
  id uuid primary key,
  message_id uuid not null,
  version integer not null,
  decision smallint not null check (decision in (1, 2)),   -- 1 approved, 2 rejected
  is_direct boolean not null default false,
  signer_id uuid not null,
  signer_role smallint not null,
  policy_id text not null,
  envelope_commit bytea not null check (length(envelope_commit) = 32),
  approval_mac bytea check (length(approval_mac) = 32),    -- null on a rejection
  notes bytea,                                             -- sealed
  review_ms integer,
  at timestamptz not null
);
create index approval_message on approval (message_id, version);

-- A row exists exactly while that attempt has no result.
create table due (
  message_id uuid primary key,
  attempt_no smallint not null check (attempt_no > 0),
  priority smallint not null,
  lane text not null,
  sender text not null,
  provider text,                             -- null: any of the route
  due_at timestamptz not null,
  send_until timestamptz,
  shard smallint not null check (shard between 0 and 63)
) with (fillfactor = 80);
create index due_scan on due (shard, priority, lane, due_at);

-- The permit: only who inserted the row may send.
create table attempt_start (
  message_id uuid not null,
  attempt_no smallint not null,
  kind smallint not null check (kind in (1, 2)),           -- 1 send, 2 void
  epoch uuid,                                              -- the daemon's run; null on a void
  instance text not null,
  provider text not null default '',
  lane text not null default '',
  route_reason text not null default '',
  permitted_at timestamptz not null,
  primary key (message_id, attempt_no)
);

create table attempt_result (
  message_id uuid not null,
  attempt_no smallint not null,
  outcome smallint not null check (outcome between 1 and 5),
  reason text not null default '',
  provider_reference text not null default '',
  provider_code text not null default '',
  status_code smallint not null default 0,
  parts smallint not null default 1,
  started_at timestamptz,
  finished_at timestamptz not null,
  primary key (message_id, attempt_no)
);

create table confirmation (
  id uuid primary key,
  message_id uuid not null,
  attempt_no smallint not null,
  kind smallint not null,                                  -- ReceiptKind
  callback_id uuid not null unique,
  provider text not null,
  provider_code text not null default '',
  took_effect boolean not null,
  at timestamptz not null
);
create index confirmation_message on confirmation (message_id);

create table decision (
  id uuid primary key,
  message_id uuid not null,
  attempt_no smallint not null,
  decision text not null check (decision in ('resend', 'requeue', 'fail', 'delivered')),
  actor text not null,
  reason text not null,
  at timestamptz not null
);
create index decision_message on decision (message_id);

create table callback (
  id uuid primary key,
  provider text not null,
  event_id text not null,
  message_id uuid,                                         -- by echo
  attempt_no smallint not null default 0,
  provider_reference text not null default '',
  kind smallint not null,
  provider_code text not null default '',
  is_partial boolean not null default false,
  sealed_by text not null,                                 -- 'message' or the day of the day key
  sealed bytea not null,                                   -- the raw body
  received_at timestamptz not null,
  unique (provider, event_id)
);

create table callback_due (
  callback_id uuid primary key,
  due_at timestamptz not null,
  tries smallint not null default 0
);
create index callback_due_at on callback_due (due_at);

create table audit.entry (
  event_id uuid primary key,
  xact xid8 not null default pg_current_xact_id(),
  canon bytea not null,                                    -- the evidence; the other columns are a projection of it
  leaf bytea not null check (length(leaf) = 32),
  object_id uuid,
  created_at timestamptz not null default now()
);
create index entry_object on audit.entry (object_id);

-- Insert-only tables say so themselves, also to their owner.
create function audit.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is insert-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
do $$
declare t text;
begin
  foreach t in array array['approval', 'attempt_start', 'attempt_result', 'confirmation', 'decision', 'callback',
                           'audit.entry'] loop
    execute format('create trigger insert_only before update or delete on %s for each row '
                   'execute function audit.refuse_change()', t);
    execute format('create trigger insert_only_truncate before truncate on %s for each statement '
                   'execute function audit.refuse_change()', t);
    execute format('alter table %s enable always trigger insert_only', t);
    execute format('alter table %s enable always trigger insert_only_truncate', t);
  end loop;
end $$;

revoke all on schema public from public;
grant usage on schema public, audit to signet_app, signet_sequencer, signet_verify, signet_purge;
grant select, insert on approval, attempt_start, attempt_result, confirmation, decision, callback, audit.entry, key_check
  to signet_app;
grant select, insert, update, delete on due, callback_due to signet_app;
grant select, insert, update on message, content, data_key, day_key, users, tokens to signet_app;
grant select, insert, update, delete on suppressions to signet_app;
grant select on schema_migration to signet_app;
grant select on all tables in schema public to signet_verify;
grant select on all tables in schema audit to signet_verify, signet_sequencer;
grant select, delete on content, data_key to signet_purge;
grant select on message to signet_purge;

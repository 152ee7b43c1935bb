-- Who calls, and what lets people sign (design: evidence, "Access and hardening"). Table classes:
--   mutable      users, sessions, signing_keys (its ends only), break_glass (its review only), idempotency
-- What happened to them stands in the log.

alter table users
  add column version integer not null default 1,              -- of the row, as clients change it
  add column may_read_content boolean not null default false, -- an auditor's sight beyond metadata
  add column password_hash text,                              -- Argon2id, PHC string
  add column failed_logins integer not null default 0,        -- in a row
  add column last_failed_at timestamptz,
  add column locked_until timestamptz;

-- A password's hash concerns nobody but who checks it.
revoke select on users from signet_verify;
grant select (id, name, email, role, registration, created_at, disabled_at, version, may_read_content) on users
  to signet_verify;

create table sessions (
  id uuid primary key,                        -- stands in events; what the cookie holds is another, and secret
  user_id uuid not null references users,
  sha256 bytea not null unique check (length(sha256) = 32),
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  stepped_up_at timestamptz not null,
  revoked_at timestamptz,
  ip text not null default ''
);
create index sessions_user on sessions (user_id, id);

create table signing_keys (
  id uuid primary key,
  user_id uuid not null references users,
  algorithm smallint not null check (algorithm in (1, 2)),    -- base/signature.h
  custody smallint not null check (custody in (1, 2)),        -- 1 user, 2 server
  key_id text not null unique,                                -- 16 hexadecimal digits of SHA-256(public_key)
  public_key bytea not null unique,                           -- SubjectPublicKeyInfo: a key is one person's
  kek_id text,
  wrapped bytea,
  valid_from timestamptz not null,
  valid_to timestamptz,                                       -- replaced by another key
  revoked_at timestamptz,
  revoked_reason text,
  replaces uuid references signing_keys,
  check ((custody = 2) = (wrapped is not null) and (wrapped is null) = (kek_id is null))
);
create index signing_keys_user on signing_keys (user_id, id);
create unique index signing_keys_custodial on signing_keys (user_id)
  where custody = 2 and valid_to is null and revoked_at is null;

create table break_glass (
  id uuid primary key,
  user_id uuid not null references users,
  sealed_by date not null references day_key,
  reason bytea not null,                      -- sealed: free text may name a patient
  opened_at timestamptz not null,
  until timestamptz not null,
  reviewed_by uuid references users,
  reviewed_at timestamptz,
  check (until > opened_at and reviewed_by <> user_id)
);
create index break_glass_user on break_glass (user_id, until);

create table idempotency (
  user_id uuid not null references users,
  route text not null,
  key text not null,
  body_sha256 bytea not null check (length(body_sha256) = 32),
  created_at timestamptz not null,
  sealed_by date not null references day_key,
  reply bytea not null,                       -- sealed: status, headers, body
  primary key (user_id, route, key)
);
create index idempotency_age on idempotency (created_at);

grant select, insert, update, delete on sessions to signet_app;
grant select, insert on signing_keys, break_glass to signet_app;
grant update (valid_to, revoked_at, revoked_reason, kek_id, wrapped) on signing_keys to signet_app;
grant update (reviewed_by, reviewed_at) on break_glass to signet_app;
grant select, insert, delete on idempotency to signet_app;
grant select (id, user_id, algorithm, custody, key_id, public_key, valid_from, valid_to, revoked_at, replaces)
  on signing_keys to signet_verify;

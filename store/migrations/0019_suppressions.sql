-- Who is not to be written to, what people write back, and which callbacks came already. Table classes:
--   insert-only  inbound
--   mutable      suppressions (a lifted one is deleted: the log is what lasts), webhook_key

alter table suppressions
  add column channel smallint not null default 1 check (channel in (1, 2)),   -- DeliveryMethod: 1 sms, 2 email
  add column added_by uuid;                  -- a user; null: the daemon
update suppressions s set channel = 2
  where exists (select from message m where m.recipient_key = s.recipient_key and m.kind <> 1);

-- What somebody wrote to a number of ours and that is one of the words of `replies`; nothing else is kept.
create table inbound (
  id uuid primary key,
  provider text not null,
  event_id text not null,
  recipient_key bytea not null check (length(recipient_key) = 32),   -- of who wrote it
  word smallint not null check (word in (1, 2, 3)),                  -- ReplyWord: 1 stop, 2 start, 3 help
  received_at timestamptz not null default now(),
  unique (provider, event_id)
);
create index inbound_recipient on inbound (recipient_key, received_at);
select audit.make_insert_only('inbound');

-- What a callback's signature covers once (a nonce, a token, a JWT's id), with what it came with. Digests only.
create table webhook_key (
  provider text not null,
  key_sha256 bytea not null check (length(key_sha256) = 32),
  told_sha256 bytea not null check (length(told_sha256) = 32),
  seen_at timestamptz not null default now(),
  primary key (provider, key_sha256)
);
create index webhook_key_seen on webhook_key (seen_at);

grant select, insert on inbound to signet_app;
grant select, insert, delete on webhook_key to signet_app;
grant select on inbound, webhook_key to signet_verify;

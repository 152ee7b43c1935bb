-- What services are told of the messages that they handed over. Table classes:
--   mutable      status_cursor, status_notice (the log is what lasts: a notice that arrived is deleted)

create table status_cursor (                 -- how far in the log each service's notices have been made
  service text primary key,                  -- as status_webhooks names it
  seq bigint not null                        -- the next place to look at
);

-- One telling of one service, until it arrived. Its id is the webhook's.
create table status_notice (
  id uuid primary key,
  service text not null,
  seq bigint not null,                       -- of the event that it tells of
  event_id uuid not null,
  message_id uuid not null,
  due_at timestamptz,                        -- null: given up, a dead letter
  tries integer not null default 0,
  failure text not null default '',
  made_at timestamptz not null default now(),
  unique (service, seq)
);
create index status_notice_due on status_notice (service, due_at) where due_at is not null;
create index status_notice_dead on status_notice (id) where due_at is null;

grant select, insert, update, delete on status_cursor, status_notice to signet_app;
grant select on status_cursor, status_notice to signet_verify;

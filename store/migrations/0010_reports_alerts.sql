-- Reports on a schedule, alerts, and the messages that the daemon writes itself. Table classes:
--   mutable      report_schedule, report_run, alert, alert_notice (their traces that last are events)

-- The author of what the daemon itself writes (message/policy.h, kSystemUser): nobody logs in as it.
insert into users (id, name, email, role, created_at, disabled_at)
  values ('00000000-0000-7000-8000-73797374656d', 'system', 'system@signet.invalid', 6, now(), now())
  on conflict do nothing;
-- What it writes is approved under a policy of its own, and nothing else is.
alter table approval add constraint approval_system
  check ((policy_id = 'system') = (signer_id = '00000000-0000-7000-8000-73797374656d'));

create table report_schedule (
  id uuid primary key,
  name text not null,
  source text not null check (source in ('configuration', 'api')),
  cron text not null,                        -- five fields of crontab(5), UTC
  format text not null check (format in ('json', 'pdf', 'csv')),
  deliver_to text not null,                  -- a mail address or folder that the configuration names; empty: none
  is_paused boolean not null default false,
  version integer not null default 1,
  created_by uuid not null,                  -- the nil id: the configuration
  created_at timestamptz not null,
  covered_until timestamptz not null,        -- where the next period begins
  ended_at timestamptz
);
create unique index report_schedule_name on report_schedule (name) where ended_at is null;

-- One a period. Its id is the task's that makes it.
create table report_run (
  id uuid primary key,
  schedule_id uuid not null references report_schedule,
  period_from timestamptz not null,
  period_to timestamptz not null,
  format text not null,
  deliver_to text not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
  failure text not null default '',          -- what to do, for people
  message_id uuid,                           -- of the mail that tells of it
  made_at timestamptz not null,
  unique (schedule_id, period_to)
);

create table alert (
  id uuid primary key,
  rule text not null,
  subject text not null,                     -- what of: an id, a receiver's name; empty: there is one alert of the rule
  count bigint not null,                     -- how many it is about
  first_at timestamptz not null,
  last_at timestamptz not null,              -- when it was seen last
  notices integer not null default 0,
  notified_at timestamptz,
  acknowledged_by uuid,
  acknowledged_at timestamptz,
  resolved_at timestamptz
);
create unique index alert_open on alert (rule, subject) where resolved_at is null;
create index alert_resolved on alert (resolved_at) where resolved_at is not null;

-- One telling of one receiver, until it went out or was given up. Its id is the webhook's.
create table alert_notice (
  id uuid primary key,
  alert_id uuid not null references alert,
  receiver text not null,
  made_at timestamptz not null,
  due_at timestamptz,                        -- null: it is over
  tries integer not null default 0,
  failure text not null default '',
  message_id uuid                            -- of a mail
);
create index alert_notice_due on alert_notice (due_at) where due_at is not null;
create index alert_notice_receiver on alert_notice (receiver, id);


grant select, insert, update on report_schedule, report_run, alert, alert_notice to signet_app;
grant select on report_schedule, report_run, alert, alert_notice to signet_verify;

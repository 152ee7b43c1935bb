-- What takes longer than an answer: exports, reports, verifications. A file that one makes lies in the spool of the
-- daemon that made it. Table classes:
--   mutable      task (its traces that last are events)

create table task (
  id uuid primary key,
  kind text not null,                        -- "export", "report", "verification"
  state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed', 'cancelled')),
  asked_by uuid not null,                    -- a user; the nil id: a schedule
  asked_role smallint not null,
  parameters text not null,                  -- canonical JSON; who is searched for stands there as a keyed hash
  instance text not null,                    -- whose it is: that daemon's spool has the file
  asked_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  starts smallint not null default 0,
  is_cancel_asked boolean not null default false,
  done bigint not null default 0,            -- rows, entries: of
  total bigint not null default 0,           -- these; 0: not known yet
  failure text not null default '',          -- what to do, for people
  result text not null default '{}',         -- canonical JSON, by kind
  file_name text not null default '',        -- as it is offered; empty: no file
  media_type text not null default '',
  size bigint not null default 0,
  sha256 bytea,
  is_kept boolean not null default false,    -- its file stays, however old: its receiver could not be reached
  file_gone_at timestamptz
);
create index task_open on task (instance, asked_at) where state in ('waiting', 'running');
create index task_file on task (instance, finished_at) where file_name <> '' and file_gone_at is null;

grant select, insert, update on task to signet_app;
grant select on task to signet_verify;

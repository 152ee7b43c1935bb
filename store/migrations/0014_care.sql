-- Who cares for what fell between the steps: the runs of the daemons' loops, and since when a doubt is known.

-- One row a loop's run: a permit names the run that asked for it.
alter table daemon drop constraint daemon_pkey;
alter table daemon add primary key (epoch);

create table doubt (                         -- of messages in doubt; a note of the reconciler's, no evidence
  message_id uuid primary key,
  attempt_no smallint not null,
  due_at timestamptz not null,               -- when it is looked at, by this server's clock
  looks smallint not null default 0
);

grant select, insert, update, delete on doubt to signet_app;
grant select on doubt to signet_verify;

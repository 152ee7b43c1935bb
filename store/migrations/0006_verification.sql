-- Verification of everything: which row a fault is about, who has looked at it, how far a run has come. Table classes:
--   insert-only  audit.acknowledgement
--   mutable      audit.verification_run

alter table audit.fault
  add column relation text not null default '',            -- the table of the row that does not verify
  add column row_key text not null default '';             -- its primary key, parts joined by '/'; never PHI
drop index audit.fault_once;
create unique index fault_once on audit.fault (what, seq, event_id, relation, row_key) nulls not distinct;

-- A person has looked at it. The fault stays on record.
create table audit.acknowledgement (
  fault_id uuid primary key,
  by_user uuid not null,
  reason text not null check (reason in ('investigated', 'restored', 'hardware', 'operator_error', 'attack', 'test')),
  at timestamptz not null
);
select audit.make_insert_only('audit.acknowledgement');

-- Each checkpoint names the one before, so that one that is gone leaves a hole. Not signed: see docs/verification.md.
alter table audit.checkpoint add column previous bigint;
alter table audit.checkpoint disable trigger insert_only;
update audit.checkpoint c set previous = (select max(p.size) from audit.checkpoint p where p.size < c.size);
select audit.make_insert_only('audit.checkpoint');

-- A verification that is under way, under its task's id: whoever takes the task again goes on from here.
create table audit.verification_run (
  id uuid primary key,
  begin_size bigint not null,
  end_size bigint not null,
  size bigint not null,                                    -- entries before this are done
  message_id uuid not null,                                -- messages up to this are done
  entries bigint not null,
  checkpoints bigint not null,
  messages bigint not null,
  erased bigint not null,
  faults text not null,                                    -- as its result shows them: a JSON array
  duration_ms bigint not null,
  at timestamptz not null
);
grant select, insert, update, delete on audit.verification_run to signet_verify;
grant select, insert on audit.acknowledgement to signet_app;
grant select on audit.acknowledgement to signet_verify, signet_sequencer;

-- Approval whole: letters, claims, signatures, statements, edits, provenance. Table classes as in 0001:
--   insert-only  edit, provenance, audit.note, audit.user_agent
--   mutable      message_facts, approval_statement

alter table message
  add column physician_id uuid,              -- letters: who answers for it
  add column claimed_by uuid,                -- who is reviewing it now,
  add column claimed_until timestamptz;      -- until then
-- message/lifecycle.h's table has one more: a rejected letter that its physician approves and files.
drop trigger message_status on message;
create trigger message_status before update of status on message for each row
  when (old.status <> new.status and (old.status * 100 + new.status) <> all (array[
    102, 702, 701, 201, 401, 204, 104, 704, 203, 103, 703, 207, 109, 709, 209, 409, 405, 1005, 408, 1008, 410, 411, 1004,
    804, 406, 1006, 506, 806, 508, 608]))
  execute function refuse_status_change();
create index message_physician on message (physician_id, id) where physician_id is not null;
create index message_author on message (author_id, id);
create index message_reviewer on message (reviewer_id, id) where reviewer_id is not null;

-- What messages are searched by, beside the narrow row that every delivery rewrites. Keys are HMACs under the index key.
create table message_facts (
  message_id uuid primary key,
  patient_key bytea check (length(patient_key) = 32),
  content_key bytea check (length(content_key) = 32),      -- the same text; goes with the content
  primary_model text,
  tokens_consumed bigint not null default 0
);
create index message_facts_patient on message_facts (patient_key, message_id) where patient_key is not null;
create index message_facts_content on message_facts (content_key, message_id) where content_key is not null;
create index message_recipient on message (recipient_key, id) where recipient_key is not null;

-- One row a signer: his DSSE envelope, and the MAC on the row that made the quorum whole.
alter table approval
  add column meaning text not null default '',
  add column diff_commit bytea check (length(diff_commit) = 32),
  add column validation_sha256 bytea check (length(validation_sha256) = 32),
  add column key_id text,
  add column algorithm smallint,
  add column custody text check (custody in ('user', 'server')),
  add column dsse bytea;                                   -- sealed

-- What a person's own key signs: five minutes, once.
create table approval_statement (
  nonce bytea primary key check (length(nonce) = 32),
  message_id uuid not null,
  user_id uuid not null,
  payload bytea not null,                                  -- the very bytes to sign: commitments, no text
  sealed bytea not null,                                   -- the review that it is for, and the salt of its text
  expires_at timestamptz not null,
  used_at timestamptz
);
create index approval_statement_expires on approval_statement (expires_at);

-- editHistory: what became of the text with each version.
create table edit (
  message_id uuid not null,
  version integer not null,
  editor_id uuid not null,
  at timestamptz not null,
  sealed bytea not null,                                   -- the diff
  primary key (message_id, version)
) partition by range (message_id);
select audit.make_insert_only('edit');

create table provenance (
  message_id uuid not null,
  id uuid not null,
  version integer not null,
  sha256 bytea not null check (length(sha256) = 32),       -- over the RFC 8785 form, nonce included
  sealed bytea not null,
  created_at timestamptz not null,
  primary key (message_id, id)
) partition by range (message_id);
select audit.make_insert_only('provenance');

-- The words of an external_note; its event has their commitment only.
create table audit.note (
  event_id uuid not null primary key,
  message_id uuid,
  sealed_by text not null,                                 -- 'message' or the day of the day key
  sealed bytea not null
) partition by range (event_id);
select audit.make_insert_only('audit.note');

-- What the hashes of user agents in events stand for.
create table audit.user_agent (
  sha256 bytea primary key check (length(sha256) = 32),
  sealed_by text not null,                                 -- the day of the day key
  sealed bytea not null,
  first_seen timestamptz not null default now()
);
select audit.make_insert_only('audit.user_agent');

create index callback_message on callback (message_id) where message_id is not null;

grant select, insert on edit, provenance, audit.note to signet_app;
grant select, insert (sha256, sealed_by, sealed) on audit.user_agent to signet_app;
grant select, insert, update on message_facts, approval_statement to signet_app;
grant delete on approval_statement to signet_app;
grant select on edit, provenance, message_facts, audit.note to signet_verify;

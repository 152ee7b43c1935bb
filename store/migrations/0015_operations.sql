-- What people stop and start again. Nothing here is evidence: who paused what, and why, is an event.

alter table pause add column reason text not null default '';  -- a word of the API's closed list

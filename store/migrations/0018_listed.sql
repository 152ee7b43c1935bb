-- An index that names `status`, were it only in its WHERE clause, makes every delivery's update write all indexes of
-- `message` anew. The lists that people work through have one over a column that a delivery leaves as it is; and a page
-- has room for each row's next version, so that the update touches no index at all (a HOT update).
alter table message add column listed smallint       -- in review, failed, in doubt
  generated always as (case when status in (2, 8, 10) then status end) stored;
drop index message_in_review, message_dead, message_in_doubt;
create index message_listed on message (listed, id) where listed is not null;
alter table message set (fillfactor = 50);

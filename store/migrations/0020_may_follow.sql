-- What stands in the permit's statement is planned with it, on every connection, and anew after each ANALYZE of one of
-- its tables: the partitions that only a second attempt asks made that three times as long, and the first message after
-- it waited. In a function they are planned by the first that needs them.

-- Attempt `before` + 1 of a message may be permitted: `before` ended in a retryable or unsent result, somebody decided to
-- repeat it, or it is void and this version of the content was approved after (a recall makes a new version).
create function may_follow(message uuid, before integer, content_version integer) returns boolean
  language plpgsql stable as $$
begin
  return exists (select from attempt_result r where r.message_id = message and r.attempt_no = before
      and r.outcome in (2, 5))
    or exists (select from decision d where d.message_id = message and d.attempt_no = before
      and d.decision in ('resend', 'requeue'))
    or exists (select from attempt_start s where s.message_id = message and s.attempt_no = before and s.kind = 2
      and exists (select from approval a where a.message_id = message and a.version = content_version
        and a.approval_mac is not null));
end $$;

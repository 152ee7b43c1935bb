#include "tests/chaos/oracle.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "providers/provider.h"
#include "tests/fakes/columns.h"

namespace signet {
namespace {

constexpr size_t kRowsAtOnce = 5000;

struct Rule {
  const char* name;
  const char* contract;
  const char* says;
  const char* sql;  // an example a row; $ parameters: none
};

// What is late, expired or cancelled was read later than limit and tolerance, and cannot have come before the limit.
// `seen`, `acknowledged`, `cancelled`, `bound` are the temporary tables below. Statuses and outcomes are the numbers of
// message/message.h and message/outcome.h.
constexpr Rule kRules[] = {
    {"lost", "I1", "acknowledged, and neither ended, nor in doubt, nor due",
     R"sql(
select a.id::text from acknowledged a left join message m on m.id = a.id left join due d on d.message_id = a.id
where m.id is null or m.status not in (4, 5, 6, 8, 9, 10, 11) or (m.status = 4 and d.message_id is null))sql"},
    {"twice_once", "I5", "more effects at idempotent and queryable providers than one and the requeues",
     R"sql(
select s.id::text || ' x' || s.effects || coalesce((select string_agg(' after ' || x.decision || ' by ' || x.actor ||
  ' (' || x.reason || ')', '' order by x.at) from decision x where x.message_id = s.id), '') from (
  select id, count(*) filter (where has_effect) as effects from seen group by id having bool_and(is_once)) s
where s.effects > 1 + (select count(*) from decision x where x.message_id = s.id and x.decision = 'requeue'))sql"},
    {"twice_resolved", "I5", "more effects at blind providers than one and the recorded resends",
     R"sql(
select s.id::text || ' x' || s.effects from (
  select id, count(*) filter (where has_effect) as effects from seen group by id having not bool_and(is_once)) s
where s.effects > 1 + (select count(*) from decision x where x.message_id = s.id
  and x.decision in ('resend', 'requeue')))sql"},
    {"unpermitted", "I2", "seen by a provider without a permit from before",
     R"sql(
select s.id || '.' || s.attempt_no from seen s
left join attempt_start p on p.message_id = s.id and p.attempt_no = s.attempt_no and p.kind = 1
where p.message_id is null or p.permitted_at > s.at)sql"},
    {"elsewhere", "I2", "seen by another provider than the permit names",
     R"sql(
select s.id || '.' || s.attempt_no || ' at ' || s.provider from seen s
join attempt_start p on p.message_id = s.id and p.attempt_no = s.attempt_no and p.kind = 1
where s.provider not in ('sms', 'email') and p.provider <> s.provider)sql"},
    {"repeated", "I3", "one attempt, seen more than once",
     "select id || '.' || attempt_no || ' x' || count(*) from seen group by id, attempt_no having count(*) > 1"},
    {"ungrounded", "I4", "a further attempt without a retryable or unsent result, a void and approval, or a decision",
     R"sql(
select s.message_id || '.' || s.attempt_no from attempt_start s where s.kind = 1 and s.attempt_no > 1
and not exists (select from attempt_result r where r.message_id = s.message_id and r.attempt_no = s.attempt_no - 1
  and r.outcome in (2, 5))
and not exists (select from decision x where x.message_id = s.message_id and x.attempt_no = s.attempt_no - 1
  and x.decision in ('resend', 'requeue'))
and not (exists (select from attempt_start v where v.message_id = s.message_id and v.attempt_no = s.attempt_no - 1
    and v.kind = 2)
  and (select count(*) from approval p where p.message_id = s.message_id and p.approval_mac is not null)
    > (select count(*) from attempt_start v where v.message_id = s.message_id and v.kind = 2
      and v.attempt_no < s.attempt_no)))sql"},
    {"unproven_success", "I6", "sent or delivered, and no provider ever took it",
     R"sql(
select m.id::text || ' by ' || coalesce(m.provider, 'nobody') || ', attempts ' || (select coalesce(string_agg(
  s.attempt_no || ' ' || s.provider || ' ' || coalesce(r.outcome::text || ' ' || r.reason, 'no result'), ', '
  order by s.attempt_no), '') from attempt_start s left join attempt_result r using (message_id, attempt_no)
  where s.message_id = m.id) || ', confirmations ' || (select count(*) from confirmation c where c.message_id = m.id)
from message m where m.status in (5, 6)
and not exists (select from seen s where s.id = m.id and s.has_effect)
and not exists (select from decision x where x.message_id = m.id and x.decision = 'delivered'))sql"},
    {"unproven_failure", "I6", "failed as if proven, though a provider took it and sent no receipt of a failure",
     R"sql(
select m.id::text from message m where m.status = 8 and m.is_proven
and exists (select from seen s where s.id = m.id and s.has_effect)
and not exists (select from confirmation c where c.message_id = m.id and c.kind in (4, 5))
and not exists (select from decision x where x.message_id = m.id and x.decision = 'fail'))sql"},
    {"doubt_denied", "I6", "no definite reply was given, and the result claims one",
     R"sql(
select s.id || '.' || s.attempt_no || ' outcome ' || r.outcome || ' ' || r.reason || ' after ' || s.answer from seen s
join attempt_result r on r.message_id = s.id and r.attempt_no = s.attempt_no
where not s.is_definite and r.outcome <> 4)sql"},
    {"doubt_hidden", "I1", "in doubt by its newest result, and neither shown so nor settled by a receipt or a decision",
     R"sql(
select r.message_id || '.' || r.attempt_no from attempt_result r join message m on m.id = r.message_id
where r.outcome = 4 and m.status <> 10
and r.attempt_no = (select max(attempt_no) from attempt_start p where p.message_id = r.message_id)
and not exists (select from confirmation c where c.message_id = r.message_id)
and not exists (select from decision x where x.message_id = r.message_id and x.attempt_no = r.attempt_no))sql"},
    {"gap", "I7", "attempt numbers with a gap",
     R"sql(
select message_id::text from attempt_start group by message_id
having min(attempt_no) <> 1 or max(attempt_no) <> count(*))sql"},
    {"unended", "I7", "a permit without a result",
     R"sql(
select p.message_id || '.' || p.attempt_no from attempt_start p
left join attempt_result r on r.message_id = p.message_id and r.attempt_no = p.attempt_no
where p.kind = 1 and r.message_id is null)sql"},
    {"unbegun", "I7", "a result without a permit",
     R"sql(
select r.message_id || '.' || r.attempt_no from attempt_result r
left join attempt_start p on p.message_id = r.message_id and p.attempt_no = r.attempt_no and p.kind = 1
where p.message_id is null)sql"},
    {"leaf", "I7", "an entry that its leaf does not cover",
     "select event_id::text from audit.entry where leaf <> sha256('\\x00'::bytea || canon)"},
    // What was only read, or refused, has its entry outside the chain; `signetd verify` follows each link.
    {"chain", "I7", "a message with fewer entries than its head counts, or without its head's",
     R"sql(
select m.id::text from message m left join (select object_id, count(*) as n from audit.entry where object_id is not null
  group by object_id) e on e.object_id = m.id
where coalesce(e.n, 0) < m.event_n
  or not exists (select from audit.entry h where h.object_id = m.id and h.leaf = m.event_leaf))sql"},
    {"late", "I10", "seen later after its permit than a send may start",
     R"sql(
select s.id || '.' || s.attempt_no || ' by ' || s.provider || ', permitted ' || p.permitted_at::time || ', '
  || round(extract(epoch from s.at - p.permitted_at) * 1000) || ' ms later, unread for '
  || round(extract(epoch from s.at - s.since) * 1000) || ' ms at most'
from seen s cross join bound b
join attempt_start p on p.message_id = s.id and p.attempt_no = s.attempt_no and p.kind = 1
where s.at > p.permitted_at + b.start + b.tolerance and s.since > p.permitted_at + b.start)sql"},
    {"expired", "I10", "seen after its expiry",
     R"sql(
select s.id || '.' || s.attempt_no || ' by ' || s.provider || ', permitted '
  || coalesce(p.permitted_at::time::text, 'never') || ', expired ' || m.expires_at::time
  || ', came between ' || s.since::time || ' and ' || s.at::time
from seen s cross join bound b join message m on m.id = s.id
left join attempt_start p on p.message_id = s.id and p.attempt_no = s.attempt_no and p.kind = 1
where s.at > m.expires_at + b.tolerance and s.since > m.expires_at)sql"},
    {"cancelled", "I10", "seen after its cancel was confirmed",
     "select s.id || '.' || s.attempt_no from seen s cross join bound b join cancelled c on c.id = s.id "
     "where s.at > c.at + b.tolerance and s.since > c.at"},
    {"due_left", "I1", "a due row of a message that has ended",
     "select d.message_id::text from due d join message m on m.id = d.message_id where m.status <> 4"},
};

constexpr struct {
  const char* name;
  const char* sql;
} kCounts[] = {
    {"messages", "select count(*) from message"},
    {"acknowledged", "select count(*) from acknowledged"},
    {"requests", "select count(*) from seen"},
    {"effects", "select count(*) from seen where has_effect"},
    {"effects_once", "select count(*) from seen where has_effect and is_once"},
    {"effects_resolved", "select count(*) from seen where has_effect and not is_once"},
    {"repeats_answered", "select count(*) from seen where verdict = 'accepted' and not has_effect"},
    {"without_definite_reply", "select count(*) from seen where not is_definite"},
    {"sent_again",  // the second and later effects: each rests on a recorded decision, or is a fault above
     "select coalesce(sum(n - 1), 0)::bigint from (select count(*) as n from seen where has_effect group by id) s"},
    {"resends", "select count(*) from decision where decision in ('resend', 'requeue')"},
    {"decisions", "select count(*) from decision"},
    {"confirmations", "select count(*) from confirmation"},
    {"attempts", "select count(*) from attempt_start where kind = 1"},
    {"most_ms_from_permit_to_provider",
     "select coalesce(max(round(extract(epoch from s.at - p.permitted_at) * 1000)), 0)::bigint from seen s "
     "join attempt_start p on p.message_id = s.id and p.attempt_no = s.attempt_no and p.kind = 1"},
    {"most_ms_a_provider_stood_still",
     "select coalesce(max(round(extract(epoch from at - since) * 1000)), 0)::bigint from seen"},
    {"voids", "select count(*) from attempt_start where kind = 2"},
    {"doubts", "select count(*) from attempt_result where outcome = 4"},
    {"unsent", "select count(*) from attempt_result where outcome = 5"},
    {"queued", "select count(*) from message where status = 4"},
    {"sent", "select count(*) from message where status = 5"},
    {"delivered", "select count(*) from message where status = 6"},
    {"failed", "select count(*) from message where status = 8"},
    {"cancelled", "select count(*) from message where status = 9"},
    {"in_doubt", "select count(*) from message where status = 10"},
    {"suppressed", "select count(*) from message where status = 11"},
};

PgRows must(Result<PgRows> rows) {
  if (!rows) throw std::runtime_error("oracle: " + rows.error().text);
  return std::move(*rows);
}

bool is_definite(const std::string& answer) {
  // A gateway's word that it lost the server behind it proves nothing.
  return !answer.empty() && answer.find_first_not_of("0123456789") == std::string::npos && answer != "502" &&
         answer != "504";
}

void put_seen(PgSession& session, const Evidence& evidence, Judgement& out) {
  std::string unknown;
  int64_t unknown_count = 0;
  for (size_t from = 0; from < evidence.seen.size(); from += kRowsAtOnce) {
    Columns rows(10);
    const size_t to = std::min(from + kRowsAtOnce, evidence.seen.size());
    for (size_t i = from; i < to; i++) {
      const auto& seen = evidence.seen[i];
      const auto echo = parse_echo(seen.echo);
      if (!echo) {
        if (unknown_count++ < 5) unknown += ' ' + rfc3339(seen.at);
        continue;
      }
      const auto rule = evidence.rules.find(seen.provider);
      const bool is_once = rule != evidence.rules.end() && rule->second == EffectRule::once;
      rows.add({rfc3339(seen.at), seen.provider, echo->message_id.text(), std::to_string(echo->attempt_no),
                seen.verdict, seen.answer, seen.has_effect ? "t" : "f", is_once ? "t" : "f",
                is_definite(seen.answer) ? "t" : "f", rfc3339(seen.since.value_or(seen.at))});
    }
    must(
        session.run("insert into seen select at::timestamptz, provider, id::uuid, attempt::smallint, verdict, answer, "
                    "effect::boolean, once::boolean, definite::boolean, since::timestamptz from " +
                        rows.unnest("at, provider, id, attempt, verdict, answer, effect, once, definite, since"),
                    rows.values()));
  }
  if (unknown_count > 0)
    out.faults.push_back({"nameless: a request that names no attempt", "I2", unknown_count, unknown});
}

void put_told(PgSession& session, const Evidence& evidence) {
  for (size_t from = 0; from < evidence.acknowledged.size(); from += kRowsAtOnce) {
    Columns rows(1);
    const size_t to = std::min(from + kRowsAtOnce, evidence.acknowledged.size());
    for (size_t i = from; i < to; i++) rows.add({evidence.acknowledged[i].text()});
    must(session.run("insert into acknowledged select id::uuid from " + rows.unnest("id") + " on conflict do nothing",
                     rows.values()));
  }
  Columns rows(2);
  for (const auto& [id, at] : evidence.cancelled) rows.add({id.text(), rfc3339(at)});
  must(session.run("insert into cancelled select id::uuid, at::timestamptz from " + rows.unnest("id, at"),
                   rows.values()));
  must(session.run("insert into bound select $1 * interval '1 millisecond', $2 * interval '1 millisecond'",
                   {evidence.permit_start_ms, evidence.tolerance_ms}));
}

}  // namespace

std::vector<SeenRequest> read_seen(const std::string& journal_file) {
  std::ifstream file(journal_file, std::ios::binary);
  std::vector<SeenRequest> out;
  std::string line;
  while (std::getline(file, line)) {
    if (file.eof()) break;  // no end of line: torn, and so not answered
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto at = parse_rfc3339(json.is_object() ? json.value("at", "") : "");
    if (!at) throw std::runtime_error("no line of a journal, in " + journal_file + ": " + line);
    SeenRequest seen;
    seen.at = *at;
    seen.provider = json.value("provider", json.value("channel", ""));
    seen.echo = json.value("echo", "");
    seen.verdict = json.value("verdict", "");
    seen.answer = json.value("answer", "");
    seen.has_effect = seen.verdict == "accepted" && json.value("effect", true);
    if (const auto since = parse_rfc3339(json.value("since", ""))) seen.since = *since;
    out.push_back(std::move(seen));
  }
  return out;
}

std::string Judgement::text() const {
  std::string out;
  for (const auto& fault : faults)
    out +=
        "FAULT " + fault.contract + ' ' + fault.rule + ": " + std::to_string(fault.count) + ":" + fault.examples + '\n';
  nlohmann::ordered_json json;
  for (const auto& [name, count] : counts) json[name] = count;
  return out + json.dump() + '\n';
}

Judgement judge(PgSession& session, const Evidence& evidence) {
  Judgement out;
  auto made = session.script(R"sql(
set statement_timeout = 0;
drop table if exists pg_temp.seen, pg_temp.acknowledged, pg_temp.cancelled, pg_temp.bound;
create temporary table seen (at timestamptz, provider text, id uuid, attempt_no smallint, verdict text, answer text,
  has_effect boolean, is_once boolean, is_definite boolean, since timestamptz);
create temporary table acknowledged (id uuid primary key);
create temporary table cancelled (id uuid, at timestamptz);
create temporary table bound (start interval, tolerance interval))sql");
  if (!made) throw std::runtime_error("oracle: " + made.error().text);
  put_seen(session, evidence, out);
  put_told(session, evidence);
  must(session.run("create index on seen (id, attempt_no)"));
  auto analysed = session.script("analyze seen, acknowledged, message, attempt_start, attempt_result, decision");
  if (!analysed) throw std::runtime_error("oracle: " + analysed.error().text);
  for (const auto& rule : kRules) {
    // One pass: all rows are counted, five are shown.
    const auto found = must(session.run("with found(what) as materialized (" + std::string(rule.sql) +
                                        ") select (select count(*) from found), what from found limit 5"));
    if (found.size() == 0) continue;
    std::string examples;
    for (int i = 0; i < found.size(); i++) examples += ' ' + found.text(i, 1) + ',';
    examples.pop_back();
    out.faults.push_back({std::string(rule.name) + ": " + rule.says, rule.contract, found.number(0, 0), examples});
  }
  for (const auto& count : kCounts) out.counts[count.name] = must(session.run(count.sql)).number(0, 0);
  return out;
}

}  // namespace signet

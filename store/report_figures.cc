#include "store/report_figures.h"

#include <algorithm>
#include <functional>

namespace signet {
namespace {

// Ids ascend with time, to the skew of a clock: their bounds name the partitions, `at` decides.
constexpr int64_t kSkewUs = 3'600'000'000;
constexpr char kPeriod[] = " e.at >= $1 and e.at < $2 and e.event_id >= $3 and e.event_id < $4 ";
constexpr char kChosen[] =  // decisions, each with its person: of what a back end handed over, the signer
    "with r as materialized (select e.object_id, e.at, e.action, e.j #>> '{actor,role}' as role, e.j -> 'detail' as d, "
    "coalesce((e.j #>> '{detail,signerId}')::uuid, e.actor_id) as person from (select e.*, "
    "convert_from(e.canon, 'UTF8')::jsonb as j from audit.entry e where e.action in ('reviewed', 'signed') and ";
constexpr char kTimed[] =  // and how long each had waited
    "), t as materialized (select r.person, greatest(0, extract(epoch from r.at - s.at) * 1000)::bigint as ms from r "
    "cross join lateral (select e.at from audit.entry e where e.object_id = r.object_id and "
    "e.action = 'submitted_for_review' and e.at <= r.at order by e.at desc limit 1) s where r.action = 'reviewed') ";
constexpr char kDurations[] =
    "count(*)::bigint, coalesce(percentile_disc(0.5) within group (order by ms), 0)::bigint, "
    "coalesce(percentile_disc(0.95) within group (order by ms), 0)::bigint, coalesce(max(ms), 0)::bigint ";

std::string events(const std::string& select, const std::string& where, const std::string& rest = "") {
  return select + " from audit.entry e where " + where + " and" + kPeriod + rest;
}

Durations durations_at(const PgRows& rows, int i, int c) {
  return {rows.number(i, c), rows.number(i, c + 1), rows.number(i, c + 2), rows.number(i, c + 3)};
}

class Reading {  // one after the other, until one fails
 public:
  Reading(PgTransaction& tx, WallTime from, WallTime to)
      : tx_(tx),
        values_{from, to, Uuid::lowest_at({std::max<int64_t>(0, from.us - kSkewUs)}),
                Uuid::lowest_at({to.us + kSkewUs})},
        ids_{Uuid::lowest_at(from), Uuid::lowest_at(to)} {}

  void period(const std::string& sql, const std::function<void(const PgRows&, int)>& row) { ask(sql, values_, row); }
  void ids(const std::string& sql, const std::function<void(const PgRows&, int)>& row) { ask(sql, ids_, row); }
  void ask(const std::string& sql, const std::vector<PgValue>& values,
           const std::function<void(const PgRows&, int)>& row) {
    if (!done_) return;
    auto rows = tx_.run(sql, values);
    if (!rows) {
      done_ = rows.error();
      return;
    }
    for (int i = 0; i < rows->size(); i++) row(*rows, i);
  }
  const Result<void>& done() const { return done_; }

 private:
  PgTransaction& tx_;
  const std::vector<PgValue> values_, ids_;
  Result<void> done_;
};

void read_log(Reading& read, Figures& f) {
  auto checkpoint = [&read](CheckpointFigures& to, WallTime at) {
    read.ask(
        "select size, root, note, created_at from audit.checkpoint where created_at <= $1 order by size desc limit 1",
        {at}, [&to](const PgRows& r, int i) {
          to = {r.number(i, 0), r.text(i, 1), r.text(i, 2), r.time(i, 3)};
        });
  };
  checkpoint(f.log.from, f.from);
  checkpoint(f.log.to, f.to);
  read.ask(
      "select kind, count(*) filter (where created_at >= $1 and created_at < $2), max(size), max(created_at) "
      "from audit.anchor where created_at < $2 group by kind order by kind",
      {f.from, f.to}, [&f](const PgRows& r, int i) {
        f.log.anchors.push_back({r.text(i, 0), r.number(i, 1), r.number(i, 2), r.time(i, 3)});
      });
  read.ask("select size, at from audit.verification where level = 3", {}, [&f](const PgRows& r, int i) {
    f.log.verified_size = r.number(i, 0);
    f.log.verified_at = r.time(i, 1);
  });
  read.ask(
      "select count(*) filter (where not exists (select from audit.acknowledgement a where a.fault_id = f.id)), "
      "count(*) filter (where f.at >= $1 and f.at < $2) from audit.fault f",
      {f.from, f.to}, [&f](const PgRows& r, int i) {
        f.log.faults_open = r.number(i, 0);
        f.log.faults_in_period = r.number(i, 1);
      });
  read.ask(
      "select count(*) = 2 from pg_event_trigger where evtname in ('signet_ddl', 'signet_drop') and evtenabled = 'A'",
      {}, [&f](const PgRows& r, int i) { f.log.has_guards = r.flag(i, 0); });
}

void read_reviews(Reading& read, Figures& f) {
  ReviewFigures& v = f.reviews;
  const std::string chosen = std::string(kChosen) + kPeriod + ") e";
  read.period(
      chosen +
          ") select count(*) filter (where d ->> 'decision' = 'approved'), "
          "count(*) filter (where d ->> 'decision' = 'rejected'), count(*) filter (where d ->> 'direct' = 'true'), "
          "count(*) filter (where action = 'signed'), "
          "count(*) filter (where d ->> 'decision' = 'approved' and (d ->> 'required')::int > 1), "
          "count(*) filter (where d ->> 'quorumLowered' = 'true'), "
          "count(*) filter (where d ->> 'decision' = 'approved' and d ->> 'riskReasons' <> ''), "
          "count(*) filter (where d ->> 'selfEdited' = 'true'), count(*) filter (where d ->> 'custody' = 'user'), "
          "count(*) filter (where d ->> 'custody' = 'server'), "
          "count(*) filter (where d ->> 'decision' = 'approved' and d ->> 'warnings' <> ''), "
          "coalesce(sum((d ->> 'valuesVerified')::bigint), 0)::bigint, "
          "coalesce(sum((d ->> 'flagsDismissed')::bigint), 0)::bigint, "
          "count(*) filter (where 'DISMISSED_WITHOUT_REASON' = any (string_to_array(d ->> 'warnings', ','))) from r",
      [&v](const PgRows& r, int i) {
        int c = 0;
        for (int64_t* to : {&v.approved, &v.rejected, &v.direct, &v.signatures, &v.multi_signature, &v.quorum_lowered,
                            &v.high_risk, &v.self_edited, &v.own_keys, &v.server_keys, &v.with_warnings,
                            &v.values_verified, &v.flags_dismissed, &v.dismissed_without_reason})
          *to = r.number(i, c++);
      });
  read.period(chosen + ") select role, count(*) from r where d ->> 'direct' = 'true' group by role order by role",
              [&v](const PgRows& r, int i) {
                v.direct_by_role.push_back({r.text(i, 0), r.number(i, 1)});
              });
  read.period(chosen +
                  ") select code, count(*) from r, string_to_table(d ->> 'warnings', ',') code where code <> '' and "
                  "d ->> 'decision' = 'approved' group by code order by code",
              [&v](const PgRows& r, int i) {
                v.warnings.push_back({r.text(i, 0), r.number(i, 1)});
              });
  read.period(chosen + kTimed + "select " + kDurations + "from t",
              [&v](const PgRows& r, int i) { v.time_to_review = durations_at(r, i, 0); });
  read.period(events("select count(*)", "e.action = 'refused'") +
                  "and convert_from(e.canon, 'UTF8')::jsonb ->> 'reasonCode' = 'SELF_REVIEW'",
              [&v](const PgRows& r, int i) { v.self_reviews_blocked = r.number(i, 0); });
  read.period(chosen + kTimed +
                  ", w as (select person, percentile_disc(0.5) within group (order by ms)::bigint as p50 from t "
                  "group by person), d as (select e.actor_id as person, count(*) as drafted from audit.entry e where "
                  "e.action = 'draft_generated' and e.actor_id is not null and" +
                  kPeriod +
                  "group by e.actor_id), p as (select person, count(*) filter (where d ->> 'decision' = 'approved') as "
                  "approved, "
                  "count(*) filter (where d ->> 'decision' = 'rejected') as rejected, "
                  "count(*) filter (where action = 'signed') as signed, "
                  "coalesce(avg((d ->> 'reviewDurationMs')::bigint), 0)::bigint as mean from r group by person) "
                  "select coalesce(p.person, d.person), coalesce(u.name, ''), coalesce(u.role, 0)::int, "
                  "coalesce(d.drafted, 0), "
                  "coalesce(p.approved, 0), coalesce(p.rejected, 0), coalesce(p.signed, 0), coalesce(w.p50, 0), "
                  "coalesce(p.mean, 0) from p full join d on d.person = p.person left join w on w.person = p.person "
                  "left join users u on u.id = coalesce(p.person, d.person) "
                  "where coalesce(p.person, d.person) is not null order by 2, 1",
              [&f](const PgRows& r, int i) {
                const int64_t role = r.number(i, 2);
                f.people.push_back({r.uuid(i, 0), r.text(i, 1),
                                    role == 0 ? "" : std::string(name(static_cast<Role>(role))), r.number(i, 3),
                                    r.number(i, 4), r.number(i, 5), r.number(i, 6), r.number(i, 7), r.number(i, 8)});
              });
}

void read_messages(Reading& read, Figures& f) {
  read.ids(
      "select kind::int, priority::int, status::int, is_proven, count(*) from message where id >= $1 and id < $2 "
      "group by 1, 2, 3, 4 order by 1, 2, 3, 4",
      [&f](const PgRows& r, int i) {
        f.messages.push_back({static_cast<Kind>(r.number(i, 0)), static_cast<Priority>(r.number(i, 1)),
                              static_cast<Status>(r.number(i, 2)), r.flag(i, 3), r.number(i, 4)});
      });
  read.ids(
      "select primary_model, count(*), coalesce(sum(tokens_consumed), 0)::bigint from message_facts where "
      "message_id >= $1 and message_id < $2 and primary_model is not null group by 1 order by 1",
      [&f](const PgRows& r, int i) {
        f.models.push_back({r.text(i, 0), r.number(i, 1), r.number(i, 2)});
      });
}

void read_delivery(Reading& read, Figures& f) {
  DeliveryFigures& v = f.delivery;
  read.period(events("select e.provider, count(*) filter (where e.action = 'sent'), "
                     "count(*) filter (where e.action = 'delivery_failed'), "
                     "count(*) filter (where e.action = 'delivery_in_doubt'), "
                     "count(*) filter (where e.action = 'delivery_confirmed')",
                     "e.provider is not null and e.action in ('sent', 'delivery_failed', 'delivery_in_doubt', "
                     "'delivery_confirmed')",
                     "group by e.provider order by e.provider"),
              [&v](const PgRows& r, int i) {
                v.providers.push_back({r.text(i, 0), r.number(i, 1), r.number(i, 2), r.number(i, 3), r.number(i, 4)});
              });
  const std::string failures =
      "from (select convert_from(e.canon, 'UTF8')::jsonb as j from audit.entry e where "
      "e.action in ('delivery_failed', 'delivery_unsent') and" +
      std::string(kPeriod) + ") e ";
  read.period(
      "select coalesce(j ->> 'reasonCode', ''), count(*) " + failures + "group by 1 order by 2 desc, 1 limit 50",
      [&v](const PgRows& r, int i) {
        v.failure_reasons.push_back({r.text(i, 0), r.number(i, 1)});
      });
  read.period(
      "select count(*) filter (where j #>> '{detail,final}' = 'false'), "
      "count(*) filter (where j #>> '{detail,final}' = 'true') " +
          failures,
      [&v](const PgRows& r, int i) {
        v.retries = r.number(i, 0);
        v.failed_for_good = r.number(i, 1);
      });
  // Complaints and opt-outs (message/outcome.h) and written STOPs, against when the address was put on the list.
  const std::string outs =
      "(select m.recipient_key, c.received_at from callback c left join message m on m.id = c.message_id "
      "where c.kind in (6, 7) and c.received_at >= $1 and c.received_at < $2 union all "
      "select recipient_key, received_at from inbound where word = 1 and received_at >= $1 and received_at < $2) o";
  read.ask(std::string("select ") + kDurations +
               "from (select greatest(0, extract(epoch from s.created_at - o.received_at) * 1000)::bigint as ms "
               "from " +
               outs + " join suppressions s on s.recipient_key = o.recipient_key) x",
           {f.from, f.to}, [&v](const PgRows& r, int i) { v.opt_out = durations_at(r, i, 0); });
  read.ask("select count(*) from " + outs, {f.from, f.to},
           [&v](const PgRows& r, int i) { v.opt_outs = r.number(i, 0); });
}

void read_access(Reading& read, Figures& f) {
  AccessFigures& v = f.access;
  const std::string exports =
      " from (select convert_from(e.canon, 'UTF8')::jsonb -> 'detail' as d from audit.entry e where "
      "e.action = 'export' and" +
      std::string(kPeriod) + ") e ";
  read.period("select coalesce(d ->> 'format', ''), count(*)" + exports + "group by 1 order by 1",
              [&v](const PgRows& r, int i) {
                v.exports.push_back({r.text(i, 0), r.number(i, 1)});
              });
  read.period("select count(*) filter (where d ->> 'includeContent' = 'true')" + exports,
              [&v](const PgRows& r, int i) { v.exports_with_content = r.number(i, 0); });
  read.ask("select count(*) from break_glass where opened_at >= $1 and opened_at < $2 and reviewed_at is null",
           {f.from, f.to}, [&v](const PgRows& r, int i) { v.break_glass_unreviewed = r.number(i, 0); });
}

}  // namespace

Result<Figures> read_figures(PgTransaction& tx, WallTime from, WallTime to) {
  for (const char* sql : {"set transaction isolation level repeatable read, read only",
                          "set local statement_timeout = 0", "set local idle_in_transaction_session_timeout = 0"}) {
    auto set = tx.run(sql);
    if (!set) return set.error();
  }
  Figures f;
  f.from = from;
  f.to = to;
  Reading read(tx, from, to);
  read_log(read, f);
  read.period(events("select e.action, count(*)", "true", "group by 1"), [&f](const PgRows& r, int i) {
    f.actions[r.text(i, 0)] = r.number(i, 1);
    f.log.entries += r.number(i, 1);
  });
  read_reviews(read, f);
  read_messages(read, f);
  read_delivery(read, f);
  read_access(read, f);
  if (!read.done()) return read.done().error();
  return f;
}

}  // namespace signet

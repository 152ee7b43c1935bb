#include "daemon/evidence/alerts.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "daemon/evidence/entry_of.h"
#include "providers/standard_webhook.h"
#include "store/messages.h"

namespace signet {
namespace {

constexpr int kNoticesAtOnce = 4;
constexpr int kTriesMax = 8;
constexpr int64_t kAgainMs = 5000, kAgainMsMax = 900'000;
constexpr int64_t kWebhookMs = 5'000;  // of one call; the place is kept by a session that speaks every 10 s
constexpr int kGone = 410;             // the receiver wants no more (Standard Webhooks, "Response")

std::string mail_text(const AlertRow& alert, const AlertRule& rule, const std::string& instance) {
  return std::string(rule.title) + ".\n\n" + "Rule:      " + alert.rule + "\n" +
         (alert.subject.empty() ? "" : "About:     " + alert.subject + "\n") +
         "Count:     " + std::to_string(alert.count) + "\n" + "Since:     " + rfc3339(alert.first_at) + "\n" +
         "Notice:    " + std::to_string(alert.notices) + "\n" + "Daemon:    " + instance + "\n\n" +
         std::string(rule.remedy) + "\n\n" + "It is repeated until somebody acknowledges it (POST /api/alerts/" +
         alert.id.text() + "/acknowledge) or it is over.\n";
}

std::string webhook_body(const AlertRow& alert, const AlertRule& rule, const std::string& instance, WallTime made_at) {
  using Json = nlohmann::ordered_json;
  return Json{{"type", alert.rule == "test" ? "alert.test" : "alert.raised"},
              {"timestamp", rfc3339(made_at)},
              {"data",
               {{"id", alert.id.text()},
                {"rule", alert.rule},
                {"subject", alert.subject},
                {"count", alert.count},
                {"firstAt", rfc3339(alert.first_at)},
                {"lastAt", rfc3339(alert.last_at)},
                {"notice", alert.notices},
                {"title", rule.title},
                {"remedy", rule.remedy},
                {"instance", instance}}}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

bool Alerts::pass() {
  auto taken = place_.take();
  if (!taken) {
    lose(taken.error());
    return false;
  }
  if (!*taken) return false;
  const Tick now = clock_.tick();
  Result<void> done;
  if (!looked_at_ || now.us - looked_at_->us >= settings_.look_every_ms * 1000) {
    looked_at_ = now;
    done = look();
  }
  bool has_more = false;
  if (done) done = tell_receivers(has_more);
  if (done) {
    auto alive = place_.session().run("select 1");  // the server takes the place of one who says nothing for 10 s
    if (!alive) done = alive.error();
  }
  if (!done)
    lose(done.error());
  else
    told_.clear();
  return done.ok() && has_more;
}

void Alerts::lose(const Error& error) {
  if (told_ != error.text) log_.warn("alerts are not looked for from here for now", {{"reason", error.text}});
  told_ = error.text;
  place_.leave();
  rules_.forget();
  looked_at_.reset();
  for (const auto& rule : alert_rules())
    metrics_.set("signet_alerts_open", "rule=\"" + std::string(rule.name) + '"', 0);
}

Result<void> Alerts::look() {
  auto causes = rules_.look(place_.session());
  if (!causes) return causes.error();
  PgTransaction tx(place_.session());
  auto known = unresolved_alerts(tx);
  if (!known) return known.error();
  if (auto done = compare(tx, *causes, *known); !done) return done;
  if (auto done = tx.commit(); !done) return done;
  std::map<std::string, int64_t> open;
  for (const auto& alert : *known) open[alert.rule] += alert.resolved_at ? 0 : 1;
  for (const auto& rule : alert_rules())
    metrics_.set("signet_alerts_open", "rule=\"" + std::string(rule.name) + '"', open[std::string(rule.name)]);
  return {};
}

// What is found and known goes on, what is new is raised, what is no longer found is over.
Result<void> Alerts::compare(PgTransaction& tx, const std::vector<AlertCause>& causes, std::vector<AlertRow>& known) {
  const WallTime now = clock_.wall();
  auto is_about = [](const AlertRow& alert, const AlertCause& f) {
    return alert.rule == f.rule && alert.subject == f.subject;
  };
  for (auto& alert : known) {
    const auto found =
        std::find_if(causes.begin(), causes.end(), [&](const auto& one) { return is_about(alert, one); });
    Result<void> done;
    if (found != causes.end()) {
      alert.count = found->count;
      alert.last_at = now;
      done = touch_alert(tx, alert.id, alert.count, now);
      const bool is_told = alert.notified_at && now.us - alert.notified_at->us < settings_.repeat_ms * 1000;
      if (done && !alert.acknowledged_at && !is_told) done = tell_round(tx, alert);
    } else if (rules_.has_been_round() || (alert.rule != "lost" && alert.rule != "repeated")) {
      alert.resolved_at = now;
      done = resolve_alert(tx, alert.id, now);
      if (done) done = write(tx, "alert_resolved", alert, false);
    }
    if (!done) return done;
  }
  for (const auto& cause : causes) {
    if (std::any_of(known.begin(), known.end(), [&](const auto& alert) { return is_about(alert, cause); })) continue;
    AlertRow alert;
    alert.id = ids_.next();
    alert.rule = cause.rule;
    alert.subject = cause.subject;
    alert.count = cause.count;
    alert.first_at = alert.last_at = now;
    auto done = insert_alert(tx, alert);
    if (done) done = write(tx, "alert_raised", alert, true);
    if (done) done = tell_round(tx, alert);
    if (!done) return done;
    log_.error("ALERT: " + std::string(find_rule(alert.rule).title),
               {{"alarm", alert.rule}, {"subject", alert.subject}, {"count", std::to_string(alert.count)}});
    metrics_.add("signet_alerts_raised_total", "rule=\"" + alert.rule + '"');
    known.push_back(std::move(alert));
  }
  return {};
}

Result<void> Alerts::tell_round(PgTransaction& tx, AlertRow& alert) {
  const WallTime now = clock_.wall();
  const auto& chosen = settings_.integrity_receivers;
  for (const auto& receiver : receivers_.alerts) {
    if (alert.rule == "integrity" && !chosen.empty() &&
        std::find(chosen.begin(), chosen.end(), receiver.name) == chosen.end())
      continue;
    // That somebody cannot be told is nothing to tell him.
    if (alert.rule == "alert_undelivered" && alert.subject == receiver.name) continue;
    auto done = insert_notice(tx, {ids_.next(), alert.id, receiver.name, now, now, 0, "", std::nullopt});
    if (!done) return done;
  }
  alert.notified_at = now;
  alert.notices++;
  return note_round(tx, alert.id, now);
}

Result<void> Alerts::tell_receivers(bool& has_more) {
  std::vector<AlertNotice> due;
  {
    PgTransaction tx(place_.session());
    auto found = due_notices(tx, clock_.wall(), kNoticesAtOnce);
    if (!found) return found.error();
    due = std::move(*found);
    has_more = due.size() == kNoticesAtOnce;
  }
  for (auto& notice : due)
    if (auto done = tell_one(std::move(notice)); !done) return done;
  return {};
}

Result<void> Alerts::tell_one(AlertNotice notice) {
  std::optional<AlertRow> alert;
  {
    PgTransaction tx(place_.session());
    auto found = read_alert(tx, notice.alert_id);
    if (!found) return found.error();
    alert = std::move(*found);
  }
  const Receiver* receiver = receivers_.find(notice.receiver);  // null: the configuration has changed
  notice.tries++;
  notice.due_at.reset();
  if (alert && receiver != nullptr && !receiver->webhook.empty())
    notice.failure = tell_by_webhook(notice, *alert, *receiver);
  PgTransaction tx(place_.session());
  if (alert && receiver != nullptr && receiver->webhook.empty())
    notice.failure = tell_by_mail(tx, notice, *alert, *receiver);
  if (auto done = update_notice(tx, notice); !done) return done;
  if (auto done = tx.commit(); !done) return done;
  const char* outcome = notice.failure.empty() ? "told" : notice.due_at ? "again" : "given_up";
  metrics_.add("signet_alert_notices_total", std::string("outcome=\"") + outcome + '"');
  if (!notice.failure.empty())
    log_.warn("a receiver of alerts was not told", {{"receiver", notice.receiver}, {"reason", notice.failure}});
  return {};
}

// Why not; empty: it is queued.
std::string Alerts::tell_by_mail(PgTransaction& tx, AlertNotice& notice, const AlertRow& alert,
                                 const Receiver& receiver) {
  const AlertRule& rule = find_rule(alert.rule);
  auto queued =
      messages_.queue(tx, {receiver.mail, "Signet alert: " + std::string(rule.title),
                           mail_text(alert, rule, settings_.instance), "alert/" + notice.id.text(), Priority::high});
  if (!queued) return queued.error().text;
  notice.message_id = *queued;
  return "";
}

// Why not; due_at is set if it is to be tried again.
std::string Alerts::tell_by_webhook(AlertNotice& notice, const AlertRow& alert, const Receiver& receiver) {
  auto key = webhook_key(receiver.secret.octets());
  if (!key) return "the secret_file " + key.error().text;
  HttpCall call;
  call.url = receiver.webhook;
  call.timeout_ms = kWebhookMs;
  call.body = webhook_body(alert, find_rule(alert.rule), settings_.instance, notice.made_at);
  call.headers = webhook_headers(*key, notice.id.text(), clock_.wall(), call.body);
  call.headers.emplace_back("content-type", "application/json");
  auto reply = call_(call);
  if (reply && reply->status >= 200 && reply->status < 300) return "";
  const bool is_over = notice.tries >= kTriesMax || (reply && reply->status == kGone);
  if (!is_over)
    notice.due_at = WallTime{clock_.wall().us + std::min(kAgainMs << (notice.tries - 1), kAgainMsMax) * 1000};
  return reply ? "its webhook answered " + std::to_string(reply->status) : reply.error().text;
}

Result<void> Alerts::write(PgTransaction& tx, const char* action, const AlertRow& alert, bool with_count) {
  Event event;
  event.id = ids_.next();
  event.at = clock_.wall();
  event.actor = {settings_.instance, "daemon", "", "", ""};
  event.action = action;
  event.object.type = "alert";
  event.object.id = alert.id.text();
  event.detail = {{"rule", alert.rule}};
  if (with_count) event.detail.emplace_back("count", alert.count);
  return insert_entry(tx, entry_of(event, alert.id));
}

}  // namespace signet

// Raises alerts and tells their receivers, again and again until somebody acknowledges one or what it is about is over.
// One daemon of all does it; everything is read from the database, so that an alert needs nothing to have been heard.
// Webhooks go straight out, so that they come also when the queue is what is broken; mails are messages by `system`.
// One thread.
#pragma once

#include <functional>
#include <string>

#include "base/ids.h"
#include "daemon/evidence/alert_rules.h"
#include "daemon/evidence/receivers.h"
#include "daemon/evidence/system_message.h"
#include "daemon/metrics.h"
#include "providers/http_call.h"
#include "store/alerts.h"
#include "store/place.h"

namespace signet {

struct AlertSettings {
  std::string instance;
  AlertLimits limits;
  std::vector<std::string> integrity_receivers;  // names; empty: all
  int64_t repeat_ms = 3'600'000;
  int64_t look_every_ms = 30'000;
};

class Alerts {
 public:
  Alerts(PgOptions postgres, AlertSettings settings, const Receivers& receivers, SystemMessages& messages,
         const Clock& clock, IdSource& ids, Log& log, Metrics& metrics, HttpCaller call = http_call)
      : place_(std::move(postgres), Elected::alerts, clock),
        settings_(std::move(settings)),
        receivers_(receivers),
        messages_(messages),
        rules_(settings_.limits, clock, log),
        clock_(clock),
        ids_(ids),
        log_(log),
        metrics_(metrics),
        call_(std::move(call)) {}

  // What is due: looking, and telling. Called every few seconds, or the place is lost to another. True: there is more
  // to tell at once.
  bool pass();

 private:
  Result<void> look();
  Result<void> compare(PgTransaction& tx, const std::vector<AlertCause>& causes, std::vector<AlertRow>& known);
  Result<void> tell_round(PgTransaction& tx, AlertRow& alert);
  Result<void> tell_receivers(bool& has_more);
  Result<void> tell_one(AlertNotice notice);
  std::string tell_by_mail(PgTransaction& tx, AlertNotice& notice, const AlertRow& alert, const Receiver& receiver);
  std::string tell_by_webhook(AlertNotice& notice, const AlertRow& alert, const Receiver& receiver);
  Result<void> write(PgTransaction& tx, const char* action, const AlertRow& alert, bool with_count);
  void lose(const Error& error);

  Place place_;
  const AlertSettings settings_;
  const Receivers& receivers_;
  SystemMessages& messages_;
  AlertRules rules_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const HttpCaller call_;
  std::optional<Tick> looked_at_;
  std::string told_;
};

}  // namespace signet

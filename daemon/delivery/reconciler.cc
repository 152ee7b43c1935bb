#include "daemon/delivery/reconciler.h"

#include <algorithm>

#include "base/crash_point.h"

namespace signet {
namespace {

constexpr int kDueSlice = 20000;  // due rows looked at in a pass
constexpr int kDoubtsMax = 256;
constexpr int kSlice = 5000;               // messages looked at in a pass
constexpr int kCountEvery = 15;            // passes
constexpr int64_t kLookUpsUs = 4'000'000;  // in a pass, all together: the place is lost after 10 s
constexpr int64_t kPersonMs = 600'000;     // before a doubt that a person decides is looked at again
constexpr int64_t kAskAgainMs = 2000, kAskAgainMsMax = 600'000;
constexpr int64_t kReceiptMs = 5000;  // a look-up that was kept settles it within moments
constexpr size_t kKnownMax = 10000;

DoubtSettings doubt_settings(const ReconcilerSettings& settings) {
  return {settings.instance, settings.attempts_max, settings.overdue_ms};
}

}  // namespace

Reconciler::Reconciler(EngineStore& store, ReconcilerSettings settings, std::map<std::string, DoubtProvider> providers,
                       PlanDue plan, const Keyring& keys, const Clock& clock, IdSource& ids, Log& log, Metrics& metrics,
                       Hooks hooks)
    : store_(store),
      settings_(std::move(settings)),
      providers_(std::move(providers)),
      doubts_(doubt_settings(settings_), std::move(plan), ids),
      look_ups_(store, keys, clock, ids, hooks.ask),
      clock_(clock),
      log_(log),
      metrics_(metrics),
      hooks_(std::move(hooks)) {}

bool Reconciler::pass() {
  if (!leads()) return false;
  settle_overdue();
  const bool is_more = settle_doubts();
  look_at_messages();
  if (passes_++ % kCountEvery == 0) count_due();
  return is_more;
}

bool Reconciler::leads() {
  const auto held = store_.lead(Elected::reconciler);
  const bool is_ours = held && *held;
  metrics_.set("signet_reconciler_leader", "", is_ours);
  if (!is_ours) {
    passes_ = 0;
    overdue_after_ = looked_at_ = {};
    by_status_.clear();
    unconfirmed_.clear();
    led_since_.reset();
  } else if (!led_since_) {
    led_since_ = clock_.tick();
  }
  return is_ours;
}

void Reconciler::settle_overdue() {
  // Who has only just come into this place may have been cut off from PostgreSQL like the others: their results are on
  // their way.
  if (clock_.tick().us - led_since_->us < settings_.grace_ms * 1000) return;
  auto overdue = store_.overdue_permits(overdue_after_, kDueSlice, settings_.overdue_ms, settings_.grace_ms);
  if (!overdue) return;
  overdue_after_ = overdue->last;
  if (overdue->messages.empty()) return;
  SIGNET_CRASH_POINT(overdue_found);
  hooks_.settle(std::move(overdue->messages));
}

bool Reconciler::settle_doubts() {
  auto found = store_.doubts(settings_.doubt_wait_ms, kDoubtsMax);
  if (!found || found->empty()) return false;
  const bool is_full = found->size() == kDoubtsMax;
  return decide(*found, look_up(*found)) && is_full;
}

DoubtRules Reconciler::rules_of(const std::string& provider) const {
  const auto one = providers_.find(provider);
  return one == providers_.end() ? DoubtRules{} : one->second.rules;  // gone from the configuration: blind
}

// One after the other, and no more of a provider's once it did not answer: the rest is asked in a later pass.
std::map<Uuid, Found> Reconciler::look_up(const std::vector<Doubt>& doubts) {
  std::map<Uuid, Found> out;
  std::set<std::string> silent;
  const Tick began = clock_.tick();
  bool is_kept = false;
  for (const auto& doubt : doubts) {
    const auto one = providers_.find(doubt.provider);
    if (one == providers_.end() || one->second.rules.provider_class != DoubtClass::queryable) continue;
    if (silent.contains(doubt.provider) || clock_.tick().us - began.us > kLookUpsUs) continue;
    auto answer = look_ups_.ask(one->second, doubt);
    if (answer) {
      out[doubt.message_id] = *answer;
      is_kept = is_kept || *answer == Found::accepted || *answer == Found::refused;
    } else {
      silent.insert(doubt.provider);
      log_.warn("a provider does not say what became of a message; it is asked again",
                {{"provider", doubt.provider}, {"reason", answer.error().text}});
    }
  }
  if (is_kept && hooks_.callbacks_came) hooks_.callbacks_came();
  return out;
}

bool Reconciler::decide(const std::vector<Doubt>& doubts, const std::map<Uuid, Found>& found) {
  std::vector<Uuid> ids;
  std::map<Uuid, const Doubt*> by_message;
  for (const auto& doubt : doubts) {
    ids.push_back(doubt.message_id);
    by_message[doubt.message_id] = &doubt;
  }
  std::vector<Postponed> later;
  auto changed = store_.change(ids, [&](const MessageView& view) {
    const Doubt& doubt = *by_message[view.message.id];
    const auto answer = found.find(view.message.id);
    const auto policy = settings_.policy[static_cast<size_t>(view.message.kind) - 1];
    auto decided = doubts_.decide(view, doubt, rules_of(doubt.provider), policy,
                                  answer == found.end() ? std::nullopt : std::optional(answer->second));
    if (decided.step == DoubtStep::wait) later.push_back({doubt.message_id, kPersonMs});
    if (decided.step == DoubtStep::settled) later.push_back({doubt.message_id, kReceiptMs});
    if (decided.step == DoubtStep::look_up)
      later.push_back({doubt.message_id, std::min(kAskAgainMs << std::min(doubt.looks, 20), kAskAgainMsMax)});
    if (decided.change) SIGNET_CRASH_POINT(doubt_undecided);
    return std::move(decided.change);
  });
  if (changed) SIGNET_CRASH_POINT(doubt_decided);
  if (changed) return later.empty() || store_.postpone_doubts(later).ok();
  if (changed.error().code == ErrorCode::unavailable) return false;
  if (doubts.size() > 1) {  // one by one, so that a bad one holds up no other
    for (const auto& doubt : doubts)
      if (!decide({doubt}, found)) return false;
    return true;
  }
  log_.warn("a message in doubt could not be settled; it is tried again",
            {{"message_id", ids[0].text()}, {"reason", changed.error().text}});
  return store_.postpone_doubts({{ids[0], kAskAgainMsMax}}).ok();
}

// Slice by slice: to read every message at once would be felt by the deliveries, the more the longer signetd is used.
void Reconciler::look_at_messages() {
  auto slice = store_.look_at_messages(looked_at_, kSlice);
  if (!slice) return;
  if (!count_messages(slice->last)) return;
  looked_at_ = slice->last;
  // Both must stay empty; each is counted once. Alerts names them (daemon/evidence/alert_rules.h).
  auto note = [this](const std::vector<Uuid>& ids, std::set<Uuid>& known, const char* metric) {
    for (const auto& id : ids)
      if (known.size() < kKnownMax && known.insert(id).second) metrics_.add(metric);
  };
  note(slice->lost, lost_, "signet_lost_total");
  note(slice->repeated, duplicates_, "signet_duplicate_total");
}

bool Reconciler::count_messages(const Uuid& last) {
  std::vector<ReceiptLimit> limits;
  for (const auto& [name, one] : providers_)
    if (one.provider->has_receipts()) limits.push_back({name, one.provider->receipt_wait_ms()});
  auto counts = store_.count_messages(looked_at_, last, limits);
  if (!counts) return false;
  for (const auto& one : *counts) {
    by_status_[one.status] += one.messages;
    unconfirmed_[one.provider] += one.unconfirmed;
  }
  if (!last.is_nil()) return true;
  for (auto n = static_cast<int>(Status::pending); n <= static_cast<int>(Status::suppressed); n++) {
    const auto status = static_cast<Status>(n);
    metrics_.set("signet_messages", "status=\"" + std::string(name(status)) + "\"", by_status_[status]);
  }
  for (const auto& limit : limits)
    metrics_.set("signet_unconfirmed", "provider=\"" + limit.provider + "\"", unconfirmed_[limit.provider]);
  by_status_.clear();
  unconfirmed_.clear();
  return true;
}

void Reconciler::count_due() {
  const auto sums = store_.totals();
  if (!sums) return;
  metrics_.set("signet_due", "", sums->due);
  metrics_.set("signet_oldest_due_ms", "", sums->oldest_due_ms);
  metrics_.set("signet_orphan_callbacks", "", sums->orphans);
}

}  // namespace signet

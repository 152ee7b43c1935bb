#include "daemon/delivery/inbounds.h"

#include "base/bytes.h"
#include "daemon/delivery/suppression.h"
#include "message/envelope.h"
#include "message/phone.h"
#include "store/inbounds.h"
#include "store/messages.h"

namespace signet {
namespace {

constexpr int64_t kHelpEveryUs = 3600 * 1'000'000LL;  // two machines that answer each other end here

// What a START of the person lifts: its own STOP, here or at the provider. What others saw fit to add, it does not.
bool is_own_will(const std::string& reason) { return reason == "stop" || reason == "opted_out"; }

}  // namespace

Result<bool> Inbounds::take(PgTransaction& tx, const std::string& provider, const Inbound& inbound, WallTime now) {
  const auto word = settings_.words.find(inbound.text.reveal());
  const auto phone = parse_phone(inbound.from.reveal());
  if (!word || !phone) {  // no word of ours; a short code, or a channel without numbers
    count(provider, "other");
    return false;
  }
  InboundRow row;
  row.id = ids_.next();
  row.provider = provider;
  row.event_id = inbound.event_id;
  row.recipient_key = std::string(view(recipient_key(keys_.index_key(), phone->e164)));
  row.word = *word;
  row.received_at = now;
  const auto is_due = is_help_due(tx, row.recipient_key, inbound, now);  // before this one counts
  if (!is_due) return is_due;
  const auto added = insert_inbound(tx, row);
  if (!added || !*added) return added;
  Result<void> done;
  if (*word == ReplyWord::stop) done = stop(tx, provider, row.recipient_key, now);
  if (*word == ReplyWord::start) done = start(tx, row.recipient_key, now);
  if (!done) return done.error();
  count(provider, name(*word));
  return *word == ReplyWord::help && *is_due;
}

void Inbounds::count(const std::string& provider, std::string_view word) {
  metrics_.add("signet_inbounds_total", "provider=\"" + provider + "\",word=\"" + std::string(word) + "\"");
}

Result<void> Inbounds::stop(PgTransaction& tx, const std::string& provider, const std::string& key, WallTime now) {
  SuppressionRow row;
  row.recipient_key = key;
  row.channel = DeliveryMethod::sms;
  row.reason = "stop";
  row.source = provider;
  auto added = add_suppression(tx, new_suppression(std::move(row), daemon_actor(instance_), ids_, now));
  if (!added) return added.error();
  return {};
}

Result<void> Inbounds::start(PgTransaction& tx, const std::string& key, WallTime now) {
  auto found = lock_suppression_of(tx, key);
  if (!found) return found.error();
  if (!*found || !is_own_will((*found)->reason)) return {};
  if (auto removed = remove_suppression(tx, (*found)->id); !removed) return removed;
  return insert_entry(tx, suppression_removed(**found, "start", daemon_actor(instance_), ids_, now));
}

Result<bool> Inbounds::is_help_due(PgTransaction& tx, const std::string& key, const Inbound& inbound, WallTime now) {
  if (settings_.help_text.empty() || inbound.is_answered) return false;
  if (settings_.words.find(inbound.text.reveal()) != ReplyWord::help) return false;
  auto is_out = is_suppressed(tx, key);
  if (!is_out) return is_out;
  auto asked = count_inbounds(tx, key, ReplyWord::help, {now.us - kHelpEveryUs});
  if (!asked) return asked.error();
  return !*is_out && *asked == 0;
}

Result<void> Inbounds::answer(PgTransaction& tx, const std::string& provider, const Inbound& inbound) {
  SystemText text;
  text.recipient = inbound.from.reveal();
  text.body = settings_.help_text;
  text.reference = "help " + provider + ' ' + inbound.event_id;
  text.provider = provider;
  auto queued = messages_.queue(tx, text);
  if (!queued) return queued.error();
  return {};
}

}  // namespace signet

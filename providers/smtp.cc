// Mail by SMTP (RFC 5321) to one relay. The adapter renders the mail and judges replies; the session is the
// transport's (smtp_session).
//
//   220 relay.example ESMTP
//   250 2.1.0 Ok                                          MAIL FROM:<clinic@example.org> RET=HDRS ENVID=0193....1
//   550 5.1.1 <x@example.net>: User unknown               RCPT TO:<x@example.net> NOTIFY=FAILURE,DELAY
//   451 4.7.1 Greylisting in action, please come back later
//   250 2.0.0 Ok: queued as 4F3C2A1B                      after the final dot: taken
//
// No receipts yet: delivery status notifications come with daemon/intake/dsn.
#include <algorithm>

#include "base/bytes.h"
#include "providers/mime.h"
#include "providers/provider.h"
#include "providers/settings.h"
#include "providers/smtp_session.h"

namespace signet {
namespace {

using Stage = MailReply::Stage;

struct Row {
  const char* enhanced;  // the class is left out: "1.1" is 5.1.1 and 4.1.1; "7." is all of 7
  const char* reason;
  FaultScope scope;
};
// iana.org/assignments/smtp-enhanced-status-codes. The first that fits.
constexpr Row kEnhanced[] = {
    {"1.1", "unknown_recipient", FaultScope::recipient},   // no such mailbox
    {"1.2", "unknown_recipient", FaultScope::recipient},   // no such domain
    {"1.3", "bad_address", FaultScope::recipient},         //
    {"1.6", "unknown_recipient", FaultScope::recipient},   // moved, no forwarding
    {"1.7", "sender_refused", FaultScope::sender},         // bad sender syntax
    {"1.8", "sender_refused", FaultScope::sender},         // bad sender domain
    {"1.10", "unknown_recipient", FaultScope::recipient},  // the domain takes no mail (null MX)
    {"2.1", "mailbox_disabled", FaultScope::recipient},
    {"2.2", "mailbox_full", FaultScope::recipient},
    {"2.3", "too_large", FaultScope::message},
    {"2.", "mailbox_error", FaultScope::recipient},
    {"3.4", "too_large", FaultScope::message},
    {"3.", "server_error", FaultScope::provider},
    {"4.", "network_error", FaultScope::provider},
    {"5.3", "too_many_recipients", FaultScope::message},
    {"6.", "content_refused", FaultScope::message},
    {"7.8", "auth_failed", FaultScope::account},
    {"7.9", "auth_failed", FaultScope::account},
    {"7.", "policy_refused", FaultScope::message},
};

bool contains_word(std::string_view text, std::initializer_list<std::string_view> words) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return std::any_of(words.begin(), words.end(), [&](auto word) { return lower.find(word) != lower.npos; });
}

// "2.0.0 Ok: queued as 4F3C2A1B", "OK id=1abcDE-0001-Xy": what the relay's log calls it. Nothing else of the text is
// kept, since a server may repeat an address in it.
std::string queue_id_of(std::string_view text) {
  for (std::string_view mark : {"queued as ", "id="}) {
    auto at = text.find(mark);
    if (at == text.npos) continue;
    auto rest = text.substr(at + mark.size());
    auto size = std::min(rest.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_."),
                         rest.size());
    if (size > 0 && size <= 64) return std::string(rest.substr(0, size));
  }
  return "";
}

class Smtp : public Provider {
 public:
  explicit Smtp(Mailbox from) : from_(std::move(from)) {}

  Protocol protocol() const override { return Protocol::smtp; }
  bool can_send(Kind kind) const override { return kind == Kind::email || kind == Kind::letter; }
  bool has_echo() const override { return false; }
  bool has_receipts() const override { return false; }

  Result<MailRequest> build_mail(const Outbound& message, WallTime now) const override {
    auto domain = from_.address.substr(from_.address.rfind('@') + 1);
    // The same in every attempt, so that a mail that did arrive twice can be seen to be one.
    auto data = render_mail({from_, message.recipient.reveal(), message.subject.reveal(), message.body.reveal(),
                             message.message_id.text() + "@" + domain, now});
    if (!data) return data.error();
    return MailRequest{from_.address, message.recipient.reveal(), std::move(*data), message.echo()};
  }

  Outcome parse_mail(const MailReply& reply) const override {
    Outcome outcome;
    outcome.status_code = reply.code;
    outcome.provider_code = std::to_string(reply.code) + (reply.enhanced.empty() ? "" : " " + reply.enhanced);
    if (reply.stage == Stage::final_dot && reply.code >= 200 && reply.code < 300) {
      outcome.kind = OutcomeKind::accepted;
      outcome.provider_reference = queue_id_of(reply.text);
      return outcome;
    }
    if (reply.code < 400 || reply.code > 599) {
      bool is_committed = reply.stage == Stage::final_dot;
      outcome.kind = is_committed ? OutcomeKind::in_doubt : OutcomeKind::retryable;
      outcome.reason = "unreadable_reply";
      outcome.scope = FaultScope::provider;
      return outcome;
    }
    if (reply.code < 500)
      judge_temporary(reply, outcome);
    else
      judge_permanent(reply, outcome);
    return outcome;
  }

 private:
  // Before MAIL the server has not heard of the message: whatever it says, the message is not at fault and waits.
  static bool is_about_session(const MailReply& reply) { return reply.stage < Stage::mail; }
  static bool is_about_login(const MailReply& reply) {
    return reply.stage == Stage::auth || reply.code == 530 || reply.code == 534 || reply.code == 535 ||
           reply.code == 538;
  }

  static const Row* find_row(const MailReply& reply) {
    if (reply.enhanced.size() < 3) return nullptr;
    auto rest = std::string_view(reply.enhanced).substr(2);
    for (const auto& row : kEnhanced) {
      std::string_view key = row.enhanced;
      if (key.ends_with('.') ? rest.starts_with(key) : rest == key) return &row;
    }
    return nullptr;
  }

  static void judge_temporary(const MailReply& reply, Outcome& outcome) {
    outcome.kind = OutcomeKind::retryable;
    bool is_policy = reply.enhanced.starts_with("4.7.");
    bool is_about_rate = contains_word(reply.text, {"rate", "too many", "too fast", "throttl", "exceeded"});
    bool is_greylist = contains_word(reply.text, {"greylist", "graylist", "grey list", "gray list"});
    auto set = [&](const char* reason, FaultScope scope, bool is_throttled = false) {
      outcome.reason = reason;
      outcome.scope = scope;
      outcome.is_throttled = is_throttled;
    };
    if (is_about_login(reply)) return set("auth_unavailable", FaultScope::account);
    if (is_greylist) return set("greylisted", FaultScope::recipient);
    if (reply.code == 421) {
      return is_policy || is_about_rate ? set("throttled", FaultScope::provider, true)
                                        : set("service_unavailable", FaultScope::provider);
    }
    if (is_about_session(reply)) return set("service_unavailable", FaultScope::provider);
    if (is_policy || ((reply.code == 450 || reply.code == 451) && reply.enhanced.empty() && is_about_rate))
      return is_about_rate ? set("throttled", FaultScope::provider, true) : set("greylisted", FaultScope::recipient);
    if (auto row = find_row(reply)) return set(row->reason, row->scope);
    if (reply.code == 450) return set("mailbox_busy", FaultScope::recipient);
    if (reply.code == 452) return set("insufficient_storage", FaultScope::provider);
    set("server_error", FaultScope::provider);
  }

  static void judge_permanent(const MailReply& reply, Outcome& outcome) {
    outcome.kind = OutcomeKind::permanent;
    auto set = [&](const char* reason, FaultScope scope) {
      outcome.reason = reason;
      outcome.scope = scope;
    };
    if (is_about_session(reply) || is_about_login(reply)) {
      outcome.kind = OutcomeKind::retryable;
      return is_about_login(reply)       ? set("auth_failed", FaultScope::account)
             : reply.stage == Stage::tls ? set("starttls_refused", FaultScope::provider)
                                         : set("service_refused", FaultScope::provider);
    }
    if (auto row = find_row(reply)) return set(row->reason, row->scope);
    if (reply.code == 552) return set("too_large", FaultScope::message);
    if (reply.stage == Stage::mail) return set("sender_refused", FaultScope::sender);
    if (reply.stage == Stage::rcpt) return set("recipient_refused", FaultScope::recipient);
    set("message_refused", FaultScope::message);
  }

  Mailbox from_;
};

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  auto from = parse_mailbox(setting_of(settings, "from"));
  if (!from) return setting_error(settings, "from", from.error().text);
  auto options = smtp_options(settings);
  if (!options) return options.error();
  return std::unique_ptr<Provider>(std::make_unique<Smtp>(std::move(*from)));
}

}  // namespace

AdapterInfo smtp_adapter() {
  return {
      "smtp",
      {{"url", true}, {"from", true}, {"starttls"}, {"username"}, {"password", false, true}, {"ca_file"}, {"hello"}},
      make};
}

}  // namespace signet

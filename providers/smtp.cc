// Mail by SMTP (RFC 5321) to one relay. The adapter renders the mail and judges replies; the session is the
// transport's (smtp_session).
//
//   220 relay.example ESMTP
//   250 2.1.0 Ok                                          MAIL FROM:<bounces+TOKEN@example.org> RET=HDRS ENVID=...
//   550 5.1.1 <x@example.net>: User unknown               RCPT TO:<x@example.net> NOTIFY=SUCCESS,FAILURE,DELAY
//   451 4.7.1 Greylisting in action, please come back later
//   250 2.0.0 Ok: queued as 4F3C2A1B                      after the final dot: taken
//
// What becomes of it comes back as mail, which the relay pipes into `signetd dsn` or posts to /webhooks/{name} as it
// is: delivery status notifications (RFC 3464, dsn.cc) and complaints (RFC 5965, arf.cc). Each is genuine by the token
// that went out with the mail (mail_token.h): in ENVID, behind the '+' of the envelope sender, and in X-Signet-Token.
#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "providers/arf.h"
#include "providers/dsn.h"
#include "providers/mail_token.h"
#include "providers/mime.h"
#include "providers/provider.h"
#include "providers/settings.h"
#include "providers/smtp_session.h"
#include "providers/smtp_status.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

using Stage = MailReply::Stage;

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

struct SmtpSettings {
  Mailbox from;
  std::string bounce_local, bounce_domain;  // of the envelope sender; the token goes between them, if they are given
  bool has_letter_pdf = false;
};

class Smtp : public Provider {
 public:
  Smtp(SmtpSettings settings, MailTokens tokens) : settings_(std::move(settings)), tokens_(std::move(tokens)) {}

  Protocol protocol() const override { return Protocol::smtp; }
  bool can_send(Kind kind) const override { return kind == Kind::email || kind == Kind::letter; }
  bool has_echo() const override { return tokens_.has_key(); }
  bool has_receipts() const override { return tokens_.has_key(); }
  // A relay gives up after four or five days (RFC 5321 section 4.5.4.1).
  int64_t receipt_wait_ms() const override { return 6 * 24 * int64_t{3'600'000}; }
  CallbackWay callback_way() const override { return tokens_.has_key() ? CallbackWay::mail : CallbackWay::none; }
  bool wants_pdf(Kind kind) const override { return kind == Kind::letter && settings_.has_letter_pdf; }

  Result<MailRequest> build_mail(const Outbound& message, WallTime now) const override {
    const Mailbox& from = settings_.from;
    auto domain = from.address.substr(from.address.rfind('@') + 1);
    auto token = tokens_.has_key() ? tokens_.make({message.message_id, message.attempt_no}) : "";
    // The same Message-ID in every attempt, so that a mail that did arrive twice can be seen to be one.
    auto data = render_mail({from, message.recipient.reveal(), message.subject.reveal(), message.body.reveal(),
                             message.message_id.text() + "@" + domain, now, token, message.pdf.reveal()});
    if (!data) return data.error();
    bool is_returned = !token.empty() && !settings_.bounce_local.empty();
    return MailRequest{
        is_returned ? settings_.bounce_local + "+" + token + "@" + settings_.bounce_domain : from.address,
        message.recipient.reveal(), std::move(*data), message.echo() + (token.empty() ? "" : "." + token),
        tokens_.has_key()};
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

  Verdict verify(const CallbackRequest& request) const override {
    if (!tokens_.has_key()) return Provider::verify(request);
    auto report = read_report(request.body);
    if (!report) return {false, "unreadable body"};
    if (echo_in(*report)) return {true, ""};
    return {false, "no token of ours", "", true};
  }

  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    if (!tokens_.has_key()) return Provider::receipts(request);
    auto report = read_report(request.body);
    if (!report) return report.error();
    auto echo = echo_in(*report);
    if (!echo) return Error{ErrorCode::invalid, "no token of ours"};
    switch (report->type) {
      case MailReport::Type::delivery_status:
        return receipts_of_dsn(report->groups, *echo);
      case MailReport::Type::feedback:
        return receipts_of_arf(report->groups, *echo);
      case MailReport::Type::none:
        break;
    }
    return std::vector<Receipt>();  // an absence notice, say
  }

 private:
  // Before MAIL the server has not heard of the message: whatever it says, the message is not at fault and waits.
  static bool is_about_session(const MailReply& reply) { return reply.stage < Stage::mail; }
  static bool is_about_login(const MailReply& reply) {
    return reply.stage == Stage::auth || reply.code == 530 || reply.code == 534 || reply.code == 535 ||
           reply.code == 538;
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
    if (is_about_login(reply)) return set("auth_unavailable", FaultScope::credential);
    if (is_greylist) return set("greylisted", FaultScope::recipient);
    if (reply.code == 421) {
      return is_policy || is_about_rate ? set("throttled", FaultScope::provider, true)
                                        : set("service_unavailable", FaultScope::provider);
    }
    if (is_about_session(reply)) return set("service_unavailable", FaultScope::provider);
    if (is_policy || ((reply.code == 450 || reply.code == 451) && reply.enhanced.empty() && is_about_rate))
      return is_about_rate ? set("throttled", FaultScope::provider, true) : set("greylisted", FaultScope::recipient);
    if (auto row = find_smtp_status(reply.enhanced)) return set(row->reason, row->scope);
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
      return is_about_login(reply)       ? set("auth_failed", FaultScope::credential)
             : reply.stage == Stage::tls ? set("starttls_refused", FaultScope::provider)
                                         : set("service_refused", FaultScope::provider);
    }
    if (auto row = find_smtp_status(reply.enhanced)) {
      outcome.is_bounced = row->is_dead && reply.stage > Stage::mail;  // at MAIL it cannot be about the recipient
      return set(row->reason, row->scope);
    }
    if (reply.code == 552) return set("too_large", FaultScope::message);
    if (reply.stage == Stage::mail) return set("sender_refused", FaultScope::sender);
    if (reply.stage == Stage::rcpt) return set("recipient_refused", FaultScope::recipient);
    set("message_refused", FaultScope::message);
  }

  std::optional<Echo> echo_in(const MailReport& report) const {
    for (const auto& mark : report.marks)
      if (auto echo = tokens_.find(mark)) return echo;
    return std::nullopt;
  }

  SmtpSettings settings_;
  MailTokens tokens_;
};

Result<MailTokens> tokens_of(const ProviderSettings& settings) {
  std::vector<Secret> keys;
  for (const char* name : {"webhook_secret", "previous_webhook_secret"}) {
    auto secret = secret_of(settings, name);
    if (secret.empty()) continue;
    auto key = webhook_key(secret);
    if (!key) return setting_error(settings, std::string(name) + "_file", key.error().text);
    keys.emplace_back(std::move(*key));
  }
  if (!keys.empty() && secret_of(settings, "webhook_secret").empty())
    return setting_error(settings, "webhook_secret_file", "is missing, and previous_webhook_secret_file is given");
  return MailTokens(std::move(keys), settings.name);
}

Result<std::unique_ptr<Provider>> make(const ProviderSettings& settings) {
  SmtpSettings made;
  auto from = parse_mailbox(setting_of(settings, "from"));
  if (!from) return setting_error(settings, "from", from.error().text);
  made.from = std::move(*from);
  auto options = smtp_options(settings);
  if (!options) return options.error();
  auto tokens = tokens_of(settings);
  if (!tokens) return tokens.error();

  if (auto bounce = setting_of(settings, "bounce_address"); !bounce.empty()) {
    auto at = std::min(bounce.rfind('@'), bounce.size());
    made.bounce_local = bounce.substr(0, at);
    if (!is_mail_address(bounce) || made.bounce_local.size() + 1 + kMailTokenSize > kMailLocalMax)
      return setting_error(settings, "bounce_address",
                           "write an address with at most 15 characters before the @: bounces@example.org");
    made.bounce_domain = bounce.substr(at + 1);
    if (!tokens->has_key())
      return setting_error(settings, "webhook_secret_file", "is missing, and bounce_address is given");
  }
  auto pdf = setting_of(settings, "letter_pdf", "false");
  if (pdf != "true" && pdf != "false") return setting_error(settings, "letter_pdf", "write true or false");
  made.has_letter_pdf = pdf == "true";
  return std::unique_ptr<Provider>(std::make_unique<Smtp>(std::move(made), std::move(*tokens)));
}

}  // namespace

AdapterInfo smtp_adapter() {
  return {"smtp",
          {{"url", true},
           {"from", true},
           {"starttls"},
           {"username"},
           {"password", false, true},
           {"ca_file"},
           {"hello"},
           {"webhook_secret", false, true},
           {"previous_webhook_secret", false, true},
           {"bounce_address"},
           {"letter_pdf"}},
          make};
}

}  // namespace signet

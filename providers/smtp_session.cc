#include "providers/smtp_session.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crash_point.h"
#include "providers/connect_reason.h"
#include "providers/mime.h"
#include "providers/settings.h"

namespace signet {
namespace {

using Stage = MailReply::Stage;

// Up to here content and final dot leave in one write, which then commits as a whole; above it the dot waits until the
// kernel has taken the content, so that a server that refuses in the middle leaves no doubt.
constexpr size_t kOneWriteMax = 16 * 1024;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 128; });
}

MailReply mail_reply(const SmtpReply& reply, Stage stage) {
  return {reply.code, reply.enhanced, reply.lines.empty() ? "" : reply.lines.front(), stage};
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c -= 'a' - 'A';
  return text;
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  for (size_t at = 0; at < line.size();) {
    auto end = std::min(line.find_first_of(" =", at), line.size());  // "AUTH=LOGIN" as old servers write it
    if (end > at) words.push_back(upper(line.substr(at, end - at)));
    at = end + 1;
  }
  return words;
}

}  // namespace

Result<SmtpOptions> smtp_options(const ProviderSettings& settings) {
  SmtpOptions options;
  auto url = setting_of(settings, "url");
  bool is_at_once = url.starts_with("smtps://");
  auto bad_url = setting_error(settings, "url", "write smtp://host:port or smtps://host:port");
  if (!is_at_once && !url.starts_with("smtp://")) return bad_url;
  auto authority = url.substr(is_at_once ? 8 : 7);
  if (authority.ends_with('/')) authority.pop_back();
  bool has_port = authority.rfind(':') != std::string::npos && !authority.ends_with(']');
  auto relay = parse_endpoint(has_port ? authority : authority + (is_at_once ? ":465" : ":25"));
  if (!relay || relay->port == 0) return bad_url;
  options.relay = *relay;

  auto starttls = setting_of(settings, "starttls", is_at_once ? "" : "required");
  if (is_at_once && !starttls.empty())
    return setting_error(settings, "starttls", "leave it out: smtps:// speaks TLS from the first byte");
  if (is_at_once)
    options.tls = SmtpTls::at_once;
  else if (starttls == "required")
    options.tls = SmtpTls::required;
  else if (starttls == "opportunistic")
    options.tls = SmtpTls::opportunistic;
  else if (starttls == "off")
    options.tls = SmtpTls::off;
  else
    return setting_error(settings, "starttls", "write required, opportunistic or off");

  options.username = setting_of(settings, "username");
  options.password = Secret(std::string(secret_of(settings, "password")));
  if (!options.username.empty() && options.password.is_empty())
    return setting_error(settings, "password_file", "is missing, and username is given");
  if (options.username.empty() && !options.password.is_empty())
    return setting_error(settings, "username", "is missing, and password_file is given");
  if (!options.username.empty() && options.tls == SmtpTls::off)
    return setting_error(settings, "starttls", "a password is never sent in the clear; write required");

  options.ca_file = setting_of(settings, "ca_file");
  options.hello = setting_of(settings, "hello");
  if (options.hello.empty()) {
    auto from = parse_mailbox(setting_of(settings, "from"));
    if (!from) return setting_error(settings, "from", from.error().text);
    options.hello = from->address.substr(from->address.rfind('@') + 1);
  }
  for (unsigned char c : options.hello)
    if (c <= ' ' || c > 126) return setting_error(settings, "hello", "write a host name in ASCII");
  return options;
}

SmtpSession::SmtpSession(Loop& loop, const Clock& clock, std::shared_ptr<const SmtpOptions> options,
                         std::shared_ptr<TlsContext> tls, std::function<void()> on_dead)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      tls_(std::move(tls)),
      on_dead_(std::move(on_dead)),
      limit_(loop),
      idle_(loop) {
  connect();
}

SmtpSession::~SmtpSession() { *is_alive_ = false; }

void SmtpSession::connect() {
  StreamOptions options;
  options.user_timeout_ms = options_->user_timeout_ms;
  if (options_->tls == SmtpTls::at_once) options.tls = tls_;
  options.tls_host = options_->relay.host;
  Stream::Handlers handlers;
  handlers.on_open = [this] {
    if (state_ == State::connecting) {
      state_ = State::setting_up;
      expected_.push_back(Command::greeting);
    } else {  // after STARTTLS all that was said before is forgotten (RFC 3207 section 4.2)
      can_ = {};
      say("EHLO " + options_->hello, Command::ehlo);
    }
  };
  handlers.on_data = [this](std::string_view octets) { on_data(octets); };
  handlers.on_close = [this](const Error& error) { on_close(error); };
  handlers.on_drained = [this] {
    if (job_ && job_->is_draining) send_dot();
  };
  stream_ = Stream::connect(loop_, options_->relay, options, std::move(handlers));
}

void SmtpSession::send(const MailRequest& mail, Tick deadline, int64_t timeout_ms, Done done) {
  SIGNET_CHECK(is_free());
  job_.emplace(Job{});
  job_->mail = &mail;
  job_->deadline = deadline;
  job_->done = std::move(done);
  job_->is_kept = state_ == State::ready || state_ == State::reset;
  idle_.stop();
  limit_.start(timeout_ms, [this] {
    bool is_before_mail = state_ == State::connecting || state_ == State::setting_up;
    lose(is_before_mail ? "connect_timed_out" : "timed_out", "");
  });
  if (state_ != State::ready) return;
  is_in_send_ = true;
  begin_mail();
  is_in_send_ = false;
}

void SmtpSession::on_data(std::string_view octets) {
  std::vector<SmtpReply> replies;
  auto fed = parser_.feed(octets, replies);
  // What follows the answer to STARTTLS in the clear would be taken for the server's word under TLS (CVE-2011-0411).
  bool is_before_tls = !expected_.empty() && expected_.front() == Command::starttls;
  if (is_before_tls && (replies.size() > 1 || (replies.size() == 1 && parser_.is_midway())))
    return lose("tls_failed", "the server said more than one thing to STARTTLS");
  auto is_alive = is_alive_;
  for (const auto& reply : replies) {
    on_reply(reply);
    if (!*is_alive || state_ == State::closed) return;
  }
  if (!fed) lose("unreadable_reply", fed.error().text);
}

void SmtpSession::on_close(const Error& error) {
  if (state_ == State::closed) return drop();  // our own QUIT
  if (state_ == State::connecting || state_ == State::setting_up) return lose(connect_reason(error), error.text);
  lose(job_ && job_->is_committed ? "reset_after_send" : "connection_lost", error.text);
}

void SmtpSession::on_reply(const SmtpReply& reply) {
  if (expected_.empty()) {  // 421 of a server that goes, or a refusal amid the content
    if (job_ && job_->is_draining && !reply.is_positive()) return end_setup(reply, Stage::data);
    return lose(reply.code == 421 ? "connection_lost" : "unreadable_reply", "the server spoke unasked");
  }
  auto command = expected_.front();
  expected_.pop_front();
  switch (command) {
    case Command::greeting:
      if (reply.code != 220) return end_setup(reply, Stage::greeting);
      return say("EHLO " + options_->hello, Command::ehlo);
    case Command::ehlo:
      return on_hello(reply, true);
    case Command::helo:
      return on_hello(reply, false);
    case Command::starttls:
      return on_starttls(reply);
    case Command::auth:
      return on_auth(reply);
    case Command::rset:
      if (reply.code != 250) return lose("connection_lost", "the server refused RSET");
      return become_ready();
    default:
      return on_mail_reply(reply, command);
  }
}

void SmtpSession::on_hello(const SmtpReply& reply, bool is_extended) {
  if (reply.code != 250) {
    if (is_extended && reply.code >= 500) return say("HELO " + options_->hello, Command::helo);
    return end_setup(reply, Stage::hello);
  }
  for (size_t i = 1; is_extended && i < reply.lines.size(); i++) {
    auto words = words_of(reply.lines[i]);
    if (words.empty()) continue;
    const auto& word = words.front();
    if (word == "PIPELINING") can_.pipelining = true;
    if (word == "8BITMIME") can_.eightbit = true;
    if (word == "SMTPUTF8") can_.utf8 = true;
    if (word == "STARTTLS") can_.starttls = true;
    if (word == "DSN") can_.dsn = true;
    if (word == "SIZE") {
      can_.size = true;
      if (words.size() > 1) std::from_chars(words[1].data(), words[1].data() + words[1].size(), can_.size_max);
    }
    if (word == "AUTH") {
      can_.auth_plain |= std::count(words.begin(), words.end(), "PLAIN") > 0;
      can_.auth_login |= std::count(words.begin(), words.end(), "LOGIN") > 0;
    }
  }
  bool wants_tls = options_->tls == SmtpTls::required || options_->tls == SmtpTls::opportunistic;
  if (wants_tls && !stream_->is_tls()) {
    if (can_.starttls) return say("STARTTLS", Command::starttls);
    if (options_->tls == SmtpTls::required)
      return end_with(OutcomeKind::retryable, "starttls_unavailable", FaultScope::provider,
                      "the relay offers no STARTTLS; write starttls: opportunistic to send in the clear");
  }
  authenticate();
}

void SmtpSession::on_starttls(const SmtpReply& reply) {
  if (reply.code == 220) return stream_->start_tls(tls_, options_->relay.host);
  if (options_->tls == SmtpTls::required) return end_setup(reply, Stage::tls);
  authenticate();
}

void SmtpSession::authenticate() {
  if (options_->username.empty()) return become_ready();
  if (!stream_->is_tls())
    return end_with(OutcomeKind::retryable, "auth_in_the_clear", FaultScope::credential,
                    "the relay offers no TLS, and a password is never sent in the clear");
  auth_step_ = 0;
  const auto& user = options_->username;
  if (can_.auth_plain)
    return say("AUTH PLAIN " + to_base64('\0' + user + '\0' + std::string(options_->password.octets())), Command::auth);
  if (can_.auth_login) return say("AUTH LOGIN", Command::auth);
  end_with(OutcomeKind::retryable, "auth_unavailable", FaultScope::credential,
           "the relay offers neither PLAIN nor LOGIN");
}

void SmtpSession::on_auth(const SmtpReply& reply) {
  if (reply.code == 235) return become_ready();
  bool is_login = !can_.auth_plain;
  if (reply.code != 334 || !is_login || auth_step_ > 1) return end_setup(reply, Stage::auth);
  auto answer = auth_step_++ == 0 ? options_->username : std::string(options_->password.octets());
  say(to_base64(answer), Command::auth);
}

void SmtpSession::become_ready() {
  state_ = State::ready;
  if (job_) return begin_mail();
  idle_.start(options_->idle_ms, [this] { quit(); });
}

void SmtpSession::quit() {
  state_ = State::closed;
  is_dead_ = true;
  stream_->write("QUIT\r\n");
  stream_->finish();
}

bool SmtpSession::is_lapsed() { return clock_.tick() > job_->deadline; }

void SmtpSession::begin_mail() {
  if (is_lapsed()) return end_with(OutcomeKind::unsent, "permit_lapsed", FaultScope::message);
  if (meets_obstacle()) return;
  SIGNET_CRASH_POINT(smtp_before_mail);
  state_ = State::mail;
  job_->has_begun = true;
  if (!can_.pipelining) return say(mail_line(), Command::mail);
  expected_ = {Command::mail, Command::rcpt, Command::data};
  stream_->write(mail_line() + "\r\n" + rcpt_line() + "\r\nDATA\r\n");
}

// What this server cannot take need not be tried.
bool SmtpSession::meets_obstacle() {
  const auto& mail = *job_->mail;
  auto refuse = [&](const char* reason, FaultScope scope) {
    end_with(OutcomeKind::permanent, reason, scope);
    return true;
  };
  if (!is_mail_address(mail.from)) return refuse("bad_address", FaultScope::sender);
  if (!is_mail_address(mail.to)) return refuse("bad_address", FaultScope::recipient);
  bool is_utf8 = !is_ascii(mail.from) || !is_ascii(mail.to);
  if (is_utf8 && !can_.utf8) return refuse("smtputf8_unavailable", FaultScope::recipient);
  if (!can_.eightbit && !is_ascii(mail.data)) return refuse("8bitmime_unavailable", FaultScope::message);
  if (can_.size_max && mail.data.size() > can_.size_max) return refuse("too_large", FaultScope::message);
  return false;
}

std::string SmtpSession::mail_line() const {
  const auto& mail = *job_->mail;
  auto line = "MAIL FROM:<" + mail.from + ">";
  if (can_.size) line += " SIZE=" + std::to_string(mail.data.size());
  if (can_.eightbit && !is_ascii(mail.data)) line += " BODY=8BITMIME";
  if (can_.utf8 && (!is_ascii(mail.from) || !is_ascii(mail.to))) line += " SMTPUTF8";
  if (can_.dsn) line += " RET=HDRS";
  if (can_.dsn && !mail.envelope_id.empty()) line += " ENVID=" + xtext(mail.envelope_id);
  return line;
}

std::string SmtpSession::rcpt_line() const {
  const auto& to = job_->mail->to;
  auto line = "RCPT TO:<" + to + ">";
  if (can_.dsn) line += job_->mail->wants_success ? " NOTIFY=SUCCESS,FAILURE,DELAY" : " NOTIFY=FAILURE,DELAY";
  if (can_.dsn && is_ascii(to)) line += " ORCPT=rfc822;" + xtext(to);
  return line;
}

void SmtpSession::on_mail_reply(const SmtpReply& reply, Command command) {
  auto stage = command == Command::mail   ? Stage::mail
               : command == Command::rcpt ? Stage::rcpt
               : command == Command::data ? Stage::data
                                          : Stage::final_dot;
  if (!job_) return lose("unreadable_reply", "");
  if (command == Command::final_dot) {
    SIGNET_CRASH_POINT(smtp_replied);
    SmtpResult result;
    result.reply = mail_reply(reply, stage);
    bool is_usable = reply.code != 421 && (reply.code < 300 || reply.code >= 400);
    if (!is_usable)
      drop();
    else
      state_ = State::ready;
    return end(std::move(result));
  }
  if (command == Command::empty_dot) return end_refused();
  if (reply.code == 421 && job_->is_kept && !job_->is_answered) return lose("connection_lost", "421");
  job_->is_answered = true;
  if (!reply.is_positive()) {
    if (!job_->refusal) job_->refusal = mail_reply(reply, stage);
    if (reply.code == 421) drop();
    if (reply.code == 421 || expected_.empty()) end_refused();
    return;
  }
  if ((command == Command::data) != (reply.code == 354)) return lose("unreadable_reply", "an answer out of place");
  if (command == Command::mail && !can_.pipelining) return say(rcpt_line(), Command::rcpt);
  if (command == Command::rcpt && !can_.pipelining) return say("DATA", Command::data);
  if (command != Command::data) return;
  // Nobody left to send to, and yet the server waits for content (RFC 2920 section 3.1).
  if (job_->refusal) return say(".", Command::empty_dot);
  send_content();
}

void SmtpSession::send_content() {
  if (is_lapsed()) {
    drop();  // without the dot the server forgets it
    return end_with(OutcomeKind::unsent, "permit_lapsed", FaultScope::message);
  }
  SIGNET_CRASH_POINT(smtp_before_dot);
  auto content = dot_stuffed(job_->mail->data);
  if (content.size() <= kOneWriteMax && stream_->queued_bytes() == 0) {
    job_->is_committed = true;
    expected_.push_back(Command::final_dot);
    stream_->write(content);
    SIGNET_CRASH_POINT(smtp_after_dot);
    return;
  }
  job_->is_draining = true;
  stream_->write(std::string_view(content).substr(0, content.size() - kFinalDotSize));
  if (stream_->queued_bytes() == 0) send_dot();
}

void SmtpSession::send_dot() {
  job_->is_draining = false;
  if (is_lapsed()) {
    drop();
    return end_with(OutcomeKind::unsent, "permit_lapsed", FaultScope::message);
  }
  job_->is_committed = true;
  say(".", Command::final_dot);
}

void SmtpSession::say(std::string_view line, Command command) {
  expected_.push_back(command);
  stream_->write(std::string(line) + "\r\n");
}

void SmtpSession::end_refused() {
  SmtpResult result;
  result.reply = std::move(job_->refusal);
  if (!is_dead_) {
    state_ = State::reset;
    say("RSET", Command::rset);
  }
  end(std::move(result));
}

// A reply after which this connection is of no use.
void SmtpSession::end_setup(const SmtpReply& reply, Stage stage) {
  drop();
  SmtpResult result;
  result.reply = mail_reply(reply, stage);
  end(std::move(result));
}

void SmtpSession::lose(const char* reason, std::string detail) {
  drop();
  if (!job_) return;
  SmtpResult result;
  result.outcome.kind = job_->is_committed ? OutcomeKind::in_doubt : OutcomeKind::retryable;
  result.outcome.reason = reason;
  result.outcome.scope = FaultScope::provider;
  result.detail = std::move(detail);
  result.is_stale = job_->is_kept && !job_->is_answered && std::string_view(reason) == "connection_lost";
  end(std::move(result));
}

void SmtpSession::end_with(OutcomeKind kind, const char* reason, FaultScope scope, std::string detail) {
  if (state_ == State::setting_up) drop();
  SmtpResult result;
  result.outcome.kind = kind;
  result.outcome.reason = reason;
  result.outcome.scope = scope;
  result.detail = std::move(detail);
  end(std::move(result));
}

// Last thing in every path: `done` may send again or end this.
void SmtpSession::end(SmtpResult result) {
  if (!job_) return;
  limit_.stop();
  auto done = std::move(job_->done);
  result.has_begun = job_->has_begun;
  job_.reset();
  if (state_ == State::ready) idle_.start(options_->idle_ms, [this] { quit(); });
  if (!is_in_send_) return done(std::move(result));
  loop_.post([done = std::move(done), result = std::move(result), is_alive = is_alive_] {
    if (*is_alive) done(result);
  });
}

void SmtpSession::drop() {
  state_ = State::closed;
  is_dead_ = true;
  stream_.reset();
  idle_.stop();
  expected_.clear();
  if (!on_dead_) return;
  loop_.post([on_dead = std::exchange(on_dead_, nullptr), is_alive = is_alive_] {
    if (*is_alive) on_dead();
  });
}

}  // namespace signet

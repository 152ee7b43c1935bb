#include "daemon/sandbox/smtp_sandbox.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "daemon/sandbox/endings.h"
#include "daemon/sandbox/mail_report.h"
#include "daemon/sandbox/mail_text.h"
#include "message/outcome.h"

namespace signet::sandbox {

namespace {

constexpr size_t kLineMax = 2048;  // RFC 5321 asks for 512 and more for extensions
constexpr size_t kRecipientsMax = 100;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// "FROM:<a@b> SIZE=10" after MAIL, "TO:<a@b> NOTIFY=..." after RCPT.
struct Path {
  std::string address;
  std::string parameters;
};

std::optional<Path> read_path(std::string_view text, std::string_view keyword) {
  if (upper(text.substr(0, keyword.size())) != keyword) return std::nullopt;
  text.remove_prefix(keyword.size());
  while (text.starts_with(' ')) text.remove_prefix(1);  // wrong, and common
  if (!text.starts_with('<')) return std::nullopt;
  const size_t end = text.find('>');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(end + 1);
  if (!rest.empty() && rest[0] != ' ') return std::nullopt;
  Path out{std::string(text.substr(1, end - 1)), std::string(rest)};
  for (const unsigned char c : out.address)
    if (c <= 0x20 || c == 0x7f || c == '<') return std::nullopt;
  return out;
}

std::string parameter(std::string_view parameters, std::string_view upper_name) {
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find(' ', 1), parameters.size());
    std::string_view one = parameters.substr(0, end);
    parameters.remove_prefix(end);
    while (one.starts_with(' ')) one.remove_prefix(1);
    const size_t equals = one.find('=');
    if (equals != std::string_view::npos && upper(one.substr(0, equals)) == upper_name)
      return std::string(one.substr(equals + 1));
  }
  return "";
}

std::vector<ReceiptKind> reports_of(Behaviour behaviour) {
  using enum ReceiptKind;
  switch (behaviour) {
    case Behaviour::fail_later:
      return {bounced};
    case Behaviour::twice:
      return {delivered, delivered};
    case Behaviour::opted_out:
      return {delivered, complained};
    case Behaviour::silent:
    case Behaviour::hang:
      return {};
    default:
      return {delivered};
  }
}

}  // namespace

// What is told of one recipient's mail, as far as its sender asked for it (NOTIFY).
struct SmtpSandbox::Chain {
  ReportedMail mail;
  std::shared_ptr<Arrival> arrival;
  std::vector<ReceiptKind> reports;
  size_t next = 0;
};

void SmtpSandbox::next_report(std::shared_ptr<Chain> chain, int64_t delay_ms) {
  if (!options_.report || chain->next == chain->reports.size()) return;
  const ReceiptKind kind = chain->reports[chain->next++];
  chain->mail.at = clock_.wall();
  const std::string report =
      kind == ReceiptKind::complained
          ? complaint_report(chain->mail)
          : delivery_report(chain->mail, kind == ReceiptKind::delivered ? Fate::delivered : Fate::failed);
  options_.report(report, delay_ms, [this, chain, kind](bool is_taken) {
    chain->arrival->statuses.push_back(std::string(name(kind)) + (is_taken ? "" : " (not taken)"));
    next_report(chain, options_.report_ms);
  });
}

class SmtpSandbox::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(SmtpSandbox& owner, uint64_t id, std::unique_ptr<Stream> stream)
      : owner_(owner), id_(id), stream_(std::move(stream)), idle_(owner.loop_) {}

  void start() {
    Stream::Handlers handlers;
    handlers.on_open = [] {};  // after STARTTLS: the client speaks first
    handlers.on_data = [this](std::string_view octets) { on_data(octets); };
    handlers.on_close = [this](const Error&) { owner_.sessions_.erase(id_); };
    stream_->set_handlers(std::move(handlers));
    restart_idle();
    stream_->write("220 " + owner_.options_.host + " ESMTP Signet sandbox\r\n");
  }

 private:
  struct Recipient {
    std::string address;
    Behaviour behaviour = Behaviour::deliver;
    std::string notify;  // in capitals; empty: failures only (RFC 3461 section 4.1)
  };

  void on_data(std::string_view octets);
  bool read_line();  // false: nothing more to do with what is here
  bool read_message();
  void command(std::string_view line);
  void mail(std::string_view arguments);
  void rcpt(std::string_view arguments);
  void data();
  void take_message(std::string_view stuffed);
  void report(const Recipient& to, const std::string& message, std::shared_ptr<Arrival> arrival);
  void starttls();
  void close();
  std::shared_ptr<Arrival> record(const std::string& recipient, const MailText& mail, const char* verdict,
                                  std::string answer, std::string reference = "");
  void say(std::string_view line) { out_.append(line).append("\r\n"); }
  void forget_mail() {
    sender_.reset();
    recipients_.clear();
    envelope_id_.clear();
  }
  void restart_idle() {
    idle_.start(owner_.options_.idle_ms, [this] {
      stream_->write("421 4.4.2 Idle for too long\r\n");
      close();
    });
  }

  SmtpSandbox& owner_;
  const uint64_t id_;
  std::unique_ptr<Stream> stream_;
  Timer idle_;
  std::string input_;
  size_t scanned_ = 0;  // of a message's octets
  std::string out_;     // gathered, so that pipelined commands are answered in one piece
  bool has_greeted_ = false;
  bool in_data_ = false;
  bool is_mute_ = false;  // hung or closing
  std::optional<std::string> sender_;
  std::string envelope_id_;
  std::vector<Recipient> recipients_;
};

void SmtpSandbox::Session::on_data(std::string_view octets) {
  if (is_mute_) return;
  const auto self = shared_from_this();
  restart_idle();
  input_ += octets;
  while (!is_mute_ && (in_data_ ? read_message() : read_line())) {
  }
  if (!out_.empty()) stream_->write(std::exchange(out_, ""));
  if (is_mute_) input_.clear();
}

bool SmtpSandbox::Session::read_line() {
  const size_t end = input_.find("\r\n");
  if (end == std::string::npos || end > kLineMax) {
    if (input_.size() <= kLineMax) return false;
    say("500 5.5.2 Line too long");
    close();
    return false;
  }
  const std::string line = input_.substr(0, end);
  input_.erase(0, end + 2);
  command(line);
  return true;
}

void SmtpSandbox::Session::command(std::string_view line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string verb = upper(line.substr(0, space));
  const std::string_view arguments = line.substr(std::min(space + 1, line.size()));
  if (verb == "EHLO" || verb == "HELO") {
    forget_mail();
    has_greeted_ = !arguments.empty();
    if (!has_greeted_) return say("501 5.5.4 Say who you are");
    if (verb == "HELO") return say("250 " + owner_.options_.host);
    say("250-" + owner_.options_.host);
    say("250-PIPELINING");
    say("250-SIZE " + std::to_string(owner_.options_.size_max));
    if (owner_.options_.tls && !stream_->is_tls()) say("250-STARTTLS");
    if (owner_.options_.has_dsn) say("250-DSN");
    say("250-ENHANCEDSTATUSCODES");
    say("250-8BITMIME");
    return say("250 SMTPUTF8");
  }
  if (verb == "NOOP") return say("250 2.0.0 Ok");
  if (verb == "VRFY") return say("252 2.0.0 Cannot tell");
  if (verb == "RSET") {
    forget_mail();
    return say("250 2.0.0 Ok");
  }
  if (verb == "QUIT") {
    say("221 2.0.0 Bye");
    return close();
  }
  if (verb == "STARTTLS") return starttls();
  if (verb == "MAIL") return mail(arguments);
  if (verb == "RCPT") return rcpt(arguments);
  if (verb == "DATA") return data();
  say("502 5.5.1 Command not known");
}

void SmtpSandbox::Session::starttls() {
  if (!owner_.options_.tls || stream_->is_tls()) return say("502 5.5.1 No STARTTLS here");
  // RFC 3207: commands that came in the clear behind it must not be taken as if they had come under TLS.
  if (!input_.empty()) {
    say("501 5.5.2 Wait for the answer before sending on");
    return close();
  }
  stream_->write(std::exchange(out_, "") + "220 2.0.0 Go ahead\r\n");
  forget_mail();
  has_greeted_ = false;
  stream_->start_tls(owner_.options_.tls, "");
}

void SmtpSandbox::Session::mail(std::string_view arguments) {
  if (!has_greeted_) return say("503 5.5.1 Say EHLO first");
  if (sender_) return say("503 5.5.1 One MAIL at a time");
  const auto path = read_path(arguments, "FROM:");
  if (!path) return say("501 5.5.4 Syntax: MAIL FROM:<address>");
  uint64_t size = 0;
  const std::string given = parameter(path->parameters, "SIZE");
  std::from_chars(given.data(), given.data() + given.size(), size);
  if (size > owner_.options_.size_max) return say("552 5.3.4 Message too large");
  sender_ = path->address;
  envelope_id_ = parameter(path->parameters, "ENVID");
  say("250 2.1.0 Ok");
}

void SmtpSandbox::Session::rcpt(std::string_view arguments) {
  if (!sender_) return say("503 5.5.1 Say MAIL first");
  const auto path = read_path(arguments, "TO:");
  if (!path || path->address.find('@') == std::string::npos) return say("501 5.1.3 Syntax: RCPT TO:<address>");
  if (recipients_.size() == kRecipientsMax) return say("452 4.5.3 Too many recipients");
  const Behaviour behaviour = behaviour_of(path->address);
  if (behaviour == Behaviour::fail_at_once) {
    record(path->address, {}, "refused", "550");
    return say("550 5.1.1 No such mailbox here");
  }
  if (behaviour == Behaviour::throttle && ++owner_.seen_[path->address] == 1) {
    record(path->address, {}, "throttled", "451");
    return say("451 4.7.1 Greylisted, try again later");
  }
  if (behaviour == Behaviour::fail_first && ++owner_.seen_[path->address] == 1) {
    record(path->address, {}, "throttled", "421");
    say("421 4.3.2 Going down for maintenance");
    return close();
  }
  recipients_.push_back({path->address, behaviour, upper(parameter(path->parameters, "NOTIFY"))});
  say("250 2.1.5 Ok");
}

void SmtpSandbox::Session::data() {
  if (!sender_) return say("503 5.5.1 Say MAIL first");
  if (recipients_.empty()) return say("554 5.5.1 No valid recipients");
  in_data_ = true;
  scanned_ = 0;
  say("354 End with <CR><LF>.<CR><LF>");
}

bool SmtpSandbox::Session::read_message() {
  if (input_.starts_with(".\r\n")) {
    input_.erase(0, 3);
    take_message("");
    return true;
  }
  const size_t end = input_.find("\r\n.\r\n", scanned_);
  if (end == std::string::npos) {
    scanned_ = input_.size() < 4 ? 0 : input_.size() - 4;
    if (input_.size() <= owner_.options_.size_max + 4) return false;
    // The rest would have to be read to be answered; a sandbox may simply leave.
    say("552 5.3.4 Message too large");
    close();
    return false;
  }
  const std::string message = input_.substr(0, end + 2);
  input_.erase(0, end + 5);
  take_message(message);
  return true;
}

void SmtpSandbox::Session::take_message(std::string_view stuffed) {
  in_data_ = false;
  std::string message;
  message.reserve(stuffed.size());
  for (size_t at = 0; at < stuffed.size();) {
    const size_t end = stuffed.find("\r\n", at) + 2;
    std::string_view line = stuffed.substr(at, end - at);
    if (line.starts_with('.')) line.remove_prefix(1);
    message += line;
    at = end;
  }
  const MailText mail = read_mail(message);
  // RFC 5321 section 2.3.8: CR and LF only together; a lenient reader behind us would see other lines (smuggling).
  for (size_t at = message.find_first_of("\r\n"); at != std::string::npos; at = message.find_first_of("\r\n", at + 2))
    if (message.compare(at, 2, "\r\n") != 0) {
      for (const auto& to : recipients_) record(to.address, mail, "refused", "550");
      forget_mail();
      return say("550 5.6.0 Bare CR or LF in the message");
    }

  uint8_t id[8];
  owner_.random_.fill(id, sizeof id);
  const std::string reference = to_hex({reinterpret_cast<const char*>(id), sizeof id});
  bool hangs = false;
  bool closes = false;
  for (const auto& to : recipients_) {
    hangs = hangs || to.behaviour == Behaviour::hang;
    closes = closes || to.behaviour == Behaviour::reset;
  }
  for (const auto& to : recipients_) {
    auto arrival = record(to.address, mail, hangs ? "hung" : "accepted",
                          hangs    ? "none"
                          : closes ? "closed"
                                   : "250",
                          hangs ? "" : reference);
    if (!hangs) report(to, message, std::move(arrival));
  }
  forget_mail();
  if (hangs) {
    is_mute_ = true;
    idle_.stop();
  } else if (closes) {
    close();
  } else {
    say("250 2.0.0 Ok: queued as " + reference);
  }
}

void SmtpSandbox::Session::report(const Recipient& to, const std::string& message, std::shared_ptr<Arrival> arrival) {
  if (to.notify == "NEVER" || sender_->empty()) return;
  auto chain = std::make_shared<Chain>();
  chain->mail = {owner_.options_.host,
                 *sender_,
                 from_xtext(envelope_id_),
                 to.address,
                 message.substr(0, message.find("\r\n\r\n") + 2),
                 {}};
  chain->arrival = std::move(arrival);
  for (const ReceiptKind kind : reports_of(to.behaviour))
    if (kind != ReceiptKind::delivered || to.notify.find("SUCCESS") != std::string::npos)
      chain->reports.push_back(kind);
  const bool is_late = to.behaviour == Behaviour::late || to.behaviour == Behaviour::reset;
  owner_.next_report(std::move(chain), is_late ? owner_.options_.late_ms : owner_.options_.report_ms);
}

std::shared_ptr<Arrival> SmtpSandbox::Session::record(const std::string& recipient, const MailText& mail,
                                                      const char* verdict, std::string answer, std::string reference) {
  Arrival arrival;
  arrival.channel = "email";
  arrival.recipient = recipient;
  arrival.sender = sender_.value_or("");
  arrival.subject = mail.subject;
  arrival.text = mail.text;
  arrival.echo = echo_in(from_xtext(envelope_id_));
  if (arrival.echo.empty()) arrival.echo = echo_in(mail.message_id);
  arrival.verdict = verdict;
  arrival.answer = std::move(answer);
  arrival.reference = std::move(reference);
  return owner_.journal_.record(std::move(arrival));
}

void SmtpSandbox::Session::close() {
  is_mute_ = true;
  idle_.stop();
  if (!out_.empty()) stream_->write(std::exchange(out_, ""));
  stream_->finish();
}

SmtpSandbox::SmtpSandbox(Loop& loop, const Clock& clock, Random& random, Journal& journal, SmtpOptions options)
    : loop_(loop), clock_(clock), random_(random), journal_(journal), options_(std::move(options)) {}

SmtpSandbox::~SmtpSandbox() {
  listener_.reset();
  sessions_.clear();
}

Result<std::unique_ptr<SmtpSandbox>> SmtpSandbox::start(Loop& loop, const Clock& clock, Random& random,
                                                        Journal& journal, SmtpOptions options) {
  std::unique_ptr<SmtpSandbox> sandbox(new SmtpSandbox(loop, clock, random, journal, std::move(options)));
  auto listener =
      Listener::bind(loop, sandbox->options_.listen, nullptr,
                     [at = sandbox.get()](std::unique_ptr<Stream> stream) { at->accept(std::move(stream)); });
  if (!listener) return listener.error();
  sandbox->listener_ = std::move(*listener);
  return sandbox;
}

void SmtpSandbox::accept(std::unique_ptr<Stream> stream) {
  if (sessions_.size() >= options_.connections) return stream->reset();
  const uint64_t id = ++last_session_;
  const auto session = std::make_shared<Session>(*this, id, std::move(stream));
  sessions_.emplace(id, session);
  session->start();
}

}  // namespace signet::sandbox

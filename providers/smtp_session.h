// One connection to a mail relay (RFC 5321 with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, STARTTLS, AUTH, DSN): greeting to
// ready, then mails one after the other. It knows exactly which byte commits: the first of the final dot. Loop thread
// only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "base/stream.h"
#include "base/tls.h"
#include "providers/provider.h"
#include "providers/smtp_reply.h"

namespace signet {

enum class SmtpTls { at_once, required, opportunistic, off };

struct SmtpOptions {
  Endpoint relay;
  SmtpTls tls = SmtpTls::required;
  std::string hello;  // our name in EHLO: setting `hello`, else the domain of `from`
  std::string username;
  Secret password;
  std::string ca_file;
  int64_t user_timeout_ms = 30000;
  int64_t idle_ms = 30000;  // then QUIT
};
// url (smtp:// port 25, smtps:// port 465), starttls (required, opportunistic, off), username and password_file,
// ca_file, hello.
Result<SmtpOptions> smtp_options(const ProviderSettings& settings);

struct SmtpResult {
  std::optional<MailReply> reply;  // the deciding one; else `outcome`
  Outcome outcome;                 // what no reply decided: lost, timed out, lapsed, not possible with this server
  std::string detail;              // for the log
  bool has_begun = false;          // of its mail something may have left
  bool is_stale = false;           // a kept connection that was gone before MAIL was answered: certainly unsent
};

class SmtpSession {
 public:
  using Done = std::function<void(SmtpResult)>;
  // `tls` is null where no TLS is wanted. `on_dead`: once, when nothing can be sent any more; not from inside a call.
  SmtpSession(Loop& loop, const Clock& clock, std::shared_ptr<const SmtpOptions> options,
              std::shared_ptr<TlsContext> tls, std::function<void()> on_dead);
  ~SmtpSession();
  bool is_free() const { return !job_ && !is_dead_; }
  bool is_ready() const { return is_free() && state_ == State::ready; }
  bool is_dead() const { return is_dead_; }
  // Needs is_free(). `mail` lives until `done`, which is never called inside send().
  void send(const MailRequest& mail, Tick deadline, int64_t timeout_ms, Done done);

 private:
  enum class State { connecting, setting_up, ready, mail, reset, closed };
  enum class Command { greeting, ehlo, helo, starttls, auth, mail, rcpt, data, empty_dot, final_dot, rset };
  struct Job {
    const MailRequest* mail = nullptr;
    Tick deadline;
    Done done;
    std::optional<MailReply> refusal;  // the first one; what follows it in the pipeline only has to be read
    bool is_kept = false;              // began on a connection that had been idle
    bool is_answered = false;          // the server has said something since MAIL
    bool is_draining = false;          // the content leaves, the dot waits
    bool has_begun = false;            // a byte of MAIL may have left
    bool is_committed = false;         // a byte of the final dot may have left
  };
  struct Extensions {
    bool pipelining = false, eightbit = false, utf8 = false, starttls = false, dsn = false, size = false;
    bool auth_plain = false, auth_login = false;
    size_t size_max = 0;  // 0: unlimited
  };

  void connect();
  void on_data(std::string_view octets);
  void on_close(const Error& error);
  void on_reply(const SmtpReply& reply);
  void on_hello(const SmtpReply& reply, bool is_extended);
  void on_starttls(const SmtpReply& reply);
  void on_auth(const SmtpReply& reply);
  void on_mail_reply(const SmtpReply& reply, Command command);
  void say(std::string_view line, Command command);
  void authenticate();
  void become_ready();
  void quit();
  void begin_mail();
  bool meets_obstacle();
  bool is_lapsed();
  std::string mail_line() const;
  std::string rcpt_line() const;
  void send_content();
  void send_dot();
  void end_refused();
  void end_setup(const SmtpReply& reply, MailReply::Stage stage);
  void end_with(OutcomeKind kind, const char* reason, FaultScope scope, std::string detail = "");
  void end(SmtpResult result);
  void lose(const char* reason, std::string detail);
  void drop();

  Loop& loop_;
  const Clock& clock_;
  std::shared_ptr<const SmtpOptions> options_;
  std::shared_ptr<TlsContext> tls_;
  std::function<void()> on_dead_;
  State state_ = State::connecting;
  bool is_dead_ = false;
  bool is_in_send_ = false;
  Extensions can_;
  std::deque<Command> expected_;  // to be answered, in order
  int auth_step_ = 0;
  SmtpReplyParser parser_;
  std::optional<Job> job_;
  std::unique_ptr<Stream> stream_;
  Timer limit_;  // of the attempt
  Timer idle_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace signet

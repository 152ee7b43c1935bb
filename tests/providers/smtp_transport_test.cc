#include <catch2/catch.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "providers/smtp_session.h"
#include "providers/smtp_transport.h"
#include "tests/providers/mail_bench.h"
#include "tests/providers/scripted_server.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

using testing::Certificate;
using testing::run_until;
using testing::ScriptedServer;

// A relay that behaves, but where the script says otherwise.
class Relay {
 public:
  using Connection = ScriptedServer::Connection;
  explicit Relay(Loop& loop, std::shared_ptr<TlsContext> at_once = nullptr) : server(loop, std::move(at_once)) {
    server.on_accept = [this](Connection& c) {
      if (!greeting.empty()) c.stream->write(greeting);
    };
    server.on_data = [this](Connection& c, std::string_view input) { return take(c, input); };
  }

  ScriptedServer server;
  std::string greeting = "220 relay.example ESMTP\r\n";
  std::vector<std::string> extensions = {"PIPELINING", "SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"};
  // By the first word of the command, upper case, "." for the end of the content; a reply, or nothing for the usual
  // one. "-" says nothing, "close" closes.
  std::function<std::string(const std::string& word, Connection& c)> script;
  std::shared_ptr<TlsContext> tls;
  std::vector<std::string> lines;     // what came, commands only
  std::vector<std::string> contents;  // each content that was ended by a dot
  bool was_pipelined = false;

  bool has_seen(const std::string& start) const {
    for (auto& line : lines)
      if (line.starts_with(start)) return true;
    return false;
  }
  int count(const std::string& start) const {
    int n = 0;
    for (auto& line : lines) n += line.starts_with(start);
    return n;
  }

 private:
  void answer(Connection& c, const std::string& word, const std::string& usual) {
    auto reply = script ? script(word, c) : "";
    if (reply == "close") return server.close(c.number);
    if (reply == "-") return;
    if (reply.empty()) reply = usual;
    c.stream->write(reply);
  }

  size_t take(Connection& c, std::string_view input) {
    if (c.notes["mode"] == "data") {
      // The client waits for the answer, so that the end of the content is the end of all that came.
      if (input != ".\r\n" && !input.ends_with("\r\n.\r\n")) return 0;
      auto end = input.size() == 3 ? 0 : input.size() - 5;
      size_t skip = end ? 2 : 0;
      c.notes["mode"] = "";
      contents.emplace_back(input.substr(0, end + skip));
      answer(c, ".", "250 2.0.0 Ok: queued as Q" + std::to_string(contents.size()) + "\r\n");
      return end + skip + 3;
    }
    auto end = input.find("\r\n");
    if (end == input.npos) return 0;
    std::string line(input.substr(0, end));
    if (input.size() > end + 2) was_pipelined = true;
    lines.push_back(line);
    auto word = line.substr(0, line.find(' '));
    std::string usual = "250 2.1.0 Ok\r\n";
    if (c.notes["mode"] == "login") {
      word = "login";
      usual = c.notes["user"].empty() ? "334 UGFzc3dvcmQ6\r\n" : "235 2.7.0 Ok\r\n";
      if (!c.notes["user"].empty()) c.notes["mode"] = "";
      c.notes["user"] = line;
    }
    if (word == "EHLO") {
      usual = "250-relay.example\r\n";
      for (auto& extension : extensions)
        if (extension != "STARTTLS" || !c.stream->is_tls()) usual += "250-" + extension + "\r\n";
      usual += "250 HELP\r\n";
    }
    if (word == "QUIT") usual = "221 Bye\r\n";
    if (word == "AUTH") usual = line == "AUTH LOGIN" ? "334 VXNlcm5hbWU6\r\n" : "235 2.7.0 Ok\r\n";
    if (line == "AUTH LOGIN") c.notes["mode"] = "login";
    if (word == "STARTTLS") usual = "220 Go\r\n";
    int number = c.number;
    if (word == "DATA") {
      auto reply = script ? script(word, c) : "";
      if (reply == "close") return server.close(number), end + 2;
      if (reply.empty()) reply = "354 End with a dot\r\n";
      if (reply.starts_with("354")) c.notes["mode"] = "data";
      if (reply != "-") c.stream->write(reply);
      return end + 2;
    }
    answer(c, word, usual);
    if (word == "STARTTLS" && tls && usual.starts_with("220") && (!script || script(word, c).empty()))
      c.stream->start_tls(tls, "");
    return end + 2;
  }
};

using Bench = testing::MailBench;
using testing::said;

}  // namespace

TEST_CASE("a mail goes out with PIPELINING, SIZE and DSN where they are offered") {
  Loop loop;
  Relay relay(loop);
  Bench bench(loop, relay.server.port());
  auto outcome = bench.once("one\r\n.\r\ntwo\r\n.three");
  CHECK(said(outcome) == "accepted ");
  CHECK(outcome.provider_reference == "Q1");
  CHECK(outcome.provider_code == "250 2.0.0");
  REQUIRE(relay.contents.size() == 1);
  CHECK(relay.contents[0].ends_with("\r\n\r\none\r\n..\r\ntwo\r\n..three\r\n"));
  auto size = relay.contents[0].size() - 2;  // less the doubled dots
  CHECK(relay.lines ==
        std::vector<std::string>{"EHLO example.org",
                                 "MAIL FROM:<clinic@example.org> SIZE=" + std::to_string(size) +
                                     " RET=HDRS ENVID=0193b3c4-0000-7000-8000-00000000abcd.2",
                                 "RCPT TO:<patient@example.net> NOTIFY=FAILURE,DELAY ORCPT=rfc822;patient@example.net",
                                 "DATA"});
  CHECK(relay.was_pipelined);
}

TEST_CASE("with a secret the envelope carries the token, and success is asked for where there is DSN") {
  for (bool has_dsn : {true, false}) {
    Loop loop;
    Relay relay(loop);
    if (!has_dsn) relay.extensions.pop_back();
    Bench bench(loop, relay.server.port(), {}, {{"bounce_address", "bounces@example.org"}});
    CHECK(said(bench.once()) == "accepted ");
    REQUIRE(relay.contents.size() == 1);
    auto at = relay.contents[0].find("\r\nX-Signet-Token: ");
    REQUIRE(at != std::string::npos);
    const auto token = relay.contents[0].substr(at + 18, 48);
    CHECK(relay.lines[1].starts_with("MAIL FROM:<bounces+" + token + "@example.org> SIZE="));
    CHECK(relay.lines[1].ends_with(" RET=HDRS ENVID=0193b3c4-0000-7000-8000-00000000abcd.2." + token) == has_dsn);
    CHECK(relay.lines[2] == std::string("RCPT TO:<patient@example.net>") +
                                (has_dsn ? " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;patient@example.net" : ""));
  }
}

TEST_CASE("an outcome says whether anything of the mail had left") {
  for (std::string at : {"greeting", "EHLO", "MAIL", "RCPT", "DATA", ".", "never"}) {
    INFO(at);
    Loop loop;
    Relay relay(loop);
    if (at == "greeting") relay.greeting = "421 4.3.2 going\r\n";
    relay.script = [&](const std::string& word, auto&) { return word == at ? "421 4.3.2 going\r\n" : ""; };
    Bench bench(loop, relay.server.port());
    CHECK(bench.once().has_begun == (at != "greeting" && at != "EHLO"));
  }
}

TEST_CASE("a server without extensions is spoken to one command at a time") {
  for (bool knows_ehlo : {true, false}) {
    Loop loop;
    Relay relay(loop);
    relay.extensions.clear();
    if (!knows_ehlo)
      relay.script = [](const std::string& word, auto&) { return word == "EHLO" ? "502 What?\r\n" : ""; };
    Bench bench(loop, relay.server.port());
    CHECK(said(bench.once()) == "accepted ");
    CHECK(!relay.was_pipelined);
    CHECK(relay.has_seen("HELO example.org") == !knows_ehlo);
    CHECK(relay.has_seen("MAIL FROM:<clinic@example.org>"));
    CHECK(relay.lines[relay.lines.size() - 2] == "RCPT TO:<patient@example.net>");
  }
}

TEST_CASE("multi-line replies are read at every stage") {
  Loop loop;
  Relay relay(loop);
  relay.greeting = "220-relay.example\r\n220-is glad\r\n220 to see you\r\n";
  relay.script = [](const std::string& word, auto&) -> std::string {
    if (word == "MAIL" || word == "RCPT") return "250-2.1.0 well\r\n250 2.1.0 then\r\n";
    if (word == "DATA") return "354-go\r\n354 on\r\n";
    if (word == ".") return "250-2.0.0 Ok: queued as MANY\r\n250-2.0.0 thanks\r\n250 2.0.0 bye\r\n";
    return "";
  };
  Bench bench(loop, relay.server.port());
  CHECK(bench.once().provider_reference == "MANY");
}

TEST_CASE("greylisting is waited out on the same connection after RSET") {
  for (bool pipelined : {true, false}) {
    Loop loop;
    Relay relay(loop);
    if (!pipelined) relay.extensions.clear();
    int asked = 0;
    relay.script = [&](const std::string& word, auto&) -> std::string {
      return word == "RCPT" && asked++ == 0 ? "451 4.7.1 Greylisting in action\r\n" : "";
    };
    Bench bench(loop, relay.server.port());
    auto first = bench.once();
    CHECK(said(first) == "retryable greylisted");
    CHECK(first.provider_code == "451 4.7.1");
    CHECK(said(bench.once()) == "accepted ");
    CHECK(relay.server.accepted == 1);
    CHECK(relay.count("RSET") == 1);
    // In the pipeline the server asked for the content of a mail to nobody: it got an empty one.
    CHECK(relay.contents.size() == (pipelined ? 2 : 1));
    if (pipelined) CHECK(relay.contents[0].empty());
  }
}

TEST_CASE("a refusal at any stage is judged there") {
  struct Row {
    std::string word, reply, said;
  };
  for (bool pipelined : {true, false})
    for (auto& row : std::vector<Row>{
             {"EHLO", "421 4.3.2 going\r\n", "retryable service_unavailable"},
             {"MAIL", "550 5.7.1 no\r\n", "permanent policy_refused"},
             {"MAIL", "421 4.3.2 going\r\n", "retryable service_unavailable"},
             {"RCPT", "550 5.1.1 <patient@example.net> unknown\r\n", "permanent unknown_recipient"},
             {"RCPT", "421 4.7.0 enough\r\n", "retryable throttled"},
             {"DATA", "554 5.3.0 no\r\n", "permanent server_error"},
             {"DATA", "451 4.3.0 later\r\n", "retryable server_error"},
             {".", "554 5.6.0 spam\r\n", "permanent content_refused"},
             {".", "451 4.3.0 disk\r\n", "retryable server_error"},
             {".", "421 4.3.2 going\r\n", "retryable service_unavailable"},
         }) {
      INFO(row.word << " " << row.reply << " pipelined " << pipelined);
      Loop loop;
      Relay relay(loop);
      if (!pipelined) relay.extensions.clear();
      bool is_first = true;
      relay.script = [&](const std::string& word, auto&) -> std::string {
        return word == row.word && std::exchange(is_first, false) ? row.reply : "";
      };
      Bench bench(loop, relay.server.port());
      auto outcome = bench.once();
      CHECK(said(outcome) == row.said);
      CHECK(outcome.provider_code.find('@') == std::string::npos);
      is_first = false;
      CHECK(said(bench.once()) == "accepted ");  // on this connection or another
      for (auto& line : bench.log.lines) CHECK(line.find("patient") == std::string::npos);
    }
}

TEST_CASE("421 or 554 instead of a greeting is retryable") {
  for (std::string greeting : {"421 4.7.0 too many connections\r\n", "554 no\r\n"}) {
    Loop loop;
    Relay relay(loop);
    relay.greeting = greeting;
    Bench bench(loop, relay.server.port());
    auto outcome = bench.once();
    CHECK(said(outcome) == (greeting[0] == '4' ? "retryable throttled" : "retryable service_refused"));
    CHECK(relay.lines.empty());
  }
}

TEST_CASE("a connection that ends after the final dot leaves the mail in doubt, and before it does not") {
  for (std::string at : {"EHLO", "MAIL", "RCPT", "DATA", "."})
    for (bool pipelined : {true, false}) {
      INFO(at << " pipelined " << pipelined);
      Loop loop;
      Relay relay(loop);
      if (!pipelined) relay.extensions.clear();
      relay.script = [&](const std::string& word, auto&) { return word == at ? "close" : ""; };
      Bench bench(loop, relay.server.port());
      CHECK(said(bench.once()) == (at == "." ? "in_doubt reset_after_send" : "retryable connection_lost"));
      CHECK(relay.contents.size() == (at == "." ? 1 : 0));
    }
}

TEST_CASE("a large mail whose content did not all leave is certainly not sent") {
  Loop loop;
  Relay relay(loop);
  relay.extensions[1] = "SIZE 0";  // unlimited
  bool has_closed = false;
  relay.script = [&](const std::string& word, Relay::Connection& c) -> std::string {
    if (word == "DATA") c.stream->pause();  // the content piles up in the sockets
    return "";
  };
  Bench bench(loop, relay.server.port());
  bench.send(std::string(20'000'000, 'x'));
  run_until(loop, [&] { return relay.has_seen("DATA"); });
  Timer later(loop);
  later.start(50, [&] {
    relay.server.close_all();
    has_closed = true;
  });
  bench.finish();
  CHECK(has_closed);
  CHECK(said(bench.outcomes.back()) == "retryable connection_lost");
  CHECK(relay.contents.empty());
}

TEST_CASE("a large mail arrives whole, its dot after the last of it") {
  Loop loop;
  Relay relay(loop);
  Bench bench(loop, relay.server.port());
  std::string body;
  for (int i = 0; i < 50'000; i++) body += ".line " + std::to_string(i) + "\r\n";
  CHECK(said(bench.once(body)) == "accepted ");
  REQUIRE(relay.contents.size() == 1);
  CHECK(relay.contents[0].find("\r\n..line 49999\r\n") != std::string::npos);
}

TEST_CASE("a server that refuses amid the content has not taken the mail") {
  Loop loop;
  Relay relay(loop);
  relay.extensions[1] = "SIZE";
  relay.script = [&](const std::string& word, Relay::Connection& c) -> std::string {
    if (word != "DATA") return "";
    c.stream->pause();
    c.notes["mode"] = "data";
    return "354 go\r\n552 5.3.4 too much\r\n";
  };
  Bench bench(loop, relay.server.port());
  CHECK(said(bench.once(std::string(20'000'000, 'x'))) == "permanent too_large");
}

TEST_CASE("a server that hangs is timed out: in doubt only after the final dot") {
  for (std::string at : {"greeting", "EHLO", "MAIL", "DATA", "."}) {
    INFO(at);
    Loop loop;
    Relay relay(loop);
    relay.extensions.clear();  // in a pipeline the next answer would be taken for the missing one
    if (at == "greeting") relay.greeting = "";
    relay.script = [&](const std::string& word, auto&) { return word == at ? "-" : ""; };
    TransportOptions options;
    options.request_timeout_ms = 150;
    Bench bench(loop, relay.server.port(), options);
    bool is_early = at == "greeting" || at == "EHLO";
    CHECK(said(bench.once()) == (at == "."  ? "in_doubt timed_out"
                                 : is_early ? "retryable connect_timed_out"
                                            : "retryable timed_out"));
  }
}

TEST_CASE("rubbish is retryable before the final dot and in doubt after it") {
  for (std::string at : {"greeting", "EHLO", "MAIL", "RCPT", "DATA", "."}) {
    INFO(at);
    Loop loop;
    Relay relay(loop);
    if (at == "greeting") relay.greeting = "HTTP/1.1 400 Bad Request\r\n\r\n";
    relay.script = [&](const std::string& word, auto&) { return word == at ? "what?\r\n" : ""; };
    Bench bench(loop, relay.server.port());
    CHECK(said(bench.once()) == (at == "." ? "in_doubt unreadable_reply" : "retryable unreadable_reply"));
  }
  for (std::string at : {"MAIL", "RCPT", "DATA", "."}) {  // good SMTP in the wrong place
    INFO(at);
    Loop loop;
    Relay relay(loop);
    relay.script = [&](const std::string& word, auto&) {
      return word != at ? "" : at == "DATA" ? "250 taken\r\n" : "354 go\r\n";
    };
    Bench bench(loop, relay.server.port());
    CHECK(said(bench.once()) == (at == "." ? "in_doubt unreadable_reply" : "retryable unreadable_reply"));
  }
}

TEST_CASE("I10 a deadline is checked before MAIL and again before the content") {
  testing::SetClock clock;
  for (std::string at : {"EHLO", "DATA", "never"}) {
    INFO(at);
    Loop loop;
    Relay relay(loop);
    relay.script = [&](const std::string& word, auto&) {
      if (word == at) clock.tick_.us += 10;
      return "";
    };
    Bench bench(loop, relay.server.port(), {}, {}, &clock);
    auto outcome = bench.once("Hello.", {clock.tick_.us + 5});
    CHECK(said(outcome) == (at == "never" ? "accepted " : "unsent permit_lapsed"));
    CHECK(relay.contents.size() == (at == "never" ? 1 : 0));
    CHECK(relay.has_seen("MAIL") == (at != "EHLO"));
  }
}

TEST_CASE("a deadline that lapses while a large content leaves holds back the dot") {
  testing::SetClock clock;
  Loop loop;
  Relay relay(loop);
  relay.extensions.clear();
  Relay::Connection* held = nullptr;
  relay.script = [&](const std::string& word, Relay::Connection& c) -> std::string {
    if (word != "DATA") return "";
    c.stream->pause();
    held = &c;
    return "";
  };
  Bench bench(loop, relay.server.port(), {}, {}, &clock);
  bench.send(std::string(20'000'000, 'x'), {clock.tick_.us + 5});
  run_until(loop, [&] { return held != nullptr; });
  clock.tick_.us += 10;
  loop.post([&] { held->stream->resume(); });
  bench.finish();
  CHECK(said(bench.outcomes.back()) == "unsent permit_lapsed");
  CHECK(relay.contents.empty());
}

TEST_CASE("connections are kept and no more are opened than may be in flight") {
  Loop loop;
  Relay relay(loop);
  TransportOptions options;
  options.in_flight_max = 4;
  Bench bench(loop, relay.server.port(), options);
  int sent = 0;
  loop.on_round([&] {
    for (; sent < 60 && bench.transport->has_room(); sent++) bench.send();
  });
  run_until(loop, [&] { return bench.outcomes.size() == 60; });
  loop.on_round({});
  for (auto& outcome : bench.outcomes) CHECK(said(outcome) == "accepted ");
  CHECK(relay.contents.size() == 60);
  CHECK(relay.server.accepted <= 4);
  CHECK(relay.count("RSET") == 0);
}

TEST_CASE("a kept connection that the server has closed costs no attempt") {
  for (std::string how : {"close", "421 4.4.2 idle too long\r\n"}) {
    INFO(how);
    Loop loop;
    Relay relay(loop);
    relay.script = [&](const std::string& word, Relay::Connection& c) {
      return word == "MAIL" && c.number == 1 && relay.contents.size() == 1 ? how : "";
    };
    Bench bench(loop, relay.server.port());
    CHECK(said(bench.once()) == "accepted ");
    CHECK(said(bench.once()) == "accepted ");
    CHECK(relay.server.accepted == 2);
    CHECK(relay.contents.size() == 2);
  }
}

TEST_CASE("a session that is not needed says QUIT") {
  Loop loop;
  Relay relay(loop);
  auto settings = testing::smtp_settings();
  settings.values["url"] = "smtp://127.0.0.1:" + std::to_string(relay.server.port());
  auto options = smtp_options(settings);
  REQUIRE(options);
  options->idle_ms = 20;
  auto provider = make_provider(settings);
  REQUIRE(provider);
  auto mail = (*provider)->build_mail(testing::outbound(Kind::email), WallTime{1795305600000000});
  REQUIRE(mail);
  SystemClock clock;
  bool is_dead = false, is_done = false;
  SmtpSession session(loop, clock, std::make_shared<const SmtpOptions>(*options), nullptr, [&] { is_dead = true; });
  session.send(*mail, {INT64_MAX}, 5000,
               [&](SmtpResult result) { is_done = result.reply && result.reply->code == 250; });
  run_until(loop, [&] { return is_dead; });
  CHECK(is_done);
  CHECK(session.is_dead());
  CHECK(relay.lines.back() == "QUIT");
}

TEST_CASE("a mail that the server cannot take is refused without trying") {
  Loop loop;
  Relay relay(loop);
  relay.extensions = {"SIZE 1000"};
  Bench bench(loop, relay.server.port());
  CHECK(said(bench.once(std::string(2000, 'x'))) == "permanent too_large");
  auto message = testing::outbound(Kind::email);
  message.recipient = Phi<std::string>("m\xc3\xbcller@example.net");
  std::optional<Outcome> outcome;
  bench.transport->send(message, {INT64_MAX}, [&](Outcome o) { outcome = o; });
  run_until(loop, [&] { return outcome.has_value(); });
  CHECK(said(*outcome) == "permanent smtputf8_unavailable");
  message.recipient = Phi<std::string>("a@b.example>\r\nDATA");
  outcome.reset();
  bench.transport->send(message, {INT64_MAX}, [&](Outcome o) { outcome = o; });
  CHECK(!outcome);
  run_until(loop, [&] { return outcome.has_value(); });
  CHECK(said(*outcome) == "permanent bad_message");
  CHECK(!relay.has_seen("MAIL"));
}

TEST_CASE("an address beyond ASCII goes by SMTPUTF8") {
  Loop loop;
  Relay relay(loop);
  relay.extensions = {"8BITMIME", "SMTPUTF8"};
  Bench bench(loop, relay.server.port());
  auto message = testing::outbound(Kind::email);
  message.recipient = Phi<std::string>("m\xc3\xbcller@example.net");
  std::optional<Outcome> outcome;
  bench.transport->send(message, {INT64_MAX}, [&](Outcome o) { outcome = o; });
  run_until(loop, [&] { return outcome.has_value(); });
  CHECK(said(*outcome) == "accepted ");
  CHECK(relay.has_seen("RCPT TO:<m\xc3\xbcller@example.net>"));
  CHECK(relay.lines[1].find(" SMTPUTF8") != std::string::npos);
}

TEST_CASE("a relay that is not there is retryable") {
  Loop loop;
  int port = 0;
  {
    Relay relay(loop);
    port = relay.server.port();
  }
  Bench bench(loop, port);
  CHECK(said(bench.once()) == "retryable connect_refused");
  CHECK_FALSE(bench.once().has_begun);
  CHECK(bench.log.lines.size() == 1);
  Bench unnamed(loop, 0, {}, {{"url", "smtp://no..such:25"}});
  CHECK(said(unnamed.once()) == "retryable dns_failed");
}

TEST_CASE("STARTTLS, then EHLO anew, then AUTH, and only then the mail") {
  Certificate certificate;
  for (std::string mechanism : {"PLAIN", "LOGIN"}) {
    Loop loop;
    Relay relay(loop);
    relay.tls = certificate.server;
    relay.extensions = {"STARTTLS", "PIPELINING", "AUTH " + mechanism};
    Bench bench(loop, relay.server.port(), {},
                {{"starttls", "(none)"}, {"ca_file", certificate.file}, {"username", "clinic"}});
    CHECK(said(bench.once()) == "accepted ");
    CHECK(said(bench.once()) == "accepted ");
    CHECK(relay.server.accepted == 1);
    std::vector<std::string> start(relay.lines.begin(), relay.lines.begin() + 4);
    CHECK(start == std::vector<std::string>{"EHLO example.org", "STARTTLS", "EHLO example.org",
                                            mechanism == "PLAIN" ? "AUTH PLAIN AGNsaW5pYwBzZWNyZXQ=" : "AUTH LOGIN"});
    if (mechanism == "LOGIN") CHECK((relay.lines[4] == "Y2xpbmlj" && relay.lines[5] == "c2VjcmV0"));
  }
}

TEST_CASE("TLS that is required is required") {
  Certificate certificate;
  Loop loop;
  Relay plain(loop);
  Bench none(loop, plain.server.port(), {}, {{"starttls", "required"}});
  CHECK(said(none.once()) == "retryable starttls_unavailable");
  CHECK(!plain.has_seen("MAIL"));

  Relay stranger(loop);  // its certificate is nobody's we know
  stranger.tls = certificate.server;
  stranger.extensions = {"STARTTLS"};
  Bench careful(loop, stranger.server.port(), {}, {{"starttls", "required"}});
  CHECK(said(careful.once()) == "retryable tls_failed");
  Bench opportunistic(loop, stranger.server.port(), {}, {{"starttls", "opportunistic"}});
  CHECK(said(opportunistic.once()) == "accepted ");
  CHECK(stranger.count("EHLO") == 3);

  Bench in_the_clear(loop, plain.server.port(), {}, {{"starttls", "opportunistic"}});
  CHECK(said(in_the_clear.once()) == "accepted ");
  Bench secretive(loop, plain.server.port(), {}, {{"starttls", "opportunistic"}, {"username", "clinic"}});
  auto outcome = secretive.once();
  CHECK(said(outcome) == "retryable auth_in_the_clear");
  CHECK(outcome.scope == FaultScope::credential);
  CHECK(!plain.has_seen("AUTH"));
}

TEST_CASE("what a server slips in behind its answer to STARTTLS is not believed") {
  Loop loop;
  Relay relay(loop);
  relay.extensions = {"STARTTLS"};
  relay.script = [](const std::string& word, auto&) {
    return word == "STARTTLS" ? "220 Go\r\n250-evil\r\n250 AUTH PLAIN\r\n" : "";
  };
  Bench bench(loop, relay.server.port(), {}, {{"starttls", "required"}});
  CHECK(said(bench.once()) == "retryable tls_failed");
}

TEST_CASE("smtps speaks TLS from the first byte") {
  Certificate certificate;
  Loop loop;
  Relay relay(loop, certificate.server);
  Bench bench(loop, 0, {},
              {{"url", "smtps://127.0.0.1:" + std::to_string(relay.server.port())},
               {"starttls", "(none)"},
               {"ca_file", certificate.file}});
  CHECK(said(bench.once()) == "accepted ");
  CHECK(!relay.has_seen("STARTTLS"));
}

TEST_CASE("a wrong password is the account's fault and keeps the message") {
  Certificate certificate;
  Loop loop;
  Relay relay(loop);
  relay.tls = certificate.server;
  relay.extensions = {"STARTTLS", "AUTH PLAIN LOGIN"};
  relay.script = [](const std::string& word, auto&) { return word == "AUTH" ? "535 5.7.8 no\r\n" : ""; };
  Bench bench(loop, relay.server.port(), {},
              {{"starttls", "required"}, {"ca_file", certificate.file}, {"username", "clinic"}});
  auto outcome = bench.once();
  CHECK(said(outcome) == "retryable auth_failed");
  CHECK(outcome.scope == FaultScope::credential);
  CHECK(!relay.has_seen("MAIL"));
}

TEST_CASE("smtp settings that cannot work are refused by key") {
  struct Row {
    std::string key, value, says;
  };
  for (auto& row : std::vector<Row>{
           {"url", "http://x", "url"},
           {"url", "smtp://", "url"},
           {"url", "smtp://x:99999", "url"},
           {"url", "smtps://x", "starttls"},
           {"starttls", "maybe", "starttls"},
           {"from", "nobody", "from"},
           {"from", "a@b.example\r\nBcc: x@y.example", "from"},
           {"username", "u", "password_file"},
           {"hello", "a b", "hello"},
       }) {
    auto settings = testing::smtp_settings();
    settings.values[row.key] = row.value;
    auto made = make_provider(settings);
    INFO(row.key << "=" << row.value);
    REQUIRE(!made);
    CHECK(made.error().text.find(row.says + ":") != std::string::npos);
  }
  auto settings = testing::smtp_settings();
  settings.values["username"] = "u";
  settings.secrets["password"] = Secret("p");
  CHECK(make_provider(settings).error().text.find("in the clear") != std::string::npos);
}

TEST_CASE("a mail transport that goes takes its attempts along without a word") {
  Loop loop;
  Relay relay(loop);
  relay.script = [](const std::string& word, auto&) { return word == "." ? "-" : ""; };
  Bench bench(loop, relay.server.port());
  bench.send();
  run_until(loop, [&] { return relay.contents.size() == 1; });
  bench.send();
  bench.transport.reset();
  CHECK(bench.outcomes.empty());
  // And from inside its own callback.
  relay.script = nullptr;
  Bench other(loop, relay.server.port());
  bool is_done = false;
  other.transport->send(testing::outbound(Kind::email), {INT64_MAX}, [&](Outcome) {
    is_done = true;
    other.transport.reset();
  });
  run_until(loop, [&] { return is_done; });
  CHECK(is_done);
}

TEST_CASE("a real server takes what we send") {
  auto script = std::string(SIGNET_SOURCE_DIR) + "/tests/providers/aiosmtpd_server.py";
  std::unique_ptr<FILE, int (*)(FILE*)> process(::popen(("/usr/bin/python3 " + script + " 2").c_str(), "r"), ::pclose);
  REQUIRE(process);
  std::string text(1 << 20, '\0');
  auto line = [&] {
    auto got = std::fgets(text.data(), int(text.size()), process.get());
    return std::string(got ? got : "");
  };
  auto port = line();
  REQUIRE(!port.empty());
  Loop loop;
  Bench bench(loop, std::stoi(port));
  const std::string body =
      "Gr\xc3\xbc\xc3\x9f"
      "e an alle\r\n.\r\n..\r\nund das ist das Ende";
  auto first = bench.once(body);
  CHECK(said(first) == "accepted ");
  CHECK(first.provider_reference == "TEST");
  CHECK(said(bench.once("plain\n.\nend")) == "accepted ");
  auto mail = nlohmann::json::parse(line());
  CHECK(mail["from"] == "clinic@example.org");
  CHECK(mail["to"] == nlohmann::json::array({"patient@example.net"}));
  auto data = mail["data"].get<std::string>();
  CHECK(data.find("\r\nSubject: Your results\r\n") != std::string::npos);
  CHECK(data.ends_with("\r\n\r\nGr=C3=BC=C3=9Fe an alle\r\n.\r\n..\r\nund das ist das Ende\r\n"));
  auto second = nlohmann::json::parse(line());
  CHECK(second["data"].get<std::string>().ends_with("\r\n\r\nplain\r\n.\r\nend\r\n"));
}

}  // namespace signet

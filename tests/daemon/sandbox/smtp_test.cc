#include "daemon/sandbox/smtp_sandbox.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/sandbox/mail_text.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/daemon/http/test_certificate.h"
#include "tests/daemon/sandbox/sandbox_fixture.h"

using namespace signet;
using namespace signet::test;
using Json = nlohmann::json;

namespace {

constexpr const char* kMail =
    "From: Clinic <clinic@example.org>\r\nTo: Anna <anna@example.org>\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Message-ID: <0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061@example.org>\r\n\r\nHello.\r\n..stuffed\r\n.\r\n";

class Mailer {
 public:
  explicit Mailer(int port) : client(port) {
    line();
    client.send("EHLO client.example\r\n");
    for (std::string one = line();; one = line()) {
      capabilities.push_back(one.substr(4));
      if (one[3] == ' ') break;
    }
  }
  // One reply line, "" at the end of the connection.
  std::string line() {
    const auto read = client.read_until("\r\n");
    return read ? read->substr(0, read->size() - 2) : "";
  }
  std::string say(const std::string& command) {
    client.send(command + "\r\n");
    return line();
  }
  // The code of the first reply that is not 2xx or 354, or of the final one.
  std::string mail(const std::string& to) {
    for (const std::string& command :
         {std::string("MAIL FROM:<clinic@example.org>"), "RCPT TO:<" + to + ">", std::string("DATA")}) {
      const std::string reply = say(command);
      if (reply.empty() || (reply[0] != '2' && reply[0] != '3')) return reply;
    }
    client.send(kMail);
    return line();
  }

  RawClient client;
  std::vector<std::string> capabilities;
};

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

TEST_CASE("mail is taken, journaled and shown") {
  SandboxFixture f;
  Mailer mailer(f.smtp_port);
  for (const char* capability : {"PIPELINING", "8BITMIME", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 26214400"})
    CHECK(has(mailer.capabilities, capability));
  CHECK_FALSE(has(mailer.capabilities, "STARTTLS"));
  CHECK(mailer.mail("anna@example.org").starts_with("250 2.0.0 Ok: queued as "));
  CHECK(mailer.mail("bert@example.org").starts_with("250 2.0.0 "));
  CHECK(mailer.say("QUIT") == "221 2.0.0 Bye");
  CHECK(mailer.client.read_all().empty());
  const auto lines = f.journal();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("channel") == "email");
  CHECK(lines[0].at("recipient") == "anna@example.org");
  CHECK(lines[0].at("verdict") == "accepted");
  CHECK(lines[0].at("echo") == "0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061");
  const Json shown = Json::parse(f.get("/sandbox/messages"))[1];
  CHECK(shown["subject"] ==
        "Gr\xc3\xbc\xc3\x9f"
        "e");
  CHECK(shown["text"] == "Hello.\r\n.stuffed\r\n");
  CHECK(Json::parse(f.get("/sandbox/journal/summary"))["twice"] == Json{"0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061"});
}

TEST_CASE("pipelined commands are answered in order") {
  SandboxFixture f;
  Mailer mailer(f.smtp_port);
  mailer.client.send(
      "MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME SMTPUTF8 ENVID=0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061.2\r\n"
      "RCPT TO:<bad0001@example.org>\r\nRCPT TO:<good@example.org> NOTIFY=NEVER\r\nDATA\r\n");
  CHECK(mailer.line() == "250 2.1.0 Ok");
  CHECK(mailer.line() == "550 5.1.1 No such mailbox here");
  CHECK(mailer.line() == "250 2.1.5 Ok");
  CHECK(mailer.line().starts_with("354 "));
  mailer.client.send(std::string(kMail) +
                     "MAIL FROM:<a@example.org>\r\nRCPT TO:<x0001@example.org>\r\nDATA\r\nRSET\r\n");
  CHECK(mailer.line().starts_with("250 2.0.0 "));
  CHECK(mailer.line() == "250 2.1.0 Ok");
  CHECK(mailer.line().starts_with("550 5.1.1 "));
  CHECK(mailer.line().starts_with("554 5.5.1 "));
  CHECK(mailer.line() == "250 2.0.0 Ok");
  const auto lines = f.journal();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].at("recipient") == "good@example.org");
  CHECK(lines[1].at("echo") == "0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061.2");
}

TEST_CASE("a message is read the same however it is cut") {
  SandboxFixture f;
  Mailer mailer(f.smtp_port);
  const std::string dialogue =
      std::string("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n") + kMail + "NOOP\r\n";
  for (const char c : dialogue) mailer.client.send(std::string_view(&c, 1));
  for (const char* code : {"250 2.1.0", "250 2.1.5", "354", "250 2.0.0 Ok: queued", "250 2.0.0 Ok"})
    CHECK(mailer.line().starts_with(code));
}

TEST_CASE("e-mail endings: 0001 refused, 0003 greylisted once, 0009 turned away once") {
  SandboxFixture f;
  Mailer mailer(f.smtp_port);
  CHECK(mailer.mail("anna0001@example.org") == "550 5.1.1 No such mailbox here");
  CHECK(mailer.say("RSET").starts_with("250"));
  CHECK(mailer.mail("anna0003@example.org").starts_with("451 4.7.1 "));
  CHECK(mailer.say("RSET").starts_with("250"));
  CHECK(mailer.mail("anna0003@example.org").starts_with("250 "));
  CHECK(mailer.mail("anna0009@example.org").starts_with("421 4.3.2 "));
  CHECK(mailer.line().empty());
  Mailer again(f.smtp_port);
  CHECK(again.mail("anna0009@example.org").starts_with("250 "));
  std::vector<std::string> verdicts;
  for (const auto& line : f.journal()) verdicts.push_back(line.at("verdict"));
  CHECK(verdicts == std::vector<std::string>{"refused", "throttled", "accepted", "throttled", "accepted"});
}

TEST_CASE("0004 hangs after the final dot, 0005 takes the mail and closes") {
  SandboxFixture f;
  Mailer hung(f.smtp_port);
  std::string hung_reply = "not yet";
  std::thread waiter([&] { hung_reply = hung.mail("anna0004@example.org"); });
  Mailer closed(f.smtp_port);
  CHECK(closed.mail("anna0005@example.org").empty());
  while (f.journal().size() != 2) std::this_thread::yield();
  for (const auto& line : f.journal()) {
    const bool is_hung = line.at("recipient") == "anna0004@example.org";
    CHECK(line.at("verdict") == (is_hung ? "hung" : "accepted"));
    CHECK(line.at("answer") == (is_hung ? "none" : "closed"));
  }
  f.running.on_loop([&] { f.box.reset(); });  // only now does the hung connection end
  waiter.join();
  CHECK(hung_reply.empty());
}

TEST_CASE("commands out of order and malformed ones are refused") {
  SandboxFixture f;
  {
    RawClient client(f.smtp_port);
    client.read_until("\r\n");
    client.send("MAIL FROM:<a@b>\r\n");
    CHECK(client.read_until("\r\n")->starts_with("503 "));
    client.send("EHLO\r\n");
    CHECK(client.read_until("\r\n")->starts_with("501 "));
  }
  Mailer mailer(f.smtp_port);
  CHECK(mailer.say("RCPT TO:<a@b>").starts_with("503 "));
  CHECK(mailer.say("DATA").starts_with("503 "));
  CHECK(mailer.say("MAIL FROM:a@b").starts_with("501 "));
  CHECK(mailer.say("MAIL FROM:<a@b> SIZE=99999999").starts_with("552 "));
  CHECK(mailer.say("MAIL FROM:<>").starts_with("250 "));
  CHECK(mailer.say("RCPT TO:<nobody>").starts_with("501 "));
  CHECK(mailer.say("DATA").starts_with("554 "));
  CHECK(mailer.say("STARTTLS").starts_with("502 "));
  CHECK(mailer.say("BREW").starts_with("502 "));
  CHECK(mailer.say(std::string(3000, 'a')).starts_with("500 "));
  CHECK(mailer.line().empty());
}

TEST_CASE("bare line feeds in a message are refused, and do not end it") {
  SandboxFixture f;
  Mailer mailer(f.smtp_port);
  for (const char* command : {"MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"}) mailer.say(command);
  CHECK(mailer.say("Subject: x\r\n\r\none\n.\nMAIL FROM:<evil@example.org>\r\n.").starts_with("550 5.6.0 "));
  CHECK(mailer.say("NOOP").starts_with("250"));
  REQUIRE(f.journal().size() == 1);
  CHECK(f.journal()[0].at("verdict") == "refused");
}

TEST_CASE("STARTTLS is offered with a certificate, and mail goes through it") {
  const TestCertificate certificate;
  auto tls = TlsContext::server(certificate.certificate_file(), certificate.key_file());
  REQUIRE(tls);
  SandboxFixture f([&](sandbox::Options& o) { o.smtp_tls = *tls; });
  {
    Mailer eager(f.smtp_port);
    CHECK(has(eager.capabilities, "STARTTLS"));
    CHECK(eager.say("STARTTLS\r\nNOOP").starts_with("501 "));
    CHECK(eager.line().empty());
  }
  std::string received;
  std::promise<void> closed;
  std::unique_ptr<Stream> stream;
  f.running.on_loop([&] {
    Stream::Handlers handlers;
    handlers.on_open = [&] {
      if (!stream->is_tls()) return stream->write("EHLO c\r\nSTARTTLS\r\n");
      stream->write("EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" + std::string(kMail) +
                    "QUIT\r\n");
    };
    handlers.on_data = [&](std::string_view octets) {
      received += octets;
      if (stream->is_tls() || !received.ends_with("220 2.0.0 Go ahead\r\n")) return;
      received.clear();
      stream->start_tls(TlsContext::client("", false).value(), "localhost");
    };
    handlers.on_close = [&](const Error&) { closed.set_value(); };
    stream = Stream::connect(f.running.loop(), {"127.0.0.1", f.smtp_port}, {}, std::move(handlers));
  });
  closed.get_future().get();
  f.running.on_loop([&] { stream.reset(); });
  CHECK(received.find("STARTTLS") == std::string::npos);
  CHECK(received.find("250 2.0.0 Ok: queued as ") != std::string::npos);
  CHECK(f.journal().size() == 1);
}

TEST_CASE("what a person would read in a mail") {
  const auto mail = sandbox::read_mail(
      "To: =?UTF-8?B?w4RubmE=?= =?UTF-8?Q?_M?= <a@example.org>\r\nSUBJECT: folded\r\n here\r\n"
      "Content-Type: multipart/mixed; boundary=\"=_x\"\r\n\r\npreamble\r\n--=_x\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      "Gr=C3=BC=C3=9Fe, =\r\nzusammen=3D\r\n--=_x\r\nContent-Type: application/pdf\r\n\r\nJVBERi0=\r\n--=_x--\r\n");
  CHECK(mail.to == "\xc3\x84nna M <a@example.org>");
  CHECK(mail.subject == "folded here");
  CHECK(mail.text ==
        "Gr\xc3\xbc\xc3\x9f"
        "e, zusammen=\r\n");
  CHECK(sandbox::read_mail("").text.empty());
  CHECK(sandbox::read_mail("\r\nplain\r\n").text == "plain\r\n");
  CHECK(sandbox::read_mail("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n").text ==
        "Hi");
  CHECK(sandbox::read_mail("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n").text == "(no plain text in it)");
  CHECK(sandbox::read_mail("Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n\r\n--\r\n").text.size() < 100);
}

TEST_CASE("a mail's sender is told what became of it, as far as it asked") {
  SandboxFixture f([](sandbox::Options& options) { options.mail_account = "relay"; });
  Mailer mailer(f.smtp_port);
  const auto mail = [&](const std::string& to, const std::string& notify) {
    mailer.say("MAIL FROM:<bounces+token@example.org> RET=HDRS ENVID=a+2Bb");
    mailer.say("RCPT TO:<" + to + ">" + notify);
    mailer.say("DATA");
    mailer.client.send(kMail);
    CHECK(mailer.line().starts_with("250 "));
  };
  const auto has_line = [](const Callback& callback, const std::string& line) {
    return callback.body.find("\r\n" + line + "\r\n") != std::string::npos;
  };
  mail("nobody@example.org", " NOTIFY=NEVER");
  mail("failures@example.org", "");  // failures only, and it is none
  mail("anna@example.org", " NOTIFY=SUCCESS,FAILURE,DELAY");
  const auto delivered = f.wait_for_callbacks(1)[0];
  CHECK(delivered.target == "/webhooks/relay");
  CHECK(has_line(delivered, "To: <bounces+token@example.org>"));
  CHECK(has_line(delivered, "Original-Envelope-Id: a+b"));
  CHECK(has_line(delivered, "Final-Recipient: rfc822; anna@example.org"));
  CHECK(has_line(delivered, "Action: delivered"));
  CHECK(has_line(delivered, "Message-ID: <0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061@example.org>"));
  CHECK_FALSE(has_line(delivered, "Hello."));  // nothing of the text
  mail("bert0002@example.org", "");
  CHECK(has_line(f.wait_for_callbacks(2)[1], "Status: 5.1.1"));
  mail("cara0010@example.org", " NOTIFY=SUCCESS");
  const auto callbacks = f.wait_for_callbacks(4);
  CHECK(has_line(callbacks[2], "Action: delivered"));
  CHECK(has_line(callbacks[3], "Feedback-Type: abuse"));
}

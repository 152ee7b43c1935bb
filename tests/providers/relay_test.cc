// Mail against servers that are not ours: smtp-sink and Postfix of Debian, smtp-server of npm. (aiosmtpd is in
// smtp_transport_test.) What comes back from Postfix goes through its pipe into `signetd dsn`.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/fakes/process.h"
#include "tests/providers/mail_bench.h"
#include "tests/providers/postfix_server.h"

namespace signet {
namespace {

using testing::Certificate;
using testing::HttpServer;
using testing::MailBench;
using testing::PostfixServer;
using testing::run_until;
using testing::said;
using Json = nlohmann::json;

struct Folder {
  Folder() {
    char name[] = "/tmp/signet_relay_XXXXXX";
    path = ::mkdtemp(name);
    std::filesystem::permissions(path, std::filesystem::perms(0777));  // smtp-sink writes as nobody
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

bool is_listening(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_open = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return is_open;
}

class SmtpSink {
 public:
  explicit SmtpSink(const std::vector<std::string>& options) : port(free_tcp_port()) {
    std::vector<std::string> command = {"/usr/sbin/smtp-sink", "-d", folder_.path + "/mail."};
    if (::getuid() == 0) command.insert(command.end(), {"-u", "nobody"});
    command.insert(command.end(), options.begin(), options.end());
    command.insert(command.end(), {"127.0.0.1:" + std::to_string(port), "10"});
    process_ = std::make_unique<Process>(command, folder_.path + "/log");
    wait_until(
        "smtp-sink listens: " + read_file(folder_.path + "/log"), [&] { return is_listening(port); }, 10);
  }
  std::vector<std::string> mails() const {  // with what came in MAIL and RCPT before them
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path))
      if (entry.path().filename().string().starts_with("mail.")) out.push_back(read_file(entry.path()));
    return out;
  }
  const int port;

 private:
  Folder folder_;
  std::unique_ptr<Process> process_;
};

class NpmServer {
 public:
  explicit NpmServer(const Json& options) {
    const std::string source = SIGNET_SOURCE_DIR;
    // Beside the test programs, where other suites find it installed.
    const auto scratch = std::filesystem::path(SIGNET_BINARY).parent_path().parent_path() / "tests" / "npm";
    REQUIRE(std::system((source + "/tests/npm/install '" + scratch.string() + "'").c_str()) == 0);
    process_ = std::make_unique<Process>(
        std::vector<std::string>{"/usr/bin/env", "NODE_PATH=" + (scratch / "node_modules").string(), "node",
                                 source + "/tests/providers/smtp_server.cjs", options.dump()},
        folder_.path + "/out");
    wait_until("smtp-server says its port", [&] { return !process_->is_running() || !lines().empty(); });
    INFO(read_file(folder_.path + "/out"));
    REQUIRE(process_->is_running());
    port = std::stoi(lines().front());
  }
  Json mail(size_t number) {  // from 1
    wait_until("smtp-server has the mail", [&] { return lines().size() > number; });
    return Json::parse(lines()[number]);
  }
  size_t count() const { return lines().size() - 1; }
  int port = 0;

 private:
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::istringstream text(read_file(folder_.path + "/out"));
    for (std::string line; std::getline(text, line) && !text.eof();) out.push_back(line);
    return out;
  }
  Folder folder_;
  std::unique_ptr<Process> process_;
};

Outbound mail_to(const std::string& recipient, int attempt_no = 2) {
  auto message = testing::outbound(Kind::email);
  message.recipient = Phi<std::string>(recipient);
  message.attempt_no = attempt_no;
  return message;
}

// Where `signetd dsn` posts to: keeps what came and answers as told.
struct ReportListener {
  explicit ReportListener(Loop& loop) : server(loop) {
    server.on_request = [this](const HttpServer::Request& request) {
      heads.push_back(request.head);
      bodies.push_back(request.body);
      request.connection.stream->write(HttpServer::reply(status, ""));
    };
  }
  HttpServer server;
  int status = 204;
  std::vector<std::string> heads, bodies;
};

}  // namespace

TEST_CASE("smtp-sink takes what we send, with and without each of its extensions") {
  for (const std::vector<std::string>& options :
       std::vector<std::vector<std::string>>{{}, {"-N"}, {"-p"}, {"-8"}, {"-E"}, {"-e"}, {"-p", "-8", "-E", "-N"}}) {
    INFO((options.empty() ? "" : options.front()) << " and " << options.size());
    SmtpSink sink(options);
    Loop loop;
    MailBench bench(loop, sink.port, {}, {{"bounce_address", "bounces@example.org"}});
    CHECK(said(bench.once("one\r\n.\r\n..two\r\n")) == "accepted ");
    CHECK(said(bench.once("three")) == "accepted ");
    const auto mails = sink.mails();
    REQUIRE(mails.size() == 2);
    const bool has_dsn = std::none_of(options.begin(), options.end(), [](auto& o) { return o == "-N" || o == "-e"; });
    for (const auto& mail : mails) {
      CHECK(mail.find("X-Mail-Args: <bounces+") != std::string::npos);
      CHECK((mail.find(" RET=HDRS ENVID=0193b3c4-0000-7000-8000-00000000abcd.2.") != std::string::npos) == has_dsn);
      CHECK((mail.find("NOTIFY=SUCCESS,FAILURE,DELAY") != std::string::npos) == has_dsn);
    }
    const auto& first = mails[mails[0].find("three") == std::string::npos ? 0 : 1];
    CHECK(first.find("\none\n.\n..two\n") != std::string::npos);
  }
}

TEST_CASE("what smtp-sink refuses, breaks off or leaves is judged by where it does") {
  struct Row {
    std::vector<std::string> options;
    std::string said;
  };
  for (auto& row : std::vector<Row>{
           {{"-f", "EHLO,HELO"}, "retryable service_refused"},
           {{"-r", "MAIL"}, "retryable server_error"},
           {{"-f", "MAIL", "-B", "550 5.1.8 bad sender domain"}, "permanent sender_refused"},
           {{"-f", "RCPT", "-B", "550 5.1.1 no such mailbox"}, "permanent unknown_recipient"},
           {{"-r", "RCPT", "-b", "451 4.7.1 Greylisting in action"}, "retryable greylisted"},
           {{"-r", "RCPT", "-b", "452 4.2.2 mailbox full"}, "retryable mailbox_full"},
           {{"-f", "DATA", "-B", "554 5.7.1 not from you"}, "permanent policy_refused"},
           {{"-f", ".", "-B", "554 5.6.0 looks like spam"}, "permanent content_refused"},
           {{"-r", ".", "-b", "451 4.3.0 disk full"}, "retryable server_error"},
           {{"-q", "CONNECT"}, "retryable connection_lost"},
           {{"-q", "MAIL"}, "retryable connection_lost"},
           {{"-q", "RCPT"}, "retryable connection_lost"},
           {{"-q", "DATA"}, "retryable connection_lost"},
           {{"-q", "."}, "in_doubt reset_after_send"},
           {{"-Q", "RCPT"}, "retryable service_unavailable"},
           {{"-Q", "."}, "retryable service_unavailable"},
       }) {
    INFO(row.options[0] << " " << row.options[1]);
    SmtpSink sink(row.options);
    Loop loop;
    MailBench bench(loop, sink.port);
    CHECK(said(bench.once()) == row.said);
  }
}

TEST_CASE("npm smtp-server: STARTTLS, then AUTH, then the mail; and on the same connection the next") {
  Certificate certificate;
  for (std::string method : {"PLAIN", "LOGIN"}) {
    INFO(method);
    NpmServer server({{"key", certificate.key}, {"cert", certificate.file}, {"authMethods", {method}}});
    Loop loop;
    MailBench bench(loop, server.port, {},
                    {{"starttls", "required"},
                     {"ca_file", certificate.file},
                     {"username", "clinic"},
                     {"bounce_address", "bounces@example.org"}});
    const auto outcome = bench.once("Gr\xc3\xbc\xc3\x9f\x65 an alle\r\n.\r\nund das ist das Ende");
    CHECK(said(outcome) == "accepted ");
    CHECK(outcome.provider_reference == "NPM1");
    CHECK(said(bench.once(mail_to("no.such@example.net"))) == "permanent unknown_recipient");
    CHECK(said(bench.once(mail_to("later@example.net"))) == "retryable greylisted");
    CHECK(said(bench.once(mail_to("m\xc3\xbcller@example.net"))) == "accepted ");
    const auto first = server.mail(1), second = server.mail(2);
    CHECK(first["is_secure"] == true);
    CHECK(first["user"] == "clinic");
    CHECK(first["from"]["address"].get<std::string>().starts_with("bounces+"));
    CHECK(first["from"]["args"]["RET"] == "HDRS");
    CHECK(first["from"]["args"]["ENVID"].get<std::string>().starts_with("0193b3c4-0000-7000-8000-00000000abcd.2."));
    CHECK(first["to"][0]["address"] == "patient@example.net");
    CHECK(first["to"][0]["args"]["NOTIFY"] == "SUCCESS,FAILURE,DELAY");
    CHECK(first["to"][0]["args"]["ORCPT"] == "rfc822;patient@example.net");
    CHECK(
        first["data"].get<std::string>().ends_with("\r\n\r\nGr=C3=BC=C3=9Fe an alle\r\n.\r\nund das ist das Ende\r\n"));
    CHECK(second["to"][0]["address"] == "m\xc3\xbcller@example.net");
    CHECK(second["from"]["args"]["SMTPUTF8"] == true);
    CHECK(server.count() == 2);
  }
}

TEST_CASE("npm smtp-server: TLS at once, a wrong password, a stranger's certificate, a size it does not take") {
  Certificate certificate;
  Loop loop;
  const Json tls{{"key", certificate.key}, {"cert", certificate.file}};
  auto at_once = tls;
  at_once["secure"] = true;
  NpmServer smtps(at_once);
  MailBench secure(loop, 0, {},
                   {{"url", "smtps://127.0.0.1:" + std::to_string(smtps.port)},
                    {"starttls", "(none)"},
                    {"ca_file", certificate.file},
                    {"username", "clinic"}});
  CHECK(said(secure.once()) == "accepted ");
  CHECK(smtps.mail(1)["is_secure"] == true);

  NpmServer server(tls);
  const std::map<std::string, std::string> starttls{{"starttls", "required"}, {"ca_file", certificate.file}};
  auto wrong = starttls;
  wrong["username"] = "somebody";
  MailBench refused(loop, server.port, {}, wrong);
  const auto outcome = refused.once();
  CHECK(said(outcome) == "retryable auth_failed");
  CHECK(outcome.scope == FaultScope::credential);
  MailBench anonymous(loop, server.port, {}, starttls);
  CHECK(said(anonymous.once()) == "retryable auth_failed");  // 530: it wants one
  MailBench careful(loop, server.port, {}, {{"starttls", "required"}, {"username", "clinic"}});
  CHECK(said(careful.once()) == "retryable tls_failed");
  CHECK(server.count() == 0);

  auto small = tls;
  small["size"] = 1000;
  NpmServer narrow(small);
  auto known = starttls;
  known["username"] = "clinic";
  MailBench large(loop, narrow.port, {}, known);
  CHECK(said(large.once(std::string(2000, 'x'))) == "permanent too_large");
  CHECK(said(large.once("short")) == "accepted ");
  auto silent = small;
  silent["hideSize"] = true;                 // then it is found out at the end
  silent["hideENHANCEDSTATUSCODES"] = true;  // it would call that a full mailbox
  NpmServer mute(silent);
  MailBench unaware(loop, mute.port, {}, known);
  CHECK(said(unaware.once(std::string(20000, 'x'))) == "permanent too_large");
  CHECK(mute.count() == 0);
}

TEST_CASE("what becomes of a mail at Postfix comes back through its pipe and `signetd dsn`") {
  if (::getuid() != 0) {
    WARN("left out: Postfix starts as root only");
    return;
  }
  Loop loop;
  ReportListener listener(loop);
  SmtpSink refusing({"-f", "RCPT", "-B", "550 5.1.1 no such mailbox"});
  SmtpSink full({"-f", ".", "-B", "552 5.2.2 mailbox full"});
  SmtpSink unaware({"-N"});  // takes mail and reports nothing
  const auto at = [](const SmtpSink& sink) { return " smtp:[127.0.0.1]:" + std::to_string(sink.port) + "\n"; };
  Folder folder;  // nobody's user, whom the pipe runs as, may not come where the build is
  const auto binary = folder.path + "/signetd";
  std::filesystem::copy_file(SIGNET_BINARY, binary);
  std::filesystem::permissions(binary, std::filesystem::perms(0755));
  PostfixServer postfix("here.example discard:\nnobody.example" + at(refusing) + "full.example" + at(full) +
                            "far.example" + at(unaware) + "unknown.example error:5.1.1 no such mailbox\n" +
                            "bounces@example.org report:\n",
                        binary + " dsn --url " + listener.server.url("/webhooks/relay"));
  MailBench bench(loop, postfix.port(), {}, {{"bounce_address", "bounces@example.org"}});
  struct Row {
    std::string recipient;
    ReceiptKind kind;
    std::string code;
  };
  using enum ReceiptKind;
  const std::vector<Row> rows{{"p@here.example", delivered, "2.0.0"},
                              {"p@nobody.example", bounced, "550 5.1.1"},
                              {"p@full.example", failed, "552 5.2.2"},
                              {"p@far.example", sent, "250 2.0.0"}};
  for (size_t i = 0; i < rows.size(); i++)
    CHECK(said(bench.once(mail_to(rows[i].recipient, static_cast<int>(i) + 1))) == "accepted ");
  CHECK(said(bench.once(mail_to("p@unknown.example"))) == "permanent unknown_recipient");
  run_until(loop, [&] { return listener.bodies.size() == rows.size(); });
  INFO(postfix.log());
  REQUIRE(listener.bodies.size() == rows.size());
  std::set<int> told;
  for (size_t i = 0; i < listener.bodies.size(); i++) {
    CHECK(listener.heads[i].starts_with("POST /webhooks/relay HTTP/1.1\r\n"));
    CHECK(listener.heads[i].find("\r\nContent-Type: message/rfc822\r\n") != std::string::npos);
    CallbackRequest request;
    request.body = listener.bodies[i];
    INFO(request.body);
    CHECK(bench.provider->verify(request).is_genuine);
    const auto receipts = bench.provider->receipts(request);
    REQUIRE(receipts);
    REQUIRE(receipts->size() == 1);
    const auto& receipt = receipts->front();
    CHECK(receipt.message_id == mail_to("").message_id);
    REQUIRE((receipt.attempt_no >= 1 && receipt.attempt_no <= static_cast<int>(rows.size())));
    told.insert(receipt.attempt_no);
    const auto& row = rows[static_cast<size_t>(receipt.attempt_no) - 1];
    CHECK(name(receipt.kind) == name(row.kind));
    CHECK(receipt.provider_code == row.code);
  }
  CHECK(told.size() == rows.size());
}

TEST_CASE("`signetd dsn` ends as a relay's pipe takes it") {
  Loop loop;
  ReportListener listener(loop);
  Folder folder;
  const auto run = [&](const std::string& arguments) {
    Process process(
        {"/bin/sh", "-c", "exec " + std::string(SIGNET_BINARY) + " dsn " + arguments + " <" + folder.path + "/mail"},
        folder.path + "/log");
    run_until(loop, [&] { return !process.is_running(); });
    return process.wait();
  };
  write_file(folder.path + "/mail", "Subject: Undelivered\n\nSorry, p@example.net.\n");
  struct Row {
    int status, ended;
  };
  for (auto& row : std::vector<Row>{{200, 0},
                                    {204, 0},
                                    {403, 65},
                                    {400, 65},
                                    {401, 75},
                                    {404, 75},
                                    {413, 75},
                                    {429, 75},
                                    {500, 75},
                                    {503, 75}}) {
    INFO(row.status);
    listener.status = row.status;
    CHECK(run("--url " + listener.server.url("/webhooks/relay")) == row.ended);
    CHECK(listener.bodies.back() == read_file(folder.path + "/mail"));
  }
  const auto said_then = read_file(folder.path + "/log");
  CHECK(said_then.find("no token of a mail of ours") != std::string::npos);
  CHECK(said_then.find("example.net") == std::string::npos);
  // What is too long is cut behind what programs read.
  listener.status = 204;
  write_file(folder.path + "/mail", "Subject: long\n\n" + std::string(3 << 20, 'x'));
  CHECK(run("--url " + listener.server.url("/webhooks/relay")) == 0);
  CHECK(listener.bodies.back().size() == 1 << 20);
  const auto before = listener.bodies.size();
  CHECK(run("--url http://127.0.0.1:" + std::to_string(free_tcp_port()) + "/webhooks/relay") == 75);
  CHECK(run("--url http://signet.example.org/webhooks/relay") == 75);  // in the clear, and not on this machine
  CHECK(run("--config " + folder.path + "/none.yaml --provider relay") == 75);
  CHECK(run("") != 0);
  CHECK(run("--provider relay --url " + listener.server.url("/webhooks/relay")) != 0);
  CHECK(listener.bodies.size() == before);
}

}  // namespace signet

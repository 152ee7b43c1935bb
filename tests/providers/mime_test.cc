#include <algorithm>
#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "providers/mime.h"
#include "providers/smtp_reply.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

Mail mail() {
  return {{"Clinic", "clinic@example.org"}, "p@example.net", "Results", "Hello.\n", "id-1@example.org",
          WallTime{1795305600000000}};
}

struct Parts {
  std::map<std::string, std::string> headers;  // unfolded, by lower-case name
  std::string body;
};

Parts parts_of(const std::string& data) {
  Parts parts;
  auto end = data.find("\r\n\r\n");
  REQUIRE(end != std::string::npos);
  parts.body = data.substr(end + 4);
  std::istringstream in(data.substr(0, end + 2));
  std::string name;
  for (std::string line; std::getline(in, line);) {
    REQUIRE(line.ends_with('\r'));
    line.pop_back();
    if (line.starts_with(' ') || line.starts_with('\t')) {
      parts.headers[name] += line;
      continue;
    }
    auto colon = line.find(':');
    REQUIRE(colon != std::string::npos);
    name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    CHECK(!parts.headers.contains(name));
    parts.headers[name] = line.substr(colon + 2);
  }
  return parts;
}

void check_wire_rules(const std::string& data) {
  size_t line = 0;
  for (size_t i = 0; i < data.size(); i++) {
    CHECK(static_cast<unsigned char>(data[i]) < 128);
    if (data[i] == '\n') REQUIRE((i > 0 && data[i - 1] == '\r'));
    if (data[i] == '\r') REQUIRE((i + 1 < data.size() && data[i + 1] == '\n'));
    line = data[i] == '\n' ? 0 : line + 1;
    REQUIRE(line <= 999);
  }
}

std::string decoded(const Parts& parts) {
  auto encoding = parts.headers.at("content-transfer-encoding");
  std::string out;
  if (encoding == "base64") {
    std::string text = parts.body;
    std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
    return *from_base64(text);
  }
  if (encoding == "7bit") return parts.body;
  REQUIRE(encoding == "quoted-printable");
  for (size_t i = 0; i < parts.body.size(); i++) {
    if (parts.body[i] != '=') {
      out += parts.body[i];
    } else if (parts.body.substr(i, 3) == "=\r\n") {
      i += 2;
    } else {
      auto hex = parts.body.substr(i + 1, 2);
      for (char& c : hex) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      out += *from_hex(hex);
      i += 2;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a plain mail has the headers it needs and no other") {
  auto data = render_mail(mail());
  REQUIRE(data);
  check_wire_rules(*data);
  auto parts = parts_of(*data);
  std::vector<std::string> names;
  for (auto& [name, value] : parts.headers) names.push_back(name);
  CHECK(names == std::vector<std::string>{"content-transfer-encoding", "content-type", "date", "from", "message-id",
                                          "mime-version", "subject", "to"});
  CHECK(parts.headers["from"] == "Clinic <clinic@example.org>");
  CHECK(parts.headers["to"] == "p@example.net");
  CHECK(parts.headers["subject"] == "Results");
  CHECK(parts.headers["message-id"] == "<id-1@example.org>");
  CHECK(parts.headers["mime-version"] == "1.0");
  CHECK(parts.headers["content-type"] == "text/plain; charset=utf-8");
  CHECK(parts.headers["date"] == "Sun, 22 Nov 2026 00:00:00 +0000");
  CHECK(parts.body == "Hello.\r\n");
}

TEST_CASE("texts of every kind arrive as they were written") {
  std::string all_ascii;
  for (char c = 1; c < 127; c++) all_ascii += c;
  struct Row {
    std::string body, encoding;
  };
  for (auto& row : std::vector<Row>{
           {"", "7bit"},
           {"one\ntwo", "7bit"},
           {"Gr\xc3\xbc\xc3\x9f"
            "e aus K\xc3\xb6ln, Herr M\xc3\xbcller: Ihr Befund liegt vor.\n",
            "quoted-printable"},
           {"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\n\xd0\xbc\xd0\xb8\xd1\x80", "base64"},
           {std::string(5000, 'a'), "quoted-printable"},
           {std::string(998, 'a'), "7bit"},
           {std::string(999, 'a'), "quoted-printable"},
           {"before\r\n.\r\nafter", "7bit"},
           {"before\r\n.\r\n\xc3\xa4", "quoted-printable"},
           {".\n..\n.a", "7bit"},
           {"trailing blanks   \nand tab\t\n", "7bit"},
           {"From the start\nFrom again", "7bit"},
           {"=3D =\n=", "7bit"},
           {all_ascii + std::string(300, 'x'), "quoted-printable"},
           {std::string("a\0b", 3) + std::string(50, 'x'), "quoted-printable"},
           {"lone\rreturn\rs", "7bit"},
           {"\n\n\n", "7bit"},
       }) {
    INFO(row.body);
    auto message = mail();
    message.body = row.body;
    auto data = render_mail(message);
    REQUIRE(data);
    check_wire_rules(*data);
    auto parts = parts_of(*data);
    CHECK(parts.headers["content-transfer-encoding"] == row.encoding);
    std::string expected;
    for (size_t i = 0; i < row.body.size(); i++) {
      if (row.body[i] == '\r' && row.body.substr(i, 2) == "\r\n") i++;
      expected += row.body[i] == '\r' || row.body[i] == '\n' ? std::string("\r\n") : std::string(1, row.body[i]);
    }
    if (!expected.ends_with("\r\n")) expected += "\r\n";
    CHECK(decoded(parts) == expected);
    auto wire = dot_stuffed(*data);
    CHECK(wire.find("\r\n.\r\n") == wire.size() - 5);
  }
}

TEST_CASE("no subject or name can add a header") {
  for (std::string attack :
       {"Hello\r\nBcc: evil@example.com", "Hello\nBcc: evil@example.com", "Hello\rBcc: evil@example.com",
        "Hello\r\n\r\nbody", "a\r\n b", "\xc3\xa4\r\nBcc: evil@example.com"}) {
    INFO(attack);
    auto message = mail();
    message.subject = attack;
    message.from.name = attack;
    auto data = render_mail(message);
    REQUIRE(data);
    check_wire_rules(*data);
    auto parts = parts_of(*data);
    CHECK(parts.headers.size() == 8);
    CHECK(!parts.headers.contains("bcc"));
    CHECK(parts.body == "Hello.\r\n");
  }
}

TEST_CASE("subjects and names beyond ASCII are encoded and folded") {
  auto message = mail();
  message.from.name = "Praxis M\xc3\xbcller, \xc3\x84rzte";
  message.subject =
      "Ihr Befund f\xc3\xbcr n\xc3\xa4"
      "chste Woche";
  for (int i = 0; i < 20; i++) message.subject += " und noch l\xc3\xa4nger";
  auto data = render_mail(message);
  REQUIRE(data);
  check_wire_rules(*data);
  auto parts = parts_of(*data);
  CHECK(parts.headers["subject"].find("=?") != std::string::npos);
  CHECK(parts.headers["from"].find("=?") != std::string::npos);
  CHECK(parts.headers["from"].ends_with("<clinic@example.org>"));
  for (size_t at = 0, end; at < data->size(); at = end + 2) {
    end = data->find("\r\n", at);
    CHECK(end - at <= 100);
  }
}

TEST_CASE("addresses that could break out of their place are refused") {
  for (std::string bad : {"", "a", "@b", "a@", "a b@c.example", "a@b c", "a@c.example>", "<a@c.example",
                          "a\r\n@c.example", "a@c.example\r\nRCPT TO:<x@y>", "a@b@c.example", "a,b@c.example",
                          "\"a\"@c.example", "a@.example", "a@-x", "\xff@c.example"}) {
    INFO(bad);
    CHECK(!is_mail_address(bad));
    auto message = mail();
    message.to = bad;
    CHECK(!render_mail(message));
  }
  CHECK(is_mail_address("a.b+c_d'e@sub.example.org"));
  CHECK(is_mail_address("m\xc3\xbcller@example.org"));
  CHECK(!is_mail_address(std::string(250, 'a') + "@b.example"));
  auto message = mail();
  message.body = "\xff";
  CHECK(!render_mail(message));
  message = mail();
  message.subject = "\xff";
  CHECK(!render_mail(message));
}

TEST_CASE("the From setting is read as one mailbox") {
  auto plain = parse_mailbox("clinic@example.org");
  REQUIRE(plain);
  CHECK(plain->name == "");
  CHECK(plain->address == "clinic@example.org");
  auto named = parse_mailbox("Praxis M\xc3\xbcller <clinic@example.org>");
  REQUIRE(named);
  CHECK(named->name == "Praxis M\xc3\xbcller");
  auto quoted = parse_mailbox("\"M\xc3\xbcller, Praxis\" <clinic@example.org>");
  REQUIRE(quoted);
  CHECK(quoted->name == "M\xc3\xbcller, Praxis");
  for (std::string bad : {"", "Clinic", "a@b.example, c@d.example", "Clinic <>", "a@b.example\r\nBcc: x@y.example",
                          "group: a@b.example;"}) {
    INFO(bad);
    CHECK(!parse_mailbox(bad));
  }
}

TEST_CASE("a PDF goes along as an attachment, the text stays the first part") {
  auto message = mail();
  message.message_id = "0193b3c4-0000-7000-8000-00000000abcd@example.org";
  message.pdf = "%PDF-1.4\n" + std::string(300, '\xe2') + "\n--=_0193b3c4-0000-7000-8000-00000000abcd--\n%%EOF\n";
  for (std::string body : {"Hello.\n", "--=_0193b3c4-0000-7000-8000-00000000abcd\nno boundary\n",
                           "Gr\xc3\xbc\xc3\x9f\n", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\n"}) {
    INFO(body);
    message.body = body;
    auto data = render_mail(message);
    REQUIRE(data);
    check_wire_rules(*data);
    CHECK(*data == *render_mail(message));
    auto whole = parts_of(*data);
    const std::string boundary = "=_0193b3c4-0000-7000-8000-00000000abcd";
    CHECK(whole.headers["content-type"] == "multipart/mixed; boundary=\"" + boundary + "\"");
    const auto line = "--" + boundary;
    std::vector<size_t> at;
    for (size_t i = data->find("\n" + line); i != std::string::npos; i = data->find("\n" + line, i + 1))
      at.push_back(i + 1);
    REQUIRE(at.size() == 3);
    CHECK(data->substr(at[2]) == line + "--\r\n");
    // What stands between two boundaries ends before the line end of the second (RFC 2046 section 5.1.1).
    auto text = parts_of(data->substr(at[0] + line.size() + 2, at[1] - at[0] - line.size() - 4));
    auto pdf = parts_of(data->substr(at[1] + line.size() + 2, at[2] - at[1] - line.size() - 4));
    CHECK(text.headers["content-type"] == "text/plain; charset=utf-8");
    std::string expected;
    for (char c : body) expected += c == '\n' ? std::string("\r\n") : std::string(1, c);
    CHECK(decoded(text) == expected);
    CHECK(pdf.headers["content-type"] == "application/pdf; name=letter.pdf");
    CHECK(pdf.headers["content-disposition"] == "attachment; filename=letter.pdf");
    CHECK(decoded(pdf) == message.pdf);
  }
}

TEST_CASE("only a letter, and only where it is asked for, takes its PDF along") {
  auto settings = testing::smtp_settings();
  CHECK(!(*make_provider(settings))->wants_pdf(Kind::letter));
  settings.values["letter_pdf"] = "true";
  auto provider = make_provider(settings);
  REQUIRE(provider);
  CHECK((*provider)->wants_pdf(Kind::letter));
  CHECK(!(*provider)->wants_pdf(Kind::email));
  auto message = testing::outbound(Kind::letter);
  message.pdf = Phi<std::string>("%PDF-1.4");
  auto built = (*provider)->build_mail(message, WallTime{1795305600000000});
  REQUIRE(built);
  CHECK(built->data.find("\r\nContent-Disposition: attachment; filename=letter.pdf\r\n") != std::string::npos);
}

TEST_CASE("the Message-ID is the message's and the same in every attempt") {
  auto provider = make_provider(testing::smtp_settings());
  REQUIRE(provider);
  auto message = testing::outbound(Kind::email);
  auto first = (*provider)->build_mail(message, WallTime{1795305600000000});
  message.attempt_no = 3;
  auto second = (*provider)->build_mail(message, WallTime{1795305700000000});
  REQUIRE(first);
  REQUIRE(second);
  CHECK(parts_of(first->data).headers["message-id"] == "<0193b3c4-0000-7000-8000-00000000abcd@example.org>");
  CHECK(parts_of(second->data).headers["message-id"] == parts_of(first->data).headers["message-id"]);
  CHECK(first->from == "clinic@example.org");
  CHECK(first->envelope_id == "0193b3c4-0000-7000-8000-00000000abcd.2");
}

TEST_CASE("SMTP replies are judged by stage, code and enhanced code") {
  using Stage = MailReply::Stage;
  struct Row {
    Stage stage;
    int code;
    std::string enhanced, text;
    OutcomeKind kind;
    std::string reason;
    FaultScope scope;
    bool is_throttled = false, is_bounced = false;
  };
  auto provider = make_provider(testing::smtp_settings());
  REQUIRE(provider);
  using enum OutcomeKind;
  constexpr auto recipient = FaultScope::recipient, relay = FaultScope::provider, login = FaultScope::credential,
                 sender = FaultScope::sender, text = FaultScope::message;
  for (auto& row : std::vector<Row>{
           {Stage::final_dot, 250, "2.0.0", "2.0.0 Ok: queued as 4F3C2A1B", accepted, "", text},
           {Stage::final_dot, 251, "", "", accepted, "", text},
           {Stage::final_dot, 354, "", "", in_doubt, "unreadable_reply", relay},
           {Stage::data, 250, "", "", retryable, "unreadable_reply", relay},
           {Stage::rcpt, 451, "4.7.1", "4.7.1 come back later", retryable, "greylisted", recipient},
           {Stage::rcpt, 450, "4.7.0", "", retryable, "greylisted", recipient},
           {Stage::rcpt, 450, "", "Greylisted, try again", retryable, "greylisted", recipient},
           {Stage::rcpt, 451, "", "rate limit", retryable, "throttled", relay, true},
           {Stage::rcpt, 450, "4.7.28", "4.7.28 unusual rate of mail", retryable, "throttled", relay, true},
           {Stage::rcpt, 450, "", "busy", retryable, "mailbox_busy", recipient},
           {Stage::rcpt, 452, "4.2.2", "", retryable, "mailbox_full", recipient},
           {Stage::rcpt, 452, "", "", retryable, "insufficient_storage", relay},
           {Stage::mail, 451, "4.3.0", "", retryable, "server_error", relay},
           {Stage::greeting, 421, "4.7.0", "", retryable, "throttled", relay, true},
           {Stage::greeting, 421, "", "too many connections", retryable, "throttled", relay, true},
           {Stage::greeting, 421, "", "shutting down", retryable, "service_unavailable", relay},
           {Stage::final_dot, 421, "", "", retryable, "service_unavailable", relay},
           {Stage::greeting, 554, "", "no", retryable, "service_refused", relay},
           {Stage::hello, 550, "", "", retryable, "service_refused", relay},
           {Stage::tls, 454, "4.7.0", "", retryable, "service_unavailable", relay},
           {Stage::tls, 501, "", "", retryable, "starttls_refused", relay},
           {Stage::auth, 535, "5.7.8", "", retryable, "auth_failed", login},
           {Stage::auth, 454, "4.7.0", "", retryable, "auth_unavailable", login},
           {Stage::mail, 530, "5.7.0", "", retryable, "auth_failed", login},
           {Stage::rcpt, 550, "5.1.1", "", permanent, "unknown_recipient", recipient, false, true},
           {Stage::rcpt, 550, "5.1.10", "", permanent, "unknown_recipient", recipient, false, true},
           {Stage::rcpt, 550, "5.2.1", "", permanent, "mailbox_disabled", recipient, false, true},
           {Stage::final_dot, 550, "5.1.1", "", permanent, "unknown_recipient", recipient, false, true},
           {Stage::mail, 550, "5.1.1", "", permanent, "unknown_recipient", recipient},
           {Stage::rcpt, 450, "4.1.1", "", retryable, "unknown_recipient", recipient},
           {Stage::rcpt, 552, "5.2.2", "", permanent, "mailbox_full", recipient},
           {Stage::rcpt, 550, "5.7.1", "", permanent, "policy_refused", text},
           {Stage::rcpt, 550, "", "no such user", permanent, "recipient_refused", recipient},
           {Stage::rcpt, 550, "5.1.16", "", permanent, "recipient_refused", recipient},
           {Stage::mail, 553, "", "", permanent, "sender_refused", sender},
           {Stage::mail, 552, "5.3.4", "", permanent, "too_large", text},
           {Stage::final_dot, 554, "", "", permanent, "message_refused", text},
           {Stage::final_dot, 552, "", "", permanent, "too_large", text},
           {Stage::data, 554, "5.6.0", "", permanent, "content_refused", text},
       }) {
    auto outcome = (*provider)->parse_mail({row.code, row.enhanced, row.text, row.stage});
    INFO(row.code << " " << row.enhanced << " " << row.text << " at stage " << int(row.stage));
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.scope == row.scope);
    CHECK(outcome.is_throttled == row.is_throttled);
    CHECK(outcome.is_bounced == row.is_bounced);
    CHECK(outcome.status_code == row.code);
    CHECK(outcome.provider_code == std::to_string(row.code) + (row.enhanced.empty() ? "" : " " + row.enhanced));
  }
  auto reference = [&](const std::string& said) {
    return (*provider)->parse_mail({250, "", said, Stage::final_dot}).provider_reference;
  };
  CHECK(reference("2.0.0 Ok: queued as 4F3C2A1B") == "4F3C2A1B");
  CHECK(reference("OK id=1abcDE-0001-Xy") == "1abcDE-0001-Xy");
  CHECK(reference("OK for <patient@example.net>") == "");
}

}  // namespace signet

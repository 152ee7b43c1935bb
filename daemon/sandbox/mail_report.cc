#include "daemon/sandbox/mail_report.h"

#include <ctime>

#include "base/bytes.h"

namespace signet::sandbox {

namespace {

constexpr std::string_view kBoundary = "sandbox-report";

std::string rfc5322_date(WallTime at) {
  const std::time_t seconds = at.us / 1'000'000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char out[64];
  const size_t size = std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S +0000", &tm);
  return {out, size};
}

std::string part(const std::string& type, const std::string& body) {
  return "--" + std::string(kBoundary) + "\r\nContent-Type: " + type + "\r\n\r\n" + body + "\r\n";
}

std::string report(const ReportedMail& mail, const std::string& type, const std::string& text, const std::string& facts,
                   const std::string& original) {
  return "From: Mail Delivery System <MAILER-DAEMON@" + mail.host + ">\r\nTo: <" + mail.sender +
         ">\r\nDate: " + rfc5322_date(mail.at) +
         "\r\nSubject: Report on your mail\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
         "Content-Type: multipart/report; report-type=" +
         type + "; boundary=\"" + std::string(kBoundary) + "\"\r\n\r\n" + part("text/plain; charset=us-ascii", text) +
         part("message/" + type, facts) + original + "--" + std::string(kBoundary) + "--\r\n";
}

// RFC 6533 section 3.
std::string address_type(const std::string& address) {
  for (const unsigned char c : address)
    if (c >= 0x80) return "utf-8; ";
  return "rfc822; ";
}

}  // namespace

std::string delivery_report(const ReportedMail& mail, Fate fate) {
  const bool is_delivered = fate == Fate::delivered;
  std::string facts = "Reporting-MTA: dns; " + mail.host + "\r\n";
  if (!mail.envelope_id.empty()) facts += "Original-Envelope-Id: " + mail.envelope_id + "\r\n";
  facts += "Arrival-Date: " + rfc5322_date(mail.at) + "\r\n\r\nFinal-Recipient: " + address_type(mail.recipient) +
           mail.recipient + "\r\nAction: " + (is_delivered ? "delivered" : "failed") +
           "\r\nStatus: " + (is_delivered ? "2.0.0" : "5.1.1") + "\r\nDiagnostic-Code: smtp; " +
           (is_delivered ? "250 2.0.0 Ok" : "550 5.1.1 No such mailbox here") + "\r\n";
  return report(mail, "delivery-status",
                is_delivered ? "Your mail was delivered.\r\n" : "Your mail could not be delivered.\r\n", facts,
                part("text/rfc822-headers", mail.head));
}

std::string complaint_report(const ReportedMail& mail) {
  const std::string facts =
      "Feedback-Type: abuse\r\nUser-Agent: Signet-Sandbox/1\r\nVersion: 1\r\nOriginal-Mail-From: <" + mail.sender +
      ">\r\nOriginal-Rcpt-To: <" + mail.recipient + ">\r\n" +
      (mail.envelope_id.empty() ? "" : "Original-Envelope-Id: " + mail.envelope_id + "\r\n");
  return report(mail, "feedback-report", "This mail was called spam by its recipient.\r\n", facts,
                part("message/rfc822", mail.head + "\r\n"));
}

std::string from_xtext(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto octet = text[at] == '+' ? from_hex(text.substr(at + 1, 2)) : Result<std::string>(std::string());
    if (!octet || octet->size() != 1) {
      out += text[at];
      continue;
    }
    out += *octet;
    at += 2;
  }
  return out;
}

}  // namespace signet::sandbox

// What an SMTP server says, cut anywhere, and what the adapter makes of it.
#include <algorithm>

#include "providers/smtp_reply.h"
#include "tests/fuzz/adapter.h"

using namespace signet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view octets(reinterpret_cast<const char*>(data), size);
  const Provider& provider = fuzz::provider_of("smtp");
  SmtpReplyParser whole, cut;
  std::vector<SmtpReply> replies, in_pieces;
  const bool is_smtp = whole.feed(octets, replies).ok();
  bool is_smtp_in_pieces = true;
  for (size_t at = 0; at < octets.size() && is_smtp_in_pieces; at += 7)
    is_smtp_in_pieces = cut.feed(octets.substr(at, 7), in_pieces).ok();
  fuzz::must(is_smtp == is_smtp_in_pieces, "it does not matter how the octets come");
  if (is_smtp) fuzz::must(replies.size() == in_pieces.size(), "it does not matter how the octets come");
  for (const auto& reply : replies)
    for (const auto stage : {MailReply::Stage::greeting, MailReply::Stage::auth, MailReply::Stage::mail,
                             MailReply::Stage::rcpt, MailReply::Stage::final_dot}) {
      const MailReply said{reply.code, reply.enhanced, reply.lines.empty() ? "" : reply.lines.front(), stage};
      fuzz::must_hold(provider.parse_mail(said));
    }
  return 0;
}

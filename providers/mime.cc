#include "providers/mime.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "base/bytes.h"

namespace signet {
namespace {

constexpr size_t kLineMax = 998;  // RFC 5322 section 2.1.1

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;

void start_gmime() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

std::string with_line_feeds(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') i++;
    out += text[i] == '\r' ? '\n' : text[i];
  }
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  return out;
}

GMimeContentEncoding encoding_for(std::string_view text) {
  size_t line = 0, longest = 0, high = 0, control = 0;
  for (unsigned char c : text) {
    line = c == '\n' ? 0 : line + 1;
    longest = std::max(longest, line);
    high += c > 127;
    control += c == 127 || (c < ' ' && c != '\n' && c != '\t');
  }
  if (high + control > text.size() / 6) return GMIME_CONTENT_ENCODING_BASE64;
  if (high + control || longest > kLineMax) return GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
  return GMIME_CONTENT_ENCODING_7BIT;
}

Owned<GMimePart> text_part(std::string_view body) {
  auto text = with_line_feeds(body);
  auto encoding = encoding_for(text);
  if (encoding == GMIME_CONTENT_ENCODING_BASE64) {  // within it lines end in CRLF too (RFC 2049 section 4)
    std::string canonical;
    for (char c : text) canonical += c == '\n' ? std::string("\r\n") : std::string(1, c);
    text = std::move(canonical);
  }
  Owned<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(text.data(), text.size()));
  Owned<GMimeDataWrapper> content(g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT));
  Owned<GMimePart> part(g_mime_part_new_with_type("text", "plain"));
  g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", "utf-8");
  g_mime_part_set_content(part.get(), content.get());
  g_mime_part_set_content_encoding(part.get(), encoding);
  return part;
}

}  // namespace

bool is_mail_address(std::string_view text) {
  auto at = text.rfind('@');
  if (at == text.npos || at == 0 || at > 64 || at + 1 == text.size() || text.size() > 254 || !is_utf8(text))
    return false;
  for (unsigned char c : text)
    if (c <= ' ' || c == 127 || std::string_view("<>()[],;:\\\"").find(char(c)) != std::string_view::npos) return false;
  auto local = text.substr(0, at), domain = text.substr(at + 1);
  return local.find('@') == local.npos && domain.front() != '.' && domain.front() != '-';
}

Result<Mailbox> parse_mailbox(std::string_view text) {
  const Error bad{ErrorCode::invalid, "write one address: Clinic <clinic@example.org>"};
  start_gmime();
  for (unsigned char c : text)
    if (c < ' ' || c == 127) return bad;
  if (!is_utf8(text)) return bad;
  Owned<InternetAddressList> list(internet_address_list_parse(nullptr, std::string(text).c_str()));
  if (!list || internet_address_list_length(list.get()) != 1) return bad;
  auto address = internet_address_list_get_address(list.get(), 0);
  if (!INTERNET_ADDRESS_IS_MAILBOX(address)) return bad;
  auto name = internet_address_get_name(address);
  auto octets = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
  Mailbox mailbox{name ? name : "", octets ? octets : ""};
  if (!is_mail_address(mailbox.address)) return bad;
  return mailbox;
}

Result<std::string> render_mail(const Mail& mail) {
  if (!is_mail_address(mail.from.address) || !is_mail_address(mail.to))
    return Error{ErrorCode::invalid, "not a mail address"};
  if (!is_utf8(mail.subject) || !is_utf8(mail.body)) return Error{ErrorCode::invalid, "subject or text is not UTF-8"};
  start_gmime();
  Owned<GMimeMessage> message(g_mime_message_new(TRUE));
  auto name = one_line(mail.from.name);
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_FROM, name.empty() ? nullptr : name.c_str(),
                             mail.from.address.c_str());
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_TO, nullptr, mail.to.c_str());
  g_mime_message_set_subject(message.get(), one_line(mail.subject).c_str(), "utf-8");
  auto date = g_date_time_new_from_unix_utc(mail.date.us / 1'000'000);
  g_mime_message_set_date(message.get(), date);
  g_date_time_unref(date);
  g_mime_message_set_message_id(message.get(), mail.message_id.c_str());
  auto part = text_part(mail.body);
  g_mime_message_set_mime_part(message.get(), GMIME_OBJECT(part.get()));
  g_mime_object_set_header(GMIME_OBJECT(message.get()), "MIME-Version", "1.0", nullptr);

  std::unique_ptr<GMimeFormatOptions, decltype(&g_mime_format_options_free)> options(g_mime_format_options_new(),
                                                                                     g_mime_format_options_free);
  g_mime_format_options_set_newline_format(options.get(), GMIME_NEWLINE_FORMAT_DOS);
  Owned<GMimeStream> out(g_mime_stream_mem_new());
  g_mime_object_write_to_stream(GMIME_OBJECT(message.get()), options.get(), out.get());
  auto octets = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out.get()));
  return std::string(reinterpret_cast<const char*>(octets->data), octets->len);
}

}  // namespace signet

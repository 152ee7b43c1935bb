#include "providers/mime.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <mutex>

#include "base/bytes.h"

namespace signet {
namespace {

constexpr size_t kLineMax = 998;  // RFC 5322 section 2.1.1
// Of a report; far above what any has, and below what would exhaust a thread's stack or a reader's patience.
constexpr size_t kNestedMax = 200, kFieldsMax = 200, kGroupsMax = 64, kValueMax = 4096;
constexpr std::string_view kPdfName = "letter.pdf";

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

Owned<GMimePart> part_of(const char* type, const char* subtype, std::string_view octets,
                         GMimeContentEncoding encoding) {
  Owned<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(octets.data(), octets.size()));
  Owned<GMimeDataWrapper> content(g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT));
  Owned<GMimePart> part(g_mime_part_new_with_type(type, subtype));
  g_mime_part_set_content(part.get(), content.get());
  g_mime_part_set_content_encoding(part.get(), encoding);
  return part;
}

// `is_encoded`: never as it stands, so that no line of it can be the boundary of what it is a part of.
Owned<GMimePart> text_part(std::string_view body, bool is_encoded) {
  auto text = with_line_feeds(body);
  auto encoding = encoding_for(text);
  if (is_encoded && encoding == GMIME_CONTENT_ENCODING_7BIT) encoding = GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
  if (encoding == GMIME_CONTENT_ENCODING_BASE64) {  // within it lines end in CRLF too (RFC 2049 section 4)
    std::string canonical;
    for (char c : text) canonical += c == '\n' ? std::string("\r\n") : std::string(1, c);
    text = std::move(canonical);
  }
  auto part = part_of("text", "plain", text, encoding);
  g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", "utf-8");
  return part;
}

Owned<GMimePart> pdf_part(std::string_view pdf) {
  auto part = part_of("application", "pdf", pdf, GMIME_CONTENT_ENCODING_BASE64);
  g_mime_object_set_disposition(GMIME_OBJECT(part.get()), GMIME_DISPOSITION_ATTACHMENT);
  g_mime_part_set_filename(part.get(), std::string(kPdfName).c_str());
  return part;
}

// Text first: a reader that shows but one part shows it. "=_" stands in no line of quoted-printable or base64 (RFC 2045
// section 6.7), so the boundary need not be searched for; being the message's, it is the same each time.
Owned<GMimeMultipart> with_pdf(const Mail& mail) {
  Owned<GMimeMultipart> mixed(g_mime_multipart_new_with_subtype("mixed"));
  g_mime_multipart_set_boundary(mixed.get(), ("=_" + mail.message_id.substr(0, mail.message_id.find('@'))).c_str());
  g_mime_multipart_add(mixed.get(), GMIME_OBJECT(text_part(mail.body, true).get()));
  g_mime_multipart_add(mixed.get(), GMIME_OBJECT(pdf_part(mail.pdf).get()));
  return mixed;
}

std::string octets_of(GMimeStream* memory) {
  auto octets = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory));
  return std::string(reinterpret_cast<const char*>(octets->data), octets->len);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// GMime goes one call deeper for each part in a part, and each of those names one of these types.
bool is_deep(std::string_view mail) {
  const std::string text = lower(mail);
  size_t nested = 0;
  for (std::string_view type : {"multipart/", "message/"})
    for (size_t at = text.find(type); at != text.npos && nested <= kNestedMax; at = text.find(type, at + 1)) nested++;
  return nested > kNestedMax;
}

// Header fields as RFC 5322 section 2.2 has them, one group after the other. What is none is left out.
std::vector<Fields> read_groups(std::string_view text) {
  std::vector<Fields> groups;
  bool is_open = false;
  size_t fields = 0;
  while (!text.empty() && fields < kFieldsMax) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
      is_open = false;
      continue;
    }
    const auto room_of = [](const std::string& value) { return kValueMax - std::min(value.size(), kValueMax); };
    if (line.front() == ' ' || line.front() == '\t') {  // folded
      if (!is_open) continue;
      auto& value = groups.back().back().second;
      value += line.substr(0, room_of(value));
      continue;
    }
    auto colon = line.find(':');
    if (colon == line.npos || colon == 0) continue;
    if (!is_open) {
      if (groups.size() == kGroupsMax) break;
      groups.emplace_back();
    }
    is_open = true;
    fields++;
    auto name = line.substr(0, std::min<size_t>(colon, 128));
    while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
    auto value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    groups.back().emplace_back(lower(name), one_line(value.substr(0, kValueMax)));
  }
  return groups;
}

std::string content_of(GMimeObject* object) {
  if (!GMIME_IS_PART(object)) return "";
  auto content = g_mime_part_get_content(GMIME_PART(object));
  if (!content) return "";
  Owned<GMimeStream> out(g_mime_stream_mem_new());
  g_mime_data_wrapper_write_to_stream(content, out.get());
  return octets_of(out.get());
}

Fields headers_of(GMimeObject* object) {
  char* text = g_mime_object_get_headers(object, nullptr);
  auto groups = read_groups(text ? text : "");
  g_free(text);
  return groups.empty() ? Fields() : std::move(groups.front());
}

void add_marks(const Fields& fields, std::initializer_list<std::string_view> names, MailReport& report) {
  for (auto name : names)
    for (const auto& [key, value] : fields)
      if (key == lower(name)) report.marks.push_back(value);
}

bool has_type(GMimeObject* object, std::initializer_list<std::string_view> types) {
  auto type = g_mime_object_get_content_type(object);
  char* text = type ? g_mime_content_type_get_mime_type(type) : nullptr;
  const std::string own = lower(text ? text : "");
  g_free(text);
  return std::find(types.begin(), types.end(), own) != types.end();
}

void read_part(GMimeObject* part, MailReport& report) {
  using Type = MailReport::Type;
  const bool is_status = has_type(part, {"message/delivery-status", "message/global-delivery-status"});
  if (report.type == Type::none && (is_status || has_type(part, {"message/feedback-report"}))) {
    report.type = is_status ? Type::delivery_status : Type::feedback;
    report.groups = read_groups(content_of(part));
    return;
  }
  Fields sent;  // what we sent, as it is given back
  if (GMIME_IS_MESSAGE_PART(part)) {
    if (auto message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(part)))
      sent = headers_of(GMIME_OBJECT(message));
  } else if (has_type(part, {"text/rfc822-headers", "message/rfc822", "message/global", "message/global-headers"})) {
    auto groups = read_groups(content_of(part));
    if (!groups.empty()) sent = std::move(groups.front());
  }
  add_marks(sent, {kTokenField, "return-path"}, report);
}

}  // namespace

bool is_mail_address(std::string_view text) {
  auto at = text.rfind('@');
  if (at == text.npos || at == 0 || at > kMailLocalMax || at + 1 == text.size() || text.size() > 254 || !is_utf8(text))
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
  if (!mail.token.empty())
    g_mime_object_set_header(GMIME_OBJECT(message.get()), std::string(kTokenField).c_str(), mail.token.c_str(),
                             nullptr);
  Owned<GMimeObject> part(mail.pdf.empty() ? GMIME_OBJECT(text_part(mail.body, false).release())
                                           : GMIME_OBJECT(with_pdf(mail).release()));
  g_mime_message_set_mime_part(message.get(), part.get());
  g_mime_object_set_header(GMIME_OBJECT(message.get()), "MIME-Version", "1.0", nullptr);

  std::unique_ptr<GMimeFormatOptions, decltype(&g_mime_format_options_free)> options(g_mime_format_options_new(),
                                                                                     g_mime_format_options_free);
  g_mime_format_options_set_newline_format(options.get(), GMIME_NEWLINE_FORMAT_DOS);
  Owned<GMimeStream> out(g_mime_stream_mem_new());
  g_mime_object_write_to_stream(GMIME_OBJECT(message.get()), options.get(), out.get());
  return octets_of(out.get());
}

std::string first_word(std::string_view value) { return lower(value.substr(0, value.find_first_of(" \t(;"))); }

Result<MailReport> read_report(std::string_view mail, size_t octets_max) {
  if (mail.size() > octets_max) return Error{ErrorCode::limit, "longer than a report is"};
  if (is_deep(mail)) return Error{ErrorCode::limit, "nested deeper than a report is"};
  start_gmime();
  Owned<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(mail.data(), mail.size()));
  Owned<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
  Owned<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), nullptr));
  auto body = message ? g_mime_message_get_mime_part(message.get()) : nullptr;
  if (!body) return Error{ErrorCode::invalid, "no mail"};
  MailReport report;
  if (GMIME_IS_MULTIPART(body) && has_type(body, {"multipart/report"})) {
    const int count = g_mime_multipart_get_count(GMIME_MULTIPART(body));
    for (int i = 0; i < std::min(count, static_cast<int>(kNestedMax)); i++)
      read_part(g_mime_multipart_get_part(GMIME_MULTIPART(body), i), report);
  }
  if (!report.groups.empty()) {
    MailReport named;
    add_marks(report.groups.front(), {"original-envelope-id", "original-mail-from"}, named);
    report.marks.insert(report.marks.begin(), named.marks.begin(), named.marks.end());
  }
  // The envelope sender of what we sent is the envelope recipient of the report.
  add_marks(headers_of(GMIME_OBJECT(message.get())), {"delivered-to", "x-original-to", "to"}, report);
  return report;
}

}  // namespace signet

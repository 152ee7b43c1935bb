#include "providers/callback_form.h"

#include <algorithm>

#include "base/bytes.h"

namespace signet {

std::optional<Fields> read_form(std::string_view text) {
  Fields fields;
  while (!text.empty()) {
    auto field = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    if (field.empty()) continue;
    auto equals = field.find('=');
    auto name = from_form(field.substr(0, equals));
    auto value = from_form(equals == field.npos ? std::string_view() : field.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    fields.emplace_back(std::move(*name), std::move(*value));
  }
  return fields;
}

std::string field_of(const Fields& fields, std::string_view name) {
  for (const auto& [key, value] : fields)
    if (key == name) return value;
  return "";
}

std::string_view only_header(const CallbackRequest& request, std::string_view name) {
  std::string_view found;
  for (const auto& [key, value] : request.headers) {
    if (key != name) continue;
    if (!found.empty()) return {};
    found = value;
  }
  return found;
}

std::string_view query_of(std::string_view url) {
  url = url.substr(0, url.find('#'));
  auto mark = url.find('?');
  return mark == url.npos ? std::string_view() : url.substr(mark + 1);
}

std::optional<Fields> fields_of(const CallbackRequest& request) {
  return read_form(request.method == "GET" ? query_of(request.public_url) : std::string_view(request.body));
}

std::optional<Echo> echo_in(std::string_view url) {
  auto query = read_form(query_of(url));
  if (query)
    if (auto text = field_of(*query, "m"); !text.empty()) return parse_echo(text);
  auto path = url.substr(0, url.find_first_of("?#"));
  return parse_echo(path.substr(path.rfind('/') + 1));
}

void set_echo(Receipt& receipt, const std::optional<Echo>& echo) {
  if (!echo) return;
  receipt.message_id = echo->message_id;
  receipt.attempt_no = echo->attempt_no;
}

const ReceiptKind* find_status(std::span<const StatusWord> table, std::string_view word) {
  for (const auto& row : table)
    if (word == row.word) return &row.kind;
  return nullptr;
}

std::vector<Receipt> receipts_of(Receipt receipt, bool is_opted_out) {
  std::vector<Receipt> out{std::move(receipt)};
  if (out.front().kind != ReceiptKind::failed || !is_opted_out) return out;
  Receipt why = out.front();
  why.kind = ReceiptKind::opted_out;
  why.event_id += ":opted_out";
  out.push_back(std::move(why));
  return out;
}

std::string e164_of(std::string_view number) {
  if (number.starts_with('+')) number.remove_prefix(1);
  if (number.size() < 7 || number.size() > 15 || number.front() == '0') return "";
  if (number.find_first_not_of("0123456789") != number.npos) return "";
  return "+" + std::string(number);
}

}  // namespace signet

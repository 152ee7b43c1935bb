// What callbacks are made of besides JSON: form fields, query parameters, headers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "providers/provider.h"

namespace signet {

using Fields = std::vector<std::pair<std::string, std::string>>;

std::optional<Fields> read_form(std::string_view text);             // in its order; none: a bad escape
std::string field_of(const Fields& fields, std::string_view name);  // the first; empty if none
std::string_view query_of(std::string_view url);                    // without '?' and fragment
// The one header of this name, in lower case; none, or two that could disagree, give nothing.
std::string_view only_header(const CallbackRequest& request, std::string_view name);
// What a form posts, or a GET has in its query.
std::optional<Fields> fields_of(const CallbackRequest& request);
// `.../webhooks/name?m=ID.N`, or the last part of the path: what Outbound::callback_url carried.
std::optional<Echo> echo_in(std::string_view url);
void set_echo(Receipt& receipt, const std::optional<Echo>& echo);  // as far as there is one
// A row of an adapter's table.
struct StatusWord {
  const char* word;
  ReceiptKind kind;
};
// nullptr: the table has no such word.
const ReceiptKind* find_status(std::span<const StatusWord> table, std::string_view word);
// The receipt; if it failed and the recipient has opted out, these are two facts and two receipts.
std::vector<Receipt> receipts_of(Receipt receipt, bool is_opted_out);
// E.164 of a number that came with or without its plus; empty: short codes, names, what is no number.
std::string e164_of(std::string_view number);

}  // namespace signet

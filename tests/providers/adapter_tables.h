// A table of replies and of what an adapter makes of each.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "providers/provider.h"

namespace signet::testing {

struct ReplyRow {
  int status;
  std::string body;
  OutcomeKind kind;
  std::string reason;
  std::string code = "";
  FaultScope scope = FaultScope::message;
  bool is_throttled = false;
  bool is_opted_out = false;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string reference = "";
};

inline void check_replies(const Provider& adapter, const std::vector<ReplyRow>& rows) {
  for (auto& row : rows) {
    const auto outcome = adapter.parse({row.status, row.headers, row.body});
    INFO(row.status << " " << row.body.substr(0, 200));
    CHECK(name(outcome.kind) == name(row.kind));
    CHECK(outcome.reason == row.reason);
    CHECK(outcome.provider_code == row.code);
    CHECK(outcome.scope == row.scope);
    CHECK(outcome.is_throttled == row.is_throttled);
    CHECK(outcome.is_opted_out == row.is_opted_out);
    CHECK(outcome.status_code == row.status);
    CHECK(outcome.provider_reference == row.reference);
  }
}

// By the HTTP status alone, where every adapter of this room agrees; what is no reply of the provider's.
inline std::vector<ReplyRow> rows_by_status() {
  using enum OutcomeKind;
  constexpr auto account = FaultScope::account, provider = FaultScope::provider, credential = FaultScope::credential;
  return {
      {0, "", in_doubt, "unreadable_reply", "", provider},
      {101, "", in_doubt, "unreadable_reply", "", provider},
      {200, "", in_doubt, "unreadable_reply", "", provider},
      {200, "<html>ok</html>", in_doubt, "unreadable_reply", "", provider},
      {200, "{}", in_doubt, "unreadable_reply", "", provider},
      {200, "[]", in_doubt, "unreadable_reply", "", provider},
      {200, "\xff\xfe", in_doubt, "unreadable_reply", "", provider},
      {200, std::string(200000, '['), in_doubt, "unreadable_reply", "", provider},
      {200, std::string(10 << 20, 'x'), in_doubt, "unreadable_reply", "", provider},
      {202, "<html>ok</html>", in_doubt, "unreadable_reply", "", provider},
      {204, "", in_doubt, "unreadable_reply", "", provider},
      {302, "", retryable, "unexpected_redirect", "", account},
      {400, "", permanent, "message_refused"},
      {400, "<html>", permanent, "message_refused"},
      {401, "", retryable, "auth_failed", "", credential},
      {402, "", retryable, "account_refused", "", account},
      {405, "", permanent, "message_refused"},
      {408, "", retryable, "provider_error", "", provider},
      {413, "", permanent, "message_refused"},
      {415, "", permanent, "message_refused"},
      {422, "", permanent, "message_refused"},
      {429, "slow down", retryable, "throttled", "", account, true},
      {500, "<html>", retryable, "provider_error", "", provider},
      {503, "", retryable, "provider_error", "", provider},
      {502, "<html>", in_doubt, "gateway_error", "", provider},
      {504, "", in_doubt, "gateway_error", "", provider},
      {600, "", in_doubt, "unreadable_reply", "", provider},
  };
}

// An event, as its provider names it and with more members of its JSON, and the receipts it becomes: their kinds,
// parted by blanks; the code; the id, if not that of the whole table.
struct EventRow {
  std::string event, more, receipts, code = "", event_id = "";
};

inline std::string kinds_of(const std::vector<Receipt>& receipts) {
  std::string out;
  for (auto& receipt : receipts) out += (out.empty() ? "" : " ") + std::string(name(receipt.kind));
  return out;
}

// `callback(row)`: the request that tells it. All are of the attempt `echo`, if they name one, under the id
// `reference`.
template <class Callback>
void check_events(const Provider& provider, const std::string& echo, const std::string& reference,
                  const std::string& event_id, const std::vector<EventRow>& rows, Callback callback) {
  for (auto& row : rows) {
    INFO(row.event << row.more);
    const auto receipts = provider.receipts(callback(row));
    REQUIRE(receipts);
    CHECK(kinds_of(*receipts) == row.receipts);
    const auto id = row.event_id.empty() ? event_id : row.event_id;
    for (size_t i = 0; i < receipts->size(); i++) {
      const auto& receipt = (*receipts)[i];
      CHECK((receipt.message_id ? echo_of(*receipt.message_id, receipt.attempt_no) : "") == echo);
      CHECK(receipt.provider_reference == reference);
      CHECK(receipt.provider_code == row.code);
      CHECK(receipt.event_id == (i == 0 ? id : id + ":opted_out"));
    }
  }
}

inline std::unique_ptr<Provider> made(const ProviderSettings& settings) {
  auto provider = make_provider(settings);
  REQUIRE(provider);
  return std::move(*provider);
}

// Each setting alone makes the adapter refuse, with a text that names its key.
inline void check_refusals(const ProviderSettings& working,
                           const std::vector<std::pair<std::string, std::string>>& bad) {
  for (auto& [key, value] : bad) {
    auto settings = working;
    settings.values[key] = value;
    INFO(key << "=" << value);
    const auto provider = make_provider(settings);
    REQUIRE(!provider);
    CHECK(provider.error().text.find(key) != std::string::npos);
  }
}

}  // namespace signet::testing

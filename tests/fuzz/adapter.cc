#include "tests/fuzz/adapter.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"
#include "tests/providers/support.h"

namespace signet::fuzz {

const Provider& provider_of(const std::string& adapter) {
  static const std::unique_ptr<Provider> provider = [&] {
    const auto all = testing::working_settings();
    must(all.contains(adapter), "tests/providers/support.h has settings for every adapter");
    auto made = make_provider(all.at(adapter));
    if (!made) std::fprintf(stderr, "%s\n", made.error().text.c_str());
    must(made.ok(), "the settings of tests/providers/support.h work");
    return std::move(*made);
  }();
  return *provider;
}

void must(bool holds, const char* sentence) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", sentence);
  std::abort();
}

void must_be_short(std::string_view text, const char* sentence) {
  must(text.size() <= 512 && is_utf8(text), sentence);
  must(std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }), sentence);
}

void must_hold(const Outcome& outcome) {
  const bool is_taken = outcome.kind == OutcomeKind::accepted;
  must(is_taken || !outcome.reason.empty(), "what was not accepted has a reason");
  must(outcome.reason.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos,
       "a reason is a word of ours");
  must_be_short(outcome.provider_reference, "a provider's id is short and printable");
  must_be_short(outcome.provider_code, "a provider's code is short and printable");
  must(outcome.parts >= 1 && outcome.parts <= 1000, "a message has a few parts");
  must(!outcome.is_throttled || outcome.kind == OutcomeKind::retryable, "what is throttled is tried again");
  must(!outcome.is_opted_out || outcome.kind == OutcomeKind::permanent, "who opted out is not tried again");
  must(!outcome.is_bounced || outcome.kind == OutcomeKind::permanent, "who has no mailbox is not tried again");
  must(outcome.retry_after_ms.value_or(0) >= 0, "nobody asks for an earlier time than now");
}

void must_hold(const Receipt& receipt) {
  must_be_short(receipt.provider_reference, "a receipt's id is short and printable");
  must_be_short(receipt.provider_code, "a receipt's code is short and printable");
  must_be_short(receipt.event_id, "an event's id is short and printable");
  must(receipt.message_id || !receipt.provider_reference.empty(), "a receipt names a message");
  must(receipt.attempt_no >= 0 && receipt.attempt_no <= 32767, "an attempt's number is one of ours");
}

}  // namespace signet::fuzz

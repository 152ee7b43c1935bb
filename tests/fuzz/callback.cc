// A callback to SIGNET_ADAPTER. Everything is asked, also of what did not verify: a signature is no promise of form.
#include "tests/fuzz/adapter.h"
#include "tests/fuzz/http_text.h"

using namespace signet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Provider& provider = fuzz::provider_of(SIGNET_ADAPTER);
  const CallbackRequest request = fuzz::callback_of({reinterpret_cast<const char*>(data), size});
  for (const auto& url : provider.wants(request))
    fuzz::must(url.starts_with("https://") || url.starts_with("http://127.0.0.1:"), "what is fetched is https");
  const Verdict verdict = provider.verify(request);
  fuzz::must(verdict.is_genuine || !verdict.reason.empty(), "what is not genuine has a reason");
  fuzz::must(verdict.replay_key.size() <= 512, "a replay key is short");
  if (const auto receipts = provider.receipts(request))
    for (const Receipt& receipt : *receipts) {
      fuzz::must_hold(receipt);
      fuzz::must(!verdict.is_genuine || !receipt.event_id.empty(), "an event that counts has an id");
    }
  if (const auto inbounds = provider.inbounds(request))
    for (const Inbound& inbound : *inbounds) fuzz::must_be_short(inbound.event_id, "an event's id is printable");
  (void)provider.follow_up(request);
  return 0;
}

// A reply to SIGNET_ADAPTER's request, and to its look-up.
#include "tests/fuzz/adapter.h"
#include "tests/fuzz/http_text.h"

using namespace signet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Provider& provider = fuzz::provider_of(SIGNET_ADAPTER);
  const HttpReply reply = fuzz::reply_of({reinterpret_cast<const char*>(data), size});
  const Outcome outcome = provider.parse(reply);
  fuzz::must_hold(outcome);
  if (outcome.kind == OutcomeKind::accepted)
    fuzz::must(reply.status >= 200 && reply.status < 300, "only success is acceptance");
  fuzz::must(outcome.status_code == reply.status, "the status is the reply's");
  const LookUp found = provider.parse_look_up(reply);
  fuzz::must_be_short(found.provider_reference, "a looked-up id is short and printable");
  fuzz::must_be_short(found.provider_code, "a looked-up code is short and printable");
  return 0;
}

// Mail that comes in as a report (RFC 3464, RFC 5965), as if its token were ours.
#include "providers/arf.h"
#include "providers/dsn.h"
#include "providers/mime.h"
#include "tests/fuzz/adapter.h"

using namespace signet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Echo echo{parse_uuid("0193b3c4-5d6e-7f80-9a0b-1c2d3e4f5061").value(), 1};
  const auto report = read_report({reinterpret_cast<const char*>(data), size});
  if (!report) return 0;
  const bool is_complaint = report->type == MailReport::Type::feedback;
  const auto receipts = is_complaint ? receipts_of_arf(report->groups, echo) : receipts_of_dsn(report->groups, echo);
  if (!receipts) return 0;
  for (const Receipt& receipt : *receipts) fuzz::must_hold(receipt);
  return 0;
}

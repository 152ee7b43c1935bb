#include "daemon/api/signing.h"

#include <algorithm>

#include "audit/dsse.h"
#include "daemon/access/custody.h"
#include "daemon/api/events.h"

namespace signet::api {

SignedStatement sign_for_caller(Context& context, std::string_view payload_type, WallTime now,
                                const std::function<std::string(WallTime at)>& payload) {
  if (!context.may_sign()) context.refuse({.code = Code::step_up_required});
  const auto& services = context.services;
  CustodialKey custodial =
      context.must(custodial_key(context.tx(), services.keyring, services.ids, context.user_id(), now));
  if (custodial.is_new) {
    Event event = new_event(context, "key_enrolled");
    event.object.type = "key";
    event.detail = {{"algorithm", std::string(name(custodial.row.algorithm))},
                    {"custody", std::string(name(Custody::server))},
                    {"keyId", custodial.row.key_id},
                    {"userId", context.user_id().text()}};
    context.must(insert_entry(context.tx(), beside(std::move(event), custodial.row.id)));
  }
  DsseEnvelope envelope{std::string(payload_type), payload(std::max(now, custodial.row.valid_from))};
  context.must(envelope.sign(custodial.key));
  return {envelope.json(), std::move(custodial.row)};
}

}  // namespace signet::api

// POST /webhooks/{provider}: verify the signature on the raw bytes, keep what was told in the ledger, COMMIT, then 2xx.
// What it means for a message is decided later (daemon/delivery).
#include "base/crash_point.h"
#include "daemon/api/callback_ledger.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"

namespace signet::api {
namespace {

CallbackRequest as_it_came(const Context& context) {
  CallbackRequest callback;
  callback.method = context.request.method;
  std::string_view target = context.request.raw_target;
  if (!target.starts_with('/')) {  // the absolute form (RFC 9112 section 3.2.2)
    const size_t host = target.find("://");
    const size_t path = host == std::string_view::npos ? host : target.find('/', host + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  callback.public_url = context.services.webhooks_public_url + std::string(target);
  callback.headers = context.request.headers;
  callback.body = context.request.body;
  callback.received_at = context.services.clock.wall();
  return callback;
}

std::string snake_case(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 64))
    out += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c
           : c >= 'A' && c <= 'Z'                           ? static_cast<char>(c + 32)
                                                            : '_';
  return out;
}

[[noreturn]] void refuse_forged(Context& context, const std::string& provider, const std::string& reason) {
  context.services.log.warn("a callback was refused", {{"provider", provider},
                                                       {"reason", reason},
                                                       {"peer", context.request.peer_address},
                                                       {"request_id", context.request.request_id}});
  Event event;
  event.id = context.services.ids.next();
  event.at = context.services.clock.wall();
  event.actor.id = context.services.instance;
  event.actor.role = "daemon";
  event.actor.ip = context.request.peer_address;
  event.action = "callback_refused";
  event.object.type = "provider";
  event.object.id = provider;
  event.reason_code = snake_case(reason);
  event.request_id = context.request.request_id;
  context.must(insert_entry(context.tx(), entry_of(event, {})));
  context.commit();
  context.refuse({.code = Code::bad_signature});
}

ToldCallback told(Context& context, const std::string& provider, const Receipt& receipt,
                  const CallbackRequest& callback) {
  CallbackRow row;
  row.id = context.services.ids.next();
  row.provider = provider;
  row.event_id = receipt.event_id;
  row.message_id = receipt.message_id;
  row.attempt_no = receipt.attempt_no;
  row.provider_reference = receipt.provider_reference;
  row.kind = receipt.kind;
  row.provider_code = receipt.provider_code;
  row.is_partial = receipt.is_partial;
  row.received_at = callback.received_at;
  return {std::move(row), callback.body};
}

}  // namespace

http::Response post_webhook(Context& context) {
  const std::string& name = context.path("provider");
  const auto found = context.services.providers.find(name);
  if (found == context.services.providers.end())
    context.refuse({.code = Code::not_found,
                    .title = "There is no provider of this name",
                    .detail = "The address is /webhooks/ and a name from `providers` in the configuration."});
  const Provider& provider = *found->second;
  const CallbackRequest callback = as_it_came(context);
  const auto verdict = provider.verify(callback);
  if (!verdict.is_genuine) refuse_forged(context, name, verdict.reason);
  auto receipts = provider.receipts(callback);
  if (!receipts) {
    context.services.log.error(
        "a genuine callback cannot be read",
        {{"provider", name}, {"reason", receipts.error().text}, {"request_id", context.request.request_id}});
    context.refuse({.code = Code::unreadable_callback});
  }
  std::vector<ToldCallback> all;
  for (const auto& receipt : *receipts) all.push_back(told(context, name, receipt, callback));
  const int added = all.empty() ? 0 : context.must(context.callback_ledger().keep(std::move(all)));
  SIGNET_CRASH_POINT(callback_stored);
  if (added > 0 && context.services.callbacks_came) context.services.callbacks_came();
  http::Response done;
  done.status = 204;
  return done;
}

}  // namespace signet::api

// GET and POST /webhooks/{provider}: verify the signature on the raw bytes, keep what was told in the ledger, COMMIT,
// then answer as the provider wants it. What it means for a message is decided later (daemon/delivery); what somebody
// wrote back takes effect at once.
#include "base/bytes.h"
#include "base/crash_point.h"
#include "daemon/api/callback_ledger.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/kept_pages.h"
#include "daemon/delivery/inbounds.h"
#include "store/webhook_keys.h"

namespace signet::api {
namespace {

constexpr size_t kWantedMax = 4;
constexpr int64_t kFollowUpMs = 5000;

std::string path_and_query(std::string_view target) {
  if (target.starts_with('/')) return std::string(target);
  const size_t host = target.find("://");  // the absolute form (RFC 9112 section 3.2.2)
  const size_t path = host == std::string_view::npos ? host : target.find('/', host + 3);
  return path == std::string_view::npos ? "/" : std::string(target.substr(path));
}

CallbackRequest as_it_came(const Context& context) {
  CallbackRequest callback;
  callback.method = context.request.method;
  callback.public_url = context.services.webhooks_public_url + path_and_query(context.request.raw_target);
  callback.headers = context.request.headers;
  callback.body = context.request.body;
  callback.received_at = context.services.clock.wall();
  callback.peer_address = context.request.peer_address;
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

struct Webhook {  // one callback under way
  Context& context;
  const std::string& name;
  const Provider& provider;
  CallbackRequest callback;

  void get_wanted();
  void must_be_genuine();
  void follow_up();
  http::Response take();

 private:
  std::string told() const { return callback.body.empty() ? callback.public_url : callback.body; }
  Event event_of(const char* action) const;
  http::Response reply_of(const CallbackReply& reply) const;
  http::Response ended(CallbackEnd end, Code code) const;
  [[noreturn]] void refuse_forged(CallbackEnd end, const std::string& reason);
  [[noreturn]] void ask_again(const std::string& what, const std::string& reason) const;
  [[noreturn]] void refuse_unreadable(const Error& error) const;
  std::optional<http::Response> act_on(const std::vector<Inbound>& inbounds);
  void keep(const std::vector<Receipt>& receipts);
};

// By the daemon: who called is not known, or is a machine.
Event Webhook::event_of(const char* action) const {
  Event event;
  event.id = context.services.ids.next();
  event.at = callback.received_at;
  event.actor.id = context.services.instance;
  event.actor.role = "daemon";
  event.actor.ip = context.request.peer_address;
  event.action = action;
  event.object.type = "provider";
  event.object.id = name;
  event.request_id = context.request.request_id;
  return event;
}

http::Response Webhook::reply_of(const CallbackReply& reply) const {
  http::Response out;
  out.status = reply.status;
  out.body = reply.body;
  for (const auto& [key, value] : reply.headers)
    if (key == "Content-Type")
      out.content_type = value;
    else
      out.headers.emplace_back(key, value);
  return out;
}

// What the provider needs to hear; else, of an error, what is wrong.
http::Response Webhook::ended(CallbackEnd end, Code code) const {
  const CallbackReply reply = provider.reply_to(end);
  http::Response out = reply_of(reply);
  if (!reply.body.empty() || reply.status < 400) return out;
  http::Response problem = answer(context.request, {.code = code, .status = reply.status});
  problem.headers.insert(problem.headers.end(), out.headers.begin(), out.headers.end());
  return problem;
}

void Webhook::refuse_forged(CallbackEnd end, const std::string& reason) {
  context.services.log.warn("a callback was refused", {{"provider", name},
                                                       {"reason", reason},
                                                       {"peer", context.request.peer_address},
                                                       {"request_id", context.request.request_id}});
  Event event = event_of("callback_refused");
  event.reason_code = snake_case(reason);
  context.roll_back();
  context.must(insert_entry(context.tx(), entry_of(event, {})));
  context.commit();
  throw Left{ended(end, Code::bad_signature)};
}

// Not the provider's fault: it repeats what was answered so.
void Webhook::ask_again(const std::string& what, const std::string& reason) const {
  context.services.log.warn(what, {{"provider", name}, {"reason", reason}, {"request_id", context.request.request_id}});
  context.refuse({.code = Code::unavailable, .title = "What the callback needs cannot be had now"});
}

void Webhook::refuse_unreadable(const Error& error) const {
  context.services.log.error("a genuine callback cannot be read",
                             {{"provider", name}, {"reason", error.text}, {"request_id", context.request.request_id}});
  throw Left{ended(CallbackEnd::unreadable, Code::unreadable_callback)};
}

void Webhook::get_wanted() {
  const auto urls = provider.wants(callback);
  for (size_t i = 0; i < urls.size() && i < kWantedMax; i++) {
    auto page = context.kept_pages().get(urls[i]);
    if (page)
      callback.fetched[urls[i]] = std::move(*page);
    else if (page.error().code == ErrorCode::unavailable)
      ask_again("what a callback is verified with cannot be had", page.error().text);
  }
}

void Webhook::must_be_genuine() {
  const auto verdict = provider.verify(callback);
  if (!verdict.is_genuine)
    refuse_forged(verdict.is_unsigned ? CallbackEnd::unsigned_ : CallbackEnd::forged, verdict.reason);
  if (verdict.replay_key.empty()) return;
  const Digest key = sha256(verdict.replay_key);
  const Digest told = sha256(callback.method + '\n' + callback.public_url + '\n' + callback.body);
  const auto seen = context.must(keep_webhook_key(context.tx(), name, view(key), view(told), callback.received_at));
  if (seen == WebhookKey::reused) refuse_forged(CallbackEnd::forged, "replayed signature");
  context.commit();
}

void Webhook::follow_up() {
  const auto request = provider.follow_up(callback);
  if (!request) return;
  HttpCall call;
  static_cast<HttpRequest&>(call) = *request;
  call.timeout_ms = kFollowUpMs;
  const auto reply = context.services.http_call ? context.services.http_call(call)
                                                : Result<HttpReply>(Error{ErrorCode::unavailable, "nobody is called"});
  if (!reply || reply->status < 200 || reply->status > 299)
    ask_again("the provider's handshake failed",
              reply ? "status " + std::to_string(reply->status) : reply.error().text);
  context.must(insert_entry(context.tx(), entry_of(event_of("webhook_confirmed"), {})));
  context.commit();
  context.services.log.info("a provider's callbacks are confirmed", {{"provider", name}});
}

http::Response Webhook::take() {
  auto receipts = provider.receipts(callback);
  if (!receipts) refuse_unreadable(receipts.error());
  auto inbounds = provider.inbounds(callback);
  if (!inbounds) refuse_unreadable(inbounds.error());
  auto answered = act_on(*inbounds);
  context.let_go();  // the ledger takes a connection of its own
  keep(*receipts);
  return answered ? std::move(*answered) : reply_of(provider.reply_to(CallbackEnd::kept));
}

// The reply that answers one who asked for help, where the provider takes it so.
std::optional<http::Response> Webhook::act_on(const std::vector<Inbound>& inbounds) {
  Inbounds* words = context.services.inbounds;
  if (inbounds.empty() || words == nullptr) return std::nullopt;
  std::optional<http::Response> out;
  for (const auto& inbound : inbounds) {
    if (!context.must(words->take(context.tx(), name, inbound, callback.received_at))) continue;
    const auto reply = inbounds.size() == 1 ? provider.answer(words->help_text()) : std::nullopt;
    if (reply) {
      out = reply_of(*reply);
    } else if (auto queued = words->answer(context.tx(), name, inbound); !queued) {
      if (queued.error().code != ErrorCode::invalid) context.fail(queued.error());
      context.services.log.warn("who asked for help is not answered",
                                {{"provider", name}, {"reason", queued.error().text}});
    }
  }
  context.commit();
  return out;
}

void Webhook::keep(const std::vector<Receipt>& receipts) {
  if (receipts.empty()) return;
  std::vector<ToldCallback> all;
  for (const auto& receipt : receipts)
    all.push_back(told_by(context.services.ids, name, receipt, receipt.part.empty() ? told() : receipt.part,
                          callback.received_at));
  const int added = context.must(context.callback_ledger().keep(std::move(all)));
  SIGNET_CRASH_POINT(callback_stored);
  if (added > 0 && context.services.callbacks_came) context.services.callbacks_came();
}

}  // namespace

http::Response take_webhook(Context& context) {
  const std::string& name = context.path("provider");
  const auto found = context.services.providers.find(name);
  if (found == context.services.providers.end())
    context.refuse({.code = Code::not_found,
                    .title = "There is no provider of this name",
                    .detail = "The address is /webhooks/ and a name from `providers` in the configuration."});
  Webhook webhook{context, name, *found->second, as_it_came(context)};
  webhook.get_wanted();
  webhook.must_be_genuine();
  webhook.follow_up();
  return webhook.take();
}

}  // namespace signet::api

#include "daemon/api/gate.h"

#include "daemon/access/sessions.h"
#include "daemon/access/tokens.h"
#include "daemon/api/events.h"
#include "store/messages.h"

namespace signet::api {
namespace {

bool is_safe(const http::Request& request) {  // RFC 9110 section 9.2.1
  return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
}

Event refusal(const Context& context, std::string_view attempted, int status, std::string reason) {
  Event event = new_event(context, "refused");
  event.reason_code = std::move(reason);
  event.detail = {{"attempted", std::string(attempted)}, {"status", int64_t{status}}};
  return event;
}

void record(Context& context, Event event) {
  context.roll_back();
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
}

void count_address(Context& context, const RouteRow& row, Passage& passage) {
  if (!context.services.limits) return;
  const std::string& address = context.request.peer_address;
  if (!passage.is_counted) passage.rate = context.services.limits->take_address(RateClass::log_in, address);
  passage.is_counted = true;
  if (!passage.rate.answer.is_allowed) refuse_throttled(context, row.name, "address " + address);
}

void count_caller(Context& context, const RouteRow& row, Passage& passage) {
  if (!context.services.limits || row.rate == RateClass::none) return;
  const std::string id = context.user_id().text();
  if (!passage.is_counted) passage.rate = context.services.limits->take(row.rate, id);
  passage.is_counted = true;
  if (!passage.rate.answer.is_allowed) refuse_throttled(context, row.name, std::string(name(row.rate)) + ' ' + id);
}

}  // namespace

void refuse_throttled(Context& context, std::string_view attempted, const std::string& who) {
  const CodeInfo& code = info(Code::rate_limited);
  std::optional<Event> event = refusal(context, attempted, code.status, std::string(code.text));
  if (context.throttled()) event = context.throttled()->count(who, std::move(*event), context.services.clock.tick());
  if (event) record(context, std::move(*event));
  context.refuse({.code = code.code});
}

void identify(Context& context, const RouteRow& row, Passage& passage) {
  const http::Request& request = context.request;
  if (row.access == Access::open) {
    if (row.rate == RateClass::log_in) count_address(context, row, passage);
    return;
  }
  const auto session = request.header("authorization") ? std::nullopt : session_of(request);
  std::string_view token;
  if (!session) {
    auto bearer = bearer_of(request);
    if (auto* refused = std::get_if<http::Response>(&bearer)) throw Left{std::move(*refused)};
    token = std::get<std::string_view>(bearer);
  }
  const WallTime now = context.services.clock.wall();
  auto who = context.must(session ? authenticate_session(request, *session, context.tx(), now)
                                  : authenticate(request, token, context.tx(), now));
  if (auto* refused = std::get_if<http::Response>(&who)) {
    count_address(context, row, passage);
    record(context, refusal(context, row.name, refused->status, "UNAUTHORIZED"));
    throw Left{std::move(*refused)};
  }
  context.called_by(std::move(std::get<Principal>(who)));
  count_caller(context, row, passage);
}

void check_right(Context& context) {
  if (is_safe(context.request)) return;
  if (context.is_anonymous() || context.principal().session) {
    const auto session = context.is_anonymous() ? std::nullopt : session_of(context.request);
    if (is_from_elsewhere(context.request) || (session && !has_csrf_token(context.request, *session)))
      context.refuse({.code = Code::forbidden,
                      .title = "This request may come from another site",
                      .detail = "Send the header X-Signet-CSRF with the csrfToken that GET /api/session returns.",
                      .reason = "FORGED"});
    return;
  }
  const auto& scopes = context.principal().token.scopes;
  if (scopes.size() == 1 && scopes.front() == kReadScope)
    context.refuse({.code = Code::forbidden,
                    .title = "This token may only read",
                    .detail = "Its scope is `read`: use another token for what changes anything.",
                    .reason = "SCOPE"});
}

}  // namespace signet::api

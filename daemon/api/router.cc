#include "daemon/api/router.h"

#include <algorithm>

#include "daemon/access/sessions.h"
#include "daemon/api/callback_ledger.h"
#include "daemon/api/events.h"
#include "daemon/api/gate.h"
#include "daemon/api/handlers.h"
#include "daemon/api/kept_pages.h"
#include "daemon/api/replay.h"
#include "daemon/api/user_agents.h"
#include "store/messages.h"

namespace signet::api {
namespace {

// More than a pool holds, since after a restart of PostgreSQL each of its connections is dead.
constexpr int kDeadConnectionsMax = 300;
constexpr int kConflictsMax = 3;
// Of every reply, whatever it is: browsers keep it to pages of ours, and tell nobody where they came from.
constexpr std::pair<const char*, const char*> kAlways[] = {{"Referrer-Policy", "no-referrer"},
                                                           {"Cross-Origin-Resource-Policy", "same-origin"},
                                                           {"Cross-Origin-Opener-Policy", "same-origin"}};

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const size_t end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

bool is_match(std::string_view pattern, std::string_view path, std::map<std::string, std::string>& values) {
  const auto wanted = segments(pattern);
  const auto have = segments(path);
  if (wanted.size() != have.size()) return false;
  values.clear();
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (have[i].empty()) return false;
      values[std::string(wanted[i].substr(1, wanted[i].size() - 2))] = have[i];
    } else if (wanted[i] != have[i]) {
      return false;
    }
  }
  return true;
}

bool is_method(std::string_view asked, std::string_view offered) {
  return asked == offered || (asked == "HEAD" && offered == "GET");
}

}  // namespace

Uuid Context::path_id() const {
  auto id = parse_uuid(path("id"));
  if (!id) refuse({.code = Code::not_found, .detail = "The id in the address is no UUID."});
  return *id;
}

void Context::only_query(std::initializer_list<std::string_view> names) const {
  std::vector<std::string> errors;
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  for (const auto& [name, value] : request.query_pairs) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      errors.push_back("A query parameter is unknown: known here: " + (all.empty() ? "none" : all));
    else if (std::count_if(request.query_pairs.begin(), request.query_pairs.end(),
                           [&](const auto& pair) { return pair.first == name; }) > 1)
      errors.push_back(name + " is there twice: write it once");
  }
  if (!errors.empty()) refuse({.code = Code::validation_error, .errors = errors});
}

ReadBody Context::body() const {
  constexpr std::string_view kJson = "application/json";
  if (const auto type = request.header("content-type")) {
    const std::string_view media = type->substr(0, type->find_first_of("; "));
    const bool is_json =
        media.size() == kJson.size() && std::equal(media.begin(), media.end(), kJson.begin(), [](char have, char want) {
          return (have >= 'A' && have <= 'Z' ? have + 32 : have) == want;
        });
    if (!is_json) refuse({.code = Code::unsupported_media_type});
  }
  ReadBody body = read_json(request.body);
  refuse_faults(body.faults);
  return body;
}

void Context::no_members() const {
  if (request.body.empty()) return;
  ReadBody read = body();
  Members(read.root, "", read.faults).finish();
  refuse_faults(read.faults);
}

void Context::refuse_faults(const std::vector<Fault>& faults) const {
  if (faults.empty()) return;
  std::vector<std::string> errors;
  for (const auto& fault : faults) errors.push_back(describe(fault));
  refuse({.code = Code::validation_error, .errors = std::move(errors)});
}

PgTransaction& Context::tx() {
  if (!session_) {
    auto lease = services.pool.take();
    // Not Again: no new connection can be had, which trying at once will not change.
    if (!lease) {
      services.log.warn("the database cannot be asked", {{"reason", lease.error().text}});
      refuse({.code = Code::unavailable,
              .title = lease.error().code == ErrorCode::limit ? "All database connections are busy" : ""});
    }
    session_.emplace(std::move(*lease));
  }
  if (!tx_) tx_.emplace(**session_);
  return *tx_;
}

void Context::commit() {
  auto done = tx().commit();
  tx_.reset();
  if (done) return;
  if (done.error().code == ErrorCode::conflict) throw Again{done.error()};
  services.log.warn("a commit was not confirmed", {{"reason", done.error().text}, {"request_id", request.request_id}});
  refuse({.code = Code::unavailable,
          .title = "The database went away while this was being written",
          .detail = "Whether it took effect is not known: read it again before you repeat it."});
}

http::Response Context::commit(http::Response response) { return commit(response, response); }

http::Response Context::commit(http::Response response, const http::Response& kept) {
  if (keep_) seal_reply(*this, std::move(*keep_), kept);
  keep_.reset();
  commit();
  return response;
}

void Context::refuse(Refused refused) const {
  std::string reason = refused.reason.empty() ? std::string(info(refused.code).text) : refused.reason;
  throw Left{answer(request, refused), std::move(reason)};
}

void Context::check_version(int version, bool is_required) const {
  const auto given = request.header("if-match");
  if (!given) {
    if (is_required) refuse({.code = Code::precondition_required});
    return;
  }
  if (*given == '"' + std::to_string(version) + '"' || *given == "*") return;
  refuse({.code = Code::stale, .members = "{\"version\":" + std::to_string(version) + "}"});
}

bool Context::may_sign() const {
  if (principal_->session) {
    const auto& stepped_up_at = principal_->session->stepped_up_at;
    return stepped_up_at && services.clock.wall().us - stepped_up_at->us < kStepUpUs;
  }
  const auto& scopes = principal_->token.scopes;
  return std::find(scopes.begin(), scopes.end(), "approve") != scopes.end();
}

void Context::fail(const Error& error) const {
  switch (error.code) {
    case ErrorCode::conflict:
    case ErrorCode::unavailable:
      throw Again{error};
    case ErrorCode::timeout:
    case ErrorCode::limit:
      services.log.warn("the database is too slow", {{"reason", error.text}, {"request_id", request.request_id}});
      refuse({.code = Code::unavailable, .title = "The database took too long"});
    default:
      services.log.error("a request failed", {{"reason", error.text}, {"request_id", request.request_id}});
      refuse({.code = Code::internal});
  }
}

Router::Router(const ApiServices& services, std::vector<RouteRow> rows)
    : services_(services),
      rows_(std::move(rows)),
      throttled_(std::make_unique<Throttled>()),
      callback_ledger_(std::make_unique<CallbackLedger>(services.pool, services.keyring, services.log)),
      kept_pages_(std::make_unique<KeptPages>(services.http_call, services.clock)),
      agents_(std::make_unique<UserAgents>()) {}

Router::~Router() = default;

http::Response Router::run(const http::Request& request, const RouteRow& row,
                           const std::map<std::string, std::string>& values, Passage& passage) const {
  for (int dead = 0, conflicts = 0;;) {
    Context context(request, services_);
    context.values_ = values;
    context.throttled_ = throttled_.get();
    context.callback_ledger_ = callback_ledger_.get();
    context.kept_pages_ = kept_pages_.get();
    try {
      identify(context, row, passage);
      try {
        check_right(context);
        if (row.access == Access::caller) agents_->write(context);
        if (row.creates)
          if (auto first = first_reply(context, row.name)) return std::move(*first);
        http::Response response = row.handle(context);
        if (row.access == Access::caller) agents_->remember(request);
        return response;
      } catch (Left& left) {
        return record_refusal(context, row, std::move(left));
      }
    } catch (Left& left) {
      return std::move(left.response);
    } catch (const Again& again) {
      if (again.error.code == ErrorCode::conflict && ++conflicts < kConflictsMax) continue;
      if (again.error.code == ErrorCode::conflict) return answer(request, {.code = Code::changed_meanwhile});
      if (++dead < kDeadConnectionsMax) continue;
      services_.log.warn("the database went away", {{"reason", again.error.text}});
      return answer(request, {.code = Code::unavailable});
    }
  }
}

http::Response Router::record_refusal(Context& context, const RouteRow& row, Left left) const {
  const int status = left.response.status;
  if (status < 400 || status > 499 || context.is_anonymous()) return std::move(left.response);
  context.roll_back();
  agents_->write(context);
  Event event = new_event(context, "refused");
  event.reason_code = left.reason;
  event.detail.emplace_back("attempted", std::string(row.name));
  event.detail.emplace_back("status", int64_t{status});
  event.object.type = context.object_type_;
  context.must(insert_entry(context.tx(), beside(std::move(event), context.object_id_)));
  context.commit();
  agents_->remember(context.request);
  return std::move(left.response);
}

http::Response Router::handle(const http::Request& request) const {
  http::Response response = route(request);
  for (const auto& [name, value] : kAlways) response.headers.emplace_back(name, value);
  return response;
}

void Router::record_throttled() const {
  auto events = throttled_->overdue(services_.clock.tick());
  if (events.empty()) return;
  http::Request nobody;
  Context context(nobody, services_);
  try {
    for (auto& event : events) {
      event.id = services_.ids.next();
      context.must(insert_entry(context.tx(), beside(std::move(event), {})));
    }
    context.commit();
  } catch (const Left&) {  // the log says why
  } catch (const Again& again) {
    services_.log.warn("refusals over a limit are not in the log", {{"reason", again.error.text}});
  }
}

http::Response Router::route(const http::Request& request) const {
  std::string allow;
  for (const auto& row : rows_) {
    std::map<std::string, std::string> values;
    if (!is_match(row.pattern, request.path, values)) continue;
    if (is_method(request.method, row.method)) {
      Passage passage;
      http::Response response = run(request, row, values, passage);
      passage.rate.tell(response);
      return response;
    }
    allow += (allow.empty() ? "" : ", ") + std::string(row.method) + (row.method == "GET" ? ", HEAD" : "");
  }
  if (allow.empty())
    return answer(request, {.code = Code::not_found,
                            .title = "There is nothing at this address",
                            .detail = "docs/api.md lists the addresses; mind that providers call the other listener."});
  http::Response response = answer(request, {.code = Code::method_not_allowed});
  if (request.method == "OPTIONS") {
    response = {};
    response.status = 204;
  }
  response.headers.emplace_back("Allow", allow);
  return response;
}

}  // namespace signet::api

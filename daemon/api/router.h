// The route table, and what a handler works with. Handlers are plain synchronous code: parse -> authorise -> one
// transaction in the store -> answer.
//
// A handler leaves early by throwing: refuse() answers the client, must() turns the store's errors into answers. Only
// the router catches. Nothing has happened before commit(), so the router may run a handler again from its start: when
// a pooled connection turned out to be dead, or somebody else's transaction was in the way.
//
// What is refused to a known caller stands in the audit log: the router throws the handler's transaction away, writes
// one `refused` event in a transaction of its own, and only then answers. Without the record there is no answer but
// 503.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api.h"
#include "daemon/api/body.h"
#include "daemon/api/codes.h"
#include "daemon/api/throttled.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "store/directory.h"
#include "store/idempotency.h"
#include "store/pg_session.h"

namespace signet::api {

struct Left {  // thrown by a handler that is done
  http::Response response;
  std::string reason = {};  // of a refusal: stands in its event as reasonCode
};
struct Again {  // thrown where running the handler again may help
  Error error;
};

struct Passage;

class CallbackLedger;
class KeptPages;
class UserAgents;

class Context {
 public:
  Context(const http::Request& request, const ApiServices& services) : request(request), services(services) {}

  const http::Request& request;
  const ApiServices& services;
  const Principal& principal() const { return *principal_; }  // of routes that need a caller
  Role role() const { return principal_->user.role; }
  const Uuid& user_id() const { return principal_->user.id; }

  const std::string& path(const std::string& name) const { return values_.at(name); }  // "{name}" in the pattern
  Uuid path_id() const;                                                                // "{id}"; else 404
  void only_query(std::initializer_list<std::string_view> names) const;                // else 400

  ReadBody body() const;    // the request's, as JSON; 415 if it says to be something else, 400 if it is none
  void no_members() const;  // of a request that takes none, with or without a body: else as body(), or 400
  void refuse_faults(const std::vector<Fault>& faults) const;  // 400 if there are any
  // Holds If-Match against the version (RFC 9110 section 13.1.1): 412 if it names another, 428 if it is missing and
  // `is_required`.
  void check_version(int version, bool is_required) const;
  // What the request is about, once that is known: named in the event of a refusal.
  void concerns(const Uuid& object_id, std::string_view type = "message") {
    object_id_ = object_id;
    object_type_ = type;
  }
  // Whether a custodial key may sign for the caller: a token of scope `approve`, or a session whose user has shown
  // again within five minutes who they are.
  bool may_sign() const;
  bool is_anonymous() const { return !principal_; }

  PgTransaction& tx();  // begun by the first call
  template <class T>
  T must(Result<T> result) {
    if (!result) fail(result.error());
    return std::move(*result);
  }
  void must(Result<void> result) {
    if (!result) fail(result.error());
  }
  // The transaction's end. If whether it took effect is not known, the client is told so.
  void commit();
  // Of a handler that creates: what it answers is kept for a repeat, in the same transaction (daemon/api/replay.h).
  http::Response commit(http::Response response);
  // Where the answer holds what may not be kept: a repeat gets `kept` instead.
  http::Response commit(http::Response response, const http::Response& kept);
  // Throws away what the transaction did; tx() begins another one.
  void roll_back() { tx_.reset(); }
  // Gives the connection back too, for a handler that waits for what takes one of its own.
  void let_go() {
    tx_.reset();
    session_.reset();
  }

  Throttled* throttled() const { return throttled_; }  // null outside of a router
  CallbackLedger& callback_ledger() const { return *callback_ledger_; }
  KeptPages& kept_pages() const { return *kept_pages_; }
  void called_by(Principal principal) { principal_ = std::move(principal); }
  void keep_reply_as(KeptReply row) { keep_ = std::move(row); }  // for commit(): everything but the reply

  [[noreturn]] void refuse(Refused refused) const;
  [[noreturn]] void fail(const Error& error) const;  // of the store

 private:
  friend class Router;
  std::map<std::string, std::string> values_;
  std::optional<PgPool::Lease> session_;
  std::optional<PgTransaction> tx_;
  std::optional<Principal> principal_;
  std::optional<KeptReply> keep_;
  Throttled* throttled_ = nullptr;
  CallbackLedger* callback_ledger_ = nullptr;
  KeptPages* kept_pages_ = nullptr;
  Uuid object_id_;
  std::string object_type_ = "message";
};

enum class Access { open, caller };  // caller: somebody known, by token or session
struct RouteRow {
  std::string_view method;
  std::string_view pattern;  // "/api/messages/{id}/cancel"
  std::string_view name;     // of what is attempted: "cancel"; stands in the event of a refusal
  Access access = Access::caller;
  RateClass rate = RateClass::read;
  // The audit actions that its success writes; none only where nothing about anybody is read or done.
  std::vector<std::string_view> records = {};
  http::Response (*handle)(Context&) = nullptr;
  bool creates = false;  // takes Idempotency-Key
};

class Router {
 public:
  Router(const ApiServices& services, std::vector<RouteRow> rows);
  ~Router();
  http::Response handle(const http::Request& request) const;  // any thread; blocks
  const std::vector<RouteRow>& rows() const { return rows_; }
  // Writes the events of refusals over a limit whose minute has passed; to be called once in a while. Any thread;
  // blocks.
  void record_throttled() const;

 private:
  http::Response run(const http::Request& request, const RouteRow& row,
                     const std::map<std::string, std::string>& values, Passage& passage) const;
  http::Response route(const http::Request& request) const;
  http::Response record_refusal(Context& context, const RouteRow& row, Left left) const;
  const ApiServices& services_;
  std::vector<RouteRow> rows_;
  const std::unique_ptr<Throttled> throttled_;
  const std::unique_ptr<CallbackLedger> callback_ledger_;
  const std::unique_ptr<KeptPages> kept_pages_;
  const std::unique_ptr<UserAgents> agents_;
};

std::vector<RouteRow> admin_routes();    // of the listener "admin"
std::vector<RouteRow> webhook_routes();  // of the listener "webhooks"

}  // namespace signet::api

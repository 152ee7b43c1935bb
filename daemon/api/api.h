// What the API's handlers are given. Everything outlives the router; all of it may be used from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/password.h"
#include "base/random.h"
#include "daemon/access/limits.h"
#include "message/approval.h"
#include "message/route.h"
#include "providers/http_call.h"
#include "providers/provider.h"
#include "queue/queue.h"
#include "store/keyring.h"
#include "store/pg_session.h"

namespace signet {
class DuePlan;
class Inbounds;
struct Receivers;
class Tasks;
struct BundleSource;
}  // namespace signet

namespace signet::api {

struct Dependency {  // as /readyz shows it
  std::string name;  // "postgres", "redis", ...
  bool is_ready = false;
  bool is_required = true;  // without it the daemon is not ready; else it is slower, but going on
  std::string text;         // what is wrong and what to do; empty if ready
};

struct ApprovalPolicy {  // `approval` of the configuration
  HighRiskPolicy high_risk;
  int duplicate_window_h = 24;                    // 0: never warned of
  std::map<Uuid, std::vector<Uuid>> delegates{};  // physician -> who may approve for him
  int claim_minutes = 15;
  bool faults_stop = false;  // while a fault in the evidence is not acknowledged, nobody approves
};

struct ApiServices {
  PgPool& pool;
  const Keyring& keyring;
  const Routes& routes;
  const Clock& clock;
  IdSource& ids;
  Random& random;
  Log& log;
  std::string instance;
  std::function<void(std::vector<Hint>)> offer;                           // after COMMIT only; from any thread
  std::function<void()> callbacks_came;                                   // likewise: the ledger has new rows
  std::map<std::string, std::shared_ptr<const Provider>> providers = {};  // by configured name
  std::string webhooks_public_url = {};                                   // no slash at the end
  std::function<std::vector<Dependency>()> readiness = {};
  std::function<std::string()> metrics = {};  // Prometheus text format 0.0.4
  ApprovalPolicy approval = {};
  PasswordHasher* passwords = nullptr;                      // never null where people log in
  Limits* limits = nullptr;                                 // null: none, for tests of other things
  std::function<void(std::string_view reason)> alarm = {};  // a person should look: logged and counted by reason
  Tasks* tasks = nullptr;                                   // null: none are taken, for tests of other things
  const BundleSource* bundles = nullptr;                    // null: no evidence is given, likewise
  const DuePlan* due_plan = nullptr;                        // never null where messages are approved
  const Receivers* receivers = nullptr;                     // whom the configuration names; null: nobody
  std::map<std::string, DoubtRules> doubt_rules = {};       // by configured name; absent: blind
  HttpCaller http_call = {};                                // of the daemon's own; empty: nobody can be called
  Inbounds* inbounds = nullptr;                             // null: what people write back is not looked at
};

}  // namespace signet::api

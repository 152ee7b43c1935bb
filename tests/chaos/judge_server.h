// The judge: a provider of each class that keeps a journal of all it saw, and misbehaves by chance. Twilio's API, that
// of providers/generic_http.cc, and an SMTP relay (daemon/sandbox/smtp_sandbox.h, by the recipient's ending). Receipts
// come early, late, twice, in the wrong order, for messages that nobody knows, or never; each goes to whichever daemon
// lives, until one takes it.
//
//   POST /2010-04-01/Accounts/{sid}/Messages.json   Twilio
//   POST /gateway/{name}                            a gateway of generic_http
//   GET  /gateway/{name}/look-up?id=                what it knows of an attempt, if it answers look-ups
//   POST /judge/mix                                 {"mix": "calm" | "usual" | "storm", "away": [gateways at 503]}
//   GET  /judge/summary                             {"requests", "effects", "receipts", "receiptsOpen", "receiptsLost"}
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "daemon/http/server.h"
#include "daemon/sandbox/callback_client.h"
#include "tests/chaos/conduct.h"
#include "tests/chaos/judge_journal.h"

namespace signet::chaos {

struct Gateway {
  std::string name;
  bool knows_keys = false;  // acts once on each Idempotency-Key
  bool answers_look_ups = false;
  std::string callback_url = {};  // where its receipts go, when a request names no place
};

struct JudgeSettings {
  int http_port = 0, smtp_port = 0;
  std::string journal_file, smtp_journal_file;
  std::string mix = "usual";
  std::string account_sid, auth_token;  // of the provider `twilio`
  std::string twilio = "twilio-main";   // its name
  std::vector<Gateway> gateways;
  std::string webhook_key;         // signs their receipts
  std::vector<int> webhook_ports;  // of the daemons, on loopback
};

class JudgeServer {  // loop thread only
 public:
  JudgeServer(Loop& loop, const Clock& clock, Random& random, Log& log, JudgeSettings settings);

 private:
  struct Asked {  // a request to send, as any of the APIs puts it
    std::string provider, echo, key, callback_url;
    bool is_gateway = false;
  };
  struct Receipt {
    Asked asked;
    std::string reference, status;
    int tries = 0;
  };
  void handle(const http::Request& request, const http::Reply& reply);
  void take_twilio(const http::Request& request, const http::Reply& reply);
  void take_gateway(const http::Request& request, const http::Reply& reply);
  void look_up(const Gateway& gateway, const http::Request& request, const http::Reply& reply);
  void take(const Asked& asked, const http::Reply& reply);
  void answer(Conduct conduct, const Asked& asked, const std::string& reference, const http::Reply& reply);
  void plan_receipts(const Asked& asked, const std::string& reference);
  void post(std::shared_ptr<Receipt> receipt, int64_t delay_ms);
  struct Signed {
    sandbox::CallbackClient::Headers headers;
    std::string body;
  };
  Signed twilio_receipt(const Receipt& receipt) const;
  Signed gateway_receipt(const Receipt& receipt) const;
  std::string summary() const;

  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  const JudgeSettings settings_;
  Mix mix_;
  std::set<std::string> away_;
  JudgeJournal journal_;
  IdSource ids_;
  sandbox::CallbackClient callbacks_;
  http::Server server_;
  Timer heartbeat_;  // a long wait for a round to end is then the machine's doing, and not for want of requests
  std::set<std::string> denied_;  // attempts that a look-up was told of as unknown: they are not taken any more
  uint64_t receipts_ = 0, receipts_open_ = 0, receipts_lost_ = 0;
};

}  // namespace signet::chaos

// Plays Twilio's Messages resource (twilio.com/docs/messaging/api/message-resource) and its status callbacks, signed
// as in twilio.com/docs/usage/security. Loop thread only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret.h"
#include "daemon/http/server.h"
#include "daemon/sandbox/callback_client.h"
#include "daemon/sandbox/endings.h"
#include "daemon/sandbox/journal.h"

namespace signet::sandbox {

struct TwilioOptions {
  std::string account_sid;
  Secret auth_token;
  int64_t callback_ms = 5;  // before the first status, and between one answered and the next
  int64_t late_ms = 3000;
};

class TwilioSandbox {
 public:
  TwilioSandbox(const Clock& clock, Random& random, Log& log, Journal& journal, CallbackClient& callbacks,
                TwilioOptions options);
  bool is_mine(const http::Request& request) const;  // by its path
  http::Response handle(const http::Request& request);

 private:
  using Form = std::vector<std::pair<std::string, std::string>>;
  struct Chain;
  http::Response create(const Form& form);
  http::Response created(const Form& form, const Arrival& arrival) const;
  void call_back(const Form& form, const std::shared_ptr<Arrival>& arrival, Behaviour behaviour);
  void next_status(std::shared_ptr<Chain> chain, int64_t delay_ms);
  bool is_authorized(const http::Request& request) const;

  const Clock& clock_;
  Random& random_;
  Log& log_;
  Journal& journal_;
  CallbackClient& callbacks_;
  const TwilioOptions options_;
  const std::string authorization_;
  std::unordered_map<std::string, int> seen_;  // how often a recipient with "first time" was refused
};

// base64(HMAC-SHA1(token, url + name and value of each parameter, sorted by name)).
std::string twilio_signature(std::string_view auth_token, std::string_view url,
                             std::vector<std::pair<std::string, std::string>> parameters);

}  // namespace signet::sandbox

// An SMSC (SMPP 3.4) that takes short messages for anybody and delivers them nowhere; receipts go back over the links
// of whoever sent. What it does with a message is decided by the recipient's ending (endings.h). Loop thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/stream.h"
#include "daemon/sandbox/journal.h"
#include "providers/smpp_pdu.h"

namespace signet::sandbox {

struct SmppOptions {
  Endpoint listen{"127.0.0.1", 2775};
  std::string system_id;
  Secret password;
  int64_t receipt_ms = 5;
  int64_t late_ms = 3000;
  int64_t again_ms = 250;           // after a receipt that was not taken
  int64_t enquire_link_ms = 30000;  // of a link that is silent
  size_t connections = 64;
};

class SmppSandbox {
 public:
  using After = std::function<void(int64_t delay_ms, std::function<void()> action)>;
  // `after` calls back on the loop, and never once this is gone.
  static Result<std::unique_ptr<SmppSandbox>> start(Loop& loop, const Clock& clock, Random& random, Journal& journal,
                                                    After after, SmppOptions options);
  ~SmppSandbox();
  SmppSandbox(const SmppSandbox&) = delete;
  SmppSandbox& operator=(const SmppSandbox&) = delete;
  int port() const { return listener_->port(); }

 private:
  class Session;
  struct Told;  // a receipt that is to be told
  SmppSandbox(Loop& loop, const Clock& clock, Random& random, Journal& journal, After after, SmppOptions options);
  void accept(std::unique_ptr<Stream> stream);
  void tell(std::shared_ptr<Told> told);  // over any link that takes receipts; kept while there is none

  Loop& loop_;
  const Clock& clock_;
  Random& random_;
  Journal& journal_;
  const After after_;
  const SmppOptions options_;
  std::unordered_map<std::string, int> seen_;  // how often a recipient with "first time" was refused
  std::unordered_map<uint64_t, std::shared_ptr<Session>> sessions_;
  std::deque<std::shared_ptr<Told>> waiting_;
  uint64_t last_session_ = 0;
  std::unique_ptr<Listener> listener_;
};

}  // namespace signet::sandbox

// One connection to an SMSC (SMPP 3.4): bind_transceiver, then submits in a window, enquire_link both ways, and what
// the SMSC tells of itself. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/loop.h"
#include "base/stream.h"
#include "base/tls.h"
#include "providers/provider.h"
#include "providers/smpp_pdu.h"
#include "providers/transport.h"

namespace signet {

struct SmppOptions {
  Endpoint smsc;
  bool is_tls = true;
  std::string ca_file;
  std::string system_id, system_type;
  Secret password;
  int binds = 1;    // that each loop of a daemon keeps
  int window = 10;  // submits without an answer, of one bind
  int64_t enquire_ms = 30000;
  int64_t answer_ms = 10000;  // for the bind's answer
  int64_t user_timeout_ms = 30000;
};
// url (smpps:// port 3550, smpp:// port 2775), cleartext (allowed), system_id, password_file, system_type, ca_file,
// binds, window, enquire_link_s.
Result<SmppOptions> smpp_options(const ProviderSettings& settings);

struct SmppEnd {  // of one submit_sm
  std::optional<LinkReply> reply;
  const char* reason = "";  // why none came: nobody knows whether the SMSC has it
};
struct SmppLoss {                    // of the link
  std::optional<LinkReply> refusal;  // of the bind; else `reason`
  const char* reason = "";
  std::string detail;  // for the log
};

class SmppSession {
 public:
  struct Handlers {
    std::function<void()> on_ready;                // bound, or the window has a place again
    OnUnasked on_unasked;                          // may be empty
    std::function<void(const SmppLoss&)> on_lost;  // once; nothing else is called after it
  };
  using Done = std::function<void(SmppEnd)>;
  // Handlers and Done are never called from inside a call; `tls` is null where none is wanted.
  SmppSession(Loop& loop, const Clock& clock, std::shared_ptr<const SmppOptions> options,
              std::shared_ptr<TlsContext> tls, Handlers handlers);
  ~SmppSession();  // unbinds; calls nothing
  bool is_bound() const { return state_ == State::bound; }
  bool has_room() const { return is_bound() && submits_.size() < static_cast<size_t>(options_->window); }
  size_t under_way() const { return submits_.size(); }
  // Needs has_room(). The submit commits here: when this returns, octets of it may have left.
  void submit(std::string_view body, Tick ends_at, Done done);
  void expire(Tick now);  // ends what waited past its `ends_at`

 private:
  enum class State { connecting, binding, bound, leaving, closed };
  struct Submit {
    Tick ends_at;
    Done done;
  };

  void connect();
  void on_data(std::string_view octets);
  void take(const SmppPdu& pdu);
  void take_response(const SmppPdu& pdu);
  void take_bind_response(const SmppPdu& pdu);
  void take_unasked(const SmppPdu& pdu);
  void answer(const SmppPdu& to, uint32_t status, std::string body = "");
  void enquire();
  void leave_if_done();
  uint32_t next_sequence();
  void write(uint32_t command, uint32_t status, uint32_t sequence, std::string body);
  void lose(SmppLoss loss);

  Loop& loop_;
  const Clock& clock_;
  std::shared_ptr<const SmppOptions> options_;
  std::shared_ptr<TlsContext> tls_;
  Handlers handlers_;
  State state_ = State::connecting;
  SmppReader reader_;
  uint32_t sequence_ = 0, bind_sequence_ = 0, unbind_sequence_ = 0;
  std::map<uint32_t, Submit> submits_;
  int unasked_ = 0;  // that wait to be kept
  bool is_enquired_ = false, has_heard_ = false;
  std::unique_ptr<Stream> stream_;
  Timer limit_;  // of the bind, or of leaving
  Timer enquire_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace signet

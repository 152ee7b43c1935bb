// A provider is one file and one line in providers.def. Its adapter builds requests and reads replies; it does no I/O
// (the transports do), so its test is a table. One object a configured provider; const calls from any loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/secret.h"
#include "message/message.h"
#include "message/outcome.h"

namespace signet {

// What names an attempt to a provider, where it lets us: a receipt, or the answer to a look-up, brings it back.
std::string echo_of(const Uuid& message_id, int attempt_no);

struct Outbound {  // what is to be sent, opened and checked
  Uuid message_id;
  int attempt_no = 1;
  Kind kind = Kind::sms;
  Phi<std::string> recipient;  // E.164 or an address
  Phi<std::string> subject;
  Phi<std::string> body;
  Phi<std::string> pdf;         // the same text as a document, where the provider wants_pdf(); else empty
  std::string idempotency_key;  // messageId.version.requeues
  std::string callback_url;     // echoes messageId.attempt; empty if the adapter has no such thing
  WallTime at;                  // of this attempt: for requests whose signature names the time
  std::string echo() const { return echo_of(message_id, attempt_no); }
};
struct Echo {
  Uuid message_id;
  int attempt_no = 0;
};
std::optional<Echo> parse_echo(std::string_view text);  // what Outbound::echo() wrote

struct HttpRequest {
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
};

struct MailRequest {
  std::string from, to;        // envelope addresses
  std::string data;            // RFC 5322 message, CRLF lines, not yet dot-stuffed
  std::string envelope_id;     // ENVID if the server has DSN: messageId.attempt, then the token if there is one
  bool wants_success = false;  // of a server that has DSN: a report that it arrived, too
};
// One SMTP reply line set: code, enhanced code if any ("5.1.1"), text of the first line.
struct MailReply {
  int code = 0;
  std::string enhanced;
  std::string text;
  enum class Stage { connect, greeting, hello, tls, auth, mail, rcpt, data, final_dot } stage = Stage::connect;
};

struct LinkRequest {               // SMPP: what is sent over a link that stays
  std::vector<std::string> parts;  // the body of a submit_sm each, in order
};
struct LinkReply {  // to one submit_sm, or to the bind before
  enum class Stage { bind, submit } stage = Stage::submit;
  uint32_t status = 0;     // command_status
  std::string message_id;  // as the SMSC wrote it
};

struct CallbackRequest {  // exactly as it came
  std::string method = "POST";
  std::string public_url;  // configured public URL + path + query: what the provider signed
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // raw
  WallTime received_at;
  std::string peer_address;                         // the nearest hop that is no proxy of ours
  std::map<std::string, std::string> fetched = {};  // what Provider::wants() named: URL to body; absent: not to be had
};
struct Verdict {
  bool is_genuine = false;
  std::string reason;  // why not: "bad signature", "no signature header", ...
  // Where the signature covers not the body, or no time: what it does cover once. A key that came before with another
  // body is refused.
  std::string replay_key = {};
  bool is_unsigned = false;  // not genuine, and it carries no signature at all
};
enum class CallbackEnd { kept, unsigned_, forged, unreadable };
struct CallbackReply {
  int status = 204;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
struct Inbound {          // what somebody wrote to our number
  Phi<std::string> from;  // E.164
  std::string to;
  Phi<std::string> text;
  std::string event_id;      // unique at this provider
  bool is_answered = false;  // the provider has answered it by itself
};
// How a provider learns where its callbacks go.
enum class CallbackWay { none, message, account, subscription, link, mail };
std::string_view name(CallbackWay way);
struct Receipt {
  std::optional<Uuid> message_id;  // by echo
  int attempt_no = 0;
  std::string provider_reference;
  ReceiptKind kind = ReceiptKind::sent;  // `bounced` suppresses the address: one that may be good has `failed`
  std::string provider_code;
  std::string event_id;  // unique at this provider: a repeat has the same
  bool is_partial = false;
  std::string part = {};  // of a batch: its own part of the body, which is kept for it; empty: all of the body
};

enum class Protocol { http, smtp, smpp };

// What settles a doubt: a repeat with the same key, which the provider knows again; a question to it; nothing.
enum class DoubtClass { idempotent, queryable, blind };

struct Sent {  // what a look-up asks for
  Uuid message_id;
  int attempt_no = 1;
  std::string provider_reference;  // if a reply named one
  std::string echo() const { return echo_of(message_id, attempt_no); }
};
enum class Found {
  unknown,   // no definite answer
  accepted,  // it has the message, and has not failed on it
  refused,   // it had it and failed
  nothing,   // it certainly does not have it, and will not
};
struct LookUp {
  Found found = Found::unknown;
  std::string provider_reference, provider_code;
};

struct ProviderSettings {  // one entry of `providers:`; daemon/app copies it from the configuration
  std::string name, adapter;
  std::string in_doubt;                       // idempotent, queryable, blind; empty: the adapter's own
  int64_t key_life_ms = 0;                    // 0: the adapter's own
  std::map<std::string, std::string> values;  // base_url, account_sid, from, url, starttls, ... as written
  std::map<std::string, Secret> secrets;      // auth_token (from auth_token_file), password, ...
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual Protocol protocol() const = 0;
  virtual bool can_send(Kind kind) const = 0;
  virtual bool has_echo() const = 0;      // receipts name messageId.attempt
  virtual bool has_receipts() const = 0;  // else `sent` is as far as it goes
  // How long after `sent` the last receipt may come; later it is worth a look.
  virtual int64_t receipt_wait_ms() const { return 24 * int64_t{3'600'000}; }
  virtual CallbackWay callback_way() const { return CallbackWay::none; }
  virtual bool wants_pdf(Kind) const { return false; }  // beside the text
  virtual size_t text_max() const { return 0; }         // of a text, in Unicode characters; 0: no limit of its own

  // Doubts: what the provider offers at best. doubt_rules() says what is used.
  virtual bool has_key() const { return false; }  // it gets Outbound::idempotency_key, and acts once on each
  virtual int64_t key_life_ms() const { return 0; }
  virtual bool has_look_up() const { return false; }
  virtual HttpRequest build_look_up(const Sent& sent) const;
  virtual LookUp parse_look_up(const HttpReply& reply) const;

  // HTTP adapters
  virtual HttpRequest build(const Outbound& message) const;
  virtual Outcome parse(const HttpReply& reply) const;
  // SMTP adapters: the relay's address is the transport's; the adapter renders and judges.
  virtual Result<MailRequest> build_mail(const Outbound& message, WallTime now) const;
  virtual Outcome parse_mail(const MailReply& reply) const;
  // SMPP adapters. What comes unasked over the link goes to receipts() and inbounds(), method "deliver_sm" and its
  // body.
  virtual Result<LinkRequest> build_link(const Outbound& message) const;
  virtual Outcome parse_link(const LinkReply& reply) const;
  // Callbacks. verify() looks at the raw bytes; the others only at what verified.
  // URLs to be got before verify(): https, and of a host that the adapter allows; the daemon keeps their bodies a day.
  virtual std::vector<std::string> wants(const CallbackRequest& request) const;
  virtual Verdict verify(const CallbackRequest& request) const;
  virtual Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const;  // none: about nothing of ours
  virtual Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const;
  // What a handshake asks of us, once it verified.
  virtual std::optional<HttpRequest> follow_up(const CallbackRequest& request) const;
  // 204, 403, 403, 400 unless the provider knows better. An error without a body gets one that says what is wrong.
  virtual CallbackReply reply_to(CallbackEnd end) const;
  // The reply to an inbound's callback that answers its writer with this text. None: a message of its own has to.
  virtual std::optional<CallbackReply> answer(const std::string& text) const;
  // Of POST /api/message-workflow/delivery-status, by which messages of generic_http alone are confirmed.
  virtual Verdict verify_status(const CallbackRequest& request) const;
};

struct DoubtRules {  // of one configured provider
  DoubtClass provider_class = DoubtClass::blind;
  int64_t key_life_ms = 0;  // of an idempotent one
};
// What the settings ask for, else the best that the adapter can. invalid: more than it can.
Result<DoubtRules> doubt_rules(const Provider& provider, const ProviderSettings& settings);

struct Setting {  // for check-config: what an adapter reads
  std::string key;
  bool is_required = false;
  bool is_secret = false;  // written as <key>_file
};
struct AdapterInfo {
  std::string adapter;
  std::vector<Setting> settings;
  Result<std::unique_ptr<Provider>> (*make)(const ProviderSettings&);
};
const std::vector<AdapterInfo>& adapters();  // providers.def, expanded by registry.cc
Result<std::unique_ptr<Provider>> make_provider(const ProviderSettings& settings);

}  // namespace signet

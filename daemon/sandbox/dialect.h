// One provider's side of the wire, as its documentation has it: reads what a client asks for, words the answers, words
// and signs what is called back. What happens to a message is HttpSandbox's, by the recipient's ending. Pure; one
// object an account.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "daemon/sandbox/account.h"
#include "daemon/sandbox/journal.h"
#include "message/outcome.h"

namespace signet::sandbox {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Submission {
  Arrival arrival;                // channel, recipient, sender, subject, text, echo
  std::string callback_url = {};  // of this message; empty: the account's
  std::string key = {};          // a repeat of it is answered as the first was; empty: the provider knows no such thing
  std::string origin = {};       // of this API, as the client called it
  std::string handed_back = {};  // JSON: what the client attached, and the provider repeats in its events
};
struct Reading {
  Submission submission;
  std::optional<http::Response> refusal = {};  // what was asked for cannot be done
};
enum class Refusal { unauthorized, unknown_recipient, opted_out, throttled, broken };

struct CallBack {
  std::string url, body;
  Fields headers;
};
struct News {  // what is to be called back
  const Submission& submission;
  const std::string& reference;
  ReceiptKind kind;
  std::string event_id;  // the same when it is told again
  WallTime at;
};
struct Answer {  // what the recipient of a message writes back
  const Submission& submission;
  const std::string& reference;  // its own
  std::string_view text;
  WallTime at;
};

class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual bool is_mine(const http::Request& request) const = 0;  // by its path
  virtual bool is_authorized(const http::Request& request) const = 0;
  virtual Reading read(const http::Request& request) const = 0;
  // None: it does not refuse so, but takes the message and says it in an event.
  virtual std::optional<http::Response> refuse(Refusal why, WallTime at) const = 0;
  virtual std::string new_reference(Random& random) const = 0;
  virtual http::Response accept(const Submission& submission, const std::string& reference, WallTime at) const = 0;
  virtual std::optional<CallBack> call_back(const News& news) const = 0;  // none: it tells no such thing
  // To the account's URL; none: nobody can write back by this provider.
  virtual std::optional<CallBack> write_back(const Answer&) const { return std::nullopt; }
  // What the provider serves besides its API, to anybody.
  virtual std::optional<http::Response> serve(const http::Request&) const { return std::nullopt; }
  // What comes before the account's first event, once.
  virtual std::optional<CallBack> introduce(const Submission&, WallTime) const { return std::nullopt; }
  // A question about a message: its echo, and the answer, with an empty reference if it never came.
  virtual std::optional<std::string> asked_about(const http::Request&) const { return std::nullopt; }
  virtual http::Response answer_about(const std::string&) const { return {}; }
};

// `account_url`: where the account's events go. None: the sandbox does not play that adapter over HTTP.
std::unique_ptr<Dialect> make_dialect(const Account& account, const std::string& account_url);

// ---- What dialects are made of ----

// What stands there in a JSON document (RFC 6901): a text, or another value's JSON; empty if nothing does.
std::string json_at(const std::string& document, const char* pointer);
// `Bearer x`, or `Basic base64(user:password)`, compared in constant time.
bool has_bearer(const http::Request& request, std::string_view token);
bool has_basic(const http::Request& request, std::string_view user, std::string_view password);
// Of a form, or of multipart/form-data (RFC 7578); none: neither, or not well formed.
std::optional<Fields> fields_of(const http::Request& request);
std::string field_in(const Fields& fields, std::string_view name);  // the first; empty if none
std::string form_of(const Fields& fields);                          // application/x-www-form-urlencoded
std::string random_hex(Random& random, size_t octets);
std::string random_uuid(Random& random);              // version 4
std::string seconds_of(WallTime at);                  // since 1970, as digits
std::string without_brackets(std::string_view text);  // "Anna <a@b>" is a@b

}  // namespace signet::sandbox

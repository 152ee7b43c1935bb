// How a provider of `adapter: generic_http` speaks, as its entry in the configuration has it. What is not written is
// the dialect at the head of generic_http.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "base/webhook_crypto.h"
#include "providers/provider.h"
#include "providers/reply_class.h"
#include "providers/template.h"

namespace signet {

struct GenericDialect {
  // The request. Nothing of the patient is in url or headers: no place there could hold it.
  std::string method, url, content_type;
  Template path, body;
  TemplateFormat format = TemplateFormat::json;
  std::vector<std::pair<std::string, Template>> headers;
  bool has_sms = true, has_email = true;
  std::string from, user;
  Secret token;

  // The reply. Paths as in json_object.h; `header:name` reads a header instead.
  std::string id_at, code_at;
  std::string accepted_at;  // empty: any 2xx with an id
  std::vector<std::string> accepted_words;
  std::map<std::string, ReplyClass> codes;
  std::map<int, ReplyClass> http_statuses;
  bool has_own_codes = false;
  std::string look_up_url;

  // Callbacks.
  enum class Signature { none, standard_webhooks, hmac, header, basic } signature = Signature::none;
  std::vector<Secret> secrets;      // any may have signed
  std::vector<Secret> status_keys;  // those of them that are keys of Standard Webhooks, for status reports
  std::string signature_header, signature_prefix, timestamp_header, nonce_header;
  WebhookHash hash = WebhookHash::sha256;
  bool is_base64 = false;
  Template signature_text;
  bool has_callback_url = false;  // each message brings the URL of its receipts
  bool is_form = false;
  std::string receipts_at, receipt_id_at, receipt_status_at, receipt_code_at, receipt_event_at, receipt_echo_at;
  std::map<std::string, std::optional<ReceiptKind>> receipt_statuses;  // none: it is left aside
  std::string inbound_kind_at, inbound_kind;                           // what tells it from a receipt
  std::string inbound_id_at, inbound_from_at, inbound_to_at, inbound_text_at;
};

const std::vector<Setting>& generic_settings();  // all that read_generic_dialect() reads
Result<GenericDialect> read_generic_dialect(const ProviderSettings& settings);

}  // namespace signet

// Acme SMS (docs.acme.example/sms): the example of docs/providers.md.
//
//   POST https://api.acme.example/v1/sms
//   Authorization: Bearer KEY
//   {"to":"+15558675310","text":"hi","reference":"0193b3c4-....1"}
//
//   202 {"id":"a-42"}
//   4xx {"code":"no_such_number"}
//
// Status callback, by Standard Webhooks: {"id":"a-42","status":"delivered","reference":"0193b3c4-....1"}
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "providers/callback_form.h"
#include "providers/json_object.h"
#include "providers/provider.h"
#include "providers/reply_class.h"
#include "providers/settings.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

using namespace reply_class;

constexpr std::pair<const char*, ReplyClass> kCodes[] = {
    {"no_such_number", kNoRecipient}, {"opted_out", kOptedOut}, {"slow_down", kThrottled}};

constexpr std::pair<const char*, ReceiptKind> kStatuses[] = {
    {"sent", ReceiptKind::sent}, {"delivered", ReceiptKind::delivered}, {"failed", ReceiptKind::failed}};

class Acme : public Provider {
 public:
  Acme(const std::string& base_url, std::string_view api_key, std::string webhook_key)
      : url_(base_url + "/v1/sms"), bearer_("Bearer " + std::string(api_key)), webhook_key_(std::move(webhook_key)) {}
  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind kind) const override { return kind == Kind::sms; }
  bool has_echo() const override { return true; }
  bool has_receipts() const override { return true; }
  CallbackWay callback_way() const override { return CallbackWay::account; }

  HttpRequest build(const Outbound& message) const override {
    const nlohmann::ordered_json body{
        {"to", message.recipient.reveal()}, {"text", message.body.reveal()}, {"reference", message.echo()}};
    return {"POST",
            url_,
            {{"Authorization", std::string(bearer_.octets())}, {"Content-Type", "application/json"}},
            body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
  }

  Outcome parse(const HttpReply& reply) const override {
    const auto answer = json_object_of(reply.body);
    const std::string id = answer ? text_at(*answer, "id") : "", code = answer ? text_at(*answer, "code") : "";
    const auto row = std::find_if(std::begin(kCodes), std::end(kCodes), [&](auto& r) { return code == r.first; });
    if (reply.status != 202 || !is_reference(id))
      return outcome_of(row == std::end(kCodes) ? class_of_http(reply.status) : row->second, reply);
    return accepted_as(id, reply);
  }

  Verdict verify(const CallbackRequest& request) const override { return verify_webhook(webhook_key_, request); }
  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    const auto told = json_object_of(request.body);
    const std::string word = told ? text_at(*told, "status") : "";
    const auto row = std::find_if(std::begin(kStatuses), std::end(kStatuses), [&](auto& r) { return word == r.first; });
    if (row == std::end(kStatuses)) return Error{ErrorCode::invalid, "acme: a status that is not in the table"};
    Receipt receipt;
    receipt.kind = row->second;
    receipt.provider_reference = text_at(*told, "id");
    receipt.event_id = webhook_id(request);
    set_echo(receipt, parse_echo(text_at(*told, "reference")));
    return std::vector{receipt};
  }

 private:
  std::string url_;
  Secret bearer_;
  std::string webhook_key_;
};

}  // namespace

AdapterInfo acme_adapter() {
  return {"acme",
          {{"base_url"}, {"api_key", true, true}, {"webhook_secret", true, true}},
          [](const ProviderSettings& settings) -> Result<std::unique_ptr<Provider>> {
            auto url = base_url_of(settings, "https://api.acme.example");
            if (!url) return url.error();
            auto key = webhook_key(secret_of(settings, "webhook_secret"));
            if (!key) return setting_error(settings, "webhook_secret_file", key.error().text);
            return std::unique_ptr<Provider>(std::make_unique<Acme>(*url, secret_of(settings, "api_key"), *key));
          }};
}

}  // namespace signet

// `signetd send`: one message, for trying out. It takes the same way as everybody's: POST /api/messages, then
// send-directly, by a token whose user may.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/commands/admin_api.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/operator.h"

namespace signet {

using Json = nlohmann::ordered_json;

namespace {

// The tag by which the first route of this kind leads to this provider and no other. The error says what to write.
Result<std::string> tag_of(const Config& config, const std::string& kind, const std::string& provider) {
  for (const auto& route : config.routes)
    if (route.kind == kind && route.providers.size() == 1 && route.providers[0].name == provider &&
        !route.match.tag.empty())
      return route.match.tag[0];
  return Error{ErrorCode::not_found, "no route with a tag leads to " + provider + " alone; put before the others of `" +
                                         "routes`: { kind: " + kind + ", match: { tag: [" + provider +
                                         "] }, providers: [ { name: " + provider + " } ] }"};
}

}  // namespace

int send_one(const Config& config, const SendOptions& options) {
  if (options.kind != "sms" && options.kind != "email") return failed("--kind is neither sms nor email");
  auto api = AdminApi::open(config, options.token_file, options.ca_file);
  if (!api) return failed(api.error().text);
  Json message{{"kind", options.kind},
               {options.kind == "sms" ? "recipientPhone" : "recipientEmail", options.to},
               {"contentDraft", options.body}};
  if (!options.subject.empty()) message["subject"] = options.subject;
  if (!options.provider.empty()) {
    auto tag = tag_of(config, options.kind, options.provider);
    if (!tag) return failed("--provider: " + tag.error().text);
    message["tags"] = {*tag};
  }
  auto drafted = api->post("messages", message.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!drafted) return failed(drafted.error().text);
  if (drafted->status != 201) return failed(said(*drafted));
  const Json created = Json::parse(drafted->body, nullptr, false);
  const std::string id = created.is_object() ? created.value("id", "") : "";
  auto sent = api->post("message-workflow/send-directly", Json{{"messageId", id}}.dump());
  if (!sent) return failed(sent.error().text);
  if (sent->status != 200) return failed("the draft " + id + " is there, but " + said(*sent));
  std::printf("%s queued; follow it at GET /api/messages/%s/timeline\n", id.c_str(), id.c_str());
  return 0;
}

}  // namespace signet

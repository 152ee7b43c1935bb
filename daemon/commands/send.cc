// `signetd send`: one message, for trying out. It takes the same way as everybody's: POST /api/messages, then
// send-directly, by a token whose user may.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/commands/commands.h"
#include "daemon/commands/http_call.h"

namespace signet {
namespace {

using Json = nlohmann::ordered_json;

int failed(const std::string& text) {
  std::fprintf(stderr, "signetd: %s\n", text.c_str());
  return 1;
}

std::string said(const HttpAnswer& answer) {
  const Json problem = Json::parse(answer.body, nullptr, false);
  std::string out = "the daemon answered " + std::to_string(answer.status);
  if (!problem.is_object()) return out;
  for (const char* member : {"title", "detail"})
    if (problem.contains(member) && problem[member].is_string()) out += ": " + problem[member].get<std::string>();
  if (problem.contains("details") && problem["details"].contains("errors"))
    for (const auto& error : problem["details"]["errors"]) out += "\n  " + error.get<std::string>();
  return out;
}

}  // namespace

int send_one(const Config& config, const SendOptions& options) {
  if (options.kind != "sms" && options.kind != "email") return failed("--kind is neither sms nor email");
  auto token = read_secret_file(options.token_file);
  if (!token) return failed(token.error().text);
  HttpCall request;
  request.to = {config.http.admin.address, config.http.admin.port};
  if (request.to.host == "0.0.0.0") request.to.host = "127.0.0.1";
  if (request.to.host == "::") request.to.host = "::1";
  request.token = *token;
  if (!config.http.admin.tls.certificate.empty()) {
    auto tls = TlsContext::client(options.ca_file);
    if (!tls) return failed(tls.error().text);
    request.tls = *tls;
  }
  Json message{{"kind", options.kind},
               {options.kind == "sms" ? "recipientPhone" : "recipientEmail", options.to},
               {"contentDraft", options.body}};
  if (!options.subject.empty()) message["subject"] = options.subject;
  request.path = "/api/messages";
  request.body = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  auto drafted = call(request);
  if (!drafted) return failed(drafted.error().text + ": is `signetd run` up, at http.admin.listen?");
  if (drafted->status != 201) return failed(said(*drafted));
  const Json created = Json::parse(drafted->body, nullptr, false);
  const std::string id = created.is_object() ? created.value("id", "") : "";
  request.path = "/api/message-workflow/send-directly";
  request.body = Json{{"messageId", id}}.dump();
  auto sent = call(request);
  if (!sent) return failed(sent.error().text);
  if (sent->status != 200) return failed("the draft " + id + " is there, but " + said(*sent));
  std::printf("%s queued; follow it at GET /api/messages/%s/timeline\n", id.c_str(), id.c_str());
  return 0;
}

}  // namespace signet

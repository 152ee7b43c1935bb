// `signetd send`: one message, for trying out. It takes the same way as everybody's: POST /api/messages, then
// send-directly, by a token whose user may.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/commands/commands.h"
#include "providers/http_call.h"

namespace signet {
namespace {

using Json = nlohmann::ordered_json;

int failed(const std::string& text) {
  std::fprintf(stderr, "signetd: %s\n", text.c_str());
  return 1;
}

std::string said(const HttpReply& answer) {
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
  std::string host = config.http.admin.address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = '[' + host + ']';
  const bool is_tls = !config.http.admin.tls.certificate.empty();
  const std::string base =
      (is_tls ? "https://" : "http://") + host + ":" + std::to_string(config.http.admin.port) + "/api/";
  HttpCall request;
  request.headers = {{"Authorization", "Bearer " + std::string(token->octets())}, {"Content-Type", "application/json"}};
  request.timeout_ms = 30000;
  request.ca_file = options.ca_file;
  Json message{{"kind", options.kind},
               {options.kind == "sms" ? "recipientPhone" : "recipientEmail", options.to},
               {"contentDraft", options.body}};
  if (!options.subject.empty()) message["subject"] = options.subject;
  request.url = base + "messages";
  request.body = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  auto drafted = http_call(request);
  if (!drafted) return failed(drafted.error().text + ": is `signetd run` up, at http.admin.listen?");
  if (drafted->status != 201) return failed(said(*drafted));
  const Json created = Json::parse(drafted->body, nullptr, false);
  const std::string id = created.is_object() ? created.value("id", "") : "";
  request.url = base + "message-workflow/send-directly";
  request.body = Json{{"messageId", id}}.dump();
  auto sent = http_call(request);
  if (!sent) return failed(sent.error().text);
  if (sent->status != 200) return failed("the draft " + id + " is there, but " + said(*sent));
  std::printf("%s queued; follow it at GET /api/messages/%s/timeline\n", id.c_str(), id.c_str());
  return 0;
}

}  // namespace signet

#include "daemon/commands/admin_api.h"

#include <nlohmann/json.hpp>

namespace signet {

using Json = nlohmann::json;

Result<AdminApi> AdminApi::open(const Config& config, const std::string& token_file, const std::string& ca_file) {
  auto token = read_secret_file(token_file);
  if (!token) return token.error();
  std::string host = config.http.admin.address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = '[' + host + ']';
  const bool is_tls = !config.http.admin.tls.certificate.empty();
  AdminApi out;
  out.base_ = (is_tls ? "https://" : "http://") + host + ":" + std::to_string(config.http.admin.port) + "/api/";
  out.call_.headers = {{"Authorization", "Bearer " + std::string(token->octets())},
                       {"Content-Type", "application/json"}};
  out.call_.timeout_ms = 30000;
  out.call_.ca_file = ca_file;
  return out;
}

Result<HttpReply> AdminApi::post(const std::string& path, std::string body) const {
  HttpCall call = call_;
  call.url = base_ + path;
  call.body = std::move(body);
  auto reply = http_call(call);
  if (!reply) return Error{reply.error().code, reply.error().text + ": is `signetd run` up, at http.admin.listen?"};
  return reply;
}

std::vector<std::string> errors_of(const HttpReply& answer) {
  const Json problem = Json::parse(answer.body, nullptr, false);
  std::vector<std::string> out;
  if (!problem.is_object() || !problem.contains("details") || !problem["details"].contains("errors")) return out;
  for (const auto& error : problem["details"]["errors"])
    if (error.is_string()) out.push_back(error.get<std::string>());
  return out;
}

std::string said(const HttpReply& answer) {
  const Json problem = Json::parse(answer.body, nullptr, false);
  std::string out = "the daemon answered " + std::to_string(answer.status);
  if (!problem.is_object()) return out;
  for (const char* member : {"title", "detail"})
    if (problem.contains(member) && problem[member].is_string()) out += ": " + problem[member].get<std::string>();
  for (const auto& error : errors_of(answer)) out += "\n  " + error;
  return out;
}

}  // namespace signet

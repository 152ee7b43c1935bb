#include "daemon/commands/admin_api.h"

#include <nlohmann/json.hpp>

namespace signet {

using Json = nlohmann::json;

std::string listener_url(std::string address, int port, const Config::Tls& tls) {
  if (address == "0.0.0.0") address = "127.0.0.1";
  if (address == "::") address = "::1";
  if (address.find(':') != std::string::npos) address = '[' + address + ']';
  return (tls.certificate.empty() ? "http://" : "https://") + address + ":" + std::to_string(port);
}

Result<AdminApi> AdminApi::open(const Config& config, const std::string& token_file, const std::string& ca_file) {
  auto token = read_secret_file(token_file);
  if (!token) return token.error();
  AdminApi out;
  const auto& admin = config.http.admin;
  out.base_ = listener_url(admin.address, admin.port, admin.tls) + "/api/";
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

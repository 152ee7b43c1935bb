#include "daemon/http/response.h"

#include <nlohmann/json.hpp>

#include "base/check.h"

namespace signet::http {

namespace {

constexpr std::pair<int, const char*> kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

}  // namespace

Response json(int status, std::string body) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  response.content_type = "application/json";
  return response;
}

Response text(int status, std::string body) {
  Response response = json(status, std::move(body));
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

Response problem(const Problem& problem) {
  using Json = nlohmann::ordered_json;
  Json out = Json::object();
  std::string type = "urn:signet:problem:";
  for (const char c : problem.code) type += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  out["type"] = problem.code.empty() ? "about:blank" : type;
  out["title"] = problem.title;
  out["status"] = problem.status;
  out["detail"] = problem.detail;
  out["error"] = problem.title;
  const bool is_number = !problem.code.empty() && problem.code.size() < 10 &&
                         problem.code.find_first_not_of("0123456789") == std::string::npos;
  if (is_number) {
    out["code"] = std::stoi(problem.code);
  } else {
    out["code"] = problem.code;
  }
  out["requestId"] = problem.request_id;
  if (!problem.errors.empty() || !problem.warnings.empty())
    out["details"] = {{"errors", problem.errors}, {"warnings", problem.warnings}};
  if (!problem.members.empty()) {
    const Json members = Json::parse(problem.members, nullptr, false);
    SIGNET_CHECK(members.is_object());
    for (const auto& [name, value] : members.items())
      if (!out.contains(name)) out[name] = value;
  }
  Response response = json(problem.status, out.dump(-1, ' ', false, Json::error_handler_t::replace));
  response.content_type = "application/problem+json";
  return response;
}

Response problem(int status, std::string code, std::string title, std::string detail, std::string request_id,
                 std::string members) {
  Problem p;
  p.status = status;
  p.code = std::move(code);
  p.title = std::move(title);
  p.detail = std::move(detail);
  p.request_id = std::move(request_id);
  p.members = std::move(members);
  return problem(p);
}

const char* reason_phrase(int status) {
  for (const auto& [code, phrase] : kReasons)
    if (code == status) return phrase;
  return "";
}

}  // namespace signet::http

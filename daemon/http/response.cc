#include "daemon/http/response.h"

#include <nlohmann/json.hpp>

#include "base/check.h"

namespace signet::http {

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
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "";
  }
}

}  // namespace signet::http

// What a handler answers, and the two bodies that the API speaks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace signet::http {

// A body that is longer than memory is for. The server's loop asks for the next piece when the one before has left.
class LongBody {
 public:
  virtual ~LongBody() = default;
  virtual int64_t size() const = 0;                   // octets, known before the first
  virtual Result<std::string> read(size_t most) = 0;  // the next ones; on an error, or an end before size(), the
                                                      // connection is reset, so that the client does not take it
                                                      // for whole
};
// The file from its beginning; it may be unlinked meanwhile. not_found, io.
Result<std::shared_ptr<LongBody>> file_body(const std::string& path);

struct Response {
  int status = 200;  // 200 to 599
  // Besides what the server sets itself: Content-Type, Content-Length, Connection, Date, X-Request-Id,
  // X-Content-Type-Options, Strict-Transport-Security (under TLS). Cache-Control is no-store unless given here.
  // Control characters in a value become spaces.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string content_type;  // empty: none is sent

  bool close = false;  // close the connection after this answer
  // The others are for the sandbox and the judge of the tests, which play broken providers: the connection is reset, or
  // stays open without an answer until the client leaves, or `body` is written as it stands (it need not be HTTP) and
  // the connection closed.
  enum class Delivery { answer, reset, hang, raw };
  Delivery delivery = Delivery::answer;
  std::shared_ptr<LongBody> long_body = {};  // instead of `body`
};

Response json(int status, std::string body);  // application/json
Response text(int status, std::string body);  // text/plain; charset=utf-8

// RFC 9457 with the origin's members: {type, title, status, detail, error, code, requestId, details{errors, warnings}}.
// Never PHI in any of them (product.md names the one exception).
struct Problem {
  int status = 500;
  std::string code;    // "FORBIDDEN"; all digits ("2001") are written as a number
  std::string title;   // what is wrong; also the member `error`
  std::string detail;  // what to do
  std::string request_id;
  std::vector<std::string> errors = {};
  std::vector<std::string> warnings = {};
  std::string members = {};  // further members: the text of a JSON object; ours win over the same names in it
};
Response problem(const Problem& problem);  // application/problem+json
Response problem(int status, std::string code, std::string title, std::string detail, std::string request_id,
                 std::string members = {});

const char* reason_phrase(int status);  // "Not Found"; "" if unknown

}  // namespace signet::http

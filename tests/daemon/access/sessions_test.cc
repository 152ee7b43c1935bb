#include "daemon/access/sessions.h"

#include <catch2/catch.hpp>

#include "tests/fakes/random.h"

namespace signet {
namespace {

http::Request with_cookie(const std::string& value) {
  http::Request request;
  request.headers = {{"cookie", value}};
  return request;
}

TEST_CASE("a session's id has 256 bits, and its token against forgery is another") {
  SeededRandom random(1);
  const Secret a = make_session_id(random), b = make_session_id(random);
  CHECK(a.octets().size() == 43);
  CHECK(a.octets() != b.octets());
  CHECK(csrf_token(a.octets()) != a.octets());
  CHECK(csrf_token(a.octets()) != csrf_token(b.octets()));
}

TEST_CASE("the cookie is found among others, and nothing that only looks like it") {
  const std::string id(43, 'a');
  for (const std::string& good :
       {"__Host-signet=" + id, "a=b; __Host-signet=" + id, "a=b;__Host-signet=" + id + "; c=d"}) {
    const auto request = with_cookie(good);
    CHECK(session_of(request) == id);
  }
  for (const std::string& bad :
       {std::string(), std::string("__Host-signet="), "__Host-signet=" + id + "a", "__host-signet=" + id,
        "x__Host-signet=" + id, "signet=" + id, "__Host-signet=" + std::string(42, 'a') + "=",
        "__Host-signet=short; __Host-signet=" + id}) {
    const auto request = with_cookie(bad);
    CHECK_FALSE(session_of(request));
  }
  CHECK_FALSE(session_of(http::Request{}));
}

TEST_CASE("a browser's word that another site asks is heard") {
  http::Request request;
  CHECK_FALSE(is_from_elsewhere(request));
  for (const auto& [site, is_elsewhere] :
       {std::pair{"same-origin", false}, {"none", false}, {"same-site", true}, {"cross-site", true}, {"new", true}}) {
    request.headers = {{"sec-fetch-site", site}};
    CHECK(is_from_elsewhere(request) == is_elsewhere);
  }
  const std::string id(43, 'a');
  CHECK_FALSE(has_csrf_token(request, id));
  request.headers = {{"x-signet-csrf", csrf_token(id)}};
  CHECK(has_csrf_token(request, id));
  CHECK_FALSE(has_csrf_token(request, std::string(43, 'b')));
}

}  // namespace
}  // namespace signet

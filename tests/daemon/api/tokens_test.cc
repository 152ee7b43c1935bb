#include "daemon/access/tokens.h"

#include <catch2/catch.hpp>

#include "tests/fakes/random.h"

namespace signet {
namespace {

TEST_CASE("a token has its form, and no two are alike") {
  SeededRandom random(1);
  const Secret a = make_token(random), b = make_token(random);
  CHECK(a.octets().size() == 47);
  CHECK(a.octets().starts_with("sgn_"));
  CHECK(is_token(a.octets()));
  CHECK(a.octets() != b.octets());
  CHECK(token_digest(a.octets()) == sha256(a.octets()));
}

TEST_CASE("what is no token is known by its form") {
  const std::string good = "sgn_" + std::string(43, 'a');
  CHECK(is_token(good));
  for (const std::string& bad :
       {std::string(), std::string("sgn_"), good + "a", good.substr(1), "sgn_" + std::string(42, 'a'),
        "sgn_" + std::string(42, 'a') + "=", "sgn_" + std::string(42, 'a') + "+", "SGN_" + std::string(43, 'a')})
    CHECK_FALSE(is_token(bad));
}

}  // namespace
}  // namespace signet

#include "config/fault.h"

#include <catch2/catch.hpp>

using namespace signet;

TEST_CASE("a fault is one line of file, line, key, text and remedy") {
  CHECK(describe({"signetd.yaml", 12, "postgres.url", "has no host", "write postgresql://user@host:port/database"}) ==
        "signetd.yaml:12: postgres.url: has no host: write postgresql://user@host:port/database");
  CHECK(describe({"signetd.yaml", 0, "", "is empty", "write something"}) == "signetd.yaml: is empty: write something");
  CHECK(describe({"signetd.yaml", 3, "", "is empty", ""}) == "signetd.yaml:3: is empty");
}

TEST_CASE("the nearest key is found by edit distance") {
  const std::vector<std::string> known{"url", "password_file", "journal_connections", "api_connections"};
  CHECK(nearest_key("urll", known) == "url");
  CHECK(nearest_key("ulr", known) == "url");
  CHECK(nearest_key("journal_conections", known) == "journal_connections");
  CHECK(nearest_key("apiConnections", known) == "api_connections");
  CHECK(nearest_key("passwordfile", known) == "password_file");
  CHECK(nearest_key("host", known).empty());
  CHECK(nearest_key("", known).empty());
  CHECK(nearest_key(std::string(100000, 'u'), known).empty());
}

TEST_CASE("the remedy for an unknown key is the key that was meant") {
  const std::vector<std::string> known{"url", "password_file"};
  CHECK(remedy_for_unknown("urk", known) == "did you mean url?");
  CHECK(remedy_for_unknown("zzz", known) == "known here: url, password_file");
  CHECK(remedy_for_unknown("password", known) == "secrets stand in files of mode 0600, name one in password_file");
}

#include "base/secret.h"

#include <catch2/catch.hpp>
#include <ostream>
#include <type_traits>

#include "base/bytes.h"
#include "tests/base/files.h"

using namespace signet;
using Catch::Matchers::Contains;

namespace {

template <class T, class = void>
struct CanStream : std::false_type {};
template <class T>
struct CanStream<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<const T&>())>> : std::true_type {
};

static_assert(!CanStream<Secret>::value && !CanStream<Phi<std::string>>::value);
static_assert(!std::is_convertible_v<Secret, std::string> && !std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<Phi<std::string>, std::string>);

}  // namespace

TEST_CASE("a secret is read without its trailing newline") {
  const TestDir dir;
  CHECK(read_secret_file(dir.put("a", "hunter2\n"))->octets() == "hunter2");
  CHECK(read_secret_file(dir.put("b", "hunter2"))->octets() == "hunter2");
  CHECK(read_secret_file(dir.put("c", "two\n\n"))->octets() == "two\n");
  CHECK(read_secret_file(dir.put("d", ""))->is_empty());
  CHECK(read_secret_file(dir.put("e", "x", 0400)).ok());
}

TEST_CASE("a secret that others can read is refused with what to do") {
  const TestDir dir;
  for (const mode_t mode : {0644, 0640, 0604, 0660, 0601}) {
    const auto file = dir.put("key", "hunter2", mode);
    const auto read = read_secret_file(file);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::invalid);
    CHECK_THAT(read.error().text, Contains("chmod 0600 " + file));
  }
}

TEST_CASE("a secret that is missing, a directory or too large is refused") {
  const TestDir dir;
  CHECK(read_secret_file(dir / "none").error().code == ErrorCode::not_found);
  CHECK(read_secret_file(dir / ".").error().code == ErrorCode::invalid);
  CHECK(read_secret_file(dir.put("most", std::string(65536, 'x')))->octets().size() == 65536);
  CHECK(read_secret_file(dir.put("more", std::string(65537, 'x'))).error().code == ErrorCode::invalid);
}

TEST_CASE("a key file holds 32 octets in base64") {
  const TestDir dir;
  const std::string key(32, '\x7f');
  CHECK(read_key_file(dir.put("key", to_base64(key) + "\n"))->octets() == key);
  for (const std::string& bad : {to_base64(std::string(31, 'k')), std::string("not base64!"), key, std::string()})
    CHECK_THAT(read_key_file(dir.put("key", bad)).error().text, Contains("signetd keygen"));
  CHECK(read_key_file(dir / "none").error().code == ErrorCode::not_found);
}

TEST_CASE("a moved secret leaves nothing behind") {
  Secret from("a secret that is longer than a short string");
  const Secret to(std::move(from));
  CHECK(from.is_empty());  // NOLINT(bugprone-use-after-move): that is the point
  CHECK(to.octets() == "a secret that is longer than a short string");
  Secret assigned("old");
  assigned = to;
  CHECK(assigned.octets() == to.octets());
}

TEST_CASE("what is about a patient has to be revealed by name") {
  const Phi<std::string> recipient(std::string("+4915112345678"));
  CHECK(recipient.reveal() == "+4915112345678");
  CHECK(recipient == Phi<std::string>(std::string("+4915112345678")));
}

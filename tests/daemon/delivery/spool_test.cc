#include "daemon/delivery/spool.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/file.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

struct Fixture {
  ManualClock clock;
  SeededRandom random{3};
  IdSource ids{clock, random};
  std::filesystem::path folder;
  std::string path;

  Fixture() {
    char name[] = "/tmp/signet-spool-XXXXXX";
    REQUIRE(mkdtemp(name));
    folder = name;
    path = (folder / "results" / "signetd-1").string();
  }
  ~Fixture() { std::filesystem::remove_all(folder); }
  std::unique_ptr<Spool> open(size_t bytes_max = 1 << 20) {
    auto file = open_spool_file(path);
    REQUIRE(file.ok());
    auto spool = Spool::open(std::move(*file), bytes_max);
    REQUIRE(spool.ok());
    return std::move(*spool);
  }
  SpoolRow row() {
    SpoolRow out;
    out.permit.id = ids.next();
    out.permit.attempt_no = 3;
    out.permit.kind = Kind::email;
    out.permit.priority = Priority::high;
    out.permit.lane = "email";
    out.permit.provider = "relay";
    out.permit.route_reason = "weight";
    out.permit.instance = "here";
    out.permit.permitted_at = {1111};
    out.permit.expires_at = WallTime{2222};
    out.permit.max_attempts = 5;
    out.permit.avoid = "other";
    out.outcome.kind = OutcomeKind::retryable;
    out.outcome.reason = "throttled";
    out.outcome.provider_reference = "SM\xff\n";  // not UTF-8
    out.outcome.provider_code = "429";
    out.outcome.status_code = 429;
    out.outcome.is_throttled = true;
    out.outcome.retry_after_ms = 7000;
    out.outcome.scope = FaultScope::account;
    out.outcome.is_bounced = true;
    out.outcome.parts = 2;
    out.started_at = {3333};
    out.finished_at = {4444};
    return out;
  }
  size_t size() { return std::filesystem::file_size(path); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "what was spooled is read back whole and in order, and once only") {
  const std::vector<SpoolRow> rows{row(), row(), row()};
  {
    auto spool = open();
    REQUIRE(spool->append({rows[0], rows[1]}).ok());
    REQUIRE(spool->append({rows[2]}).ok());
    CHECK(spool->waiting() == 3);
  }
  struct stat info;
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  auto spool = open();
  CHECK(spool->torn_octets() == 0);
  CHECK(spool->waiting() == 3);
  const auto left = spool->take_left();
  REQUIRE(left.size() == 3);
  CHECK(spool->take_left().empty());
  for (size_t i = 0; i < 3; i++) {
    const Permit &a = left[i].permit, &b = rows[i].permit;
    CHECK(a.verdict == PermitVerdict::granted);
    CHECK(std::tie(a.id, a.attempt_no, a.kind, a.priority, a.lane, a.provider, a.route_reason, a.instance) ==
          std::tie(b.id, b.attempt_no, b.kind, b.priority, b.lane, b.provider, b.route_reason, b.instance));
    CHECK(std::tie(a.permitted_at, a.expires_at, a.max_attempts, a.avoid) ==
          std::tie(b.permitted_at, b.expires_at, b.max_attempts, b.avoid));
    const Outcome &x = left[i].outcome, &y = rows[i].outcome;
    CHECK(std::tie(x.kind, x.reason, x.provider_code, x.status_code, x.is_throttled, x.is_opted_out, x.retry_after_ms,
                   x.scope, x.parts, x.has_begun) == std::tie(y.kind, y.reason, y.provider_code, y.status_code,
                                                              y.is_throttled, y.is_opted_out, y.retry_after_ms, y.scope,
                                                              y.parts, y.has_begun));
    CHECK(x.is_bounced == y.is_bounced);
    CHECK(x.provider_reference == "SM\xef\xbf\xbd\n");
    CHECK(left[i].started_at == rows[i].started_at);
    CHECK(left[i].finished_at == rows[i].finished_at);
  }
}

TEST_CASE_METHOD(Fixture, "the file is emptied when the last of it is recorded, and not before") {
  auto spool = open();
  REQUIRE(spool->append({row(), row()}).ok());
  spool->recorded(1);
  CHECK(size() > 0);
  spool->recorded(1);
  CHECK(size() == 0);
  REQUIRE(spool->append({row()}).ok());
  spool.reset();
  CHECK(open()->take_left().size() == 1);
}

TEST_CASE_METHOD(Fixture, "a torn tail is found wherever it was torn, and cut off; what stands before it is whole") {
  const std::vector<SpoolRow> rows{row(), row()};
  {
    auto spool = open();
    REQUIRE(spool->append({rows[0]}).ok());
  }
  const size_t whole = size();
  {
    auto spool = open();
    (void)spool->take_left();
    REQUIRE(spool->append({rows[1]}).ok());
  }
  const size_t both = size();
  const auto octets = read_octets(path, both);
  REQUIRE(octets.ok());
  const size_t kept = GENERATE_COPY(whole + 1, whole + 20, whole + 40, both - 1);
  CAPTURE(kept);
  REQUIRE(truncate(path.c_str(), static_cast<off_t>(kept)) == 0);
  {
    auto spool = open();
    CHECK(spool->torn_octets() == kept - whole);
    const auto left = spool->take_left();
    REQUIRE(left.size() == 1);
    CHECK(left[0].permit.id == rows[0].permit.id);
    CHECK(size() == whole);
    REQUIRE(spool->append({rows[1]}).ok());
  }
  CHECK(open()->take_left().size() == 2);
}

TEST_CASE_METHOD(Fixture, "a changed octet of the last record is a torn tail too") {
  {
    auto spool = open();
    REQUIRE(spool->append({row()}).ok());
  }
  auto octets = *read_octets(path, 1 << 20);
  octets[GENERATE(3, 10, 60)] ^= 1;
  REQUIRE(replace_file(path, octets, 0600).ok());
  auto spool = open();
  CHECK(spool->take_left().empty());
  CHECK(spool->torn_octets() == octets.size());
}

TEST_CASE_METHOD(Fixture, "a full spool refuses all of what does not fit, until what waits in it is recorded") {
  auto spool = open(1200);
  REQUIRE(spool->append({row()}).ok());
  const size_t before = size();
  const auto refused = spool->append({row(), row(), row()});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::limit);
  CHECK(spool->is_full());
  CHECK(size() == before);
  spool->recorded(1);
  CHECK_FALSE(spool->is_full());
  CHECK(spool->append({row()}).ok());
}

TEST_CASE_METHOD(Fixture, "where the system's own limit ends the file no half record stays, and the process lives") {
  auto spool = open();
  REQUIRE(spool->append({row()}).ok());
  const size_t before = size();
  rlimit old;
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  rlimit tight = old;
  tight.rlim_cur = before + 100;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
  const auto refused = spool->append({row()});
  REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::limit);
  CHECK(size() == before);
}

TEST_CASE_METHOD(Fixture, "two processes do not share a spool") {
  auto spool = open();
  const auto second = open_spool_file(path);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::conflict);
}

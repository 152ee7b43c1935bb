// `signetd witness` as a process: what it promised holds whatever ends it.
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <future>

#include "audit/witness.h"
#include "providers/http_call.h"
#include "tests/audit/small_log.h"
#include "tests/base/files.h"
#include "tests/fakes/process.h"

using namespace signet;

namespace {

std::string after(const std::string& text, const std::string& word) {
  const size_t at = text.find(word);
  if (at == std::string::npos) return "";
  const size_t end = text.find('\n', at);
  return end == std::string::npos ? "" : text.substr(at + word.size(), end - at - word.size());
}

struct WitnessProcess {
  TestDir dir;
  SmallLog log = SmallLog::make(200);
  std::unique_ptr<Process> process;
  std::string said;  // the file
  int starts = 0;
  std::string base;

  std::vector<std::string> command() const {
    return {SIGNET_BINARY, "witness", "--name",        "witness.example/w1", "--state",
            dir / "state", "--log",   log.name.vkey(), "--listen",           "127.0.0.1:0"};
  }
  void start() {
    process.reset();
    said = dir / ("said-" + std::to_string(++starts));
    process = std::make_unique<Process>(command(), said);
    wait_until("the witness listens", [this] {
      if (!process->is_running()) throw std::runtime_error(read_file(said));
      return !after(read_file(said), "audit.anchors.witness_key: ").empty();
    });
    base = "http://127.0.0.1:" + after(read_file(said), "witness: port ");
  }
  std::string fails(const std::vector<std::string>& with) {
    const std::string file = dir / "refusal";
    std::filesystem::remove(file);
    CHECK(Process(with, file).wait() == 1);
    return read_file(file);
  }
  NoteKey key() const { return NoteKey::parse(after(read_file(said), "audit.anchors.witness_key: ")).value(); }
  Result<HttpReply> ask(uint64_t from, uint64_t to) const {
    HttpCall call;
    call.url = base + "/add-checkpoint";
    call.body = log.request(from, to);
    return http_call(call);
  }
  uint64_t known() const {  // by a checkpoint that no old size fits
    auto reply = ask(0, 200);
    REQUIRE(reply.ok());
    REQUIRE(reply->status == 409);
    return parse_known_size(reply->body).value();
  }
};

}  // namespace

TEST_CASE_METHOD(WitnessProcess, "a witness makes its key once, says it, and cosigns by it") {
  start();
  const NoteKey first = key();
  auto reply = ask(0, 3);
  REQUIRE(reply.ok());
  REQUIRE(reply->status == 200);
  CHECK(take_cosignature(log.checkpoint(3), reply->body, first).ok());
  process->signal(SIGTERM);
  CHECK(process->wait() == 0);
  start();
  CHECK(key().vkey() == first.vkey());
  CHECK(known() == 3);
  CHECK(ask(3, 8)->status == 200);
  HttpCall other;
  other.url = base + "/";
  CHECK(http_call(other)->status == 404);
  other.url = base + "/add-checkpoint";
  other.method = "GET";
  CHECK(http_call(other)->status == 405);
}

TEST_CASE_METHOD(WitnessProcess, "killed at any moment, a witness knows afterwards what it signed") {
  start();
  uint64_t signed_size = 0;
  for (int round = 0; round < 8; round++) {
    for (int i = 0; i < 3; i++, signed_size++) REQUIRE(ask(signed_size, signed_size + 1)->status == 200);
    auto last = std::async(std::launch::async, [&] { return ask(signed_size, signed_size + 1); });
    process->signal(SIGKILL);
    process->wait();
    const auto reply = last.get();
    if (reply.ok() && reply->status == 200) signed_size++;
    start();
    const uint64_t now = known();
    CHECK(now >= signed_size);
    CHECK(now <= signed_size + 1);
    signed_size = now;
  }
}

TEST_CASE_METHOD(WitnessProcess, "a witness refuses to start where it might sign two histories") {
  start();
  REQUIRE(ask(0, 3)->status == 200);
  CHECK_THAT(fails(command()), Catch::Contains("belongs to a witness that runs"));
  process.reset();
  SECTION("its state is damaged") {
    dir.put("state/small%2Flog.checkpoint", "small/log\n");
    CHECK_THAT(fails(command()), Catch::Contains("small%2Flog.checkpoint is damaged"));
  }
  SECTION("its key is gone") {
    std::filesystem::remove(dir / "state/key.pem");
    CHECK_THAT(fails(command()), Catch::Contains("key.pem is gone"));
  }
  SECTION("it is given a key that is none of a log") {
    auto with = command();
    with[7] = "small/log";
    CHECK_THAT(fails(with), Catch::Contains("--log small/log: "));
    with[7] = key().vkey();
    CHECK_THAT(fails(with), Catch::Contains("it is a witness's key, not a log's"));
  }
}

TEST_CASE_METHOD(WitnessProcess,
                 "check-config says of a witness's key what is wrong with it and where the right one is") {
  const std::string file =
      dir.put("signetd.yaml",
              "audit:\n  anchors:\n    witness_url: http://127.0.0.1:1\n    witness_key: " + log.name.vkey() + "\n");
  CHECK_THAT(
      fails({SIGNET_BINARY, "--config", file, "check-config"}),
      Catch::Contains(file + ":4: audit.anchors.witness_key: is the key of a log, not of a witness: copy the line "
                             "that `signetd witness` prints at its start"));
}

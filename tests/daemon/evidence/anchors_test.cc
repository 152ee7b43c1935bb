#include "daemon/evidence/anchors.h"

#include <filesystem>

#include "audit/checkpoint.h"
#include "audit/witness.h"
#include "base/timestamp.h"
#include "tests/daemon/evidence/anchor_world.h"

using namespace signet;

namespace {

using Faults = std::set<std::string>;

void write_over(const std::string& path, const std::string& octets) {  // by somebody who may
  std::filesystem::remove(path);
  std::ofstream(path) << octets;
}

}  // namespace

TEST_CASE_METHOD(AnchorWorld,
                 "a checkpoint goes to the folder, the witness and the authority, and comes back verified") {
  write(300);
  anchor();
  const CheckpointRow checkpoint = **newest_checkpoint(*app);
  CHECK(checkpoint.size == 300);
  CHECK(settings.sources.folder->path(300) == dir / "worm/signet%2Ftest/00000000000000000300.checkpoint");
  CHECK(read_file(settings.sources.folder->path(300)) == checkpoint.note);
  const auto line = newest_anchor(*app, kAnchorWitness).value();
  REQUIRE(line.has_value());
  CHECK(line->size == 300);
  CHECK(verify_checkpoint(checkpoint.note + line->token, key.name, std::vector{*settings.sources.witness})
            ->witnesses.size() == 1);
  const auto stamp = newest_anchor(*app, kAnchorTsa).value();
  REQUIRE(stamp.has_value());
  CHECK(verify_time_stamp(stamp->token, checkpoint.note, settings.sources.tsa_ca_file).ok());

  write(500);  // over the end of tiles
  anchor();
  for (const char* kind : {kAnchorFolder, kAnchorWitness, kAnchorTsa}) {
    CHECK(anchored(kind) == 2);
    CHECK(newest_anchor(*app, kind).value()->size == 800);
    CHECK(unanchored_ms(*app, kind).value() == 0);
    CHECK(metrics.value("signet_anchors_total", "kind=\"" + std::string(kind) + '"') == 2);
  }
  CHECK(list_anchors(*app, 4).value().size() == 4);
  CHECK(faults().empty());
  anchor();  // nothing new
  CHECK(count("audit.anchor") == 6);
}

TEST_CASE_METHOD(AnchorWorld, "each checkpoint is cosigned, and one is stamped every so often") {
  ManualClock at(clock.wall());
  auto worker = anchors(at);
  for (int i = 1; i <= 3; i++) {
    write(1);
    worker.pass();
    CHECK(anchored(kAnchorFolder) == i);
    CHECK(anchored(kAnchorWitness) == i);
    CHECK(anchored(kAnchorTsa) == 1);
  }
  at.advance_ms(settings.stamp_every_ms);
  worker.pass();
  CHECK(anchored(kAnchorTsa) == 1);  // its clock and ours differ by ten minutes now
  CHECK_THAT(log.all(), Catch::Contains("set this machine's clock"));
}

TEST_CASE_METHOD(AnchorWorld, "one daemon of all anchors, and another goes on where it ended") {
  write(5);
  {
    auto first = anchors();
    REQUIRE(first.anchor().ok());
    auto second = anchors();
    CHECK(second.anchor().error().code == ErrorCode::unavailable);
  }
  anchor();
  CHECK(count("audit.anchor") == 3);
}

TEST_CASE_METHOD(AnchorWorld, "a witness that signed more than was stored here says so, and is asked from there") {
  write(5);
  http::Request request;
  request.method = "POST";
  request.path = "/add-checkpoint";
  request.body = print({0, {}, (**newest_checkpoint(*app)).note});
  CHECK(running.on_loop([&] { return witness->handle(request).status; }) == 200);  // and the answer was lost
  write(5);
  anchor();
  CHECK(newest_anchor(*app, kAnchorWitness).value()->size == 10);
  CHECK(faults().empty());
}

TEST_CASE_METHOD(AnchorWorld,
                 "an anchor that fails is told of once, tried again later, and alarms when it is overdue") {
  ManualClock at(clock.wall());
  settings.overdue_ms = -1;
  auto worker = anchors(at);
  broken_status = 503;
  write(5);
  for (int i = 0; i < 3; i++) worker.pass();
  CHECK(anchored(kAnchorFolder) == 1);
  CHECK(anchored(kAnchorWitness) + anchored(kAnchorTsa) == 0);
  const std::string failed = "kind=\"witness\"";
  CHECK(metrics.value("signet_anchors_failed_total", failed) == 1);
  CHECK_THAT(log.all(), Catch::Contains("audit.anchors.witness_url: the witness answered with status 503"));
  CHECK_THAT(log.all(), Catch::Contains("audit.anchors.tsa_url: the authority answered with status 503"));
  CHECK(metrics.value("signet_alarm", "reason=\"anchor_overdue\"") == 3);  // once each; -1 is before any time
  at.advance_ms(2000);
  worker.pass();
  CHECK(metrics.value("signet_anchors_failed_total", failed) == 2);
  at.advance_ms(2000);
  worker.pass();
  CHECK(metrics.value("signet_anchors_failed_total", failed) == 2);  // the wait has doubled
  broken_status = 0;
  at.advance_ms(2000);
  worker.pass();
  CHECK(anchored(kAnchorWitness) == 1);
  CHECK_THAT(log.all(), Catch::Contains("the log is anchored again kind=witness"));
}

TEST_CASE_METHOD(AnchorWorld, "what waits too long is named for /readyz") {
  CHECK(describe_overdue(*app, settings).value().empty());
  write(5);
  CHECK(describe_overdue(*app, settings).value().empty());
  settings.overdue_ms = -1;
  CHECK_THAT(describe_overdue(*app, settings).value(), Catch::Contains("look at audit.anchors.worm_dir"));
}

TEST_CASE_METHOD(AnchorWorld,
                 "a witness that does not know the log, or is another than the one named, anchors nothing") {
  write(5);
  SECTION("another witness") {
    auto stranger = SigningKey::generate(SignatureAlgorithm::ed25519).value();
    settings.sources.witness =
        NoteKey::make("witness.example/w1", NoteKeyType::cosignature, stranger.public_key()).value();
    auto worker = anchors();
    CHECK_THAT(worker.anchor().error().text, Catch::Contains("not signed by a known key"));
  }
  SECTION("another log's") {
    auto worker = anchors();
    witness.reset();
    witness =
        Witness::open(dir / "witness", {},
                      load_or_make_witness_key(dir / "witness/key.pem", "witness.example/w1", "").value(), clock, log)
            .value();
    CHECK_THAT(worker.anchor().error().text, Catch::Contains("--log " + key.name.vkey()));
  }
  CHECK(anchored(kAnchorWitness) == 0);
  CHECK(faults().empty());
}

TEST_CASE_METHOD(AnchorWorld, "a file that is changed, gone or was there before is named") {
  write(5);
  const std::string file = settings.sources.folder->path(5);
  SECTION("gone") {
    anchor();
    std::filesystem::remove(file);
    anchor();
    CHECK(faults() == Faults{"anchor_folder at 5"});
    CHECK_THAT(log.all(), Catch::Contains(file + " is gone"));
  }
  SECTION("changed") {
    anchor();
    write_over(file, "nothing\n");
    anchor();
    CHECK(faults() == Faults{"anchor_folder at 5"});
  }
  SECTION("another's") {
    std::filesystem::create_directories(dir / "worm/signet%2Ftest");
    const Checkpoint other{key.name.name(), 5, sha256("another history")};
    write_over(file, sign_checkpoint(other, key.name, key.key).value());
    auto worker = anchors();
    CHECK_THAT(worker.anchor().error().text, Catch::Contains(file + " holds another checkpoint of this size"));
    CHECK(faults() == Faults{"anchor_conflict at 5", "anchor_folder at 5"});
    CHECK(anchored(kAnchorFolder) == 0);
  }
  SECTION("half of ours") {
    std::filesystem::create_directories(dir / "worm/signet%2Ftest");
    write_over(file, (**newest_checkpoint(*app)).note.substr(0, 20));
    write_over(settings.sources.folder->path(4), "");
    anchor();
    CHECK(read_file(file) == (**newest_checkpoint(*app)).note);
    CHECK(faults() == Faults{"anchor_folder at 4"});  // no checkpoint of 4 was ever stored
  }
}

TEST_CASE_METHOD(AnchorWorld, "a database that was put back to an older state is named by the folder and the witness") {
  write(9);
  anchor();
  writer.reset();
  wait_for(Elected::sequencer);
  shared_postgres().clear();
  writer = start_sequencer();
  write(5);
  wait_for(Elected::anchors);
  auto worker = anchors();
  auto done = worker.anchor();
  REQUIRE_FALSE(done.ok());
  CHECK_THAT(done.error().text, Catch::Contains("the witness signed 9 entries, and this log has 5"));
  CHECK(faults() == Faults{"anchor_folder at 9", "witness at 5"});
}

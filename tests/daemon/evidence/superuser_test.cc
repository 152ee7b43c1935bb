// Whoever owns the database's server changes an entry of the past and works out anew everything that stands in the
// database, so that it agrees with itself. What stands outside does not agree.
#include "audit/checkpoint.h"
#include "audit/event.h"
#include "base/bytes.h"
#include "tests/daemon/evidence/anchor_world.h"

using namespace signet;

namespace {

using Faults = std::set<std::string>;

std::string literal(std::string_view octets) { return "'\\x" + to_hex(octets) + "'"; }

struct Attack : AnchorWorld {
  Attack() {
    for (int entries : {300, 400, 33}) {
      write(entries);
      anchor();
    }
    verify();
    REQUIRE(faults().empty());
  }
  void verify() {  // a daemon that has just started: what it knows is in the database
    wait_for(Elected::verifier);
    Verifier verifier(shared_postgres().options("signet_verify"), {}, key, clock, ids, log, metrics, alarmed);
    auto done = verifier.verify();
    REQUIRE((done.ok() ? "" : done.error().text) == "");
  }
  // The entry at `seq` says something else; leaves, tiles, roots and pins follow. `key`: the log's, if it was stolen.
  void rewrite(int64_t seq, const LogKey* stolen) {
    auto canon = superuser->run(
        "select e.canon, e.event_id from audit.log l join audit.entry e using (event_id) where "
        "l.seq = $1",
        {seq});
    REQUIRE((canon.ok() && canon->size() == 1));
    std::string text = canon->text(0, 0);
    const size_t role = text.find("\"doctor\"");
    REQUIRE(role != std::string::npos);
    text.replace(role, 8, "\"admin\"");
    const Digest leaf = leaf_hash(text);
    const std::string id = "'" + canon->uuid(0, 1).text() + "'";
    std::string sql = "update audit.entry set canon = " + literal(text) + ", leaf = " + literal(view(leaf)) +
                      " where event_id = " + id + "; update audit.log set leaf = " + literal(view(leaf)) +
                      " where event_id = " + id + "; delete from audit.tile; ";
    auto leaves = read_leaves(*superuser, 0, count("audit.log")).value();
    leaves[static_cast<size_t>(seq)] = leaf;
    std::vector<Tile> full;
    TileBuilder tree;
    tree.append(leaves, full);
    for (const auto& tile : full)
      sql += "insert into audit.tile (level, idx, hashes) values (" + std::to_string(tile.level) + ", " +
             std::to_string(tile.index) + ", " + literal(tile_octets(tile.hashes)) + "); ";
    auto sizes = superuser->run("select size from audit.checkpoint order by size");
    for (int i = 0; i < sizes->size(); i++) {
      const auto size = static_cast<uint64_t>(sizes->number(i, 0));
      const Checkpoint checkpoint{key.name.name(), size, root_of(std::span(leaves).first(size))};
      sql += "update audit.checkpoint set root = " + literal(view(checkpoint.root));
      if (stolen)
        sql += ", note = convert_from(" + literal(sign_checkpoint(checkpoint, stolen->name, stolen->key).value()) +
               ", 'UTF8')";
      sql += " where size = " + std::to_string(size) +
             "; update audit.verification set root = " + literal(view(checkpoint.root)) +
             " where root is not null and size = " + std::to_string(size) + "; ";
    }
    tamper(sql + "select 1");
  }
};

}  // namespace

TEST_CASE_METHOD(Attack, "without the log's key no checkpoint fits what was rewritten, and the verifier says so") {
  rewrite(17, nullptr);
  verify();
  CHECK(faults() == Faults{"note at 733"});
  anchor();
  CHECK(faults() == Faults{"note at 733", "anchor_folder at 300", "anchor_folder at 700", "anchor_folder at 733",
                           "time_stamp at 300", "time_stamp at 700", "time_stamp at 733", "witness at 300",
                           "witness at 700", "witness at 733"});
}

TEST_CASE_METHOD(Attack, "with the log's key the database agrees with itself; witness, time stamp and folder do not") {
  rewrite(17, &key);
  verify();
  REQUIRE(faults().empty());
  check_log(733);

  anchor();
  CHECK(faults() == Faults{"anchor_folder at 300", "anchor_folder at 700", "anchor_folder at 733", "time_stamp at 300",
                           "time_stamp at 700", "time_stamp at 733", "witness at 300", "witness at 700",
                           "witness at 733"});
  CHECK(metrics.value("signet_integrity_faults") == 9);
}

TEST_CASE_METHOD(Attack, "an entry that the first checkpoint does not hold leaves that one right") {
  rewrite(500, &key);
  verify();
  REQUIRE(faults().empty());
  anchor();
  CHECK(faults() == Faults{"anchor_folder at 700", "anchor_folder at 733", "time_stamp at 700", "time_stamp at 733",
                           "witness at 700", "witness at 733"});
}

TEST_CASE_METHOD(Attack, "traces of anchors that are deleted too do not help: the witness signs no other history") {
  rewrite(17, &key);
  tamper("delete from audit.anchor");
  verify();
  REQUIRE(faults().empty());
  writer.reset();  // a daemon that has just started
  wait_for(Elected::sequencer);
  writer = start_sequencer();
  write(1);
  wait_for(Elected::anchors);
  auto worker = anchors();
  CHECK_FALSE(worker.anchor().ok());
  CHECK(faults() == Faults{"anchor_folder at 300", "anchor_folder at 700", "anchor_folder at 733", "witness at 734"});
  CHECK_THAT(log.all(), Catch::Contains("the witness signed 733 entries that this log does not begin with"));
}

#include "audit/witness.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/audit/small_log.h"
#include "tests/audit/vectors.h"

using namespace signet;

namespace {

const nlohmann::json& ours() {
  static const auto loaded = nlohmann::json::parse(audit_vectors_text());
  return loaded["signed_note_checkpoint"]["ours"];
}
std::string ours(const char* name) { return ours()[name]; }
SigningKey seeded(const char* name) { return SigningKey::from_ed25519_seed(Secret(octets_of_hex(ours(name)))).value(); }

// The published log with eight leaves of our own, and a witness that remembers.
struct World : SmallLog {
  NoteKey witness = NoteKey::parse(ours("witness_vkey")).value();
  SigningKey witness_key = seeded("witness_seed_hex");
  std::map<std::string, Witnessed> known;

  World() : SmallLog(NoteKey::parse(ours("log_vkey")).value(), seeded("log_seed_hex"), 8) {}
  WitnessAnswer ask(const std::string& body) {
    auto answer = answer_add_checkpoint(
        body, std::vector{name}, [this](const std::string& origin) { return known[origin]; }, witness, witness_key,
        1767225600);
    if (answer.cosigned) known[answer.cosigned->origin] = {answer.cosigned->size, answer.cosigned->root};
    return answer;
  }
};

}  // namespace

TEST_CASE("the published request is read, answered with the published cosignature, and written again") {
  World world;
  const std::string body = ours("witness_add_checkpoint_request_old6");
  const auto read = parse_add_checkpoint(body);
  REQUIRE(read.ok());
  CHECK(read->old_size == 6);
  CHECK(read->proof.size() == 3);
  CHECK(print(*read) == body);

  const std::string both = ours("checkpoint");
  const auto root6 = digest_of_hex("76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef");
  world.known[world.name.name()] = {6, root6};
  const auto answer = world.ask(body);
  CHECK(answer.status == 200);
  CHECK(both.ends_with(answer.body));
  REQUIRE(answer.cosigned.has_value());
  CHECK(answer.cosigned->size == 8);
}

TEST_CASE("a witness signs what extends what it signed before, and the log takes its line") {
  World world;
  for (const auto& [from, to] : std::vector<std::pair<uint64_t, uint64_t>>{{0, 3}, {3, 3}, {3, 8}}) {
    const auto answer = world.ask(world.request(from, to));
    INFO(from << " to " << to << ": " << answer.body);
    REQUIRE(answer.status == 200);
    const auto line = take_cosignature(world.checkpoint(to), answer.body, world.witness);
    REQUIRE(line.ok());
    CHECK(*line == answer.body);
    CHECK(verify_checkpoint(world.checkpoint(to) + *line, world.name, std::vector{world.witness})->witnesses ==
          std::vector<size_t>{0});
    CHECK_FALSE(take_cosignature(world.checkpoint(2), answer.body, world.witness).ok());
  }
}

TEST_CASE("a witness refuses each request as the specification numbers it, and forgets nothing by it") {
  World world;
  REQUIRE(world.ask(world.request(0, 5)).status == 200);
  World forged;
  forged.leaves[2] = sha256("changed");
  auto other = NoteKey::make("other/log", NoteKeyType::ed25519, world.key.public_key()).value();
  const std::string unsigned_note = text(Checkpoint{world.name.name(), 8, root_of(world.leaves)}) + "\n";
  struct Case {
    const char* what;
    std::string body;
    int status;
  };
  const std::vector<Case> cases{
      {"nothing", "", 400},
      {"no old size", "new 5\n\n" + world.checkpoint(8), 400},
      {"a leading zero", "old 05\n\n" + world.checkpoint(8), 400},
      {"a bad hash", "old 5\nxyz\n\n" + world.checkpoint(8), 400},
      {"no empty line", "old 5\n" + hash_text(sha256("")) + "\n", 400},
      {"64 hashes", print({5, std::vector<Digest>(64), world.checkpoint(8)}), 400},
      {"no checkpoint", "old 5\n\nhello\n", 400},
      {"no signature", print({5, world.proof(5, 8), unsigned_note}), 400},
      {"an old size above the new", print({8, {}, world.checkpoint(5)}), 400},
      {"a log it does not know",
       print({0, {}, sign_checkpoint({"other/log", 8, root_of(world.leaves)}, other, world.key).value()}), 404},
      {"another's signature",
       print({5, world.proof(5, 8),
              [&] {
                Note note{text(Checkpoint{world.name.name(), 8, root_of(world.leaves)}), {}};
                auto stranger = SigningKey::generate(SignatureAlgorithm::ed25519).value();
                auto key = NoteKey::make(world.name.name(), NoteKeyType::ed25519, stranger.public_key()).value();
                REQUIRE(sign_note(note, key, stranger).ok());
                return print(note);
              }()}),
       403},
      {"a smaller old size", world.request(4, 8), 409},
      {"nothing known", world.request(0, 8), 409},
      {"a larger old size", world.request(6, 8), 409},
      {"another root of the same size", forged.request(5, 5), 409},
      {"another history", forged.request(5, 8), 422},
      {"a cut proof", print({5, {}, world.checkpoint(8)}), 422},
      {"a proof of nothing", print({5, world.proof(5, 8), world.checkpoint(5)}), 422},
  };
  for (const auto& one : cases) {
    INFO(one.what);
    const auto answer = world.ask(one.body);
    CHECK(answer.status == one.status);
    CHECK_FALSE(answer.cosigned.has_value());
    CHECK(answer.body.ends_with('\n'));
    if (one.status != 409) continue;
    CHECK(answer.content_type == "text/x.tlog.size");
    CHECK(parse_known_size(answer.body).value() == 5);
  }
  CHECK(world.ask(world.request(5, 8)).status == 200);
}

TEST_CASE("a first checkpoint takes no proof, and an empty log has the empty root") {
  World world;
  CHECK(world.ask(print({0, {sha256("")}, world.checkpoint(8)})).status == 422);
  const Checkpoint forged{world.name.name(), 0, sha256("x")};
  CHECK(world.ask(print({0, {}, sign_checkpoint(forged, world.name, world.key).value()})).status == 409);
  CHECK(world.ask(world.request(0, 0)).status == 200);
  CHECK(world.ask(world.request(0, 8)).status == 200);
}

TEST_CASE("an answer without the witness's own line is not taken") {
  World world;
  const std::string checkpoint = world.checkpoint(8);
  const std::string good = world.ask(world.request(0, 8)).body;
  auto stranger = SigningKey::generate(SignatureAlgorithm::ed25519).value();
  auto key = NoteKey::make("stranger", NoteKeyType::cosignature, stranger.public_key()).value();
  Note note{text(Checkpoint{world.name.name(), 8, root_of(world.leaves)}), {}};
  REQUIRE(sign_note(note, key, stranger, 1767225600).ok());
  const std::string other = print(note).substr(note.text.size() + 1);
  CHECK_FALSE(take_cosignature(checkpoint, other, world.witness).ok());
  CHECK_FALSE(take_cosignature(checkpoint, "", world.witness).ok());
  CHECK_FALSE(take_cosignature(checkpoint, "<html>\n", world.witness).ok());
  CHECK(take_cosignature(checkpoint, other + good, world.witness).value() == good);
  for (const char* bad : {"", "5", "x\n", "5\n6\n", "05\n"}) CHECK_FALSE(parse_known_size(bad).ok());
}

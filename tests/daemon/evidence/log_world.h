// A database with a log, for the tests of what writes it and what reads it again.
#pragma once

#include <catch2/catch.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "audit/merkle.h"
#include "daemon/evidence/entry_of.h"
#include "daemon/evidence/verifier.h"
#include "tests/fakes/approved_messages.h"
#include "tests/fakes/clock.h"
#include "tests/fakes/postgres_server.h"

namespace signet {

class QuietLog : public Log {  // keeps what was said
 public:
  void write(LogLevel, std::string_view text, std::initializer_list<LogField> fields) override {
    std::lock_guard guard(lock_);
    text_ += text;
    for (const auto& field : fields) text_ += " " + std::string(field.name) + "=" + field.value;
    text_ += "\n";
  }
  std::string all() const {
    std::lock_guard guard(lock_);
    return text_;
  }

 private:
  mutable std::mutex lock_;
  std::string text_;
};

inline LogKey make_test_log_key() {
  auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  REQUIRE(key.ok());
  auto name = NoteKey::make("signet/test", NoteKeyType::ed25519, key->public_key());
  REQUIRE(name.ok());
  return {std::move(*name), std::move(*key)};
}

struct LogWorld {
  SystemClock clock;
  SystemRandom random;
  IdSource ids{clock, random};
  Keyring keys = test_keys(random);
  QuietLog log;
  Metrics metrics;
  LogKey key = make_test_log_key();
  std::unique_ptr<PgSession> app, superuser;

  LogWorld() {
    shared_postgres().clear();
    app = shared_postgres().session();
    superuser = shared_postgres().session("postgres");
  }
  Sequencer sequencer(int batch = 4096, int64_t checkpoint_every_ms = 0) {
    return Sequencer(shared_postgres().options("signet_sequencer"), {checkpoint_every_ms, batch}, key, clock, log,
                     metrics);
  }
  Entry login() {  // an entry of its own
    Event event;
    event.id = ids.next();
    event.at = clock.wall();
    event.actor = {ids.next().text(), "doctor", "", "", ""};
    event.action = "login";
    event.object.type = "session";
    return entry_of(event, {});
  }
  void insert(int count) {
    PgTransaction tx(*app);
    for (int i = 0; i < count; i++) REQUIRE(insert_entry(tx, login()).ok());
    REQUIRE(tx.commit().ok());
  }
  int64_t count(const std::string& from) {
    auto rows = superuser->run("select count(*) from " + from);
    REQUIRE(rows.ok());
    return rows->number(0, 0);
  }
  // As somebody who owns the server: guards down, triggers off.
  void tamper(const std::string& sql) {
    auto done = superuser->script(
        "begin; alter event trigger signet_ddl disable; alter event trigger signet_drop disable; "
        "create or replace function audit.refuse_change() returns trigger language plpgsql as "
        "'begin if tg_op = ''DELETE'' then return old; end if; return new; end'; " +
        sql +
        "; create or replace function audit.refuse_change() returns trigger language plpgsql as 'begin raise exception "
        "''% is insert-only'', tg_table_name using errcode = ''insufficient_privilege''; end'; "
        "alter event trigger signet_ddl enable always; alter event trigger signet_drop enable always; commit");
    REQUIRE((done.ok() ? "" : done.error().text) == "");
  }
  // The log is what its parts say it is: places without gaps, one an entry, tiles and the newest root from its leaves.
  void check_log(int64_t size) {
    CHECK(count("audit.log") == size);
    CHECK(count("audit.entry e where not exists (select from audit.log l where l.event_id = e.event_id)") == 0);
    CHECK(count("audit.log l join audit.entry e using (event_id) where l.leaf = e.leaf") == size);
    auto leaves = read_leaves(*superuser, 0, size);
    REQUIRE(leaves.ok());
    REQUIRE(static_cast<int64_t>(leaves->size()) == size);
    std::vector<Tile> full;
    TileBuilder tree;
    tree.append(*leaves, full);
    CHECK(count("audit.tile") == static_cast<int64_t>(full.size()));
    for (const auto& tile : full) {
      auto stored = read_tile(*superuser, tile.level, static_cast<int64_t>(tile.index));
      REQUIRE((stored.ok() && stored->has_value()));
      CHECK(**stored == tile_octets(tile.hashes));
    }
    auto newest = newest_checkpoint(*superuser);
    REQUIRE((newest.ok() && newest->has_value()));
    CHECK((*newest)->size == size);
    CHECK((*newest)->root == root_of(*leaves));
  }
};

}  // namespace signet

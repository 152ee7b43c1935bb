// Somebody who owns the database and has stolen the log's key rewrites history, and recomputes all that hangs on it.
// Nothing inside shows it; what an auditor kept, a witness and a time stamp do.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "audit/event.h"
#include "base/bytes.h"
#include "tests/base/files.h"
#include "tests/bundle/bundle_world.h"

namespace signet::api {
namespace {

using BundleWorld = BasicBundleWorld<nlohmann::json>;

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The author of the oldest message's draft becomes another; every event of it after that is chained anew; then the log
// begins from nothing and is signed again.
void rewrite_history(BundleWorld& w) {
  const auto oldest = w.world.sql(
      "select object_id from audit.entry where position('\"n\":1,'::bytea in canon) > 0 order by event_id limit 1");
  const auto rows = w.world.sql("select event_id, canon from audit.entry where object_id = '" +
                                oldest.uuid(0, 0).text() + "' order by event_id");
  std::string changes, prev;
  for (int i = 0; i < rows.size(); i++) {
    std::string canon = rows.text(i, 1);
    if (holds(canon, "\"n\":null")) continue;
    if (prev.empty())
      canon.replace(canon.find("192.0.2.7"), 9, "192.0.2.8");
    else
      canon.replace(canon.find("\"prev\":\"") + 8, 64, prev);
    prev = to_hex(view(leaf_hash(canon)));
    changes += "update audit.entry set canon = '\\x" + to_hex(canon) + "', leaf = '\\x" + prev +
               "' where event_id = '" + rows.uuid(i, 0).text() + "'; ";
  }
  w.world.sql("alter event trigger signet_ddl disable");
  w.world.sql("alter event trigger signet_drop disable");
  const std::string all =
      "do $attack$ declare t record; begin for t in select tgrelid::regclass r, tgname from pg_trigger where tgname "
      "like "
      "'insert_only%' loop execute format('alter table %s disable trigger %I', t.r, t.tgname); end loop; " +
      changes +
      "delete from audit.log; delete from audit.tile; delete from audit.checkpoint; update audit.cursor set size = 0, "
      "xact = '0', event_id = '00000000-0000-0000-0000-000000000000'; end $attack$";
  w.world.sql(all);
  w.world.sign_log();
}

TEST_CASE("a history rewritten with the log's own key is shown by an older bundle, a witness and a time stamp") {
  BundleWorld w;
  rewrite_history(w);
  const std::string keys = " --log-key " + w.world.log_key.name.vkey();
  const TestDir dir;
  dir.put("older", w.older);
  dir.put("older.zip", w.older_bundle);
  const std::string zip = w.whole(), selection = w.selection();

  // Against itself the bundle is whole, but for the time stamp and the cosignature of what is no more.
  const auto alone = run_script(zip, "ZIP" + keys);
  INFO(alone.output);
  CHECK(alone.status == 1);
  CHECK(holds(alone.output, "FAULT  anchors/"));
  for (const char* older : {"older", "older.zip"}) {
    const auto run = run_script(zip, "ZIP --older " + dir / older + keys);
    INFO(run.output);
    CHECK(run.status == 1);
    CHECK(holds(run.output, "FAULT  checkpoint: against the older checkpoint"));
    CHECK(holds(run.output, "what stood before was rewritten"));
  }
  BundleCheck check;
  check.older = w.older;
  CHECK(holds(texts(verdict_of(zip, check)), "checkpoint 0: against the older checkpoint: "));

  // A selection has the proof that the daemon made from what the auditor gave.
  const auto of_selection = run_script(selection, "ZIP --older " + dir / "older" + keys);
  INFO(of_selection.output);
  CHECK(of_selection.status == 1);
  CHECK(holds(of_selection.output, "FAULT  consistency: the log at"));
  CHECK(holds(texts(verdict_of(selection)), "consistency 0: the log at"));

  const auto witnessed = run_script(zip, "ZIP --witness-key " + w.witness.vkey() + keys);
  INFO(witnessed.output);
  CHECK(holds(witnessed.output, "FAULT  checkpoint:"));
}

}  // namespace
}  // namespace signet::api

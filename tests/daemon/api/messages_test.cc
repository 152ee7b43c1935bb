#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using ApiWorld = BasicApiWorld<nlohmann::json>;

TEST_CASE("who reads what of a message is said by the role table") {
  ApiWorld world;
  const auto author = world.user(Role::staff);
  const auto draft = world.draft(author), waiting = world.submitted(author);
  enum class Sees { nothing, metadata, content };
  struct Row {
    Role role;
    Sees of_draft, of_waiting;
  };
  for (const auto& row :
       {Row{Role::staff, Sees::nothing, Sees::nothing}, Row{Role::service, Sees::nothing, Sees::nothing},
        Row{Role::reviewer, Sees::nothing, Sees::content}, Row{Role::doctor, Sees::nothing, Sees::content},
        Row{Role::admin, Sees::metadata, Sees::metadata}, Row{Role::auditor, Sees::metadata, Sees::metadata}}) {
    const auto caller = world.user(row.role);
    for (const auto& [id, sees] : {std::pair(draft, row.of_draft), std::pair(waiting, row.of_waiting)}) {
      const auto before = world.count("audit.entry");
      const auto answer = world.call("GET", "/api/messages/" + id, caller);
      INFO(name(row.role) << " " << answer.raw.body);
      CHECK(answer.status == (sees == Sees::nothing ? 403 : 200));
      CHECK(answer.body.contains("contentDraft") == (sees == Sees::content));
      CHECK((answer.raw.body.find("+61412345678") != std::string::npos) == (sees == Sees::content));
      CHECK(world.count("audit.entry") == before + 1);  // the read or the refusal
      if (sees == Sees::metadata) CHECK(world.last_event("metadata_read")["actor"]["id"] == caller.id.text());
      if (sees == Sees::content) CHECK(world.last_event("content_read")["actor"]["id"] == caller.id.text());
      CHECK(world.call("GET", "/api/messages/" + id + "/timeline", caller).status ==
            (sees == Sees::nothing ? 403 : 200));
    }
    const auto list = world.call("GET", "/api/messages", caller).body["items"];
    CHECK(list.size() == (row.of_draft == Sees::metadata ? 2 : row.of_waiting == Sees::content ? 1 : 0));
    for (const auto& item : list) CHECK_FALSE(item.contains("contentDraft"));
  }
  const auto own = world.call("GET", "/api/messages/" + draft, author);
  CHECK(own.status == 200);
  CHECK(own.body["contentDraft"] == "Your result is fine.");
  CHECK(own.body["contentFinal"].is_null());
  CHECK(own.body["recipientPhone"] == "+61412345678");
  CHECK(own.body["contentHash"].get<std::string>().size() == 64);
}

TEST_CASE("what one reviewed stays in one's sight") {
  ApiWorld world;
  const auto author = world.user(Role::staff), reviewer = world.user(Role::reviewer),
             other = world.user(Role::reviewer);
  const auto id = world.queued(author, reviewer);
  const auto answer = world.call("GET", "/api/messages/" + id, reviewer);
  CHECK(answer.status == 200);
  CHECK(answer.body["contentFinal"] == "Your result is fine.");
  CHECK(world.call("GET", "/api/messages/" + id, other).status == 403);
}

TEST_CASE("the list is filtered and paged, newest first") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(world.draft(staff));
  ids.push_back(world.submitted(staff));
  auto items = [&](const std::string& query) {
    return world.call("GET", "/api/messages" + query, staff).body["items"];
  };
  CHECK(items("")[0]["id"] == ids[3]);
  CHECK(items("?status=pending").size() == 3);
  CHECK(items("?status=pending_review").size() == 1);
  CHECK(items("?kind=email").empty());
  const auto page = world.call("GET", "/api/messages?limit=3", staff).body;
  CHECK(page["items"].size() == 3);
  const auto rest = items("?cursor=" + page["nextCursor"].get<std::string>());
  REQUIRE(rest.size() == 1);
  CHECK(rest[0]["id"] == ids[0]);
  CHECK(world.call("GET", "/api/messages?limit=4", staff).body["nextCursor"].is_null());
  CHECK(world.call("GET", "/api/messages?status=lost", staff).status == 400);
  CHECK(world.call("GET", "/api/messages?recipient=%2B61412345678", staff).raw.body.find("412345678") ==
        std::string::npos);
}

TEST_CASE("a timeline tells the events and attempts, and from where only to those who read the whole log") {
  ApiWorld world;
  const auto author = world.user(Role::staff), reviewer = world.user(Role::reviewer),
             auditor = world.user(Role::auditor);
  const auto id = world.queued(author, reviewer);
  world.sql("insert into attempt_start (message_id, attempt_no, kind, instance, provider, permitted_at) values ('" +
            id + "', 1, 1, 'signetd-1', 'twilio-main', now())");
  world.sql(
      "insert into attempt_result (message_id, attempt_no, outcome, reason, provider_code, finished_at) values ('" +
      id + "', 1, 2, 'throttled', '20429', now())");
  world.call("GET", "/api/messages/" + id, author);
  const auto seen = world.call("GET", "/api/messages/" + id + "/timeline", author).body;
  REQUIRE(seen["events"].size() == 4);
  CHECK(seen["events"][3]["action"] == "queued");
  CHECK_FALSE(seen["events"][0]["actor"].contains("ip"));
  CHECK_FALSE(seen["events"][0]["actor"].contains("session"));
  REQUIRE(seen["attempts"].size() == 1);
  CHECK(seen["attempts"][0]["provider"] == "twilio-main");
  CHECK(seen["attempts"][0]["outcome"] == "retryable");
  CHECK(seen["attempts"][0]["reason"] == "throttled");
  const auto whole = world.call("GET", "/api/messages/" + id + "/timeline", auditor).body;
  CHECK(whole["events"].size() == 6);  // two reads beside the four changes
  CHECK(whole["events"][0]["actor"]["ip"] == "192.0.2.7");
  const auto shown = world.call("GET", "/api/messages/" + id, author).body;
  CHECK(shown["errorLog"][0]["reason"] == "throttled");
}

TEST_CASE("content that was changed in the database is not shown, but told to operations") {
  ApiWorld world;
  const auto staff = world.user(Role::staff), reviewer = world.user(Role::reviewer);
  const auto id = world.submitted(staff, {{"patientId", "P-1"}});
  for (const char* change : {"update content set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)",
                             "update content set details = set_byte(details, 20, get_byte(details, 20) # 1)",
                             "update data_key set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)",
                             "update content set version = 7"}) {
    world.sql("begin");
    world.sql(change);
    world.sql("commit");
    INFO(change);
    const auto answer = world.call("GET", "/api/messages/" + id, staff);
    CHECK(answer.status == 500);
    CHECK(answer.body["code"] == "CONTENT_UNREADABLE");
    CHECK(world.review(reviewer, id).status == 500);
    std::string back = change;
    if (back.ends_with('7')) back.back() = '1';
    world.sql(back);
  }
  CHECK(world.log.all().find("alarm=content_mismatch message_id=" + id) != std::string::npos);
  CHECK(world.call("GET", "/api/messages/" + id, staff).status == 200);
  world.sql("delete from data_key");
  CHECK(world.call("GET", "/api/messages/" + id, staff).status == 404);
}

TEST_CASE("another message's sealed content does not open in this one's place") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  const auto a = world.draft(staff), b = world.draft(staff, {{"contentDraft", "other"}});
  world.sql("update content set sealed = (select sealed from content where message_id = '" + b + "')");
  CHECK(world.call("GET", "/api/messages/" + a, staff).status == 500);
  CHECK(world.call("GET", "/api/messages/" + b, staff).status == 200);
}

TEST_CASE("a user agent stands in events by its hash, and sealed once beside them") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  world.draft(staff);
  world.call("GET", "/api/messages", staff);
  world.call("GET", "/api/messages/x", staff, "", {{"user-agent", "other/2"}});
  const auto rows =
      world.sql("select encode(sha256, 'hex'), sealed_by, sealed from audit.user_agent order by first_seen");
  REQUIRE(rows.size() == 2);
  CHECK(rows.text(0, 0) == world.last_event("draft_generated")["actor"]["uaHash"]);
  CHECK(rows.text(1, 0) == world.last_event("refused")["actor"]["uaHash"]);
  CHECK(rows.text(0, 1) == rfc3339(world.clock.wall()).substr(0, 10));
  CHECK(rows.text(0, 2).find("test/1") == std::string::npos);
}

TEST_CASE("what is not there is 404") {
  ApiWorld world;
  const auto staff = world.user(Role::staff);
  for (const char* path : {"/api/messages/x", "/api/messages/0190a000-0000-7000-8000-000000000001",
                           "/api/messages/0190a000-0000-7000-8000-000000000001/timeline"})
    CHECK(world.call("GET", path, staff).status == 404);
}

}  // namespace
}  // namespace signet::api

// What people write back to our numbers, from the provider's call to the list of who is not to be written to.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "message/envelope.h"
#include "store/journal.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

using Json = nlohmann::json;

constexpr char kPhone[] = "+61412345678";  // whom drafts of the world go to

// A body `from|text|eventId[|answered]`. With `is_inline` the reply to it answers.
class ReplyProvider : public TestProvider {
 public:
  explicit ReplyProvider(bool is_inline) : is_inline_(is_inline) {}
  Result<std::vector<Receipt>> receipts(const CallbackRequest&) const override { return std::vector<Receipt>(); }
  Result<std::vector<Inbound>> inbounds(const CallbackRequest& request) const override {
    std::vector<std::string> parts{""};
    for (const char c : request.body)
      if (c == '|')
        parts.emplace_back();
      else
        parts.back() += c;
    Inbound out;
    out.from = Phi<std::string>(parts.at(0));
    out.text = Phi<std::string>(parts.at(1));
    out.event_id = parts.at(2);
    out.is_answered = parts.size() > 3;
    return std::vector{std::move(out)};
  }
  std::optional<CallbackReply> answer(const std::string& text) const override {
    if (!is_inline_) return std::nullopt;
    return CallbackReply{200, {{"Content-Type", "text/xml"}}, "<Say>" + text + "</Say>"};
  }

 private:
  const bool is_inline_;
};

struct World : BasicApiWorld<Json> {
  World() {
    services.providers["inline"] = std::make_shared<ReplyProvider>(true);
    services.providers["apart"] = std::make_shared<ReplyProvider>(false);
  }
  Answer write(const std::string& text, const std::string& event_id, const std::string& provider = "apart") {
    return callback(provider, std::string(kPhone) + '|' + text + '|' + event_id);
  }
  int64_t suppressed() { return count("suppressions"); }
};

TEST_CASE("STOP suppresses before it is acknowledged, with its event, and once") {
  World world;
  CHECK(world.write(" Stop!\n", "e-1").status == 204);
  const auto rows =
      world.sql("select recipient_key, channel, reason, source, added_by is null, id::text from suppressions");
  REQUIRE(rows.size() == 1);
  CHECK(rows.octets(0, 0) == view(recipient_key(world.keyring.index_key(), kPhone)));
  CHECK(rows.number(0, 1) == 1);
  CHECK(rows.text(0, 2) == "stop");
  CHECK(rows.text(0, 3) == "apart");
  CHECK(rows.flag(0, 4));
  const auto event = world.last_event("suppression_added");
  CHECK(event["object"]["id"] == rows.text(0, 5));
  CHECK(event["reasonCode"] == "stop");
  CHECK(event["detail"] == Json{{"channel", "sms"}, {"source", "apart"}});
  CHECK(event["actor"]["role"] == "daemon");
  CHECK(world.write("STOP", "e-1").status == 204);
  CHECK(world.write("STOP", "e-2").status == 204);
  CHECK(world.count("audit.entry where action = 'suppression_added'") == 1);
  CHECK(world.count("inbound") == 2);
  CHECK(world.log.all().find(kPhone) == std::string::npos);
}

TEST_CASE("I10 a message queued before its recipient wrote STOP is stopped at its permit") {
  World world;
  const auto id = world.queued(world.user(Role::staff), world.user(Role::reviewer));
  CHECK(world.write("STOP", "e-1").status == 204);
  const auto due = world.sql("select lane from due");
  REQUIRE(due.size() == 1);
  Loop loop;
  auto journal = make_pg_journal(loop, world.clock, world.random, world.log,
                                 {world.postgres.options(), 1, world.ids.next(), "signetd-1"});
  journal->on_change([&](bool) { loop.stop(); });
  while (!journal->is_up()) loop.run();
  Batch batch;
  batch.permits.push_back({*parse_uuid(id), due.text(0, 0), "test", "only"});
  std::optional<PermitVerdict> verdict;
  journal->write(std::move(batch), [&](Result<BatchReply> reply) {
    if (reply && !reply->permits.empty()) verdict = reply->permits[0].verdict;
    loop.stop();
  });
  loop.run();
  REQUIRE(verdict);
  CHECK(*verdict == PermitVerdict::suppressed);
  CHECK(world.count("attempt_start") == 0);
}

TEST_CASE("START lifts one's own STOP, but not what somebody else added; an old STOP told again stops nobody") {
  World world;
  CHECK(world.write("STOP", "e-1").status == 204);
  CHECK(world.write("start", "e-2").status == 204);
  CHECK(world.suppressed() == 0);
  CHECK(world.last_event("suppression_removed")["reasonCode"] == "start");
  CHECK(world.write("STOP", "e-1").status == 204);
  CHECK(world.suppressed() == 0);
  world.sql(
      "insert into suppressions (id, recipient_key, reason, source) select gen_random_uuid(), recipient_key, "
      "'deceased', 'person' from inbound limit 1");
  CHECK(world.write("START", "e-3").status == 204);
  CHECK(world.suppressed() == 1);
  world.sql("update suppressions set reason = 'opted_out'");
  CHECK(world.write("START", "e-4").status == 204);
  CHECK(world.suppressed() == 0);
}

TEST_CASE("HELP is answered in the reply where the provider takes it so, once an hour, and not who is suppressed") {
  World world;
  const auto answer = world.write("help", "e-1", "inline");
  CHECK(answer.status == 200);
  CHECK(answer.raw.content_type == "text/xml");
  CHECK(answer.raw.body == "<Say>Clinic: call us.</Say>");
  CHECK(world.write("help", "e-1", "inline").status == 204);
  CHECK(world.write("help", "e-2", "inline").status == 204);
  world.clock.advance_ms(3'601'000);
  CHECK(world.write("help", "e-3", "inline").status == 200);
  world.clock.advance_ms(3'601'000);
  CHECK(world.callback("inline", std::string(kPhone) + "|HELP|e-4|answered").status == 204);
  world.clock.advance_ms(3'601'000);
  CHECK(world.write("STOP", "e-5", "inline").status == 204);
  CHECK(world.write("HELP", "e-6", "inline").status == 204);
  CHECK(world.count("message") == 0);
}

TEST_CASE("HELP is answered by a message of the daemon's own where the provider has no such reply") {
  World world;
  CHECK(world.write("HELP", "e-1").status == 204);
  const auto rows = world.sql(
      "select m.kind, m.status, m.destination, d.provider, a.policy_id, m.recipient_key, d.send_until is null from "
      "message m join due d on d.message_id = m.id join approval a on a.message_id = m.id");
  REQUIRE(rows.size() == 1);
  CHECK(rows.number(0, 0) == static_cast<int>(Kind::sms));
  CHECK(rows.number(0, 1) == static_cast<int>(Status::queued));
  CHECK(rows.text(0, 2) == "AU");
  CHECK(rows.text(0, 3) == "apart");
  CHECK(rows.text(0, 4) == "system");
  CHECK(rows.octets(0, 5) == view(recipient_key(world.keyring.index_key(), kPhone)));
  CHECK(rows.flag(0, 6));
  CHECK(world.write("HELP", "e-1").status == 204);
  CHECK(world.count("message") == 1);
}

TEST_CASE("any other text, and what comes from no number, leaves nothing at all") {
  World world;
  CHECK(world.write("please stop by on Friday", "e-1").status == 204);
  CHECK(world.callback("apart", "12345|STOP|e-2").status == 204);
  CHECK(world.callback("apart", "|STOP|e-3").status == 204);
  for (const char* table : {"inbound", "suppressions", "callback", "audit.entry", "message"}) {
    INFO(table);
    CHECK(world.count(table) == 0);
  }
}

TEST_CASE("what people write is counted by provider and word, a repeat not again") {
  World world;
  for (const char* event_id : {"e-1", "e-1", "e-2"}) CHECK(world.write("STOP", event_id).status == 204);
  CHECK(world.write("start", "e-3").status == 204);
  CHECK(world.write("HELP", "e-4", "inline").status == 200);
  CHECK(world.write("thank you", "e-5").status == 204);
  CHECK(world.callback("apart", "12345|STOP|e-6").status == 204);
  const auto counted = [&](const std::string& provider, const std::string& word) {
    return world.metrics.value("signet_inbounds_total", "provider=\"" + provider + "\",word=\"" + word + "\"");
  };
  CHECK(counted("apart", "stop") == 2);
  CHECK(counted("apart", "start") == 1);
  CHECK(counted("inline", "help") == 1);
  CHECK(counted("apart", "other") == 2);
}

TEST_CASE("what somebody forged suppresses nobody") {
  World world;
  CHECK(world.callback("apart", std::string(kPhone) + "|STOP|e-1", "bad").status == 403);
  CHECK(world.suppressed() == 0);
  CHECK(world.count("inbound") == 0);
}

}  // namespace
}  // namespace signet::api

#include "daemon/delivery/reconciler.h"

#include <catch2/catch.hpp>

#include "daemon/delivery/callbacks.h"
#include "tests/daemon/delivery/care_world.h"

using namespace signet;
using namespace signet::test;

namespace {

// A provider that says what a test tells it.
class Scripted : public Provider {
 public:
  explicit Scripted(bool can_look_up) : can_look_up_(can_look_up) {}
  Protocol protocol() const override { return Protocol::http; }
  bool can_send(Kind) const override { return true; }
  bool has_echo() const override { return true; }
  bool has_receipts() const override { return true; }
  bool has_look_up() const override { return can_look_up_; }
  HttpRequest build_look_up(const Sent& sent) const override {
    return {"GET", "http://127.0.0.1/" + sent.echo(), {}, ""};
  }
  LookUp parse_look_up(const HttpReply& reply) const override {
    if (reply.body == "accepted") return {Found::accepted, "g-1", ""};
    if (reply.body == "refused") return {Found::refused, "g-1", "c7"};
    if (reply.body == "nothing") return {Found::nothing, "", ""};
    return {};
  }

 private:
  const bool can_look_up_;
};

template <class World>
struct Doubtful : CareWorld<World> {
  using CareWorld<World>::world;
  std::string answer = "unknown";  // empty: none comes
  std::vector<std::string> asked;
  std::vector<Uuid> settled;
  ReconcilerSettings settings;
  std::map<std::string, DoubtProvider> providers{
      {"idempotent", {std::make_shared<Scripted>(false), {DoubtClass::idempotent, 3'600'000}, ""}},
      {"queryable", {std::make_shared<Scripted>(true), {DoubtClass::queryable, 0}, ""}},
      {"blind", {std::make_shared<Scripted>(false), {}, ""}}};
  Keyring keys = test_keys(world.random);

  Doubtful() {
    settings.instance = "one";
    settings.overdue_ms = 0;
    settings.grace_ms = 0;
    settings.doubt_wait_ms = 0;
  }
  std::unique_ptr<Reconciler> reconciler(const std::string& daemon = "one") {
    auto plan = [](const MessageRow& message, int attempt_no, WallTime earliest) {
      return std::optional(
          DueRow{message.id, attempt_no, message.priority, "sms", "ward", "", earliest, message.expires_at});
    };
    Reconciler::Hooks hooks{[this](std::vector<Uuid> ids) { settled.insert(settled.end(), ids.begin(), ids.end()); },
                            {},
                            [this](const HttpCall& call) -> Result<HttpReply> {
                              asked.push_back(call.url);
                              if (answer.empty()) return Error{ErrorCode::unavailable, "no answer"};
                              return HttpReply{200, {}, answer};
                            }};
    return std::make_unique<Reconciler>(world.store(daemon), settings, providers, plan, keys, this->clock, world.ids,
                                        this->log, this->metrics, hooks);
  }
  Uuid doubtful(const std::string& provider) {
    const Uuid id = world.insert({});
    world.permit(id, 1, provider, world.ids.next());
    world.end(id, 1, OutcomeKind::in_doubt, Status::in_doubt);
    return id;
  }
  void apply_callbacks() { Callbacks(world.store("callbacks"), world.ids, this->log, this->metrics, "one").apply(); }
};

}  // namespace

TEMPLATE_TEST_CASE("I5 an idempotent provider gets the same key again, and nobody else", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  f.settings.policy.fill(DoubtPolicy::fail);  // of blind ones
  const Uuid id = f.doubtful("idempotent");
  f.reconciler()->pass();
  const auto view = f.world.view(id);
  CHECK(view.message.status == Status::queued);
  REQUIRE(view.due);
  CHECK(view.due->attempt_no == 2);
  CHECK(view.due->provider == "idempotent");
  REQUIRE(view.due->send_until);
  CHECK(*view.due->send_until < WallTime{view.now.us + 3'600'000'000});
}

TEMPLATE_TEST_CASE("I6 a queryable provider's word settles a doubt, as a receipt that is kept", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  const Uuid id = f.doubtful("queryable");
  SECTION("it has it") {
    f.answer = "accepted";
    f.reconciler()->pass();
    CHECK(f.world.view(id).message.status == Status::in_doubt);  // only the ledger settles it
    f.apply_callbacks();
    CHECK(f.world.view(id).message.status == Status::sent);
    CHECK(f.world.view(id).message.is_proven);
    CHECK(f.world.confirmations() == 1);
  }
  SECTION("it had it and failed") {
    f.answer = "refused";
    f.reconciler()->pass();
    f.apply_callbacks();
    CHECK(f.world.view(id).message.status == Status::failed);
    CHECK(f.world.view(id).message.is_proven);
  }
  SECTION("it has nothing") {
    f.answer = "nothing";
    f.reconciler()->pass();
    CHECK(f.world.view(id).message.status == Status::queued);
    REQUIRE(f.world.view(id).due);
    CHECK(f.world.view(id).due->provider.empty());
    CHECK(f.world.confirmations() == 0);
  }
  CHECK(f.asked == std::vector<std::string>{"http://127.0.0.1/" + id.text() + ".1"});
}

TEMPLATE_TEST_CASE("a provider that does not answer is asked once a pass, and again later", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  f.answer = "";
  const Uuid first = f.doubtful("queryable"), second = f.doubtful("queryable");
  auto reconciler = f.reconciler();
  reconciler->pass();
  CHECK(f.asked.size() == 1);
  CHECK(f.world.view(first).message.status == Status::in_doubt);
  CHECK(f.world.view(second).message.status == Status::in_doubt);
  f.answer = "nothing";
  REQUIRE(f.world.store("two").postpone_doubts({{first, 0}, {second, 0}}).ok());
  reconciler->pass();
  CHECK(f.asked.size() == 3);
  CHECK(f.world.view(first).message.status == Status::queued);
  CHECK(f.world.view(second).message.status == Status::queued);
}

TEMPLATE_TEST_CASE("I5 what a blind provider may have is decided by the policy, once", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  const Uuid id = f.doubtful("blind"), gone = f.doubtful("no longer configured");
  auto policy = DoubtPolicy::wait;
  SECTION("a person") {}
  SECTION("resend") { policy = DoubtPolicy::resend; }
  SECTION("fail") { policy = DoubtPolicy::fail; }
  f.settings.policy.fill(policy);
  auto reconciler = f.reconciler();
  reconciler->pass();
  reconciler->pass();
  const Status expected = policy == DoubtPolicy::wait     ? Status::in_doubt
                          : policy == DoubtPolicy::resend ? Status::queued
                                                          : Status::failed;
  for (const Uuid& one : {id, gone}) {
    CHECK(f.world.view(one).message.status == expected);
    CHECK(f.world.view(one).newest_attempt_no() == (policy == DoubtPolicy::resend ? 2 : 1));
  }
  CHECK(f.asked.empty());
}

TEMPLATE_TEST_CASE("a doubt waits for its receipt before anything is decided", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  f.settings.doubt_wait_ms = 3'600'000;
  f.settings.policy.fill(DoubtPolicy::fail);
  const Uuid id = f.doubtful("blind");
  auto reconciler = f.reconciler();
  reconciler->pass();
  CHECK(f.world.view(id).message.status == Status::in_doubt);
  REQUIRE(f.world.store("webhooks").keep_callback(f.world.callback("e1", id)).ok());
  f.apply_callbacks();
  CHECK(f.world.view(id).message.status == Status::delivered);
  reconciler->pass();
  CHECK(f.world.view(id).message.status == Status::delivered);
}

TEMPLATE_TEST_CASE("permits that nobody ended are handed to a loop, by one daemon", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  const Uuid id = f.world.insert({Priority::normal, "sms", "", -60000, {}, {}});
  f.world.permit(id, 1, "blind", f.world.ids.next());
  auto one = f.reconciler("one"), two = f.reconciler("two");
  one->pass();
  CHECK(f.settled == std::vector{id});
  two->pass();
  CHECK(f.settled.size() == 1);
  f.settings.grace_ms = 24 * int64_t{3'600'000};
  f.world.store("one").leave();
  f.clock.advance_ms(3000);
  f.reconciler("three")->pass();
  CHECK(f.settled.size() == 1);  // PostgreSQL has only just come back: what waited for it goes first
}

TEMPLATE_TEST_CASE("I1 what is lost and what was sent twice is counted, each once", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  const Uuid lost = f.world.insert({}), twice = f.world.insert({});
  f.world.lose_due(lost);
  f.world.permit(twice, 1, "blind", f.world.ids.next());
  f.world.end(twice, 1, OutcomeKind::accepted, Status::queued);
  f.world.permit(twice, 2, "blind", f.world.ids.next());
  f.world.end(twice, 2, OutcomeKind::accepted, Status::sent);
  auto reconciler = f.reconciler();
  for (int i = 0; i < 3; i++) reconciler->pass();
  CHECK(f.metrics.value("signet_lost_total") == 1);
  CHECK(f.metrics.value("signet_duplicate_total") == 1);
}

TEMPLATE_TEST_CASE("a receipt that is early, late, repeated or fits nothing is kept and matched", "", ENGINE_WORLDS) {
  Doubtful<TestType> f;
  const Uuid id = f.world.insert({});
  auto& store = f.world.store("webhooks");
  auto again = [&](const Uuid& callback) { REQUIRE(store.postpone_callbacks({{callback, 0}}).ok()); };
  SECTION("early: it waits for our own result") {
    f.world.permit(id, 1, "gateway", f.world.ids.next());
    const auto row = f.world.callback("e1", id);
    REQUIRE(store.keep_callback(row).ok());
    f.apply_callbacks();
    CHECK(f.world.view(id).message.status == Status::queued);
    f.world.end(id, 1, OutcomeKind::accepted, Status::sent);
    again(row.id);
    f.apply_callbacks();
    CHECK(f.world.view(id).message.status == Status::delivered);
  }
  SECTION("late and repeated: it is recorded, and changes nothing") {
    f.world.permit(id, 1, "gateway", f.world.ids.next());
    f.world.end(id, 1, OutcomeKind::accepted, Status::sent);
    auto late = f.world.callback("e2", id);
    late.kind = ReceiptKind::sent;
    REQUIRE(store.keep_callback(f.world.callback("e1", id)).ok());
    REQUIRE(store.keep_callback(late).ok());
    REQUIRE(store.keep_callback(f.world.callback("e3", id)).ok());
    f.apply_callbacks();
    CHECK(f.world.view(id).message.status == Status::delivered);
    CHECK(f.world.confirmations() == 3);
  }
  SECTION("an orphan: it waits for the message") {
    const Uuid unknown = f.world.ids.next();
    const auto row = f.world.callback("e1", unknown);
    REQUIRE(store.keep_callback(row).ok());
    f.apply_callbacks();
    again(row.id);
    const auto waiting = store.take_callbacks(10, 0);
    REQUIRE(waiting.ok());
    REQUIRE(waiting->size() == 1);
    CHECK((*waiting)[0].tries == 2);
  }
  SECTION("without an echo: by the provider's reference, once that is known") {
    f.world.permit(id, 1, "gateway", f.world.ids.next());
    f.world.end(id, 1, OutcomeKind::accepted, Status::sent);
    const auto row = f.world.callback("e1", std::nullopt);
    REQUIRE(store.keep_callback(row).ok());
    f.apply_callbacks();
    CHECK(f.world.view(id).message.status == Status::sent);
    f.world.refer("gateway", "ref-e1", id, 1);
    again(row.id);
    f.apply_callbacks();
    CHECK(f.world.view(id).message.status == Status::delivered);
  }
  SECTION("after 72 hours it stays in the ledger, unmatched") {
    auto row = f.world.callback("e1", f.world.ids.next());
    row.received_at.us -= 73 * int64_t{3'600'000'000};
    REQUIRE(store.keep_callback(row).ok());
    f.apply_callbacks();
    CHECK(store.take_callbacks(10, 0)->empty());
    CHECK_FALSE(*store.keep_callback(row));  // but it is there
  }
}

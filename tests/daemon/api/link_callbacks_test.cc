#include "daemon/api/link_callbacks.h"

#include <catch2/catch.hpp>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "providers/smpp_pdu.h"
#include "tests/daemon/api/api_world.h"

namespace signet::api {
namespace {

constexpr char kPhone[] = "+61412345678";

// A body is its event's id.
class LinkProvider : public TestProvider {
 public:
  Result<std::vector<Receipt>> receipts(const CallbackRequest& request) const override {
    Receipt receipt;
    receipt.provider_reference = "ref";
    receipt.kind = ReceiptKind::delivered;
    receipt.event_id = request.body;
    return std::vector{receipt};
  }
};

struct World : BasicApiWorld<nlohmann::json> {
  World() {
    ProviderSettings settings;
    settings.name = "smsc";
    settings.adapter = "smpp";
    settings.values = {{"url", "smpp://127.0.0.1:1"}, {"system_id", "clinic"}, {"from", "+15005550006"}};
    settings.secrets.emplace("password", Secret("secret"));
    auto smsc = make_provider(settings);
    REQUIRE(smsc);
    services.providers["smsc"] = std::move(*smsc);
    services.providers["link"] = std::make_shared<LinkProvider>();
    link.emplace(services);
  }
  ~World() { link.reset(); }
  CallbackRequest request(const std::string& body) {
    CallbackRequest out;
    clock.advance_ms(1);  // what is written twice is not told at the same moment
    out.method = "deliver_sm";
    out.body = body;
    out.received_at = clock.wall();
    return out;
  }
  UnaskedEnd told(const std::string& provider, const std::string& body) {
    const auto end = std::make_shared<std::promise<UnaskedEnd>>();  // in use until its setter has returned
    link->take(provider, request(body), [end](UnaskedEnd how) { end->set_value(how); });
    return end->get_future().get();
  }
  UnaskedEnd receipt(const std::string& text) {
    SmppMessage message;
    message.esm_class = smpp::kTypeReceipt;
    message.short_message = text;
    return told("smsc", to_octets(message));
  }
  UnaskedEnd written(const std::string& text) {
    SmppMessage message;
    message.from = {1, 1, std::string(kPhone).substr(1)};
    message.to = {1, 1, "15005550006"};
    message.short_message = text;
    return told("smsc", to_octets(message));
  }
  std::optional<LinkCallbacks> link;
};

TEST_CASE("a receipt over a link is acknowledged when it is committed, and kept once") {
  std::promise<int64_t> committed;
  World world;
  SmppMessage message;
  message.esm_class = smpp::kTypeReceipt;
  message.short_message = "id:7 done date:2611271201 stat:DELIVRD err:000 text:Your results";
  world.link->take("smsc", world.request(to_octets(message)), [&](UnaskedEnd end) {
    CHECK(end == UnaskedEnd::kept);
    committed.set_value(world.count("callback"));
  });
  CHECK(committed.get_future().get() == 1);
  const auto rows = world.sql("select provider, event_id, provider_reference, kind, message_id is null from callback");
  CHECK(rows.text(0, 0) == "smsc");
  CHECK(rows.text(0, 1) == "7.DELIVRD.2611271201");
  CHECK(rows.text(0, 2) == "7");
  CHECK(rows.number(0, 3) == static_cast<int>(ReceiptKind::delivered));
  CHECK(rows.flag(0, 4));
  CHECK(world.count("callback_due") == 1);
  CHECK(world.came == 1);
  CHECK(world.told("smsc", to_octets(message)) == UnaskedEnd::kept);
  CHECK(world.count("callback") == 1);
}

TEST_CASE("STOP over a link suppresses before it is acknowledged, and START lifts it") {
  World world;
  CHECK(world.written("Stop") == UnaskedEnd::kept);
  CHECK(world.count("suppressions") == 1);
  CHECK(world.last_event("suppression_added")["detail"]["source"] == "smsc");
  CHECK(world.written("START") == UnaskedEnd::kept);
  CHECK(world.count("suppressions") == 0);
  CHECK(world.written("Stop") == UnaskedEnd::kept);
  CHECK(world.count("suppressions") == 1);
  CHECK(world.written("Thank you") == UnaskedEnd::kept);
  CHECK(world.log.all().find("61412345678") == std::string::npos);
}

TEST_CASE("what cannot be read is not to be told again, and nothing of it is in the log") {
  World world;
  CHECK(world.receipt("Termin um neun") == UnaskedEnd::unreadable);
  CHECK(world.told("smsc", "rubbish") == UnaskedEnd::unreadable);
  CHECK(world.count("callback") == 0);
  CHECK(world.log.all().find("smsc") != std::string::npos);
  CHECK(world.log.all().find("neun") == std::string::npos);
}

TEST_CASE("without the database nothing is acknowledged, and after it is back all is") {
  World world;
  world.postgres.stop_immediate();
  CHECK(world.receipt("id:7 stat:DELIVRD") == UnaskedEnd::unavailable);
  CHECK(world.written("STOP") == UnaskedEnd::unavailable);
  world.postgres.start();
  CHECK(world.receipt("id:7 stat:DELIVRD") == UnaskedEnd::kept);
  CHECK(world.written("STOP") == UnaskedEnd::kept);
  const auto session = world.postgres.session("postgres");  // the world's own died with the server
  CHECK(session->run("select from callback")->size() == 1);
  CHECK(session->run("select from suppressions")->size() == 1);
}

TEST_CASE("of what comes at once the database refuses what it must, and keeps the rest") {
  std::atomic<int> kept = 0, refused = 0, ended = 0;  // outlive the thread that counts
  World world;
  constexpr int kThreads = 4, kEach = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([&world, &kept, &refused, &ended, t] {
      for (int i = 0; i < kEach; i++) {
        const auto name = std::to_string(t) + "." + std::to_string(i);
        world.link->take("link", world.request(i % 50 == 0 ? name + "\xff" : name), [&](UnaskedEnd end) {
          (end == UnaskedEnd::kept ? kept : refused)++;
          ended++;
          ended.notify_all();
        });
      }
    });
  for (auto& thread : threads) thread.join();
  for (int seen = ended; seen < kThreads * kEach; seen = ended) ended.wait(seen);
  CHECK(refused == kThreads * kEach / 50);
  CHECK(kept == kThreads * kEach - refused);
  CHECK(world.count("callback") == kept);
}

TEST_CASE("what comes after the stop is to be told again") {
  World world;
  world.link->stop();
  CHECK(world.receipt("id:7 stat:DELIVRD") == UnaskedEnd::unavailable);
  CHECK(world.count("callback") == 0);
}

}  // namespace
}  // namespace signet::api

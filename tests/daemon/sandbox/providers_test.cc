// Every adapter against the sandbox's side of it, over real sockets: what `signetd send --provider NAME` goes through.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "daemon/sandbox/accounts.h"
#include "providers/http_call.h"
#include "providers/settings.h"
#include "providers/transport.h"
#include "tests/daemon/sandbox/sandbox_fixture.h"

using namespace signet;
using namespace signet::test;
using sandbox::Account;

namespace {

constexpr int64_t kDeadlineUs = 10'000'000;

template <class T>
T must(Result<T> made) {
  if (!made) throw std::runtime_error(made.error().text);
  return std::move(*made);
}

struct Folder {
  Folder() {
    std::string name = "/tmp/signet-test-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

// The sandbox with an account at every provider, and the daemon's side of each.
class Providers {
 public:
  Providers()
      : box([this](sandbox::Options& options) {
          options.accounts = accounts({});
          options.mail_account = "relay";
        }) {
    // The ports are known now; the secrets stay as they are in the folder.
    const auto at = [](const char* scheme, int port) {
      return scheme + std::string("127.0.0.1:") + std::to_string(port);
    };
    all = accounts({at("http://", box.http_port), at("smtp://", box.smtp_port),
                    at("smpp://", box.running.on_loop([this] { return box.box->smpp_port(); }))});
  }
  ~Providers() {
    box.running.on_loop([this] { transports_.clear(); });
  }

  const Provider& provider(const Account& account) {
    auto& made = made_[account.settings.name];
    if (!made) made = std::shared_ptr<const Provider>(must(make_provider(account.settings)));
    return *made;
  }

  Outbound outbound(const Account& account, const std::string& ending) {
    Outbound message;
    message.message_id = box.ids.next();
    message.at = box.clock.wall();
    const bool is_sms = provider(account).can_send(Kind::sms);
    message.kind = is_sms ? Kind::sms : Kind::email;
    message.recipient = Phi<std::string>(is_sms ? "+6149157" + ending : "anna" + ending + "@example.org");
    message.subject = Phi<std::string>(is_sms ? "" : "Your results");
    message.body = Phi<std::string>("Your results are in.");
    message.idempotency_key = message.message_id.text() + ".1.0";
    message.callback_url = box.origin() + "/webhooks/" + account.settings.name + "?m=" + message.echo();
    return message;
  }

  Outcome send(const Account& account, const Outbound& message) {
    provider(account);
    auto& transport = transports_[account.settings.name];
    Loop& loop = box.running.loop();
    if (!transport) {
      box.running.on_loop([&] {
        TransportOptions options;
        options.on_unasked = [this, name = account.settings.name](CallbackRequest request, auto done) {
          {
            const std::lock_guard lock(box.mutex);
            unasked_[name].push_back(std::move(request));
          }
          box.changed.notify_all();
          box.running.loop().post([done] { done(UnaskedEnd::kept); });
        };
        transport = make_transport(loop, box.clock, box.log, made_[account.settings.name], account.settings, options);
      });
      while (!box.running.on_loop([&] { return transport->has_room(); })) std::this_thread::yield();
    }
    std::promise<Outcome> done;
    box.running.on_loop([&] {
      transport->send(message, Tick{box.clock.tick().us + kDeadlineUs},
                      [&](Outcome outcome) { done.set_value(std::move(outcome)); });
      transport->round();
    });
    return done.get_future().get();
  }

  // What came from the provider so far; each must be genuine.
  std::vector<CallbackRequest> heard(const Account& account) {
    std::vector<CallbackRequest> requests;
    {
      const std::lock_guard lock(box.mutex);
      requests = unasked_[account.settings.name];
      const std::string path = "/webhooks/" + account.settings.name;
      for (const auto& callback : box.callbacks)
        if (callback.target.substr(0, callback.target.find('?')) == path) {
          CallbackRequest request;
          request.public_url = box.origin() + callback.target;
          request.headers = callback.headers;
          request.body = callback.body;
          request.received_at = box.clock.wall();
          request.peer_address = "127.0.0.1";
          requests.push_back(std::move(request));
        }
    }
    for (auto& request : requests) {
      for (const auto& url : provider(account).wants(request)) {
        HttpCall call;
        call.method = "GET";
        call.url = url;
        request.fetched[url] = must(http_call(call)).body;
      }
      if (provider(account).callback_way() != CallbackWay::link) {  // a link is its account's
        const Verdict verdict = provider(account).verify(request);
        INFO(account.settings.name << ": " << verdict.reason << "\n" << request.body);
        CHECK(verdict.is_genuine);
      }
    }
    return requests;
  }

  // The kinds of what was called back about this message so far.
  std::set<ReceiptKind> told(const Account& account, const Outbound& message, const std::string& reference) {
    std::set<ReceiptKind> out;
    for (const auto& request : heard(account)) {
      const auto receipts = provider(account).receipts(request);
      if (!receipts) FAIL(receipts.error().text);
      for (const auto& receipt : *receipts)
        if (receipt.message_id == message.message_id ||
            (!receipt.message_id && receipt.provider_reference == reference))
          out.insert(receipt.kind);
    }
    return out;
  }

  std::set<ReceiptKind> wait_for(const Account& account, const Outbound& message, const std::string& reference,
                                 std::set<ReceiptKind> any_of) {
    for (const Tick end{box.clock.tick().us + kDeadlineUs}; box.clock.tick() < end; std::this_thread::yield()) {
      const auto out = told(account, message, reference);
      for (const ReceiptKind kind : out)
        if (any_of.contains(kind)) return out;
    }
    return {};
  }

  // The first that somebody writes back.
  std::optional<Inbound> wait_for_inbound(const Account& account) {
    for (const Tick end{box.clock.tick().us + kDeadlineUs}; box.clock.tick() < end; std::this_thread::yield())
      for (const auto& request : heard(account))
        if (auto inbounds = must(provider(account).inbounds(request)); !inbounds.empty()) return inbounds.front();
    return std::nullopt;
  }

  std::vector<Account> all;
  Folder folder;
  SystemRandom random;
  SandboxFixture box;  // asks for the accounts

 private:
  std::vector<Account> accounts(const sandbox::Places& places) {
    return must(sandbox::open_accounts(folder.path, places, random));
  }

  std::map<std::string, std::shared_ptr<const Provider>> made_;
  std::map<std::string, std::unique_ptr<Transport>> transports_;
  std::map<std::string, std::vector<CallbackRequest>> unasked_;
};

}  // namespace

TEST_CASE("a message by each provider is accepted and called back delivered, genuinely") {
  Providers p;
  std::set<std::string> adapters_seen;
  for (const auto& account : p.all) {
    INFO(account.settings.name);
    adapters_seen.insert(account.settings.adapter);
    const auto message = p.outbound(account, "0156");
    const Outcome outcome = p.send(account, message);
    INFO(outcome.reason << " " << outcome.status_code << " " << outcome.provider_code);
    REQUIRE(outcome.kind == OutcomeKind::accepted);
    CHECK(p.wait_for(account, message, outcome.provider_reference, {ReceiptKind::delivered})
              .contains(ReceiptKind::delivered));
  }
  for (const auto& info : adapters()) {
    INFO(info.adapter);
    CHECK(adapters_seen.contains(info.adapter));
  }
}

TEST_CASE("0001: no provider takes a recipient that it does not know") {
  Providers p;
  for (const auto& account : p.all) {
    INFO(account.settings.name);
    CHECK(p.send(account, p.outbound(account, "0001")).kind == OutcomeKind::permanent);
  }
}

TEST_CASE("0002: a message that fails later is called back failed or bounced") {
  Providers p;
  for (const auto& account : p.all) {
    INFO(account.settings.name);
    const auto message = p.outbound(account, "0002");
    const Outcome outcome = p.send(account, message);
    REQUIRE(outcome.kind == OutcomeKind::accepted);
    CHECK_FALSE(
        p.wait_for(account, message, outcome.provider_reference, {ReceiptKind::failed, ReceiptKind::bounced}).empty());
  }
}

TEST_CASE("0003 and 0009: what is throttled or fails first is tried again, and taken in the end") {
  Providers p;
  for (const auto& account : p.all)
    for (const char* ending : {"0003", "0009"}) {
      INFO(account.settings.name << " " << ending);
      const auto message = p.outbound(account, ending);
      Outcome outcome = p.send(account, message);
      // 500 of somebody who does not say that nothing was done is no proof of it.
      const bool is_doubt = outcome.kind == OutcomeKind::in_doubt && ending == std::string("0009");
      CHECK((outcome.kind == OutcomeKind::retryable || is_doubt));
      for (int tries = 0; tries < 3 && outcome.kind != OutcomeKind::accepted; ++tries)
        outcome = p.send(account, message);
      CHECK(outcome.kind == OutcomeKind::accepted);
    }
}

TEST_CASE("0010: who has opted out is refused as such, or called back so") {
  Providers p;
  for (const auto& account : p.all) {
    INFO(account.settings.name);
    const auto message = p.outbound(account, "0010");
    const Outcome outcome = p.send(account, message);
    if (outcome.kind != OutcomeKind::accepted) {
      CHECK(outcome.kind == OutcomeKind::permanent);
      continue;
    }
    CHECK_FALSE(p.wait_for(account, message, outcome.provider_reference,
                           {ReceiptKind::opted_out, ReceiptKind::complained, ReceiptKind::failed})
                    .empty());
  }
}

TEST_CASE("0012: who answers STOP is heard, genuinely, by each provider of short messages") {
  Providers p;
  for (const auto& account : p.all) {
    INFO(account.settings.name);
    if (!p.provider(account).can_send(Kind::sms)) continue;
    const auto message = p.outbound(account, "0012");
    const Outcome outcome = p.send(account, message);
    REQUIRE(outcome.kind == OutcomeKind::accepted);
    const auto inbound = p.wait_for_inbound(account);
    REQUIRE(inbound);
    CHECK(inbound->text.reveal() == "STOP");
    CHECK(inbound->from.reveal() == message.recipient.reveal());
    CHECK_FALSE(inbound->event_id.empty());
    CHECK(p.told(account, message, outcome.provider_reference).contains(ReceiptKind::delivered));
  }
}

TEST_CASE("a repeat with the same key is the same message, where the provider has such keys") {
  Providers p;
  int count = 0;
  for (const auto& account : p.all) {
    if (!p.provider(account).has_key()) continue;
    INFO(account.settings.name);
    const auto message = p.outbound(account, "0156");
    const Outcome first = p.send(account, message), second = p.send(account, message);
    REQUIRE(first.kind == OutcomeKind::accepted);
    CHECK(second.kind == OutcomeKind::accepted);
    CHECK(second.provider_reference == first.provider_reference);
    ++count;
  }
  CHECK(count >= 2);
}

TEST_CASE("credentials of somebody else are refused, and the message is not at fault") {
  Providers p;
  for (auto account : p.all) {
    if (account.settings.adapter == "smtp" || account.settings.adapter == "smpp") continue;
    INFO(account.settings.name);
    const auto message = p.outbound(account, "0156");
    for (auto& [key, secret] : account.settings.secrets)
      if (key != "private_key" && !key.starts_with("webhook") && !key.starts_with("signature"))
        secret = Secret(std::string(48, 'a'));
    account.settings.secrets.erase("private_key");
    if (account.settings.adapter == "vonage") {
      account.settings.secrets["api_key"] = account.settings.secrets["api_secret"] = Secret("somebody-else");
    }
    account.settings.name += "-forged";
    const Outcome outcome = p.send(account, message);
    CHECK(outcome.kind == OutcomeKind::retryable);
    CHECK((outcome.scope == FaultScope::credential || outcome.scope == FaultScope::account));
  }
}

TEST_CASE("the folder of accounts is made once, read only by its owner, and holds a configuration for signetd") {
  Folder folder;
  SystemRandom random;
  const auto first = must(sandbox::open_accounts(folder.path, {}, random));
  const auto again = must(sandbox::open_accounts(folder.path, {}, random));
  REQUIRE(first.size() == again.size());
  for (size_t i = 0; i < first.size(); ++i) {
    CHECK(first[i].settings.values == again[i].settings.values);
    for (const auto& [key, secret] : first[i].settings.secrets)
      CHECK(again[i].settings.secrets.at(key).octets() == secret.octets());
  }
  for (const auto& file : std::filesystem::directory_iterator(folder.path))
    CHECK((file.status().permissions() & std::filesystem::perms(077)) == std::filesystem::perms::none);
  std::ifstream in(folder.path + "/providers.yaml");
  const std::string yaml{std::istreambuf_iterator<char>(in), {}};
  for (const auto& account : first) {
    INFO(account.settings.name);
    CHECK(yaml.find("  - name: " + account.settings.name + "\n") != std::string::npos);
    CHECK(yaml.find("match: { tag: [" + account.settings.name + "] }") != std::string::npos);
    for (const auto& [key, secret] : account.settings.secrets)
      CHECK(yaml.find(std::string(secret.octets()).substr(0, 20)) == std::string::npos);
  }
}

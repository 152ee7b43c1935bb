// Against an SMSC that is not ours: npm smpp, by smpp_server.cjs.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "providers/transport.h"
#include "tests/fakes/process.h"
#include "tests/providers/scripted_server.h"
#include "tests/providers/support.h"

namespace signet {
namespace {

using nlohmann::json;
using testing::run_until;

class NpmSmsc {
 public:
  NpmSmsc() {
    const std::string source = SIGNET_SOURCE_DIR;
    // Beside the test programs, where other suites find it installed.
    const auto scratch = std::filesystem::path(SIGNET_BINARY).parent_path().parent_path() / "tests" / "npm";
    REQUIRE(std::system(("'" + source + "/tests/npm/install' '" + scratch.string() + "'").c_str()) == 0);
    char name[] = "/tmp/signet_smpp_XXXXXX";
    folder_ = ::mkdtemp(name);
    process_ =
        std::make_unique<Process>(std::vector<std::string>{"env", "NODE_PATH=" + (scratch / "node_modules").string(),
                                                           "node", source + "/tests/providers/smpp_server.cjs"},
                                  folder_ + "/said");
    wait_until("npm smpp to listen", [this] { return !said().empty(); });
    port_ = said()[0].at("port");
  }
  ~NpmSmsc() {
    process_.reset();
    std::filesystem::remove_all(folder_);
  }
  int port() const { return port_; }
  std::vector<json> said() const {  // whole lines
    std::vector<json> out;
    const auto text = read_file(folder_ + "/said");
    std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
    for (std::string line; std::getline(lines, line);) out.push_back(json::parse(line));
    return out;
  }
  std::vector<json> said(const std::string& event) const {
    std::vector<json> out;
    for (const auto& one : said())
      if (one.value("event", "") == event) out.push_back(one);
    return out;
  }

 private:
  std::string folder_;
  std::unique_ptr<Process> process_;
  int port_ = 0;
};

struct Bench {
  Bench(Loop& loop, const NpmSmsc& smsc, std::map<std::string, std::string> more = {}) : loop(loop) {
    auto settings = testing::smsc_settings();
    settings.values["url"] = "smpp://127.0.0.1:" + std::to_string(smsc.port());
    settings.values["message_ids"] = "hex_then_decimal";
    for (auto& [key, value] : more) settings.values[key] = value;
    if (more.contains("password")) settings.secrets["password"] = Secret(more["password"]);
    auto made = make_provider(settings);
    REQUIRE(made);
    provider = std::move(*made);
    TransportOptions options;
    options.on_unasked = [this](CallbackRequest request, std::function<void(UnaskedEnd)> done) {
      told.push_back(std::move(request));
      this->loop.post([done = std::move(done)] { done(UnaskedEnd::kept); });
    };
    transport = make_transport(loop, clock, log, provider, settings, std::move(options));
  }
  Outcome once(const std::string& body) {
    auto message = testing::outbound();
    message.body = Phi<std::string>(body);
    std::optional<Outcome> outcome;
    transport->send(message, {INT64_MAX}, [&](Outcome ended) { outcome = std::move(ended); });
    transport->round();
    run_until(loop, [&] { return outcome.has_value(); });
    REQUIRE(outcome);
    return *outcome;
  }
  std::vector<Receipt> receipts() const {
    std::vector<Receipt> out;
    for (const auto& request : told) {
      auto read = provider->receipts(request);
      REQUIRE(read);
      out.insert(out.end(), read->begin(), read->end());
    }
    return out;
  }
  Loop& loop;
  SystemClock clock;
  testing::TestLog log;
  std::shared_ptr<const Provider> provider;
  std::vector<CallbackRequest> told;
  std::unique_ptr<Transport> transport;
};

std::string said_of(const Outcome& outcome) { return std::string(name(outcome.kind)) + " " + outcome.reason; }

}  // namespace

TEST_CASE("npm smpp takes what we send, and its receipts name it") {
  const NpmSmsc smsc;
  Loop loop;
  Bench bench(loop, smsc, {{"system_type", "VMA"}});
  struct Row {
    std::string text;
    int data_coding;
  };
  for (const auto& row : std::vector<Row>{
           {"Your results are ready: {5 \xe2\x82\xac}", 0}, {"\xd0\xbf\xd1\x80\xf0\x9f\x98\x80", 8}, {"lost", 0}}) {
    INFO(row.text);
    const size_t before = bench.told.size();
    const auto outcome = bench.once(row.text);
    CHECK(said_of(outcome) == "accepted ");
    run_until(loop, [&] { return bench.told.size() > before && smsc.said("receipt").size() > before; });
    const auto submit = smsc.said("submit").back();
    CHECK(submit["text"] == row.text);
    CHECK(submit["data_coding"] == row.data_coding);
    CHECK((submit["from"] == "15005550006" && submit["from_ton"] == 1));
    CHECK((submit["to"] == "15558675310" && submit["to_ton"] == 1 && submit["receipts"] == 1));
    const auto receipt = bench.receipts().back();
    CHECK(receipt.provider_reference == outcome.provider_reference);
    CHECK(receipt.kind == (row.text == "lost" ? ReceiptKind::failed : ReceiptKind::delivered));
    CHECK(smsc.said("receipt").back()["status"] == 0);
  }
  const auto bound = smsc.said("bound");
  REQUIRE(bound.size() == 1);
  CHECK((bound[0]["version"] == 0x34 && bound[0]["type"] == "VMA"));
  run_until(loop, [&] { return !smsc.said("enquired").empty(); });
  CHECK(smsc.said("enquired")[0]["status"] == 0);
  bench.transport.reset();
  run_until(loop, [&] { return !smsc.said("unbind").empty(); });
}

TEST_CASE("npm smpp joins the parts of a long text") {
  const NpmSmsc smsc;
  Loop loop;
  std::string text;
  while (text.size() < 400) text += std::to_string(text.size()) + " ";
  for (std::string way : {"udh", "udh16", "sar", "payload"}) {
    INFO(way);
    Bench bench(loop, smsc, {{"concatenation", way}});
    const size_t before = smsc.said("submit").size();
    const auto outcome = bench.once(text);
    CHECK(said_of(outcome) == "accepted ");
    const int parts = way == "payload" ? 1 : 3;
    CHECK(outcome.parts == parts);
    run_until(loop, [&] { return int(bench.told.size()) == parts; });
    const auto all = smsc.said("submit");
    std::string again;
    for (size_t i = before; i < all.size(); i++) {
      const std::string number = "0" + std::to_string(i - before + 1);
      if (way == "udh") CHECK(all[i]["udh"] == "0003cf03" + number);
      if (way == "udh16") CHECK(all[i]["udh"] == "0804abcf03" + number);
      if (way == "sar") CHECK(all[i]["sar"] == json::array({0xabcf, 3, int(i - before + 1)}));
      again += all[i][way == "payload" ? "payload" : "text"].get<std::string>();
    }
    CHECK(again == text);
    std::string references;
    for (const auto& receipt : bench.receipts())
      references += (references.empty() ? "" : " ") + receipt.provider_reference;
    CHECK(references == outcome.provider_reference);
  }
}

TEST_CASE("npm smpp's refusals, lost links and unbinds are what they are") {
  const NpmSmsc smsc;
  Loop loop;
  Bench bench(loop, smsc);
  const auto throttled = bench.once("throttled");
  CHECK(said_of(throttled) == "retryable throttled");
  CHECK(throttled.is_throttled);
  CHECK(said_of(bench.once("wrong")) == "permanent recipient_refused");
  CHECK(said_of(bench.once("drop")) == "in_doubt reset_after_send");
  CHECK(said_of(bench.once("after it")) == "accepted ");
  CHECK(said_of(bench.once("unbind")) == "accepted ");
  CHECK(said_of(bench.once("after that")) == "accepted ");
  run_until(loop, [&] { return smsc.said("bound").size() == 3; });  // after the drop, and after the unbind
  Bench stranger(loop, smsc, {{"password", "wrong"}});
  const auto refused = stranger.once("Hello.");
  CHECK(said_of(refused) == "retryable auth_failed");
  CHECK(refused.scope == FaultScope::credential);
}

TEST_CASE("what is written to us through npm smpp is read") {
  const NpmSmsc smsc;
  Loop loop;
  Bench bench(loop, smsc);
  CHECK(said_of(bench.once("chat")) == "accepted ");
  run_until(loop, [&] { return bench.told.size() == 2 && !smsc.said("inbound").empty(); });
  CHECK(bench.receipts().size() == 1);
  const auto inbounds = bench.provider->inbounds(bench.told.back());
  REQUIRE(inbounds);
  REQUIRE(inbounds->size() == 1);
  CHECK(inbounds->front().from.reveal() == "+15558675310");
  CHECK(inbounds->front().text.reveal() == "Stop \xe2\x9c\x8b");
  CHECK(smsc.said("inbound")[0]["status"] == 0);
}

}  // namespace signet

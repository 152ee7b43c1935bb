#include "tests/chaos/judge_server.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/bytes.h"
#include "daemon/sandbox/dialects.h"
#include "daemon/sandbox/journal.h"
#include "providers/standard_webhook.h"

namespace signet::chaos {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kReceiptTriesMax = 120;  // some minutes
constexpr double kRefusedShare = 0.003;

// Whether this message is one that the provider refuses, whenever it comes.
bool is_refused(const std::string& echo) {
  const size_t hash = std::hash<std::string>{}(echo.substr(0, echo.find('.')));
  return static_cast<double>(hash % 100'000) < kRefusedShare * 100'000;
}

std::string raw_answer(const std::string& body, size_t length) {
  return "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(length) +
         "\r\n\r\n" + body;
}

std::string twilio_refusal(int status, int code) {
  return Json{{"code", code}, {"message", "The judge says so"}, {"more_info", ""}, {"status", status}}.dump();
}

}  // namespace

JudgeServer::JudgeServer(Loop& loop, const Clock& clock, Random& random, Log& log, JudgeSettings settings)
    : loop_(loop),
      clock_(clock),
      random_(random),
      settings_(std::move(settings)),
      mix_(mix_of(settings_.mix)),
      journal_(loop, clock, settings_.journal_file),
      ids_(clock, random),
      callbacks_(loop, clock, {.connections = 32, .tries = 1, .timeout_ms = 3000}),
      server_(loop, nullptr, clock, ids_, log),
      heartbeat_(loop) {
  http::ListenerOptions listener;
  listener.name = "judge";
  listener.inline_handler = true;
  listener.limits.connections = 8192;
  // Connections that a daemon keeps for later go while it may be about to use them; a calm provider keeps them.
  if (settings_.mix != "calm") listener.limits.idle_ms = 2000;
  listener.handler = [this](const http::Request& request, const http::Reply& reply) { handle(request, reply); };
  const auto port = server_.listen({"127.0.0.1", settings_.http_port}, std::move(listener));
  if (!port) throw std::runtime_error(port.error().text);
  loop_.on_round([this] { journal_.flush(); });
  heartbeat_.repeat(10, [] {});
}

void JudgeServer::handle(const http::Request& request, const http::Reply& reply) {
  if (request.path.starts_with("/2010-04-01/")) return take_twilio(request, reply);
  if (request.path.starts_with("/gateway/")) return take_gateway(request, reply);
  if (request.path == "/judge/summary") return reply(http::json(200, summary()));
  if (request.path == "/judge/mix" && request.method == "POST") {
    const auto wanted = Json::parse(request.body);
    mix_ = mix_of(wanted.value("mix", ""));
    away_ = wanted.value("away", std::set<std::string>());
    return reply(http::json(200, "{}"));
  }
  reply(http::text(404, "there is nothing here\n"));
}

std::string JudgeServer::summary() const {
  return Json{{"requests", journal_.requests()},
              {"effects", journal_.effects()},
              {"receipts", receipts_},
              {"receiptsOpen", receipts_open_},
              {"receiptsLost", receipts_lost_}}
      .dump();
}

void JudgeServer::take_twilio(const http::Request& request, const http::Reply& reply) {
  Asked asked;
  asked.provider = settings_.twilio;
  const auto form = http::read_form(request.body);
  if (!form) return reply(http::json(400, twilio_refusal(400, 20001)));
  for (const auto& [name, value] : *form)
    if (name == "StatusCallback") asked.callback_url = value;
  asked.echo = sandbox::echo_in(asked.callback_url);
  take(asked, reply);
}

void JudgeServer::take_gateway(const http::Request& request, const http::Reply& reply) {
  const std::string rest = request.path.substr(std::string_view("/gateway/").size());
  const std::string name = rest.substr(0, rest.find('/'));
  const auto gateway = std::find_if(settings_.gateways.begin(), settings_.gateways.end(),
                                    [&](const Gateway& one) { return one.name == name; });
  if (gateway == settings_.gateways.end()) return reply(http::text(404, "no such gateway\n"));
  if (request.method == "GET") return look_up(*gateway, request, reply);
  const auto body = Json::parse(request.body, nullptr, false);
  if (!body.is_object()) return reply(http::json(400, R"({"code":"unreadable"})"));
  Asked asked;
  asked.provider = name;
  asked.is_gateway = true;
  asked.echo = body.value("id", "");
  asked.callback_url = body.value("callbackUrl", gateway->callback_url);
  if (gateway->knows_keys) asked.key = std::string(request.header("idempotency-key").value_or(""));
  take(asked, reply);
}

void JudgeServer::look_up(const Gateway& gateway, const http::Request& request, const http::Reply& reply) {
  if (!gateway.answers_look_ups) return reply(http::text(404, "no look-ups here\n"));
  if (mix_.draw(random_) != Conduct::accept) return reply(http::json(500, "{}"));
  const std::string echo(request.query("id").value_or(""));
  if (const auto reference = journal_.find(gateway.name, echo); !reference.empty())
    return reply(http::json(200, Json{{"status", "accepted"}, {"id", reference}}.dump()));
  denied_.insert(gateway.name + ' ' + echo);
  reply(http::json(200, R"({"status":"unknown"})"));
}

void JudgeServer::take(const Asked& asked, const http::Reply& reply) {
  Conduct conduct = away_.contains(asked.provider) ? Conduct::fail : mix_.draw(random_);
  const bool is_denied = denied_.contains(asked.provider + ' ' + asked.echo);
  if (is_accepted(conduct) && (is_denied || is_refused(asked.echo))) conduct = Conduct::refuse;
  std::string told(answer_of(conduct, "201"));
  if (asked.is_gateway && conduct == Conduct::fail) told = "503";
  const Offer offer{asked.provider, asked.echo, asked.key, is_accepted(conduct) ? "accepted" : "refused", told};
  auto reference = std::make_shared<std::string>();
  const Taken taken =
      journal_.add(offer, [this, conduct, asked, reference, reply] { answer(conduct, asked, *reference, reply); });
  *reference = taken.reference;
  if (is_accepted(conduct) && !taken.is_repeat && !asked.callback_url.empty()) plan_receipts(asked, taken.reference);
}

void JudgeServer::answer(Conduct conduct, const Asked& asked, const std::string& reference, const http::Reply& reply) {
  const std::string body =
      asked.is_gateway
          ? Json{{"id", reference}}.dump()
          : Json{{"sid", reference}, {"status", "queued"}, {"num_segments", "1"}, {"error_code", nullptr}}.dump();
  auto refusal = [&](int status, int code, const char* word) {
    return http::json(status, asked.is_gateway ? Json{{"code", word}}.dump() : twilio_refusal(status, code));
  };
  http::Response response;
  switch (conduct) {
    case Conduct::accept:
      return reply(http::json(201, body));
    case Conduct::accept_slowly:
      return callbacks_.after(50 + static_cast<int64_t>(random_.below(250)),
                              [body, reply] { reply(http::json(201, body)); });
    case Conduct::accept_and_leave:
    case Conduct::accept_and_cut:
      response.delivery = http::Response::Delivery::raw;
      response.body = raw_answer(body, conduct == Conduct::accept_and_cut ? body.size() + 100 : body.size());
      return reply(std::move(response));
    case Conduct::accept_and_rave:
    case Conduct::rave:
      response.delivery = http::Response::Delivery::raw;
      response.body.resize(40);
      random_.fill(response.body.data(), response.body.size());
      return reply(std::move(response));
    case Conduct::accept_and_reset:
    case Conduct::reset:
      response.delivery = http::Response::Delivery::reset;
      return reply(std::move(response));
    case Conduct::accept_and_hang:
    case Conduct::hang:
      response.delivery = http::Response::Delivery::hang;
      return reply(std::move(response));
    case Conduct::fail:
      return reply(refusal(asked.is_gateway ? 503 : 500, 20500, "later"));
    case Conduct::throttle:
      response = refusal(429, 20429, "throttled");
      response.headers.emplace_back("Retry-After", "1");
      return reply(std::move(response));
    case Conduct::refuse:
      return reply(refusal(400, 21211, "unknown_recipient"));
  }
}

void JudgeServer::plan_receipts(const Asked& asked, const std::string& reference) {
  auto receipt = [&](const char* status) { return std::make_shared<Receipt>(Receipt{asked, reference, status}); };
  const double chance = random_.unit();
  if (chance < 0.02) return;  // never
  const char* end = random_.unit() < 0.01 ? "failed" : "delivered";
  // Some 5 % come before the answer, since the journal is not yet on disk when they leave.
  int64_t delay_ms = chance < 0.07 ? 0 : 5 + static_cast<int64_t>(random_.below(60));
  if (chance > 0.92) delay_ms = 1000 + static_cast<int64_t>(random_.below(8000));
  const bool is_in_order = random_.unit() > 0.05;
  if (random_.unit() < 0.15) post(receipt("sent"), is_in_order ? delay_ms / 2 : delay_ms + 300);
  post(receipt(end), delay_ms);
  if (random_.unit() < 0.03) post(receipt(end), delay_ms + 500);
  if (random_.unit() < 0.005) {
    const auto stranger = receipt("delivered");
    const auto id = ids_.next().text();
    auto& url = stranger->asked.callback_url;
    if (const size_t at = url.find(asked.echo); at != std::string::npos) url.replace(at, asked.echo.size(), id + ".1");
    stranger->reference = "SM" + id.substr(24) + std::string(20, '0');
    post(stranger, delay_ms);
  }
}

void JudgeServer::post(std::shared_ptr<Receipt> receipt, int64_t delay_ms) {
  if (receipt->tries == 0) {
    receipts_++;
    receipts_open_++;
  }
  auto done = [this, receipt](bool is_taken) {
    if (!is_taken && ++receipt->tries < kReceiptTriesMax)
      return post(receipt, std::min<int64_t>(100 * receipt->tries, 2000));
    receipts_open_--;
    if (!is_taken) receipts_lost_++;
  };
  auto url = sandbox::parse_callback_url(receipt->asked.callback_url);
  if (!url) return done(false);
  url->endpoint = {"127.0.0.1", settings_.webhook_ports[random_.below(settings_.webhook_ports.size())]};
  url->authority = "127.0.0.1:" + std::to_string(url->endpoint.port);
  const Signed call = receipt->asked.is_gateway ? gateway_receipt(*receipt) : twilio_receipt(*receipt);
  callbacks_.post(*url, call.headers, call.body, delay_ms, std::move(done));
}

JudgeServer::Signed JudgeServer::twilio_receipt(const Receipt& receipt) const {
  const bool is_failure = receipt.status == "failed";
  std::vector<std::pair<std::string, std::string>> parameters{
      {"AccountSid", settings_.account_sid},
      {"MessageSid", receipt.reference},
      {"MessageStatus", is_failure ? "undelivered" : receipt.status}};
  if (is_failure) parameters.emplace_back("ErrorCode", "30005");
  Signed out;
  for (const auto& [name, value] : parameters) {
    out.body += (out.body.empty() ? "" : "&") + name + '=';
    append_form(out.body, value);
  }
  out.headers = {
      {"Content-Type", "application/x-www-form-urlencoded"},
      {"X-Twilio-Signature", sandbox::twilio_signature(settings_.auth_token, receipt.asked.callback_url, parameters)}};
  return out;
}

JudgeServer::Signed JudgeServer::gateway_receipt(const Receipt& receipt) const {
  Signed out;
  out.body = Json{{"type", "message." + receipt.status},
                  {"data", {{"id", receipt.reference}, {"code", receipt.status == "failed" ? "30005" : ""}}}}
                 .dump();
  out.headers =
      webhook_headers(settings_.webhook_key, receipt.reference + '.' + receipt.status, clock_.wall(), out.body);
  out.headers.emplace_back("Content-Type", "application/json");
  return out;
}

}  // namespace signet::chaos

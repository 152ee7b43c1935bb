#include "tests/chaos/load.h"

#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/fakes/approved_messages.h"
#include "tests/fakes/random.h"

namespace signet::chaos {
namespace {

constexpr int kApiThreads = 8;
constexpr int kStepMs = 100;  // direct ones come in transactions of this much time's worth
constexpr size_t kNewestMax = 64;
// Endings of the mail sandbox (daemon/sandbox/endings.h), as often as they stand here.
constexpr const char* kMailEndings[] = {"1000", "1000", "1000", "1000", "1000", "1000", "1000", "1000",
                                        "0003", "0004", "0005", "0009", "0001", "1000", "1000", "1000"};

std::string number_in(const std::string& country, uint64_t n) {
  char text[24];
  if (country == "NZ")
    std::snprintf(text, sizeof text, "+6421%07llu", static_cast<unsigned long long>(2000000 + n % 1000000));
  else if (country == "GB")
    std::snprintf(text, sizeof text, "+447400%06llu", static_cast<unsigned long long>(n % 1000000));
  else if (country == "US")
    std::snprintf(text, sizeof text, "+1415555%04llu", static_cast<unsigned long long>(n % 10000));
  else
    std::snprintf(text, sizeof text, "+6149157%04llu", static_cast<unsigned long long>(n % 10000));
  return text;
}

}  // namespace

Load::Load(Fleet& fleet, LoadSettings settings, Tokens tokens, uint64_t seed)
    : fleet_(fleet), settings_(settings), tokens_(std::move(tokens)), seed_(seed) {
  if (settings_.direct_per_s > 0) threads_.emplace_back([this] { insert_directly(); });
  if (settings_.api_per_s > 0)
    for (int i = 0; i < kApiThreads; i++) threads_.emplace_back([this, i] { use_api(i); });
  if (settings_.criticals_per_s > 0) threads_.emplace_back([this] { be_critical(); });
  if (settings_.cancels_per_s > 0) threads_.emplace_back([this] { cancel(); });
  if (settings_.resolves_per_s > 0) threads_.emplace_back([this] { resolve(); });
  if (settings_.requeues_per_s > 0) threads_.emplace_back([this] { requeue(); });
}

Load::~Load() { stop(); }

void Load::stop() {
  is_stopping_ = true;
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

bool Load::wait_until_due(WallTime start, int64_t n, double per_s) {
  const auto due_us = start.us + static_cast<int64_t>(static_cast<double>(n) * 1e6 / per_s);
  while (!is_stopping_) {
    const int64_t left_us = due_us - fleet_.clock.wall().us;
    if (left_us <= 0) return true;
    ::usleep(static_cast<useconds_t>(std::min<int64_t>(left_us, 50'000)));
  }
  return false;
}

int Load::a_daemon() {
  const auto first = static_cast<int>(++turns_ % kDaemons);
  for (int i = 0; i < kDaemons; i++)
    if (const int d = (first + i) % kDaemons; fleet_.is_up(d)) return d;
  return first;
}

void Load::told(const Uuid& id) {
  std::lock_guard guard(lock_);
  acknowledged_.push_back(id);
  newest_.push_back(id);
  if (newest_.size() > kNewestMax) newest_.pop_front();
  accepted++;
}

void Load::insert_directly() {
  SeededRandom chance(seed_ * 31 + 1);
  std::unique_ptr<PgSession> session;
  std::unique_ptr<ApprovedMessages> messages;
  const WallTime start = fleet_.clock.wall();
  const double per_step = settings_.direct_per_s * kStepMs / 1000;
  uint64_t recipient = 0;
  for (int64_t step = 0; wait_until_due(start, step, 1000.0 / kStepMs); step++) {
    if (!settings_.catches_up) step = std::max(step, (fleet_.clock.wall().us - start.us) / (kStepMs * 1000));
    const auto count = static_cast<int>(std::floor(static_cast<double>(step + 1) * per_step) -
                                        std::floor(static_cast<double>(step) * per_step));
    std::vector<ApprovedOptions> some;
    for (int i = 0; i < count; i++) {
      ApprovedOptions one;
      recipient++;
      if (!settings_.is_even && chance.unit() < settings_.mail_share) {
        one.envelope =
            mail("patient" + std::string(kMailEndings[chance.below(std::size(kMailEndings))]) + "@mail.example",
                 "Your letter", "It is ready.");
        one.lane = "email";
        one.destination = "mail.example";
      } else {
        const Lane& lane = fleet_.sms_lanes[settings_.is_even ? 0 : chance.below(fleet_.sms_lanes.size())];
        one.envelope = sms(number_in(lane.country, recipient), "Your results are ready.");
        one.lane = lane.lane;
        one.destination = lane.country;
      }
      one.priority = settings_.priority;
      if (!settings_.is_even && chance.below(8) == 0) one.priority = Priority::high;
      if (!settings_.is_even && chance.below(50) == 0)
        one.expires_at = WallTime{fleet_.clock.wall().us + 5'000'000 + static_cast<int64_t>(chance.below(20'000'000))};
      some.push_back(std::move(one));
    }
    if (some.empty()) continue;
    try {
      if (!session) {
        session = fleet_.postgres.session();
        messages = std::make_unique<ApprovedMessages>(*session, fleet_.keys, fleet_.clock, fleet_.random);
      }
      for (const auto& id : messages->insert(some)) told(id);
    } catch (const std::exception&) {  // PostgreSQL is away; whether it took these is not known, so nobody was told
      messages.reset();
      session.reset();
      ::usleep(200'000);
    }
  }
}

std::optional<Uuid> Load::hand_over(const std::string& draft, Critical* times) {
  const std::string key = "chaos-" + std::to_string(seed_) + "-" + std::to_string(++keys_);
  auto ask = [&](const std::string& path, const std::string& body, const std::string& suffix) {
    HttpAnswer answer;
    do {
      if (times != nullptr && suffix == "-s") times->asked_at = fleet_.clock.wall();
      answer = http_call("POST", fleet_.admin_port(a_daemon()), path, body, tokens_.reviewer,
                         {{"Idempotency-Key", key + suffix}}, 5);
      if (answer.status >= 200 && answer.status < 300) return answer;
      refusals_++;
      // No answer, or a server away: the same again, by the same key, at another daemon.
      if (answer.status != 0 && answer.status < 500 && answer.status != 429) return answer;
      ::usleep(100'000);
    } while (!is_stopping_);
    return answer;
  };
  const auto made = ask("/api/messages", draft, "-d");
  if (made.status != 201 && made.status != 200) return std::nullopt;
  const auto id = nlohmann::json::parse(made.body).value("id", "");
  const auto sent = ask("/api/message-workflow/send-directly", "{\"messageId\":\"" + id + "\"}", "-s");
  auto uuid = parse_uuid(id);
  if (sent.status < 200 || sent.status >= 300 || !uuid) return std::nullopt;
  if (times != nullptr) times->approved_at = fleet_.clock.wall();
  return *uuid;
}

void Load::use_api(int thread) {
  SeededRandom chance(seed_ * 31 + 100 + static_cast<uint64_t>(thread));
  const WallTime start = fleet_.clock.wall();
  for (int64_t n = 0; wait_until_due(start, n * kApiThreads + thread, settings_.api_per_s); n++) {
    const nlohmann::json draft{{"kind", "sms"},
                               {"recipientPhone", number_in("AU", chance.below(10000))},
                               {"contentDraft", "Please call the clinic."},
                               {"priority", chance.below(4) == 0 ? "high" : "normal"}};
    if (const auto id = hand_over(draft.dump(), nullptr)) {
      by_api_++;
      told(*id);
    }
  }
}

void Load::be_critical() {
  const WallTime start = fleet_.clock.wall();
  for (int64_t n = 0; wait_until_due(start, n, settings_.criticals_per_s); n++) {
    const nlohmann::json draft{{"kind", "sms"},
                               {"recipientPhone", number_in("AU", static_cast<uint64_t>(n))},
                               {"contentDraft", "Please come in today."},
                               {"priority", "critical"}};
    Critical times;
    const auto id = hand_over(draft.dump(), &times);
    if (!id) continue;
    std::lock_guard guard(lock_);
    acknowledged_.push_back(*id);
    criticals_.emplace(*id, times);
    accepted++;
  }
}

void Load::cancel() {
  SeededRandom chance(seed_ * 31 + 2);
  const WallTime start = fleet_.clock.wall();
  for (int64_t n = 0; wait_until_due(start, n, settings_.cancels_per_s); n++) {
    std::optional<Uuid> id;
    {
      std::lock_guard guard(lock_);
      if (!newest_.empty()) id = newest_[newest_.size() - 1 - chance.below(std::min<size_t>(newest_.size(), 8))];
    }
    if (!id) continue;
    const auto answer = http_call("POST", fleet_.admin_port(a_daemon()), "/api/messages/" + id->text() + "/cancel", "",
                                  tokens_.reviewer);
    if (answer.status != 200) continue;  // being sent, or sent already
    std::lock_guard guard(lock_);
    cancelled_.emplace_back(*id, fleet_.clock.wall());
  }
}

std::optional<Uuid> Load::one_where(const std::string& condition) const {
  auto session = PgSession::open(fleet_.postgres.options());
  if (!session) return std::nullopt;
  const auto rows = (*session)->run("select id from message where " + condition + " order by updated_at limit 1");
  if (!rows || rows->size() == 0) return std::nullopt;
  return rows->uuid(0, 0);
}

void Load::resolve() {
  const WallTime start = fleet_.clock.wall();
  for (int64_t n = 0; wait_until_due(start, n, settings_.resolves_per_s); n++) {
    const auto id = one_where("listed = 10");
    if (!id) continue;
    const auto answer = http_call("POST", fleet_.admin_port(a_daemon()), "/api/messages/" + id->text() + "/resolve",
                                  n % 3 == 0 ? R"({"decision":"fail","reason":"nobody heard of it"})"
                                             : R"({"decision":"resend","reason":"the patient asked"})",
                                  tokens_.reviewer);
    if (answer.status == 200) resolved_++;
  }
}

void Load::requeue() {
  const WallTime start = fleet_.clock.wall();
  for (int64_t n = 0; wait_until_due(start, n, settings_.requeues_per_s); n++) {
    const auto id = one_where("listed = 8 and (expires_at is null or expires_at > now()) and requeues < 2");
    if (!id) continue;
    const auto answer =
        http_call("POST", fleet_.admin_port(a_daemon()), "/api/messages/" + id->text() + "/requeue", "", tokens_.admin);
    if (answer.status == 200) requeued_++;
  }
}

}  // namespace signet::chaos

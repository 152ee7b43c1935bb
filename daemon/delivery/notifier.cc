#include "daemon/delivery/notifier.h"

#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>

#include "audit/event.h"
#include "providers/standard_webhook.h"

namespace signet {
namespace {

constexpr int kSlice = 1000;         // places of the log a transaction
constexpr int kRestMsMax = 300'000;  // of a receiver that does not answer
constexpr int64_t kRestMs = 1'000;   // after its first failure, then twice as long each time
constexpr int kDeadDays = 30;        // then a dead letter is forgotten: the log has the event
constexpr int64_t kForgetEveryUs = 3'600'000'000;
constexpr int kGone = 410;  // the receiver wants no more (Standard Webhooks, "Response")

std::string body_of(const StatusNotice& notice, const StatusContent& content, const EventProjection& event) {
  using Json = nlohmann::ordered_json;
  Json data{{"messageId", notice.message_id.text()},
            {"clientReference", content.client_reference ? Json(*content.client_reference) : Json(nullptr)},
            {"status", event.status},
            {"seq", notice.seq}};
  if (event.status == "failed" || event.status == "suppressed") {
    // Of a decision the event says who made it; what failed is that nobody knows.
    data["failureReason"] = event.action == "resolve" ? "in_doubt" : event.reason_code;
    const bool is_unproven = std::any_of(event.detail.begin(), event.detail.end(), [](const auto& member) {
      const bool* flag = std::get_if<bool>(&member.second);
      return member.first == "proven" && flag != nullptr && !*flag;
    });
    data["proven"] = !is_unproven;
  }
  return Json{{"type", "message." + event.status}, {"timestamp", rfc3339(event.at)}, {"data", std::move(data)}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

bool is_good(const Result<HttpReply>& reply) { return reply && reply->status >= 200 && reply->status < 300; }

}  // namespace

Notifier::Notifier(PgOptions postgres, NotifierSettings settings, const Clock& clock, IdSource& ids, Log& log,
                   Metrics& metrics, HttpCaller call)
    : settings_(std::move(settings)),
      place_(std::move(postgres), Elected::notifier, clock),
      clock_(clock),
      ids_(ids),
      log_(log),
      metrics_(metrics),
      call_(std::move(call)) {
  for (size_t i = 0; i < settings_.receivers.size(); i++) lines_.push_back(std::make_unique<Line>());
}

Notifier::~Notifier() = default;

bool Notifier::pass() {
  auto taken = place_.take();
  if (!taken) {
    lose(taken.error());
    return false;
  }
  is_leader_ = *taken;
  if (!*taken) return false;
  bool has_more = false;
  for (const auto& receiver : settings_.receivers) {
    auto more = read(receiver.service);
    if (!more) {
      lose(more.error());
      return false;
    }
    has_more = has_more || *more;
  }
  const Tick now = clock_.tick();
  if (!forgot_at_ || now.us - forgot_at_->us >= kForgetEveryUs) {
    PgTransaction tx(place_.session());
    auto done = forget_dead_notices(tx, kDeadDays);
    if (done) done = tx.commit();
    if (done) forgot_at_ = now;
  }
  told_.clear();
  return has_more;
}

void Notifier::lose(const Error& error) {
  if (told_ != error.text) log_.warn("services are not told from here for now", {{"reason", error.text}});
  told_ = error.text;
  is_leader_ = false;
  place_.leave();
}

Result<bool> Notifier::read(const std::string& service) {
  PgTransaction tx(place_.session());
  auto from = lock_status_cursor(tx, service);
  if (!from) return from.error();
  auto slice = read_status_slice(tx, service, *from, kSlice);
  if (!slice) return slice.error();
  for (auto& notice : slice->found) {
    notice.id = ids_.next();
    if (auto done = insert_status_notice(tx, notice); !done) return done.error();
  }
  auto done = move_status_cursor(tx, service, slice->next);
  if (done) done = tx.commit();
  if (!done) return done.error();
  return slice->has_more;
}

bool Notifier::tell(size_t receiver) {
  Line& line = *lines_[receiver];
  if (!is_leader_ || (line.rests_until && clock_.tick() < *line.rests_until)) return false;
  if (!line.session || !line.session->is_usable()) {
    auto opened = PgSession::open(place_.options());
    if (!opened) return false;
    line.session = std::move(*opened);
  }
  auto more = tell(settings_.receivers[receiver], line);
  if (!more) {
    // What was told and could not be recorded is told again, under its id, when its lease is over.
    log_.warn("a service was not told; it is tried again",
              {{"service", settings_.receivers[receiver].service}, {"reason", more.error().text}});
    return false;
  }
  return *more;
}

// After a failure one at a time: a receiver that is away costs no webhook but the first its tries.
Result<bool> Notifier::tell(const StatusReceiver& receiver, Line& line) {
  std::vector<StatusNotice> due;
  std::vector<HttpCall> calls;
  {
    PgTransaction tx(*line.session);
    const int count_max = line.failures > 0 ? 1 : settings_.at_once;
    auto claimed = claim_status_notices(tx, receiver.service, count_max, 2 * settings_.call_ms);
    if (!claimed) return claimed.error();
    for (auto& notice : *claimed) {
      auto content = read_status_content(tx, notice);
      if (!content) return content.error();
      auto event = *content ? parse_event((*content)->canon) : Result<EventProjection>(Error{ErrorCode::not_found, ""});
      if (!event) {
        if (auto done = note_status_failure(tx, notice.id, "its event cannot be read", std::nullopt); !done)
          return done.error();
        continue;
      }
      HttpCall call;
      call.url = receiver.url;
      call.timeout_ms = settings_.call_ms;
      call.body = body_of(notice, **content, *event);
      call.headers = webhook_headers(receiver.key, notice.id.text(), clock_.wall(), call.body);
      call.headers.emplace_back("content-type", "application/json");
      calls.push_back(std::move(call));
      due.push_back(std::move(notice));
    }
    if (auto done = tx.commit(); !done) return done.error();
  }
  if (due.empty()) return false;
  if (!line.threads) line.threads = std::make_unique<ThreadPool>(settings_.at_once, settings_.at_once);
  std::vector<std::future<Result<HttpReply>>> replies;
  for (const auto& call : calls) {
    auto asked = std::make_shared<std::packaged_task<Result<HttpReply>()>>([this, &call] { return call_(call); });
    replies.push_back(asked->get_future());
    if (!line.threads->submit([asked] { (*asked)(); })) (*asked)();
  }
  std::vector<Result<HttpReply>> answers;
  for (auto& reply : replies) answers.push_back(reply.get());  // all of them, before anything ends here
  PgTransaction tx(*line.session);
  for (size_t i = 0; i < due.size(); i++)
    if (auto done = record(tx, receiver, due[i], answers[i]); !done) return done.error();
  if (auto done = tx.commit(); !done) return done.error();
  rest(line, receiver, answers);
  return line.failures == 0;
}

Result<void> Notifier::record(PgTransaction& tx, const StatusReceiver& receiver, const StatusNotice& notice,
                              const Result<HttpReply>& reply) {
  const char* outcome = "told";
  Result<void> done;
  if (is_good(reply)) {
    done = drop_status_notice(tx, notice.id);
  } else {
    const auto tries = static_cast<size_t>(notice.tries);
    const bool is_over = tries >= settings_.again_ms.size() || (reply && reply->status == kGone);
    outcome = is_over ? "given_up" : "again";
    done =
        note_status_failure(tx, notice.id, reply ? "it answered " + std::to_string(reply->status) : reply.error().text,
                            is_over ? std::nullopt : std::optional(settings_.again_ms[tries]));
    if (is_over)
      log_.warn("a status event was given up: see GET /api/status-webhooks",
                {{"service", receiver.service}, {"notice_id", notice.id.text()}});
  }
  if (done) metrics_.add("signet_status_notices_total", std::string("outcome=\"") + outcome + '"');
  return done;
}

void Notifier::rest(Line& line, const StatusReceiver& receiver, const std::vector<Result<HttpReply>>& answers) {
  if (std::all_of(answers.begin(), answers.end(), is_good)) {
    if (line.failures > 0) log_.info("a service is told again", {{"service", receiver.service}});
    line.failures = 0;
    line.rests_until.reset();
    return;
  }
  const auto& bad = *std::find_if_not(answers.begin(), answers.end(), is_good);
  if (line.failures == 0)
    log_.warn("a service does not take its status events; they are tried again",
              {{"service", receiver.service},
               {"reason", bad ? "it answered " + std::to_string(bad->status) : bad.error().text}});
  const int64_t rest_ms = std::min<int64_t>(kRestMs << std::min(line.failures, 20), kRestMsMax);
  line.failures++;
  line.rests_until = Tick{clock_.tick().us + rest_ms * 1000};
}

}  // namespace signet

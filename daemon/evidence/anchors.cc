#include "daemon/evidence/anchors.h"

#include <algorithm>

#include "audit/checkpoint.h"
#include "audit/witness.h"
#include "base/timestamp.h"
#include "providers/http_call.h"

namespace signet {
namespace {

// Shorter than the server waits for a word of who holds the place (store/audit_log.h).
constexpr int64_t kCallMs = 5000;
constexpr int64_t kAgainMs = 2000;  // after a failure; doubled each time, up to:
constexpr int64_t kAgainMsMax = 300'000;
constexpr int64_t kClockMs = 300'000;  // that an authority's clock and ours may differ

std::string label(const std::string& kind) { return "kind=\"" + kind + '"'; }

std::string configured_as(const std::string& kind) {
  if (kind == kAnchorFolder) return "audit.anchors.worm_dir";
  return kind == kAnchorWitness ? "audit.anchors.witness_url" : "audit.anchors.tsa_url";
}

Result<HttpReply> post(const std::string& url, const char* type, std::string body) {
  HttpCall call;
  call.url = url;
  call.headers = {{"Content-Type", type}};
  call.body = std::move(body);
  call.timeout_ms = kCallMs;
  return http_call(call);
}

}  // namespace

Result<std::string> describe_overdue(PgSession& session, const AnchorSettings& settings) {
  for (const auto& kind : settings.sources.kinds()) {
    auto waited = unanchored_ms(session, kind);
    if (!waited) return waited.error();
    if (*waited > settings.overdue_ms)
      return "a checkpoint has waited " + std::to_string(*waited / 60000) + " min for its anchor: look at " +
             configured_as(kind) + " and what the log says of it";
  }
  return std::string();
}

Anchors::Anchors(PgOptions writer, PgOptions reader, AnchorSettings settings, const LogKey& key, const Clock& clock,
                 Random& random, IdSource& ids, Log& log, Metrics& metrics, Alarmed alarmed)
    : place_(std::move(writer), Elected::anchors, clock),
      reader_(std::move(reader)),
      settings_(std::move(settings)),
      key_(key),
      clock_(clock),
      random_(random),
      ids_(ids),
      log_(log),
      metrics_(metrics),
      alarmed_(std::move(alarmed)),
      check_(settings_.sources, key_.name) {
  for (const auto& name : settings_.sources.kinds()) {
    Kind kind{name, name == kAnchorTsa ? settings_.stamp_every_ms : 0, nullptr};
    if (name == kAnchorFolder) kind.ask = [this](const CheckpointRow& row) { return keep_in_folder(row); };
    if (name == kAnchorWitness) kind.ask = [this](const CheckpointRow& row) { return ask_witness(row); };
    if (name == kAnchorTsa) kind.ask = [this](const CheckpointRow& row) { return ask_for_stamp(row); };
    kinds_.push_back(std::move(kind));
  }
}

bool Anchors::pass() {
  if (!take_lead()) return false;
  auto done = [this]() -> Result<void> {
    const Tick now = clock_.tick();
    auto newest = newest_checkpoint(place_.session());  // also tells the server that the leader lives
    if (!newest) return newest.error();
    for (auto& kind : kinds_) {
      const bool is_due =
          newest->has_value() && (*newest)->size > kind.size && (!kind.not_before || now >= *kind.not_before);
      if (is_due)
        if (auto stepped = step(kind, **newest); !stepped) return stepped;
      if (auto watched = watch(kind); !watched) return watched;
    }
    if (!checked_at_ || now.us - checked_at_->us >= settings_.check_every_ms * 1000) return check();
    return record();
  }();
  if (!done)
    lose(done.error());
  else
    told_.clear();
  return false;
}

Result<void> Anchors::anchor() {
  place_.ask_at_once();
  if (!take_lead()) return Error{ErrorCode::unavailable, "another daemon anchors the log"};
  auto newest = newest_checkpoint(place_.session());
  if (!newest) return newest.error();
  std::string failed;
  for (auto& kind : kinds_) {
    if (!newest->has_value() || (*newest)->size <= kind.size) continue;
    if (auto done = step(kind, **newest); !done) return done;
    if (!kind.told.empty()) failed += (failed.empty() ? "" : "; ") + kind.told;
  }
  if (auto done = check(); !done) return done;
  if (!failed.empty()) return Error{ErrorCode::unavailable, failed};
  return {};
}

bool Anchors::take_lead() {
  const bool was_leader = place_.is_held();
  auto taken = place_.take();
  auto done = taken && *taken && !was_leader ? begin() : taken ? Result<void>() : taken.error();
  if (done) return *taken;
  lose(done.error());
  return false;
}

void Anchors::lose(const Error& error) {
  if (told_ != error.text) log_.warn("the log is not anchored from here for now", {{"reason", error.text}});
  told_ = error.text;
  place_.leave();
}

// How far others, or this daemon before it was started again, have come.
Result<void> Anchors::begin() {
  for (auto& kind : kinds_) {
    auto newest = newest_anchor(place_.session(), kind.name);
    if (!newest) return newest.error();
    kind.size = newest->has_value() ? (*newest)->size : -1;
    kind.failures = 0;
    kind.not_before.reset();
    if (!newest->has_value()) continue;
    const int64_t left_us = (*newest)->created_at.us + kind.every_ms * 1000 - clock_.wall().us;
    kind.not_before = Tick{clock_.tick().us + std::clamp<int64_t>(left_us, 0, kind.every_ms * 1000)};
  }
  return {};
}

// What fails at the anchor's side is told and tried again later; an error is the session's.
Result<void> Anchors::step(Kind& kind, const CheckpointRow& row) {
  auto token = kind.ask(row);
  if (!token) {
    fail(kind, token.error());
    return {};
  }
  if (auto done = insert_anchor(place_.session(), row.size, kind.name, *token); !done) return done;
  if (!kind.told.empty()) log_.info("the log is anchored again", {{"kind", kind.name}});
  kind.size = row.size;
  kind.told.clear();
  kind.failures = 0;
  kind.not_before = Tick{clock_.tick().us + kind.every_ms * 1000};
  metrics_.add("signet_anchors_total", label(kind.name));
  return {};
}

void Anchors::fail(Kind& kind, const Error& error) {
  metrics_.add("signet_anchors_failed_total", label(kind.name));
  const int64_t wait_ms = std::min(kAgainMsMax, kAgainMs << std::min(kind.failures++, 16));
  kind.not_before = Tick{clock_.tick().us + wait_ms * 1000};
  const std::string text = configured_as(kind.name) + ": " + error.text;
  if (kind.told != text) log_.warn("a checkpoint is not anchored; it is tried again", {{"reason", text}});
  kind.told = text;
}

Result<void> Anchors::watch(Kind& kind) {
  auto waited = unanchored_ms(place_.session(), kind.name);
  if (!waited) return waited.error();
  metrics_.set("signet_anchor_age_seconds", label(kind.name), *waited / 1000);
  const bool is_overdue = *waited > settings_.overdue_ms;
  if (is_overdue && !kind.is_overdue) {
    metrics_.add("signet_alarm", "reason=\"anchor_overdue\"");
    log_.error("ALARM: an anchor is overdue; until it comes, whoever owns the database could rewrite what is newer",
               {{"kind", kind.name}, {"waited_s", std::to_string(*waited / 1000)}, {"reason", kind.told}});
  }
  kind.is_overdue = is_overdue;
  return {};
}

// On a session of its own: to list a folder of millions takes longer than the place waits.
Result<void> Anchors::check() {
  auto session = PgSession::open(reader_);
  if (!session) return session.error();
  auto found = check_.check(**session);
  if (!found && found.error().code == ErrorCode::unavailable) return found.error();
  checked_at_ = clock_.tick();
  if (!found)
    log_.warn("anchors were not checked", {{"reason", found.error().text}});
  else
    std::move(found->begin(), found->end(), std::back_inserter(faults_));
  return record();
}

Result<void> Anchors::record() {
  if (faults_.empty()) return {};
  auto session = PgSession::open(reader_);
  if (!session) return session.error();
  std::vector<IntegrityFault> records;
  for (const auto& fault : faults_) {
    if (fault_told_.insert(fault.text).second)
      log_.warn("an anchor and the log do not agree", {{"fault", fault.what}, {"reason", fault.text}});
    records.push_back({ids_.next(), 0, fault.what, fault.size, std::nullopt, clock_.wall(), "audit.anchor",
                       std::to_string(fault.size), false});
  }
  auto done = record_faults(**session, records, log_, metrics_, alarmed_);
  if (done) faults_.clear();
  return done;
}

Error Anchors::disputed(const CheckpointRow& row, const std::string& what, const std::string& text) {
  faults_.push_back({what, row.size, text});
  return {ErrorCode::corrupt, text};
}

Result<std::string> Anchors::keep_in_folder(const CheckpointRow& row) {
  auto kept = settings_.sources.folder->keep(row.size, row.note);
  if (!kept && kept.error().code == ErrorCode::conflict) return disputed(row, "anchor_conflict", kept.error().text);
  if (!kept) return kept.error();
  return std::string(view(sha256(row.note)));
}

Result<std::string> Anchors::ask_witness(const CheckpointRow& row) {
  auto newest = newest_anchor(place_.session(), kAnchorWitness);
  if (!newest) return newest.error();
  auto old_size = static_cast<uint64_t>(newest->has_value() ? (*newest)->size : 0);
  const auto size = static_cast<uint64_t>(row.size);
  // A second time if it had signed more than was stored here.
  for (int i = 0; i < 2; i++) {
    AddCheckpoint request{old_size, {}, row.note};
    if (old_size > 0) {
      auto proof = ProofBuilder(stored_tiles(place_.session()), size).consistency(old_size);
      if (!proof) return proof.error();
      request.proof = std::move(*proof);
    }
    auto reply = post(settings_.witness_url + "/add-checkpoint", "text/plain; charset=utf-8", print(request));
    if (!reply) return reply.error();
    if (reply->status == 200) return take_cosignature(row.note, reply->body, *settings_.sources.witness);
    if (reply->status == 422)
      return disputed(row, "witness",
                      "the witness signed " + std::to_string(old_size) + " entries that this log does not begin with");
    if (reply->status == 404 || reply->status == 403)
      return Error{ErrorCode::forbidden,
                   "the witness does not know this log and key: start it with --log " + key_.name.vkey()};
    if (reply->status != 409)
      return Error{ErrorCode::unavailable, "the witness answered with status " + std::to_string(reply->status)};
    auto known = parse_known_size(reply->body);
    if (!known) return known.error();
    if (*known > size) {
      auto now = newest_checkpoint(place_.session());
      if (!now) return now.error();
      if (now->has_value() && *known <= static_cast<uint64_t>((*now)->size))
        return Error{ErrorCode::conflict, "another daemon had a newer checkpoint witnessed meanwhile"};
      return disputed(
          row, "witness",
          "the witness signed " + std::to_string(*known) + " entries, and this log has " + std::to_string(size));
    }
    if (*known == old_size) return disputed(row, "witness", "the witness signed another root of the same size");
    if (*known < old_size)
      log_.warn("the witness has forgotten what it signed: its state folder was emptied, or put back from a copy",
                {{"signed", std::to_string(old_size)}, {"knows", std::to_string(*known)}});
    old_size = *known;
  }
  return Error{ErrorCode::conflict, "the witness signs for another daemon meanwhile"};
}

Result<std::string> Anchors::ask_for_stamp(const CheckpointRow& row) {
  const auto request = make_time_stamp_request(row.note, random_);
  auto reply = post(settings_.tsa_url, "application/timestamp-query", request.der);
  if (!reply) return reply.error();
  if (reply->status != 200)
    return Error{ErrorCode::unavailable, "the authority answered with status " + std::to_string(reply->status)};
  auto stamp = read_time_stamp_reply(reply->body, request, row.note, settings_.sources.tsa_ca_file);
  if (!stamp) return stamp.error();
  if (std::abs(stamp->at.us - clock_.wall().us) > kClockMs * 1000)
    return Error{ErrorCode::invalid, "the stamp says " + rfc3339_ms(stamp->at) +
                                         ": set this machine's clock, or ask "
                                         "another authority"};
  return stamp->token;
}

}  // namespace signet

#include "daemon/intake/intake.h"

#include "daemon/api/arrival.h"
#include "daemon/api/decision.h"
#include "daemon/api/events.h"
#include "message/envelope.h"
#include "store/approvals.h"
#include "store/messages.h"

namespace signet {
namespace {

constexpr int kConflictsMax = 3;

IntakeVerdict refused(std::string reason) { return {Taken::refused, std::move(reason)}; }

std::string_view word_of(Taken taken) {
  return taken == Taken::accepted ? "accepted" : taken == Taken::repeated ? "repeated" : "refused";
}

std::string request_id_of(const IntakeEntry& entry) { return "intake-" + entry.id; }

std::string reason_of(const std::vector<api::Fault>& faults) {
  // What lay in the stream too long is no fault of its form.
  return faults.size() == 1 && faults.front().member == "id" ? "ID_LAPSED" : "WRONG_SCHEMA";
}

// The same words to the same person under the same salt: its first version was this one.
bool is_first_version(api::Context& context, const api::Draft& draft) {
  const Digest commit = envelope_commit(draft.handover->salt, draft.content.envelope);
  for (const auto& approval : context.must(list_approvals(context.tx(), draft.handover->id, 1)))
    if (approval.envelope_commit == commit) return true;
  return false;
}

}  // namespace

IntakeVerdict Intake::take(const IntakeEntry& entry) {
  IntakeVerdict verdict = decide(entry);
  if (verdict.taken == Taken::refused) verdict = record_refusal(entry, verdict.reason);
  if (verdict.taken == Taken::later) return verdict;
  metrics_.add("signet_intake_total", "verdict=\"" + std::string(word_of(verdict.taken)) + '"');
  if (verdict.taken != Taken::refused) wait_for("");
  return verdict;
}

IntakeVerdict Intake::decide(const IntakeEntry& entry) {
  if (!entry.refused.empty()) return refused(entry.refused);
  if (entry.envelope.size() > kEnvelopeOctetsMax) return refused("TOO_LARGE");
  auto opened = key_.open(entry.envelope);
  if (!opened) return refused(opened.error().text);
  http::Request request;
  request.body = std::move(*opened);
  request.request_id = request_id_of(entry);
  for (int conflicts = 0;;) {
    api::Context context(request, services_);
    try {
      return hand_over(context);
    } catch (const api::Left& left) {
      if (left.reason == info(api::Code::evidence_faulty).text) {
        wait_for("approvals are stopped while a fault in the evidence is open: GET /api/integrity shows it");
        return {};
      }
      // Another took it in after we had looked: the next look says whether it is the same.
      if (left.reason == "ID_TAKEN" && ++conflicts < kConflictsMax) continue;
      if (left.response.status < 500) {
        const bool is_form = left.reason == info(api::Code::validation_error).text;
        return refused(is_form ? "WRONG_SCHEMA" : left.reason);
      }
      if (left.reason == info(api::Code::unavailable).text) return {};  // the log says why
      if (services_.alarm) services_.alarm("intake");
      return refused(left.reason);
    } catch (const api::Again& again) {
      if (again.error.code != ErrorCode::conflict || ++conflicts == kConflictsMax) return {};
    }
  }
}

IntakeVerdict Intake::hand_over(api::Context& context) {
  auto service = context.must(find_service(context.tx(), service_));
  if (!service) {
    wait_for(
        "redis.intake_service names no enabled account, or several, of the role service: `signetd user add --role "
        "service --name " +
        service_ + "`");
    return {};
  }
  context.called_by({*service, {}, {}});
  api::ReadBody body = api::read_json(context.request.body);
  if (!body.faults.empty()) return refused("WRONG_SCHEMA");
  std::vector<api::Draft> drafts{api::read_draft(body.root, "", body.faults, services_.clock.wall())};
  api::Draft& draft = drafts.front();
  // A repeat is one however old it has become: what was accepted must not be reported as refused.
  if (draft.handover && context.must(read_message(context.tx(), draft.handover->id)))
    return is_first_version(context, draft) ? IntakeVerdict{Taken::repeated} : refused("ID_TAKEN");
  if (!body.faults.empty()) return refused(reason_of(body.faults));
  if (!draft.handover) return refused("UNSIGNED");
  draft.source = "intake";
  check_people(context, drafts);
  std::vector<Hint> hints;
  if (!take_in(context, draft, hints).is_new) return refused("REFERENCE_TAKEN");
  context.commit();
  offer(context, std::move(hints));
  return {Taken::accepted};
}

IntakeVerdict Intake::record_refusal(const IntakeEntry& entry, const std::string& reason) {
  Event event;
  event.id = services_.ids.next();
  event.at = services_.clock.wall();
  event.actor.id = services_.instance;
  event.actor.role = "daemon";
  event.action = "intake_refused";
  event.object.type = "envelope";
  event.reason_code = reason;
  event.request_id = request_id_of(entry);
  if (!entry.sha256.empty()) event.detail.emplace_back("envelopeSha256", entry.sha256);
  event.detail.emplace_back("streamId", entry.id);
  auto session = services_.pool.take();
  if (!session) return {};
  PgTransaction tx(**session);
  if (!insert_entry(tx, entry_of(event, {})) || !tx.commit()) return {};
  services_.log.warn("an envelope of the intake stream was refused", {{"stream_id", entry.id}, {"reason", reason}});
  return refused(reason);
}

void Intake::wait_for(const std::string& what) {
  std::lock_guard guard(lock_);
  if (!what.empty() && what != waits_for_) services_.log.warn("the intake stream waits", {{"reason", what}});
  waits_for_ = what;
}

std::string Intake::waits_for() const {
  std::lock_guard guard(lock_);
  return waits_for_;
}

}  // namespace signet

// The evidence's own state: what was verified and up to where, what does not verify, who has looked at it.
#include "store/integrity.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/api/body.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/tasks.h"
#include "daemon/evidence/verification_task.h"
#include "store/anchors.h"
#include "store/migrate.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kPlaceMax = int64_t{1} << 53;  // integers of the log stay below
constexpr int kFaultsShown = 100;
constexpr int kAnchorsShown = 20;
constexpr char kReasonRemedy[] = "write investigated, restored, hardware, operator_error, attack or test";

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json fault_json(const IntegrityFault& fault, const Acknowledgement* by) {
  Json out{{"id", fault.id.text()},
           {"what", fault.what},
           {"level", fault.level},
           {"seq", optional(fault.seq)},
           {"eventId", fault.event_id ? Json(fault.event_id->text()) : Json(nullptr)},
           {"table", text_or_null(fault.relation)},
           {"rowKey", text_or_null(fault.row_key)},
           {"at", rfc3339(fault.at)},
           {"acknowledgement", nullptr}};
  if (by) out["acknowledgement"] = {{"by", by->by_user.text()}, {"reason", by->reason}, {"at", rfc3339(by->at)}};
  return out;
}

Json faults_json(Context& context, PgSession& session) {
  const auto faults = context.must(read_faults(session, kFaultsShown));
  std::vector<Uuid> ids;
  for (const auto& fault : faults) ids.push_back(fault.id);
  const auto known = context.must(list_acknowledgements(context.tx(), ids));
  Json out = Json::array();
  for (const auto& fault : faults) {
    const auto by = std::find_if(known.begin(), known.end(), [&](const auto& a) { return a.fault_id == fault.id; });
    out.push_back(fault_json(fault, by == known.end() ? nullptr : &*by));
  }
  return out;
}

Json levels_json(const std::vector<Verification>& levels) {
  Json out = Json::array();
  for (const auto& one : levels)
    out.push_back({{"level", one.level},
                   {"size", one.size},
                   {"root", one.root ? Json(to_hex(view(*one.root))) : Json(nullptr)},
                   {"at", rfc3339(one.at)}});
  return out;
}

}  // namespace

http::Response post_verify_integrity(Context& context) {
  context.only_query({"wait"});
  must_be_allowed(context, Action::export_evidence);
  std::optional<int64_t> from, to;
  if (!context.request.body.empty()) {
    ReadBody body = context.body();
    Members members(body.root, "", body.faults);
    from = members.integer("from", 0, kPlaceMax);
    to = members.integer("to", 1, kPlaceMax);
    if (from && to && *to <= *from) members.refuse("to", "is not after from", "leave both out to verify all of it");
    members.finish();
    context.refuse_faults(body.faults);
  }
  const Task task = new_task(context, kVerificationTask, verification_parameters(from, to), false);
  Event event = new_event(context, "integrity_check_asked");
  event.object.type = "task";
  if (from) event.detail.emplace_back("from", *from);
  if (to) event.detail.emplace_back("to", *to);
  context.must(insert_entry(context.tx(), beside(std::move(event), task.id)));
  return accept(context, task);
}

http::Response get_integrity(Context& context) {
  context.only_query({});
  must_be_allowed(context, Action::export_evidence);
  auto session = context.must(context.services.pool.take());
  const auto backlog = context.must(read_backlog(*session));
  const auto newest = context.must(newest_checkpoint(*session));
  const int64_t open = context.must(count_faults(*session));
  Json out{{"logSize", backlog.size}, {"checkpoint", nullptr}};
  if (newest)
    out["checkpoint"] = {{"size", newest->size}, {"root", to_hex(view(newest->root))}, {"note", newest->note}};
  out["levels"] = levels_json(context.must(read_verifications(*session)));
  out["openFaults"] = open;
  out["faults"] = faults_json(context, *session);
  out["anchors"] = Json::array();
  for (const auto& anchor : context.must(list_anchors(*session, kAnchorsShown)))
    out["anchors"].push_back({{"size", anchor.size}, {"kind", anchor.kind}, {"createdAt", rfc3339(anchor.created_at)}});
  out["guarded"] = context.must(has_guards(*session));
  Event event = new_event(context, "integrity_read");
  event.object.type = "log";
  event.detail = {{"faults", open}};
  context.must(insert_entry(context.tx(), beside(std::move(event), {})));
  context.commit();
  return http::json(200, out.dump());
}

http::Response post_acknowledge_fault(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  context.concerns(id, "fault");
  must_be_allowed(context, Action::administer);
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("reason", kReasonRemedy);
  const auto reason = members.text("reason", 64);
  if (reason && std::find(std::begin(kAcknowledgementReasons), std::end(kAcknowledgementReasons), *reason) ==
                    std::end(kAcknowledgementReasons))
    members.refuse("reason", "is not one of its words", kReasonRemedy);
  members.finish();
  context.refuse_faults(body.faults);
  auto fault = context.must(read_fault(context.tx(), id));
  if (!fault) context.refuse({.code = Code::not_found, .title = "There is no fault with this id"});
  if (fault->is_acknowledged)
    context.refuse({.code = Code::status_conflict,
                    .title = "This fault is acknowledged already",
                    .detail = "GET /api/integrity says by whom.",
                    .reason = "ACKNOWLEDGED"});
  const Acknowledgement row{id, context.user_id(), *reason, context.services.clock.wall()};
  context.must(insert_acknowledgement(context.tx(), row));
  Event event = new_event(context, "integrity_fault_acknowledged");
  event.object.type = "fault";
  event.detail = {{"fault", fault->what}, {"reason", *reason}};
  if (fault->event_id) event.detail.emplace_back("eventId", fault->event_id->text());
  if (fault->seq) event.detail.emplace_back("row", *fault->seq);
  if (!fault->relation.empty()) event.detail.emplace_back("table", fault->relation);
  context.must(insert_entry(context.tx(), beside(std::move(event), id)));
  context.commit();
  return http::json(200, fault_json(*fault, &row).dump());
}

}  // namespace signet::api

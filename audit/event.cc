#include "audit/event.h"

#include <algorithm>

#include "audit/actions.h"
#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/check.h"

namespace signet {
namespace {

class ObjectWriter {  // members must come in sorted order
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    member(name);
    append_json_string(out_, value);
  }
  void hash(std::string_view name, const std::optional<Digest>& value) {
    if (value) text(name, to_hex(view(*value)));
  }
  void raw(std::string_view name, std::string_view json) {
    member(name);
    out_ += json;
  }
  void member(std::string_view name) {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    append_json_string(out_, name);
    out_ += ':';
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool is_first_ = true;
};

void append_detail(std::string& out, std::vector<std::pair<std::string, DetailValue>> detail) {
  std::sort(detail.begin(), detail.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  ObjectWriter writer(out);
  for (const auto& [key, value] : detail) {
    if (const auto* flag = std::get_if<bool>(&value)) writer.raw(key, *flag ? "true" : "false");
    if (const auto* number = std::get_if<int64_t>(&value)) writer.raw(key, std::to_string(*number));
    if (const auto* word = std::get_if<std::string>(&value)) {
      writer.member(key);
      append_json_string(out, *word);
    }
  }
  writer.end();
}

DetailType type_of(const DetailValue& value) {
  if (std::holds_alternative<bool>(value)) return DetailType::flag;
  return std::holds_alternative<int64_t>(value) ? DetailType::number : DetailType::word;
}

}  // namespace

std::string misfit(const Event& event) {
  const AuditAction* action = find_action(event.action);
  if (action == nullptr) return "there is no audit action " + event.action;
  if (event.object.n ? action->chained == Chained::never : action->chained == Chained::always)
    return "object.n is " + std::string(event.object.n ? "given" : "missing") + " in an event " + event.action;
  const auto members = action->detail();
  for (const auto& [name, value] : event.detail) {
    const auto found =
        std::find_if(members.begin(), members.end(), [&](const DetailMember& m) { return m.name == name; });
    if (found == members.end()) return "detail of " + event.action + " has no member " + name;
    if (found->type != type_of(value)) return "detail member " + name + " of " + event.action + " is of another type";
  }
  return "";
}

std::string canonical(const Event& event) {
  if (const std::string fault = misfit(event); !fault.empty()) check_failed(fault.c_str(), __FILE__, __LINE__);
  std::string out;
  out.reserve(640);
  ObjectWriter top(out);
  top.text("action", event.action);
  top.member("actor");
  {
    ObjectWriter actor(out);
    actor.text("id", event.actor.id);
    actor.text("ip", event.actor.ip);
    actor.text("role", event.actor.role);
    actor.text("session", event.actor.session);
    actor.text("uaHash", event.actor.ua_hash);
    actor.end();
  }
  top.text("at", rfc3339(event.at));
  if (event.attempt) {
    top.member("attempt");
    ObjectWriter attempt(out);
    attempt.raw("no", std::to_string(event.attempt->no));
    attempt.text("permitAt", rfc3339(event.attempt->permit_at));
    attempt.text("provider", event.attempt->provider);
    attempt.end();
  }
  top.hash("attemptSha256", event.attempt_sha256);
  top.hash("callbackSha256", event.callback_sha256);
  if (!event.detail.empty()) {
    top.member("detail");
    append_detail(out, event.detail);
  }
  top.hash("envelopeCommit", event.envelope_commit);
  top.text("id", event.id.text());
  top.member("object");
  {
    ObjectWriter object(out);
    object.text("id", event.object.id);
    object.raw("n", event.object.n ? std::to_string(*event.object.n) : "null");
    object.raw("prev", event.object.prev ? '"' + to_hex(view(*event.object.prev)) + '"' : "null");
    object.text("type", event.object.type);
    object.end();
  }
  top.hash("provenanceSha256", event.provenance_sha256);
  top.text("reasonCode", event.reason_code);
  top.text("requestId", event.request_id);
  top.text("status", event.status);
  top.raw("v", "1");
  top.end();
  return out;
}

Digest leaf_hash(std::string_view canon) {
  std::string data;
  data.reserve(canon.size() + 1);
  data += '\0';
  data += canon;
  return sha256(data);
}

}  // namespace signet

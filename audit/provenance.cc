#include "audit/provenance.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

using Json = nlohmann::json;

// Thrown and caught in this file: reading is nested, and a refusal ends all of it.
struct Fault {
  std::string text;
};

void set_if(Json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = value;
}

Json embedded(const std::string& json, const char* name) {
  const auto canon = canonicalize(json);  // also refuses a member that is there twice
  if (!canon) throw Fault{std::string(name) + " does not read: " + canon.error().text};
  return Json::parse(*canon);
}

double finite(double value, const char* name) {
  if (!std::isfinite(value)) throw Fault{std::string(name) + " is no finite number"};
  return value;
}

Json json_of(const ProvenanceSource& s) {
  return {{"id", s.id}, {"type", s.type}, {"name", s.name}, {"createdAt", rfc3339(s.created_at)}};
}

Json json_of(const ProvenanceValue& v) {
  Json out{{"id", v.id}, {"name", v.name}, {"value", v.value}, {"verified", v.is_verified}};
  set_if(out, "unit", v.unit);
  if (v.verified_at) out["verifiedAt"] = rfc3339(*v.verified_at);
  set_if(out, "verifiedBy", v.verified_by);
  return out;
}

Json json_of(const ProvenanceCheck& c) {
  Json out{{"id", c.id},
           {"flaggedText", c.flagged_text},
           {"severity", c.severity},
           {"reason", c.reason},
           {"dismissed", c.is_dismissed}};
  set_if(out, "dismissedReason", c.dismissed_reason);
  return out;
}

Json json_of(const ProvenanceEdit& e) {
  Json out{{"type", e.type}, {"index", e.index}, {"timestamp", rfc3339(e.timestamp)}};
  if (e.original_text) out["originalText"] = *e.original_text;
  if (e.new_text) out["newText"] = *e.new_text;
  return out;
}

Json json_of(const ProvenanceApproval& a) {
  return {{"signerId", a.signer_id},
          {"role", a.role},
          {"at", rfc3339(a.at)},
          {"meaning", a.meaning},
          {"algorithm", a.algorithm},
          {"custody", a.custody},
          {"keyId", a.key_id},
          {"envelopeCommit", a.envelope_commit},
          {"dsse", embedded(a.dsse, "approvals.dsse")}};
}

template <class T>
Json list_of(const std::vector<T>& items) {
  Json out = Json::array();
  for (const auto& item : items) out.push_back(json_of(item));
  return out;
}

// One object being read: each member is asked for once, and what nobody asked for is refused.
class Members {
 public:
  Members(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.is_object()) throw Fault{name("") + " is no object"};
  }

  const Json* find(const char* member) {
    known_.insert(member);
    const auto found = object_.find(member);
    return found == object_.end() ? nullptr : &*found;
  }
  const Json& at(const char* member) {
    const Json* found = find(member);
    if (found == nullptr) throw Fault{name(member) + " is missing"};
    return *found;
  }
  std::string text(const char* member) { return text_of(at(member), member); }
  std::string text_or_empty(const char* member) {
    const Json* found = find(member);
    return found == nullptr ? "" : text_of(*found, member);
  }
  std::optional<std::string> optional_text(const char* member) {
    const Json* found = find(member);
    return found == nullptr ? std::nullopt : std::optional(text_of(*found, member));
  }
  WallTime time(const char* member) {
    const auto read = parse_rfc3339(text(member));
    if (!read) throw Fault{name(member) + " is no time"};
    return *read;
  }
  bool flag(const char* member) {
    const Json& found = at(member);
    if (!found.is_boolean()) throw Fault{name(member) + " is not true or false"};
    return found.get<bool>();
  }
  int64_t integer(const char* member) {
    const Json& found = at(member);
    if (!found.is_number_integer()) throw Fault{name(member) + " is no integer"};
    return found.get<int64_t>();
  }
  double number(const char* member) {
    const Json& found = at(member);
    if (!found.is_number()) throw Fault{name(member) + " is no number"};
    return found.get<double>();
  }
  Members object(const char* member) { return {at(member), name(member)}; }
  template <class Read>
  void each(const char* member, Read read) {
    const Json& list = at(member);
    if (!list.is_array()) throw Fault{name(member) + " is no list"};
    for (const auto& item : list) {
      Members members(item, name(member));
      read(members);
      members.finish();
    }
  }
  void finish() const {
    for (const auto& [member, value] : object_.items())
      if (known_.count(member) == 0) throw Fault{name(member) + " is not known"};
  }

 private:
  std::string name(const std::string& member) const {
    if (member.empty()) return path_.empty() ? "the record" : path_;
    return path_.empty() ? member : path_ + "." + member;
  }
  std::string text_of(const Json& value, const char* member) const {
    if (!value.is_string()) throw Fault{name(member) + " is no text"};
    return value.get<std::string>();
  }

  const Json& object_;
  std::string path_;
  std::set<std::string> known_;
};

Provenance read(const Json& json) {
  Provenance p;
  Members top(json, "");
  p.letter_id = top.text("letterId");
  p.generated_at = top.time("generatedAt");
  p.approved_at = top.time("approvedAt");
  p.primary_model = top.text("primaryModel");
  if (!top.at("criticModel").is_null()) p.critic_model = top.text("criticModel");
  p.input_tokens = top.integer("inputTokens");
  p.output_tokens = top.integer("outputTokens");
  p.generation_duration_ms = top.integer("generationDurationMs");
  top.each("sourceFiles", [&](Members& m) {
    p.source_files.push_back({m.text("id"), m.text("type"), m.text("name"), m.time("createdAt")});
  });
  top.each("extractedValues", [&](Members& m) {
    ProvenanceValue v{
        m.text("id"), m.text("name"), m.text("value"), m.text_or_empty("unit"), m.flag("verified"), {}, {}};
    if (m.find("verifiedAt") != nullptr) v.verified_at = m.time("verifiedAt");
    v.verified_by = m.text_or_empty("verifiedBy");
    p.extracted_values.push_back(std::move(v));
  });
  top.each("hallucinationChecks", [&](Members& m) {
    p.hallucination_checks.push_back({m.text("id"), m.text("flaggedText"), m.text("severity"), m.text("reason"),
                                      m.flag("dismissed"), m.text_or_empty("dismissedReason")});
  });
  Members physician = top.object("reviewingPhysician");
  p.reviewing_physician = {physician.text("id"), physician.text("name"), physician.text("email")};
  physician.finish();
  p.review_duration_ms = top.integer("reviewDurationMs");
  top.each("edits", [&](Members& m) {
    p.edits.push_back({m.text("type"), m.integer("index"), m.optional_text("originalText"), m.optional_text("newText"),
                       m.time("timestamp")});
  });
  Members diff = top.object("contentDiff");
  p.content_diff = {diff.text("original"), diff.text("final"), diff.number("percentChanged")};
  diff.finish();
  p.verification_rate = top.number("verificationRate");
  p.hallucination_risk_score = top.number("hallucinationRiskScore");
  Members generation = top.object("generation");
  if (const Json* parameters = generation.find("parameters"))
    p.generation_parameters = *canonicalize(parameters->dump());
  generation.finish();
  top.each("approvals", [&](Members& m) {
    p.approvals.push_back({m.text("signerId"), m.text("role"), m.time("at"), m.text("meaning"), m.text("algorithm"),
                           m.text("custody"), m.text("keyId"), m.text("envelopeCommit"),
                           *canonicalize(m.at("dsse").dump())});
  });
  auto nonce = from_base64(top.text("nonce"));
  if (!nonce || nonce->size() != 32) throw Fault{"nonce is not 32 octets in base64"};
  p.nonce = std::move(*nonce);
  top.finish();
  return p;
}

Error invalid(const std::string& why) { return {ErrorCode::invalid, "a provenance record is not whole: " + why}; }

}  // namespace

Result<std::string> canonical(const Provenance& p) {
  if (p.nonce.size() != 32) return invalid("nonce is not 32 octets");
  try {
    Json generation = Json::object();
    if (!p.generation_parameters.empty())
      generation["parameters"] = embedded(p.generation_parameters, "generation.parameters");
    const Json out{
        {"letterId", p.letter_id},
        {"generatedAt", rfc3339(p.generated_at)},
        {"approvedAt", rfc3339(p.approved_at)},
        {"primaryModel", p.primary_model},
        {"criticModel", p.critic_model ? Json(*p.critic_model) : Json()},
        {"inputTokens", p.input_tokens},
        {"outputTokens", p.output_tokens},
        {"generationDurationMs", p.generation_duration_ms},
        {"sourceFiles", list_of(p.source_files)},
        {"extractedValues", list_of(p.extracted_values)},
        {"hallucinationChecks", list_of(p.hallucination_checks)},
        {"reviewingPhysician",
         {{"id", p.reviewing_physician.id},
          {"name", p.reviewing_physician.name},
          {"email", p.reviewing_physician.email}}},
        {"reviewDurationMs", p.review_duration_ms},
        {"edits", list_of(p.edits)},
        {"contentDiff",
         {{"original", p.content_diff.original},
          {"final", p.content_diff.final},
          {"percentChanged", finite(p.content_diff.percent_changed, "contentDiff.percentChanged")}}},
        {"verificationRate", finite(p.verification_rate, "verificationRate")},
        {"hallucinationRiskScore", finite(p.hallucination_risk_score, "hallucinationRiskScore")},
        {"generation", std::move(generation)},
        {"approvals", list_of(p.approvals)},
        {"nonce", to_base64(p.nonce)},
    };
    return canonicalize(out.dump());
  } catch (const Fault& fault) {
    return invalid(fault.text);
  } catch (const Json::exception&) {  // dump() refuses bad UTF-8; its text would quote it
    return invalid("a text is not UTF-8");
  }
}

Result<Provenance> parse_provenance(std::string_view json) {
  const auto canon = canonicalize(json);
  if (!canon) return canon.error();
  try {
    return read(Json::parse(*canon));
  } catch (const Fault& fault) {
    return invalid(fault.text);
  } catch (const Json::exception&) {
    return invalid("a number is out of range");
  }
}

}  // namespace signet

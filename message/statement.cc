#include "message/statement.h"

#include <array>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/check.h"

namespace signet {
namespace {

constexpr size_t kOctetsMax = 4096;
constexpr size_t kNonceOctets = 32;
constexpr std::array<std::string_view, 13> kMembers{
    "at",   "decision", "diffCommit", "envelopeCommit",   "meaning", "messageId", "nonce", "policyId",
    "role", "signer",   "v",          "validationSha256", "version"};

std::string hex_or_null(const std::optional<Digest>& digest) {
  return digest ? '"' + to_hex(view(*digest)) + '"' : "null";
}

Error refusal(std::string_view what) {
  return {ErrorCode::invalid, "the approval statement " + std::string(what) +
                                  "; sign the bytes that approval-statement returned, or their RFC 8785 form"};
}

class Reader {  // keeps the first fault
 public:
  explicit Reader(const nlohmann::json& root) : root_(root) {}

  std::string text(const char* name) {
    if (root_[name].is_string()) return root_[name].get<std::string>();
    fault(name);
    return {};
  }
  int number(const char* name) {
    const auto& value = root_[name];
    if (value.is_number_unsigned() && value.get<uint64_t>() <= 0x7fffffff) return value.get<int>();
    fault(name);
    return 0;
  }
  template <class T>
  T id_or_time(const char* name, Result<T> (*parse)(std::string_view)) {
    auto value = parse(text(name));
    if (value) return *value;
    fault(name);
    return {};
  }
  std::string octets(const char* name) {
    auto value = from_hex(text(name));
    if (value && value->size() == 32) return *value;
    fault(name);
    return std::string(32, '\0');  // refused in the end, but of the right size
  }
  std::optional<Digest> digest_or_null(const char* name) {
    if (root_[name].is_null()) return std::nullopt;
    return digest_from(octets(name));
  }
  template <class T, size_t n>
  T word(const char* name, const std::array<T, n>& values) {
    const std::string found = text(name);
    for (const T value : values)
      if (signet::name(value) == found) return value;
    fault(name);
    return values[0];
  }
  void fault(const char* name) {
    if (fault_.empty()) fault_ = name;
  }
  const std::string& fault() const { return fault_; }

 private:
  const nlohmann::json& root_;
  std::string fault_;
};

}  // namespace

std::string_view name(Decision decision) {
  switch (decision) {
    case Decision::approved:
      return "approved";
    case Decision::rejected:
      return "rejected";
  }
  return "unknown";
}

std::string_view name(Meaning meaning) {
  switch (meaning) {
    case Meaning::approved:
      return "approved";
    case Meaning::approved_own_letter:
      return "approved_own_letter";
    case Meaning::second_signature:
      return "second_signature";
    case Meaning::sent_directly:
      return "sent_directly";
  }
  return "unknown";
}

std::string canonical(const Statement& statement) {
  SIGNET_CHECK(statement.nonce.size() == kNonceOctets);
  std::string out = "{\"at\":\"" + rfc3339(statement.at) + "\",\"decision\":\"";
  out += name(statement.decision);
  out += "\",\"diffCommit\":" + hex_or_null(statement.diff_commit);
  out += ",\"envelopeCommit\":" + hex_or_null(statement.envelope_commit);
  out += ",\"meaning\":\"";
  out += name(statement.meaning);
  out += "\",\"messageId\":\"" + statement.message_id.text() + "\",\"nonce\":\"" + to_hex(statement.nonce);
  out += "\",\"policyId\":";
  append_json_string(out, statement.policy_id);
  out += ",\"role\":\"";
  out += name(statement.role);
  out += "\",\"signer\":\"" + statement.signer.text() + "\",\"v\":1";
  out += ",\"validationSha256\":" + hex_or_null(statement.validation_sha256);
  out += ",\"version\":" + std::to_string(statement.version) + '}';
  return out;
}

Result<Statement> parse_statement(std::string_view json) {
  if (json.size() > kOctetsMax) return refusal("is too long");
  const auto root = nlohmann::json::parse(json, nullptr, false);
  if (!root.is_object()) return refusal("is no JSON object");
  for (const std::string_view member : kMembers)
    if (!root.contains(std::string(member))) return refusal("has no `" + std::string(member) + "`");
  if (root.size() != kMembers.size()) return refusal("has a member that does not belong to it");

  Reader read(root);
  Statement out;
  if (read.number("v") != 1) read.fault("v");
  out.message_id = read.id_or_time("messageId", &parse_uuid);
  out.version = read.number("version");
  out.envelope_commit = digest_from(read.octets("envelopeCommit"));
  out.diff_commit = read.digest_or_null("diffCommit");
  out.validation_sha256 = read.digest_or_null("validationSha256");
  out.decision = read.word("decision", std::array{Decision::approved, Decision::rejected});
  out.meaning = read.word("meaning", std::array{Meaning::approved, Meaning::approved_own_letter,
                                                Meaning::second_signature, Meaning::sent_directly});
  out.signer = read.id_or_time("signer", &parse_uuid);
  out.role = read.word(
      "role", std::array{Role::staff, Role::reviewer, Role::doctor, Role::admin, Role::auditor, Role::service});
  out.at = read.id_or_time("at", &parse_rfc3339);
  out.policy_id = read.text("policyId");
  out.nonce = read.octets("nonce");
  if (!read.fault().empty()) return refusal("has a `" + read.fault() + "` that cannot be read");
  if (canonical(out) != json) return refusal("is not in its canonical form, or names a member twice");
  return out;
}

Digest diff_commit(std::string_view salt, std::string_view canonical_diff) { return hmac_sha256(salt, canonical_diff); }

}  // namespace signet

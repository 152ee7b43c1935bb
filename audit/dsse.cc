#include "audit/dsse.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

Error bad_envelope(const char* why) { return {ErrorCode::invalid, std::string("not a DSSE envelope: ") + why}; }

// "Either standard or URL-safe encoding is allowed" (envelope.md).
Result<std::string> decode(const std::string& text) {
  if (auto octets = from_base64(text)) return octets;
  std::string_view url_safe = text;
  if (url_safe.size() % 4 == 0)
    for (int i = 0; i < 2 && url_safe.ends_with('='); i++) url_safe.remove_suffix(1);
  return from_base64url(url_safe);
}

const std::string* text_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

}  // namespace

std::string pre_authentication_encoding(std::string_view payload_type, std::string_view payload) {
  std::string out = "DSSEv1 " + std::to_string(payload_type.size()) + ' ';
  out += payload_type;
  out += ' ' + std::to_string(payload.size()) + ' ';
  out += payload;
  return out;
}

Result<DsseEnvelope> DsseEnvelope::parse(std::string_view json) {
  if (json.size() > 2 * kDssePayloadMax) return Error{ErrorCode::limit, "a DSSE envelope is larger than 8 MiB"};
  const auto canon = canonicalize(json);  // also refuses a member that is there twice
  if (!canon) return canon.error();
  const auto object = nlohmann::json::parse(*canon);
  if (!object.is_object()) return bad_envelope("no JSON object");
  const auto* type = text_member(object, "payloadType");
  const auto* payload = text_member(object, "payload");
  if (type == nullptr || payload == nullptr) return bad_envelope("payload or payloadType is missing or no text");
  auto octets = decode(*payload);
  if (!octets) return bad_envelope("payload is not base64");
  if (octets->size() > kDssePayloadMax) return Error{ErrorCode::limit, "a DSSE payload is larger than 4 MiB"};
  DsseEnvelope envelope(*type, std::move(*octets));
  const auto signatures = object.find("signatures");
  if (signatures == object.end() || !signatures->is_array() || signatures->empty())
    return bad_envelope("signatures is missing or empty");
  if (signatures->size() > kDsseSignaturesMax)
    return Error{ErrorCode::limit, "a DSSE envelope has more than 16 signatures"};
  for (const auto& signature : *signatures) {
    if (!signature.is_object()) return bad_envelope("a signature is no JSON object");
    const auto* sig = text_member(signature, "sig");
    if (sig == nullptr) return bad_envelope("a signature has no sig");
    auto raw = decode(*sig);
    if (!raw || raw->empty()) return bad_envelope("a sig is not base64");
    const auto* key_id = text_member(signature, "keyid");
    if (key_id == nullptr && signature.contains("keyid")) return bad_envelope("a keyid is no text");
    envelope.add_signature({key_id == nullptr ? "" : *key_id, std::move(*raw)});
  }
  return envelope;
}

Result<void> DsseEnvelope::sign(const SigningKey& key) {
  auto octets = key.sign(pre_authentication_encoding(payload_type_, payload_));
  if (!octets) return octets.error();
  add_signature({key.public_key().key_id(), std::move(*octets)});
  return {};
}

std::string DsseEnvelope::json() const {
  std::string out = "{\"payload\":\"" + to_base64(payload_) + "\",\"payloadType\":";
  append_json_string(out, payload_type_);
  out += ",\"signatures\":[";
  for (const auto& signature : signatures_) {
    if (out.back() != '[') out += ',';
    out += "{\"keyid\":";
    append_json_string(out, signature.key_id);
    out += ",\"sig\":\"" + to_base64(signature.octets) + "\"}";
  }
  return out + "]}";
}

Result<DsseEnvelope::Verified> DsseEnvelope::verify(std::string_view payload_type,
                                                    std::span<const VerifyKey> keys) const {
  if (payload_type != payload_type_)
    return Error{ErrorCode::invalid, "a DSSE payload is not of type " + std::string(payload_type)};
  const std::string signed_octets = pre_authentication_encoding(payload_type_, payload_);
  Verified verified{payload_, {}};
  // Every key is tried on every signature: a key id is not authenticated, so it can spare work but decide nothing.
  for (size_t i = 0; i < keys.size(); i++) {
    const bool is_repeated = std::any_of(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(i),
                                         [&](const VerifyKey& before) { return before.spki() == keys[i].spki(); });
    if (!is_repeated && std::any_of(signatures_.begin(), signatures_.end(),
                                    [&](const DsseSignature& s) { return keys[i].verify(signed_octets, s.octets); }))
      verified.keys.push_back(i);
  }
  if (verified.keys.empty()) return Error{ErrorCode::corrupt, "no signature of the DSSE envelope is by a known key"};
  return verified;
}

}  // namespace signet

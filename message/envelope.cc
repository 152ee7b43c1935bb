#include "message/envelope.h"

#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

constexpr char kPackVersion = 1;

void append_field(std::string& to, std::string_view field) {
  append_u32(to, static_cast<uint32_t>(field.size()));
  to += field;
}

}  // namespace

std::string canonical(const Envelope& envelope) {
  std::string out = "{\"attachments\":[";
  for (size_t i = 0; i < envelope.attachments.size(); i++) {
    if (i > 0) out += ',';
    append_json_string(out, to_hex(view(envelope.attachments[i])));
  }
  out += "],\"body\":";
  append_json_string(out, envelope.body);
  out += ",\"kind\":";
  append_json_string(out, name(envelope.kind));
  out += ",\"recipient\":";
  append_json_string(out, envelope.recipient);
  out += ",\"subject\":";
  append_json_string(out, envelope.subject);
  out += '}';
  return out;
}

Digest envelope_commit(std::string_view salt, const Envelope& envelope) {
  return hmac_sha256(salt, canonical(envelope));
}

Digest approval_mac(std::string_view key, const Uuid& message_id, int version, const Digest& commit,
                    std::string_view policy_id) {
  std::string covered(message_id.view());
  append_u32(covered, static_cast<uint32_t>(version));
  covered += view(commit);
  covered += policy_id;  // last, so that its length needs no mark
  return hmac_sha256(key, covered);
}

Digest recipient_key(std::string_view index_key, std::string_view recipient) {
  return hmac_sha256(index_key, "recipient\n" + std::string(recipient));
}

Digest patient_key(std::string_view index_key, std::string_view patient_id) {
  return hmac_sha256(index_key, "patient\n" + std::string(patient_id));
}

Digest content_key(std::string_view index_key, std::string_view body) {
  return hmac_sha256(index_key, "content\n" + std::string(body));
}

std::string pack(std::string_view salt, const Envelope& envelope) {
  SIGNET_CHECK(salt.size() == 32);
  std::string out;
  out.reserve(64 + envelope.recipient.size() + envelope.subject.size() + envelope.body.size());
  out += kPackVersion;
  out += salt;
  append_u16(out, static_cast<uint16_t>(envelope.kind));
  append_field(out, envelope.recipient);
  append_field(out, envelope.subject);
  append_field(out, envelope.body);
  append_u32(out, static_cast<uint32_t>(envelope.attachments.size()));
  for (const auto& digest : envelope.attachments) out += view(digest);
  return out;
}

Result<Unpacked> unpack(std::string_view packed) {
  const Error corrupt{ErrorCode::corrupt, "the sealed envelope has an unknown form"};
  auto take = [&packed](size_t size, std::string_view& to) {
    if (packed.size() < size) return false;
    to = packed.substr(0, size);
    packed.remove_prefix(size);
    return true;
  };
  auto take_field = [&](std::string& to) {
    std::string_view size, octets;
    if (!take(4, size) || !take(read_big_endian(size), octets)) return false;
    to = octets;
    return true;
  };
  Unpacked out;
  std::string_view version, salt, kind, count;
  if (!take(1, version) || version[0] != kPackVersion || !take(32, salt) || !take(2, kind)) return corrupt;
  out.salt = salt;
  out.envelope.kind = static_cast<Kind>(read_big_endian(kind));
  if (!take_field(out.envelope.recipient) || !take_field(out.envelope.subject) || !take_field(out.envelope.body) ||
      !take(4, count))
    return corrupt;
  for (uint64_t left = read_big_endian(count); left > 0; left--) {
    std::string_view digest;
    if (!take(32, digest)) return corrupt;
    out.envelope.attachments.push_back(digest_from(digest));
  }
  if (!packed.empty()) return corrupt;
  return out;
}

std::string seal_binding(std::string_view table, const Uuid& row, int version, std::string_view field) {
  std::string out = "{\"field\":";
  append_json_string(out, field);
  out += ",\"row\":\"" + row.text() + "\",\"table\":";
  append_json_string(out, table);
  out += ",\"version\":" + std::to_string(version) + '}';
  return out;
}

}  // namespace signet

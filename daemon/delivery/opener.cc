#include "daemon/delivery/opener.h"

#include "base/bytes.h"
#include "message/policy.h"

namespace signet {

namespace {

// Its author's, and to somebody whom the configuration names, or in its words: no person approved it.
bool is_own_writing(const Permit& permit, const Envelope& envelope, const OwnWriting& own) {
  const std::string author = kSystemUser.text();
  if (permit.sender != author.substr(author.size() - 12)) return false;
  if (envelope.kind == Kind::sms) return !own.help_text.empty() && envelope.body == own.help_text;
  return envelope.kind == Kind::email && own.recipients.contains(envelope.recipient);
}

}  // namespace

Result<Envelope> open_and_check(const Keyring& keys, const Permit& permit, const OwnWriting& own) {
  auto fault = [](std::string text) { return Error{ErrorCode::corrupt, std::move(text)}; };
  if (permit.wrapped_key.empty()) return Error{ErrorCode::not_found, "the data key is missing"};
  if (permit.sealed.empty()) return fault("the sealed envelope is missing");
  if (permit.envelope_commit.size() != 32 || permit.approval_mac.size() != 32)
    return fault("no approval covers this version");
  auto key = keys.unwrap(permit.id.text(), permit.kek_id, permit.wrapped_key);
  if (!key) return fault("the data key does not open: " + key.error().text);
  auto packed =
      unseal(key->octets(), seal_binding("content", permit.id, permit.content_version, "sealed"), permit.sealed);
  if (!packed) return fault("the envelope does not open");
  auto unpacked = unpack(*packed);
  if (!unpacked) return fault("the envelope does not unpack");
  const Envelope& envelope = unpacked->envelope;
  const Digest commit = envelope_commit(unpacked->salt, envelope);
  if (permit.content_version != permit.version || !is_equal_constant_time(view(commit), permit.envelope_commit))
    return fault("the envelope is not the approved one");
  const Digest mac = approval_mac(keys.mac_key(), permit.id, permit.version, commit, permit.policy_id);
  if (!is_equal_constant_time(view(mac), permit.approval_mac)) return fault("the approval's MAC does not verify");
  // Suppression was asked by this key: it must be this recipient's.
  if (!is_equal_constant_time(view(recipient_key(keys.index_key(), envelope.recipient)), permit.recipient_key))
    return fault("the recipient key is not the recipient's");
  if (envelope.kind != permit.kind) return fault("the kind is not the approved one");
  if (permit.policy_id == kSystemPolicyId && !is_own_writing(permit, envelope, own))
    return fault("the policy `system` does not cover this author, kind or recipient");
  return std::move(unpacked->envelope);
}

}  // namespace signet

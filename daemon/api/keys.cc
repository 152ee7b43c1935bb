// Keys that people sign with. One's own is enrolled by proving that one has its private half; old ones stay, since old
// signatures are checked against them.
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "daemon/api/events.h"
#include "daemon/api/handlers.h"
#include "daemon/api/rights.h"
#include "daemon/api/views.h"
#include "store/signing_keys.h"

namespace signet::api {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kKeyOctetsMax = 2048;
constexpr const char* kReasons[] = {"lost", "compromised", "superseded", "left", "other"};

std::string key_json(const SigningKeyRow& row) {
  const auto time = [](const std::optional<WallTime>& at) { return at ? Json(rfc3339(*at)) : Json(nullptr); };
  return Json{{"id", row.id.text()},
              {"userId", row.user_id.text()},
              {"keyId", row.key_id},
              {"algorithm", name(row.algorithm)},
              {"custody", name(row.custody)},
              {"publicKey", to_base64(row.public_key)},
              {"validFrom", rfc3339(row.valid_from)},
              {"validTo", time(row.valid_to)},
              {"revokedAt", time(row.revoked_at)},
              {"revokedReason", row.revoked_reason.empty() ? Json(nullptr) : Json(row.revoked_reason)},
              {"replaces", row.replaces ? Json(row.replaces->text()) : Json(nullptr)}}
      .dump();
}

void write(Context& context, std::string action, const Uuid& key_id,
           std::vector<std::pair<std::string, DetailValue>> detail) {
  Event event = new_event(context, std::move(action));
  event.object.type = "key";
  event.detail = std::move(detail);
  context.must(insert_entry(context.tx(), beside(std::move(event), key_id)));
}

std::optional<VerifyKey> read_public_key(Members& members) {
  const auto text = members.text("publicKey", kKeyOctetsMax, true);
  if (!text) return std::nullopt;
  const bool is_pem = text->starts_with("-----");
  const auto der = is_pem ? Result<std::string>(std::string()) : from_base64(*text);
  auto key = is_pem ? VerifyKey::from_pem(*text)
             : der  ? VerifyKey::from_spki(*der)
                    : Result<VerifyKey>(Error{ErrorCode::invalid, "is not base64"});
  if (key) return std::move(*key);
  members.refuse("publicKey", "is no public key that Signet takes",
                 "write an Ed25519 or P-256 key as SubjectPublicKeyInfo: base64 of its DER form, or PEM");
  return std::nullopt;
}

// What the new key signs, so that nobody enrols one that somebody else has.
std::string challenge(const Uuid& user_id, const VerifyKey& key) {
  return "signet-enrol\n" + user_id.text() + '\n' + to_hex(view(sha256(key.spki())));
}

// One's own, which is still in use; locked.
SigningKeyRow replaced_key(Context& context, const Uuid& id) {
  auto row = context.must(read_signing_key(context.tx(), id));
  if (!row || row->user_id != context.user_id())
    context.refuse({.code = Code::not_found, .title = "You have no key with the id that `replaces` names"});
  if (row->valid_to || row->revoked_at)
    context.refuse({.code = Code::status_conflict,
                    .title = "The key that `replaces` names has ended already",
                    .detail = "Leave `replaces` out to enrol another key.",
                    .reason = "KEY_ENDED"});
  return std::move(*row);
}

}  // namespace

http::Response get_keys(Context& context) {
  context.only_query({"userId"});
  const Uuid user_id = whose(context);
  const auto rows = context.must(list_signing_keys(context.tx(), user_id));
  std::vector<std::string> items;
  for (const auto& row : rows) items.push_back(key_json(row));
  write(context, "keys_listed", {}, {{"rows", static_cast<int64_t>(rows.size())}, {"userId", user_id.text()}});
  context.commit();
  return http::json(200, list_json(items, ""));
}

http::Response post_keys(Context& context) {
  context.only_query({});
  if (!context.may_sign()) context.refuse({.code = Code::step_up_required});
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("publicKey", "write your public key");
  members.require("proof", "sign the challenge that docs/api.md gives with the new key, and write it in base64");
  const auto key = read_public_key(members);
  const auto algorithm = members.word<SignatureAlgorithm>("algorithm", parse_signature_algorithm, {"ed25519", "p256"});
  if (key && algorithm && *algorithm != key->algorithm())
    members.refuse("algorithm", "is not that of the key", "write " + std::string(name(key->algorithm())));
  std::string proof;
  if (const auto text = members.text("proof", 256)) {
    auto octets = from_base64(*text);
    if (!octets || octets->size() != kSignatureSize)
      members.refuse("proof", "is no signature", "write its 64 octets in base64");
    else
      proof = std::move(*octets);
  }
  const auto replaces = members.id("replaces");
  members.finish();
  context.refuse_faults(body.faults);
  const Uuid& user_id = context.user_id();
  if (!key->verify(challenge(user_id, *key), proof))
    context.refuse({.code = Code::forbidden,
                    .title = "The proof is not by this key",
                    .detail =
                        "Sign `signet-enrol`, your id and the SHA-256 of the key's DER form in hexadecimal, one a "
                        "line, with the private key that belongs to it.",
                    .reason = "BAD_PROOF"});
  if (context.must(find_signing_key(context.tx(), key->key_id())))
    context.refuse({.code = Code::status_conflict,
                    .title = "This key is enrolled already",
                    .detail = "A key belongs to one person, and is enrolled once: make another.",
                    .reason = "KEY_TAKEN"});
  SigningKeyRow row;
  row.id = context.services.ids.next();
  row.user_id = user_id;
  row.algorithm = key->algorithm();
  row.key_id = key->key_id();
  row.public_key = key->spki();
  row.valid_from = context.services.clock.wall();
  row.replaces = replaces;
  std::vector<std::pair<std::string, DetailValue>> detail{{"algorithm", std::string(name(row.algorithm))},
                                                          {"custody", std::string(name(row.custody))},
                                                          {"keyId", row.key_id},
                                                          {"userId", user_id.text()}};
  if (replaces) {
    const SigningKeyRow before = replaced_key(context, *replaces);
    context.must(end_signing_key(context.tx(), before.id, row.valid_from));
    detail.emplace_back("previousKeyId", before.key_id);
  }
  context.must(insert_signing_key(context.tx(), row));
  write(context, replaces ? "key_rotated" : "key_enrolled", row.id, std::move(detail));
  return context.commit(http::json(201, key_json(row)));
}

http::Response post_revoke_key(Context& context) {
  context.only_query({});
  const Uuid id = context.path_id();
  context.concerns(id, "key");
  ReadBody body = context.body();
  Members members(body.root, "", body.faults);
  members.require("reason", "write lost, compromised, superseded, left or other");
  const auto reason = members.text("reason", 64);
  if (reason && std::find(std::begin(kReasons), std::end(kReasons), *reason) == std::end(kReasons))
    members.refuse("reason", "is not one of its words", "write lost, compromised, superseded, left or other");
  members.finish();
  context.refuse_faults(body.faults);
  auto row = context.must(read_signing_key(context.tx(), id));
  // Another's is not there, for who may not know.
  if (!row || (row->user_id != context.user_id() && !may(context, Action::administer)))
    context.refuse({.code = Code::not_found, .title = "There is no key with this id"});
  if (row->revoked_at)
    context.refuse({.code = Code::status_conflict, .title = "This key is revoked already", .reason = "KEY_ENDED"});
  row->revoked_at = context.services.clock.wall();
  row->revoked_reason = *reason;
  context.must(revoke_signing_key(context.tx(), id, *row->revoked_at, *reason));
  write(context, "key_revoked", id, {{"keyId", row->key_id}, {"reason", *reason}, {"userId", row->user_id.text()}});
  context.commit();
  return http::json(200, key_json(*row));
}

}  // namespace signet::api

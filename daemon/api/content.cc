#include "daemon/api/content.h"

#include <nlohmann/json.hpp>

namespace signet::api {
namespace {

// Not bound to the envelope's version: they outlive an edit of the text.
std::string details_binding(const Uuid& id) { return seal_binding("content", id, 0, "details"); }

std::string write_details(const Details& details) {
  nlohmann::json out = nlohmann::json::parse(clinical_json(details.clinical));
  auto put = [&out](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  put("contentDraft", details.content_draft);
  put("contentGenerated", details.content_generated);
  put("patientId", details.patient_id);
  put("reviewNotes", details.review_notes);
  put("submitNotes", details.submit_notes);
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Details read_details(const std::string& text) {
  Details details;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return details;
  details.content_draft = json.value("contentDraft", "");
  details.content_generated = json.value("contentGenerated", "");
  details.patient_id = json.value("patientId", "");
  details.review_notes = json.value("reviewNotes", "");
  details.submit_notes = json.value("submitNotes", "");
  details.clinical = parse_clinical(text);
  return details;
}

}  // namespace

std::string make_salt(Random& random) {
  std::string salt(32, '\0');
  random.fill(salt.data(), salt.size());
  return salt;
}

std::string seal_envelope(const Keyring& keyring, const Uuid& id, const Content& content) {
  return keyring.seal_with(content.data_key, seal_binding("content", id, content.version, "sealed"),
                           pack(content.salt, content.envelope));
}

std::string seal_details(const Keyring& keyring, const Uuid& id, const Content& content) {
  return keyring.seal_with(content.data_key, details_binding(id), write_details(content.details));
}

SealedContent seal_content(const Keyring& keyring, const Uuid& id, const Content& content, Keyring::DataKey key) {
  SealedContent sealed;
  sealed.version = content.version;
  sealed.sealed = seal_envelope(keyring, id, content);
  sealed.details = seal_details(keyring, id, content);
  sealed.kek_id = keyring.kek_id();
  sealed.wrapped_key = std::move(key.wrapped);
  return sealed;
}

Result<Content> open_content(const Keyring& keyring, const Uuid& id, const SealedContent& sealed) {
  auto key = keyring.unwrap(id.text(), sealed.kek_id, sealed.wrapped_key);
  if (!key) return key.error();
  Content content;
  content.version = sealed.version;
  content.data_key = std::move(*key);
  const auto octets = content.data_key.octets();
  auto packed = unseal(octets, seal_binding("content", id, sealed.version, "sealed"), sealed.sealed);
  if (!packed) return Error{ErrorCode::corrupt, "content.sealed does not open"};
  auto unpacked = unpack(*packed);
  if (!unpacked) return unpacked.error();
  content.salt = std::move(unpacked->salt);
  content.envelope = std::move(unpacked->envelope);
  if (!sealed.details.empty()) {
    auto details = unseal(octets, details_binding(id), sealed.details);
    if (!details) return Error{ErrorCode::corrupt, "content.details does not open"};
    content.details = read_details(*details);
  }
  return content;
}

std::string seal_beside(const Keyring& keyring, const Content& content, std::string_view table, const Uuid& row,
                        int version, std::string_view field, std::string_view plain) {
  return plain.empty() ? "" : keyring.seal_with(content.data_key, seal_binding(table, row, version, field), plain);
}

std::string open_beside(const Content& content, std::string_view table, const Uuid& row, int version,
                        std::string_view field, std::string_view sealed) {
  if (sealed.empty()) return {};
  auto plain = unseal(content.data_key.octets(), seal_binding(table, row, version, field), sealed);
  return plain ? std::move(*plain) : std::string();
}

std::string open_notes(const Content& content, const ApprovalRow& approval) {
  return open_beside(content, "approval", approval.id, approval.version, "notes", approval.notes);
}

std::string edit_json(const Content& content, const EditRow& edit) {
  const std::string diff = open_beside(content, "edit", edit.message_id, edit.version, "diff", edit.sealed);
  return "{\"version\":" + std::to_string(edit.version) + ",\"at\":\"" + rfc3339(edit.at) + "\",\"editorId\":\"" +
         edit.editor_id.text() + "\",\"diff\":" + (diff.empty() ? "null" : diff) + '}';
}

MessageFacts facts_of(const Keyring& keyring, const Content& content) {
  MessageFacts facts;
  const auto& details = content.details;
  if (!details.patient_id.empty()) facts.patient_key = view(patient_key(keyring.index_key(), details.patient_id));
  if (!content.envelope.body.empty()) facts.content_key = view(content_key(keyring.index_key(), content.envelope.body));
  facts.primary_model = details.clinical.generation.primary_model;
  facts.tokens_consumed = details.clinical.generation.input_tokens + details.clinical.generation.output_tokens;
  return facts;
}

Content content_of(Context& context, const Uuid& id) {
  auto sealed = context.must(read_content(context.tx(), id));
  if (!sealed)
    context.refuse({.code = Code::not_found,
                    .title = "The message's content is gone",
                    .detail = "It was erased under the retention policy; its history is at /timeline."});
  auto content = open_content(context.services.keyring, id, *sealed);
  if (!content) {
    context.services.log.error(
        "a message's content does not open",
        {{"alarm", "content_mismatch"}, {"message_id", id.text()}, {"reason", content.error().text}});
    context.refuse({.code = Code::content_unreadable});
  }
  return std::move(*content);
}

}  // namespace signet::api

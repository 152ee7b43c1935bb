#include "daemon/api/fields.h"

#include <charconv>

#include "message/envelope.h"
#include "message/phone.h"

namespace signet::api {

Fields Fields::of_query(Context& context) {
  return Fields(context, [&context](const std::string& name) -> std::optional<std::string> {
    const auto value = context.request.query(name);
    return value ? std::optional(std::string(*value)) : std::nullopt;
  });
}

Fields Fields::of_body(Context& context, Members& members) {
  return Fields(context, [&members](const std::string& name) -> std::optional<std::string> {
    if (name != "limit") return members.text(name, 256);
    const auto number = members.integer(name, 1, kPageMax);
    return number ? std::optional(std::to_string(*number)) : std::nullopt;
  });
}

std::optional<std::string> Fields::text(const std::string& name) {
  auto value = source_(name);
  if (value && name != "cursor" && name != "limit") used_.push_back(name);
  return value;
}

std::optional<Uuid> Fields::id(const std::string& name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  auto parsed = parse_uuid(*value);
  if (parsed) return *parsed;
  errors_.push_back(name + " is not an id: write the UUID that the API gave");
  return std::nullopt;
}

std::optional<WallTime> Fields::time(const std::string& name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  auto parsed = parse_rfc3339(*value);
  if (parsed) return *parsed;
  errors_.push_back(name + " is not a time: write it as 2026-11-22T09:30:00Z");
  return std::nullopt;
}

std::optional<int64_t> Fields::integer(const std::string& name, int64_t min, int64_t max) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  int64_t number = 0;
  const auto parsed = std::from_chars(value->data(), value->data() + value->size(), number);
  if (parsed.ec == std::errc{} && parsed.ptr == value->data() + value->size() && number >= min && number <= max)
    return number;
  errors_.push_back(name + " is out of range: write " + std::to_string(min) + " to " + std::to_string(max));
  return std::nullopt;
}

void Fields::page(std::optional<Uuid>& after_id, int& count_max) {
  after_id = id("cursor");
  count_max = static_cast<int>(integer("limit", 1, kPageMax).value_or(kPageDefault)) + 1;
}

void Fields::finish() {
  if (!errors_.empty()) context_.refuse({.code = Code::validation_error, .errors = errors_});
}

std::string Fields::used() const {
  std::string out;
  for (const auto& name : used_) out += (out.empty() ? "" : ",") + name;
  return out;
}

People read_people(Context& context, Members& members, Fields& fields) {
  People people;
  const auto index_key = context.services.keyring.index_key();
  if (const auto phone = members.text("recipientPhone", 64)) {
    fields.note("recipientPhone");
    if (auto parsed = parse_phone(*phone))
      people.recipient_key = view(recipient_key(index_key, parsed->e164));
    else
      members.refuse("recipientPhone", "is not a valid phone number",
                     "write it in E.164 form, with + and country code");
  }
  if (const auto mail = members.text("recipientEmail", 320)) {
    fields.note("recipientEmail");
    if (auto parsed = parse_mail_address(*mail))
      people.recipient_key = view(recipient_key(index_key, parsed->address));
    else
      members.refuse("recipientEmail", "is not a valid e-mail address", "write it as name@domain");
  }
  if (const auto patient = members.text("patientId", 256)) {
    fields.note("patientId");
    people.patient_key = view(patient_key(index_key, *patient));
  }
  return people;
}

}  // namespace signet::api

#include "daemon/api/entry_filter.h"

namespace signet::api {

void read_entry_filter(Fields& fields, EntryFilter& filter) {
  filter.from = fields.time("from");
  filter.before = fields.time("to");
  filter.actor_id = fields.id("actor");
  filter.message_id = fields.id("messageId");
  filter.action = fields.text("action");
  filter.provider = fields.text("provider");
  filter.status = fields.word<Status>("status", parse_status);
  filter.kind = fields.word<Kind>("channel", parse_kind);
}

void read_people_filter(Context& context, Members& members, Fields& fields, EntryFilter& filter) {
  filter.reference = fields.text("clientReference");
  const People people = read_people(context, members, fields);
  filter.recipient_key = people.recipient_key;
  filter.patient_key = people.patient_key;
}

}  // namespace signet::api

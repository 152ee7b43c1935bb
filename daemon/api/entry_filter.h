// The filters of the audit log, as a query or a body names them; an export takes the same.
#pragma once

#include "daemon/api/fields.h"
#include "store/audit_entries.h"

namespace signet::api {

// from, to, actor, messageId, action, provider, status, channel
void read_entry_filter(Fields& fields, EntryFilter& filter);
// Beyond these, in a body: clientReference, recipientPhone, recipientEmail, patientId.
void read_people_filter(Context& context, Members& members, Fields& fields, EntryFilter& filter);

}  // namespace signet::api

// The provenance of an approved message: written once with its approval, sealed, verified at every read.
#pragma once

#include "daemon/api/decision.h"

namespace signet::api {

// Of the review that makes the approval whole; reads the approvals and edits of the same transaction.
ProvenanceRow record_provenance(Context& context, const Prepared& prepared, const Review& review, WallTime now);

}  // namespace signet::api

// Holds the rows behind one message's events against what those events say, in both directions: what a leaf names must
// be there as it says, and what should have a leaf must have one. Opens what is sealed while its key exists. Pure but
// for the cryptography; reads nothing by itself.
#pragma once

#include <map>
#include <string>

#include "audit/event.h"
#include "base/signature.h"
#include "daemon/evidence/discrepancy.h"
#include "store/evidence_rows.h"
#include "store/keyring.h"

namespace signet {

// Keys that people signed with, by key id: read once for many messages.
class SignerKeys {
 public:
  explicit SignerKeys(std::vector<SigningKeyRow> rows);
  const SigningKeyRow* find(const std::string& key_id) const;
  const VerifyKey* verify_key(const std::string& key_id) const;  // null: not known, or its octets are no key

 private:
  std::map<std::string, std::pair<SigningKeyRow, std::optional<VerifyKey>>> keys_;
};

struct MessageVerdict {
  Discrepancies findings;
  bool is_erased = false;  // its content and key are gone, and an event says so
};

// One thread at a time. `keys` and `signers` outlive it.
MessageVerdict check_message(const MessageEvidence& message, const Keyring& keys, const SignerKeys& signers);

}  // namespace signet

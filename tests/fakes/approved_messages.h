// Approved messages put into PostgreSQL with the rows that the API's steps leave there, many at once: for tests and
// benchmarks that begin there.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "message/envelope.h"
#include "store/keyring.h"
#include "store/messages.h"

namespace signet {

struct ApprovedOptions {
  Envelope envelope;
  std::string lane = "sms";
  Priority priority = Priority::normal;
  std::optional<WallTime> expires_at{};
  int max_attempts = 0;
  std::string destination = {};  // country or mail domain, of which the lane is
};

class ApprovedMessages {
 public:
  ApprovedMessages(PgSession& session, const Keyring& keys, const Clock& clock, Random& random);
  // In one transaction; throws when the database refuses.
  std::vector<Uuid> insert(const std::vector<ApprovedOptions>& messages);
  Uuid insert(const ApprovedOptions& message) { return insert(std::vector{message})[0]; }

 private:
  PgSession& session_;
  const Keyring& keys_;
  const Clock& clock_;
  Random& random_;
  IdSource ids_;
  Uuid author_, reviewer_;
};

Envelope sms(const std::string& recipient, const std::string& body);
Envelope mail(const std::string& recipient, const std::string& subject, const std::string& body);
Keyring test_keys(Random& random);

}  // namespace signet

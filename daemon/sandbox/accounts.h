// Accounts at every provider that the sandbox plays, in a folder of its own: a secret a file, made where it is missing,
// and `providers.yaml`, the `providers` and `routes` of a signetd that is to use them.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "daemon/sandbox/account.h"

namespace signet::sandbox {

struct Places {  // where the sandbox listens, as clients write it
  std::string http = "http://127.0.0.1:8425", smtp = "smtp://127.0.0.1:2525", smpp = "smpp://127.0.0.1:2775";
};
// Makes the folder too (0700). Errors name the path.
Result<std::vector<Account>> open_accounts(const std::string& folder, const Places& places, Random& random);
Account twilio_account(const std::string& account_sid, Secret auth_token);

}  // namespace signet::sandbox

// `signetd verify`: the log, read from the database.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.h"

namespace signet {

struct VerifyOptions {
  int64_t from = 0;  // the place to begin at; 0: all, and all that no place leads to
  bool is_json = false;
};
// As the login signet_verify; reads only, and mends nothing. Exit status: 0 all verifies, 1 faults, each on a line, 2
// it could not be verified.
int verify_stored_log(const Config& config, const VerifyOptions& options);

}  // namespace signet

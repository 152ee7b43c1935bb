// `signetd run`: puts the parts together, waits for its servers, delivers until SIGTERM.
#pragma once

#include "base/clock.h"
#include "config/config.h"

namespace signet {

// Exit status: 0 stopped as asked; 78 (EX_CONFIG) what only a person can mend, told in one line: systemd does not
// restart on it. A server that is not there is no reason to end.
int run_daemon(const Config& config, const Clock& clock);

}  // namespace signet

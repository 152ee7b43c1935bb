// What a request has to get past before its handler: who calls, how often, and with what right to change anything.
#pragma once

#include "daemon/access/limits.h"
#include "daemon/api/router.h"
#include "daemon/api/throttled.h"

namespace signet::api {

struct Passage {  // of one request, over all its repetitions: it is counted once
  RateVerdict rate;
  bool is_counted = false;
};

// Finds the caller by bearer token or session cookie, and counts the request. Leaves with 401 or 429, whose record is
// made here: a wrong credential is an event by nobody known, and counts against its address; over the limit they
// are counted together.
void identify(Context& context, const RouteRow& row, Throttled& throttled, Passage& passage);

// 403 for what a browser was made to send by another site, and for what a token's scopes leave out.
void check_right(Context& context);

}  // namespace signet::api

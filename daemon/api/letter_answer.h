// How a decision on a letter is answered, to the letter as in the product's origin.
#pragma once

#include "daemon/api/decision.h"

namespace signet::api {

http::Response letter_answer(const Decided& decided);

}  // namespace signet::api

// The adapter that a target is about, and what holds of everything that an adapter makes of a stranger's octets.
#pragma once

#include <string>
#include <string_view>

#include "providers/provider.h"

namespace signet::fuzz {

const Provider& provider_of(const std::string& adapter);  // by the settings of tests/providers/support.h

// Abort, with the sentence that does not hold.
void must(bool holds, const char* sentence);
void must_be_short(std::string_view text, const char* sentence);  // at most 512 octets, and no control characters
void must_hold(const Outcome& outcome);
void must_hold(const Receipt& receipt);

}  // namespace signet::fuzz

// How the judge treats a request: what it does, drawn by chance from a mix that the nemesis may change.
#pragma once

#include <array>
#include <string_view>

#include "base/random.h"

namespace signet::chaos {

enum class Conduct {
  accept,
  accept_slowly,     // takes it, and answers after some 100 ms
  accept_and_leave,  // answers, then closes a connection that was to be kept alive, without a word
  accept_and_reset,  // takes it, and resets the connection instead of an answer
  accept_and_hang,   // takes it, and never answers
  accept_and_cut,    // takes it, and closes in the middle of the answer
  accept_and_rave,   // takes it, and answers what is no HTTP
  reset,             // as accept_and_reset, not taken
  hang,
  rave,
  fail,      // 500
  throttle,  // 429 with Retry-After
  refuse,    // 400; never drawn: a provider that refuses a message refuses it each time
};
inline constexpr size_t kConducts = 13;

struct Mix {
  std::array<double, kConducts> share{};  // of each but `accept`, which gets the rest
  Conduct draw(Random& random) const;
};

// "calm" (everything taken), "usual" (some 5 % of trouble), "storm" (30 %); throws on another word.
Mix mix_of(std::string_view word);
bool is_accepted(Conduct conduct);
// The journal's word: the code that is answered, or what is done instead.
std::string_view answer_of(Conduct conduct, std::string_view accepted_code);

}  // namespace signet::chaos

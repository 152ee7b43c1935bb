#include "tests/chaos/conduct.h"

#include <stdexcept>
#include <string>

namespace signet::chaos {
namespace {

struct Share {
  Conduct conduct;
  double usual, storm;
};
constexpr Share kShares[] = {
    {Conduct::accept_slowly, 0.010, 0.030},
    {Conduct::accept_and_leave, 0.010, 0.030},
    {Conduct::accept_and_reset, 0.003, 0.040},
    {Conduct::accept_and_hang, 0.002, 0.020},
    {Conduct::accept_and_cut, 0.003, 0.020},
    {Conduct::accept_and_rave, 0.003, 0.020},
    {Conduct::reset, 0.003, 0.040},
    {Conduct::hang, 0.002, 0.010},
    {Conduct::rave, 0.003, 0.020},
    {Conduct::fail, 0.005, 0.060},
    // Each pauses a lane for a second: more would be a test of nothing else.
    {Conduct::throttle, 0.0002, 0.002},
};

}  // namespace

Mix mix_of(std::string_view word) {
  Mix mix;
  if (word == "calm") return mix;
  if (word != "usual" && word != "storm") throw std::runtime_error("no such mix: " + std::string(word));
  for (const auto& row : kShares) mix.share[static_cast<size_t>(row.conduct)] = word == "usual" ? row.usual : row.storm;
  return mix;
}

Conduct Mix::draw(Random& random) const {
  double left = random.unit();
  for (size_t i = 1; i < kConducts; i++)
    if ((left -= share[i]) < 0) return static_cast<Conduct>(i);
  return Conduct::accept;
}

bool is_accepted(Conduct conduct) { return conduct <= Conduct::accept_and_rave; }

std::string_view answer_of(Conduct conduct, std::string_view accepted_code) {
  switch (conduct) {
    case Conduct::accept:
    case Conduct::accept_slowly:
    case Conduct::accept_and_leave:
      return accepted_code;
    case Conduct::accept_and_reset:
    case Conduct::reset:
      return "reset";
    case Conduct::accept_and_hang:
    case Conduct::hang:
      return "none";
    case Conduct::accept_and_cut:
      return "cut";
    case Conduct::accept_and_rave:
    case Conduct::rave:
      return "garbage";
    case Conduct::fail:
      return "500";
    case Conduct::throttle:
      return "429";
    case Conduct::refuse:
      return "400";
  }
  return "none";
}

}  // namespace signet::chaos

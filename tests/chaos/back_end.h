// A back end that approves in its own screens, for a world: a service account, a reviewer with an enrolled key, and
// what it puts into the intake stream.
#pragma once

#include <string>

#include "tests/chaos/world.h"
#include "tests/daemon/api/handed_over.h"

namespace signet {

class BackEnd {
 public:
  explicit BackEnd(World& world);  // which has its keys
  std::string message();           // approved: an SMS, as JSON
  void hand_over();                // one more, sealed, in the stream

 private:
  World& world_;
  SystemClock clock_;
  SystemRandom random_;
  IdSource ids_{clock_, random_};
  SigningKey key_;
  std::string seal_to_;
  Uuid reviewer_;
};

}  // namespace signet

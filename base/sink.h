// Where something long is written, piece by piece: a file, a digest, an archive's entry, memory.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace signet {

class Sink {
 public:
  virtual ~Sink() = default;
  // Takes all of it or fails; after a failure the sink is done for. limit: there is no more room; unavailable: who
  // wanted it is gone, or it is to stop; io.
  [[nodiscard]] virtual Result<void> write(std::string_view octets) = 0;
};

class StringSink : public Sink {  // for what is known to be small
 public:
  Result<void> write(std::string_view octets) override {
    text.append(octets);
    return {};
  }
  std::string text;
};

}  // namespace signet

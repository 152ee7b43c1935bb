// When a message may be sent: not in the recipient's night. Hours are of his own wall clock, whatever his zone's law
// does to it that day.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/zone.h"
#include "message/message.h"

namespace signet {

struct Window {
  WallTime due_at;
  std::optional<WallTime> send_until;  // none: whenever
};

struct QuietSettings {
  int from_min = 21 * 60;  // minute of the recipient's day; from later than to spans midnight
  int to_min = 8 * 60;
  // Of recipients whose zone is not known: it must be quiet in none of them. If there is no such time of day, the first
  // zone alone counts. Not empty where quiet hours apply to anything.
  std::vector<std::string> default_zones;
  std::array<bool, 4> applies_to{};  // critical, high, normal, bulk
};

class QuietHours {  // any thread
 public:
  QuietHours() = default;  // none at all
  // not_found, corrupt: of a default zone.
  static Result<std::unique_ptr<QuietHours>> make(QuietSettings settings);

  // From `earliest` or the end of the quiet hours around it, until the next ones begin or the message expires. Urgent
  // ones are not held. One that would expire in the night is due when it expires: that ends it.
  Window window(Priority priority, bool is_urgent, std::string_view time_zone, WallTime earliest,
                std::optional<WallTime> expires_at) const;

 private:
  using Zones = std::vector<std::shared_ptr<const Zone>>;
  explicit QuietHours(QuietSettings settings) : settings_(std::move(settings)) {}
  bool is_quiet(const Zone& zone, WallTime at) const;
  WallTime next_flip(const Zone& zone, WallTime at) const;
  std::optional<WallTime> next_open(const Zones& zones, WallTime at) const;
  Zones zones_of(std::string_view time_zone) const;

  const QuietSettings settings_{};
  Zones default_zones_;
  mutable std::mutex lock_;
  mutable std::map<std::string, std::shared_ptr<const Zone>, std::less<>> known_;  // null: cannot be read
};

}  // namespace signet

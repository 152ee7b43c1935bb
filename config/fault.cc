#include "config/fault.h"

#include <algorithm>

namespace signet {
namespace {

// Insertions, deletions, substitutions and swaps of neighbours each count one.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      const size_t substituted = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, substituted});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

constexpr size_t kComparedMax = 64;  // no key of ours is longer

}  // namespace

std::string describe(const Fault& fault) {
  std::string line = fault.file;
  if (fault.line > 0) line += ":" + std::to_string(fault.line);
  for (const auto* part : {&fault.key, &fault.text, &fault.remedy})
    if (!part->empty()) line += ": " + *part;
  return line;
}

std::string nearest_key(std::string_view key, const std::vector<std::string>& known) {
  if (key.size() > kComparedMax) return {};
  std::string nearest;
  size_t best = std::max<size_t>(1, key.size() / 3) + 1;  // more than a third wrong is another word
  for (const auto& candidate : known) {
    const size_t distance = edit_distance(key, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string remedy_for_unknown(std::string_view key, const std::vector<std::string>& known) {
  const std::string as_file = std::string(key) + "_file";
  if (std::find(known.begin(), known.end(), as_file) != known.end())
    return "secrets stand in files of mode 0600, name one in " + as_file;
  if (const std::string nearest = nearest_key(key, known); !nearest.empty()) return "did you mean " + nearest + "?";
  std::string all;
  for (const auto& candidate : known) all += (all.empty() ? "" : ", ") + candidate;
  return "known here: " + all;
}

}  // namespace signet

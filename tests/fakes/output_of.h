// What a command of the shell printed; it must end well. Its words are the test's own, never quoted input.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>

namespace signet {

inline std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("popen failed");
  std::string out;
  char some[4096];
  while (const size_t size = std::fread(some, 1, sizeof some, pipe)) out.append(some, size);
  if (::pclose(pipe) != 0) throw std::runtime_error("it failed: " + command);
  return out;
}

}  // namespace signet

// What is wrong with a configuration, in the words of the person who has to mend it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace signet {

struct Fault {
  std::string file;    // as it was named to load_config
  int line = 0;        // from 1; 0: the file as a whole
  std::string key;     // "postgres.url", "providers[0].rate_per_s"; empty: the file as a whole
  std::string text;    // "has no host"; never a secret, and no value longer than a word
  std::string remedy;  // "write postgresql://user@host:port/database"
};

// One line: `signetd.yaml:12: postgres.url: has no host: write postgresql://user@host:port/database`.
std::string describe(const Fault& fault);

// The known key that `key` was probably meant to be, by edit distance; empty if none is near.
std::string nearest_key(std::string_view key, const std::vector<std::string>& known);

// What to write instead of the unknown `key`: "did you mean url?", or which keys there are, or, where `<key>_file` is
// known, that secrets stand in files.
std::string remedy_for_unknown(std::string_view key, const std::vector<std::string>& known);

}  // namespace signet

// Files that are whole or not there, whatever crashes meanwhile: file and folder are on the disk (fsync) before these
// return. Blocks; any thread. Errors name the path.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace signet {

// Conflict if something of that name is there already. `mode` is taken as it is, whatever the umask.
Result<void> write_new_file(const std::string& path, std::string_view octets, mode_t mode);
// What stood there before, or these octets, and never a part; by way of `path` + ".new".
Result<void> replace_file(const std::string& path, std::string_view octets, mode_t mode);
// not_found; limit if there are more than `size_max` octets.
Result<std::string> read_octets(const std::string& path, size_t size_max);
// Folders that it makes are 0700, those that are there stay as they are.
Result<void> make_folders(const std::string& folder);
// Any text as one name in a folder, and no two texts as the same: letters, digits, "*-._" stay, the rest is %XX.
std::string file_name_of(std::string_view text);

}  // namespace signet

// The write-once folder: each checkpoint's note as a file that is never written again,
// <folder>/<log>/<size>.checkpoint, the size in 20 digits. On a volume that the database's server cannot write, better
// one that keeps what it got. Any thread; blocks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace signet {

class CheckpointFolder {
 public:
  CheckpointFolder(const std::string& folder, const std::string& origin);

  // Mode 0444, on the disk when it returns; the folder is made if it is not there. Equal octets are there already:
  // good. Others: conflict, and the text names the file. Half a file of a daemon that died is written anew.
  Result<void> keep(int64_t size, const std::string& note) const;
  Result<std::string> read(int64_t size) const;  // not_found
  // Of all files, ascending; empty if the folder is not there yet. A log with a checkpoint every 10 s makes three
  // million a year.
  Result<std::vector<int64_t>> sizes() const;
  std::string path(int64_t size) const;

 private:
  std::string folder_;
};

}  // namespace signet

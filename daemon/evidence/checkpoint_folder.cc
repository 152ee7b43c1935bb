#include "daemon/evidence/checkpoint_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "audit/note.h"
#include "base/file.h"

namespace signet {
namespace {

constexpr size_t kDigits = 20;
constexpr char kEnding[] = ".checkpoint";

}  // namespace

CheckpointFolder::CheckpointFolder(const std::string& folder, const std::string& origin)
    : folder_(folder + "/" + file_name_of(origin)) {}

std::string CheckpointFolder::path(int64_t size) const {
  const std::string digits = std::to_string(size);
  return folder_ + "/" + std::string(kDigits - digits.size(), '0') + digits + kEnding;
}

Result<void> CheckpointFolder::keep(int64_t size, const std::string& note) const {
  if (auto done = make_folders(folder_); !done) return done;
  const std::string file = path(size);
  auto written = write_new_file(file, note, 0444);
  if (written || written.error().code != ErrorCode::conflict) return written;
  auto stored = read_octets(file, kNoteSizeMax);
  if (!stored) return stored.error();
  if (*stored == note) return {};
  if (!note.starts_with(*stored)) return Error{ErrorCode::conflict, file + " holds another checkpoint of this size"};
  std::error_code failed;
  std::filesystem::remove(file, failed);
  if (failed) return Error{ErrorCode::io, file + " was written by half and cannot be removed: " + failed.message()};
  return write_new_file(file, note, 0444);
}

Result<std::string> CheckpointFolder::read(int64_t size) const { return read_octets(path(size), kNoteSizeMax); }

Result<std::vector<int64_t>> CheckpointFolder::sizes() const {
  std::vector<int64_t> out;
  std::error_code failed;
  std::filesystem::directory_iterator at(folder_, failed);
  if (failed == std::errc::no_such_file_or_directory) return out;
  for (; !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
    const std::string name = at->path().filename().string();
    int64_t size = 0;
    if (name.size() != kDigits + sizeof kEnding - 1 || !name.ends_with(kEnding)) continue;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + kDigits, size);
    if (wrong == std::errc() && end == name.data() + kDigits) out.push_back(size);
  }
  if (failed) return Error{ErrorCode::io, folder_ + " cannot be read: " + failed.message()};
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace signet

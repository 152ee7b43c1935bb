#include "daemon/commands/verify_bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "audit/bundle.h"
#include "audit/bundle_check.h"
#include "base/file.h"
#include "base/timestamp.h"

namespace signet {
namespace {

constexpr size_t kNoteFileMax = kNoteSizeMax;

int could_not(const std::string& text) {
  std::fprintf(stderr, "signetd verify: %s\n", text.c_str());
  return 2;
}

// The file stays open as long as the octets are asked for.
Result<BundleOctets> open_bundle(const std::string& path) {
  const std::shared_ptr<int> file(new int(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), [](int* fd) {
    if (*fd >= 0) ::close(*fd);
    delete fd;
  });
  struct stat about {};
  if (*file < 0 || ::fstat(*file, &about) != 0 || !S_ISREG(about.st_mode))
    return Error{ErrorCode::io, path + ": cannot be read as a file"};
  return BundleOctets{about.st_size, [file, path](int64_t offset, size_t count) -> Result<std::string> {
                        std::string out(count, '\0');
                        size_t done = 0;
                        while (done < count) {
                          const ssize_t got =
                              ::pread(*file, out.data() + done, count - done, offset + static_cast<int64_t>(done));
                          if (got < 0) return Error{ErrorCode::io, path + ": cannot be read"};
                          if (got == 0) break;
                          done += static_cast<size_t>(got);
                        }
                        out.resize(done);
                        return out;
                      }};
}

Result<std::string> read_older(const std::string& path) {
  auto octets = open_bundle(path);
  if (!octets) return octets.error();
  std::vector<BundleFault> faults;
  const auto bundle = BundleReader::open(std::move(*octets), faults);
  if (bundle && bundle->has("checkpoint")) return bundle->read("checkpoint");
  return read_octets(path, kNoteFileMax);
}

void print(const BundleVerdict& verdict) {
  for (const auto& fault : verdict.faults) {
    const std::string line = fault.line > 0 ? " line " + std::to_string(fault.line) : "";
    std::printf("FAULT  %s%s: %s\n", fault.file.c_str(), line.c_str(), fault.text.c_str());
  }
  for (const auto& text : verdict.trusted) std::printf("TRUST  %s\n", text.c_str());
  for (const auto& text : verdict.notes) std::printf("NOTE   %s\n", text.c_str());
  if (verdict.faults.empty())
    std::printf("VERDICT everything verifies: %lld events\n", static_cast<long long>(verdict.events));
  else
    std::printf("VERDICT does not verify: %zu finding(s)\n", verdict.faults.size());
}

void print_json(const BundleVerdict& verdict) {
  nlohmann::ordered_json findings = nlohmann::ordered_json::array();
  for (const auto& fault : verdict.faults)
    findings.push_back({{"file", fault.file}, {"line", fault.line}, {"text", fault.text}});
  const nlohmann::ordered_json out{{"verdict", verdict.faults.empty() ? "verified" : "not_verified"},
                                   {"findings", std::move(findings)},
                                   {"trusted", verdict.trusted},
                                   {"notes", verdict.notes}};
  std::puts(out.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace

int verify_bundle(const VerifyBundleOptions& options) {
  BundleCheck check;
  if (!options.log_key.empty()) {
    auto key = NoteKey::parse(options.log_key);
    if (!key) return could_not("--log-key: " + key.error().text);
    check.log = std::move(*key);
  }
  for (const auto& vkey : options.witness_keys) {
    auto key = NoteKey::parse(vkey);
    if (!key) return could_not("--witness-key: " + key.error().text);
    check.witnesses.push_back(std::move(*key));
  }
  if (!options.older.empty()) {
    auto note = read_older(options.older);
    if (!note) return could_not("--older: " + note.error().text);
    check.older = std::move(*note);
  }
  if (!options.tsa_ca.empty())
    check.stamp = [&options](std::string_view token, std::string_view octets) -> Result<void> {
      const auto stamp = verify_time_stamp(token, octets, options.tsa_ca);
      return stamp ? Result<void>() : stamp.error();
    };
  auto octets = open_bundle(options.bundle);
  if (!octets) return could_not(octets.error().text);
  const auto verdict = check_bundle(std::move(*octets), check);
  if (!verdict) return could_not(options.bundle + ": " + verdict.error().text);
  options.is_json ? print_json(*verdict) : print(*verdict);
  return verdict->faults.empty() ? 0 : 1;
}

}  // namespace signet

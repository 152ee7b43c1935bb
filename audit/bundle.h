// An evidence bundle as it leaves: a zip whose every octet follows from its files and their order (docs/bundle.md), so
// that one changed anywhere shows. Files are stored, not packed: a packed one may be changed without its content
// changing. Written in one pass; what stays in memory is a line of the manifest for each file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/checkpoint.h"
#include "base/clock.h"
#include "base/sink.h"

namespace signet {

// So many files at most: the manifest is signed whole, from memory.
constexpr size_t kBundleFilesMax = 200'000;

struct BundleWithheld {  // the signature of an approval that is not there
  std::string event_id;
  std::string reason;  // "erased": its key went with the content; "unreadable": it does not open
};

struct BundleHead {  // how far the history of one message goes
  std::string message_id;
  int64_t n = 0;
  Digest leaf{};
};

struct BundleFacts {
  WallTime exported_at;
  Checkpoint checkpoint;
  uint64_t events = 0;
  bool is_whole_log = false;  // every entry below the checkpoint's size, in order
  std::optional<BundleHead> message;
  std::vector<std::pair<std::string, std::string>> filter;  // as asked for; never PHI
  std::vector<BundleWithheld> withheld;
};

// One block of the file `consistency`: the log extends what it was at `old_size`.
struct BundleConsistency {
  uint64_t old_size = 0;
  Digest old_root{};
  std::vector<Digest> hashes;
};
std::string print(const std::vector<BundleConsistency>& blocks);
Result<std::vector<BundleConsistency>> parse_consistency(std::string_view octets);

// TimeStampResp (RFC 3161 section 2.4.2) with status "granted": what openssl reads without being told more. And back:
// corrupt if it is another spelling.
std::string time_stamp_reply(std::string_view token);
Result<std::string> token_of_reply(std::string_view reply);

class BundleWriter {  // one thread
 public:
  explicit BundleWriter(Sink& to);  // the sink outlives it
  ~BundleWriter();

  // Names are the design's, each once. limit: more than kBundleFilesMax.
  Result<void> begin(const std::string& name, int64_t size);
  Result<void> write(std::string_view octets);  // `size` of them until end()
  Result<void> end();
  Result<void> add(const std::string& name, std::string_view octets);
  // Adds VERIFY.md, signet_verify.py, the manifest and its signature, and ends the zip.
  Result<void> finish(const BundleFacts& facts, const SigningKey& log);
  Result<void> close();  // ends the zip with what is in it, which is no bundle

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The two that travel with every bundle.
std::string_view verify_md();
std::string_view signet_verify_py();

}  // namespace signet

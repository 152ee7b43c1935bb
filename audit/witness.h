// Witnessing (c2sp.org/tlog-witness): another party signs a log's checkpoint once it has seen a proof that the log only
// grew since the one it signed before. Both halves: what a witness answers, and what a log asks and takes. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"

namespace signet {

struct AddCheckpoint {  // the body of POST <prefix>/add-checkpoint
  uint64_t old_size = 0;
  std::vector<Digest> proof;  // of consistency from old_size; up to 63
  std::string checkpoint;     // the signed note
};
std::string print(const AddCheckpoint& request);
Result<AddCheckpoint> parse_add_checkpoint(std::string_view body);

struct Witnessed {  // what a witness signed last of one log; at first nothing
  uint64_t size = 0;
  Digest root = empty_root();
};

struct WitnessAnswer {
  int status = 0;  // 200; 400 malformed, or an old size above the checkpoint's; 403 not signed by the log; 404 not a
                   // log it knows; 409 another old size, or another root of the same size; 422 the proof fails
  std::string body;
  std::string content_type;
  std::optional<Checkpoint> cosigned;  // with 200: to be kept, on disk, before the answer leaves
};

// `logs`: keys of the logs it knows, by their names; several of one name are all trusted. `last` gives what was signed
// of a log by its origin. Whoever calls lets nothing come between last() and keeping what was cosigned.
WitnessAnswer answer_add_checkpoint(std::string_view body, std::span<const NoteKey> logs,
                                    const std::function<Witnessed(const std::string& origin)>& last,
                                    const NoteKey& witness, const SigningKey& private_key, uint64_t time_s);

// The log's half: the witness's line of a 200 answer, with its newline, verified. Lines of other keys are left out.
Result<std::string> take_cosignature(const std::string& checkpoint, std::string_view answer, const NoteKey& witness);
// The size in a 409's body.
Result<uint64_t> parse_known_size(std::string_view body);

}  // namespace signet

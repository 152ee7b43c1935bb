// What a log says of itself and signs: its name, size and root (c2sp.org/tlog-checkpoint); and the proof that travels
// with one entry (c2sp.org/tlog-proof). Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/merkle.h"
#include "audit/note.h"

namespace signet {

struct Checkpoint {
  std::string origin;  // the log's name, which is that of its key
  uint64_t size = 0;
  Digest root{};
};

std::string text(const Checkpoint& checkpoint);
// A note's text. Lines after the third are extensions: they may be there and are not read.
Result<Checkpoint> parse_checkpoint(std::string_view text);

// The signed note, as stored and published. The origin is the key's name.
Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const NoteKey& log, const SigningKey& private_key);

struct VerifiedCheckpoint {
  Checkpoint checkpoint;
  std::vector<size_t> witnesses;  // which of `witnesses` cosigned
};
// Corrupt unless the log signed it under its own name; cosignatures of the witnesses given must verify if present.
Result<VerifiedCheckpoint> verify_checkpoint(std::string_view note, const NoteKey& log,
                                             std::span<const NoteKey> witnesses = {});

struct LogProof {                    // tlog-proof@v1
  std::optional<std::string> extra;  // octets; not authenticated
  uint64_t index = 0;
  std::vector<Digest> hashes;
  std::string checkpoint;  // the signed note
};

std::string print(const LogProof& proof);
Result<LogProof> parse_log_proof(std::string_view octets);
// The leaf stands in the log at the proof's index. Gives the checkpoint that says so.
Result<VerifiedCheckpoint> verify_log_proof(const LogProof& proof, const Digest& leaf, const NoteKey& log,
                                            std::span<const NoteKey> witnesses = {});

}  // namespace signet

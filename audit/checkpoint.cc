#include "audit/checkpoint.h"

#include "audit/line.h"
#include "base/bytes.h"

namespace signet {
namespace {

constexpr std::string_view kHeader = "c2sp.org/tlog-proof@v1";
constexpr size_t kHashesMax = 63;  // a tree of 2^63 leaves

Error bad_checkpoint(const char* why) { return {ErrorCode::invalid, std::string("not a checkpoint: ") + why}; }
Error bad_proof(const char* why) { return {ErrorCode::invalid, std::string("not a log proof: ") + why}; }

}  // namespace

std::string text(const Checkpoint& checkpoint) {
  return checkpoint.origin + '\n' + std::to_string(checkpoint.size) + '\n' + hash_text(checkpoint.root) + '\n';
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  const auto origin = take_line(text), size_line = take_line(text), root_line = take_line(text);
  if (!origin || !size_line || !root_line) return bad_checkpoint("it has fewer than three lines");
  if (origin->empty()) return bad_checkpoint("it names no log");
  const auto size = parse_decimal(*size_line);
  if (!size) return bad_checkpoint("its size is no decimal number");
  const auto root = parse_hash(*root_line);
  if (!root) return bad_checkpoint("its root is not 32 octets in base64");
  while (!text.empty()) {
    const auto extension = take_line(text);
    if (!extension || extension->empty()) return bad_checkpoint("an extension line is empty or does not end");
  }
  return Checkpoint{std::string(*origin), *size, *root};
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const NoteKey& log, const SigningKey& private_key) {
  if (checkpoint.origin != log.name())
    return Error{ErrorCode::invalid, "a checkpoint's origin is the name of the key that signs it"};
  Note note{text(checkpoint), {}};
  if (auto done = sign_note(note, log, private_key); !done) return done.error();
  return print(note);
}

Result<VerifiedCheckpoint> verify_checkpoint(std::string_view octets, const NoteKey& log,
                                             std::span<const NoteKey> witnesses) {
  const auto note = parse_note(octets);
  if (!note) return note.error();
  const std::vector<NoteKey> only_log{log};
  if (auto signers = verify_note(*note, only_log); !signers) return signers.error();
  auto checkpoint = parse_checkpoint(note->text);
  if (!checkpoint) return checkpoint.error();
  if (checkpoint->origin != log.name())
    return Error{ErrorCode::corrupt, "the checkpoint is of another log than its signer's"};
  std::vector<NoteKey> all(witnesses.begin(), witnesses.end());
  all.push_back(log);
  const auto signers = verify_note(*note, all);
  if (!signers) return signers.error();
  VerifiedCheckpoint verified{std::move(*checkpoint), {}};
  for (const auto& signer : *signers)
    if (signer.key < witnesses.size()) verified.witnesses.push_back(signer.key);
  return verified;
}

std::string print(const LogProof& proof) {
  std::string out = std::string(kHeader) + '\n';
  if (proof.extra) out += "extra " + to_base64(*proof.extra) + '\n';
  out += "index " + std::to_string(proof.index) + '\n';
  for (const auto& hash : proof.hashes) out += hash_text(hash) + '\n';
  return out + '\n' + proof.checkpoint;
}

Result<LogProof> parse_log_proof(std::string_view octets) {
  if (octets.size() > kNoteSizeMax) return Error{ErrorCode::limit, "a log proof is larger than 1 MiB"};
  LogProof proof;
  if (take_line(octets) != kHeader) return bad_proof("it does not begin with c2sp.org/tlog-proof@v1");
  auto line = take_line(octets);
  if (line && line->starts_with("extra ")) {
    auto extra = from_base64(line->substr(6));
    if (!extra) return bad_proof("its extra data is not base64");
    proof.extra = std::move(*extra);
    line = take_line(octets);
  }
  if (!line || !line->starts_with("index ")) return bad_proof("it has no index");
  const auto index = parse_decimal(line->substr(6));
  if (!index) return bad_proof("its index is no decimal number");
  proof.index = *index;
  for (line = take_line(octets); line && !line->empty(); line = take_line(octets)) {
    const auto hash = parse_hash(*line);
    if (!hash) return bad_proof("a hash is not 32 octets in base64");
    if (proof.hashes.size() == kHashesMax) return bad_proof("it has more than 63 hashes");
    proof.hashes.push_back(*hash);
  }
  if (!line) return bad_proof("no empty line parts it from its checkpoint");
  proof.checkpoint = octets;
  return proof;
}

Result<VerifiedCheckpoint> verify_log_proof(const LogProof& proof, const Digest& leaf, const NoteKey& log,
                                            std::span<const NoteKey> witnesses) {
  auto verified = verify_checkpoint(proof.checkpoint, log, witnesses);
  if (!verified) return verified;
  const Checkpoint& checkpoint = verified->checkpoint;
  if (auto done = verify_inclusion(proof.index, checkpoint.size, leaf, proof.hashes, checkpoint.root); !done)
    return done.error();
  return verified;
}

}  // namespace signet

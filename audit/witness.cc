#include "audit/witness.h"

#include <algorithm>

#include "audit/line.h"

namespace signet {
namespace {

constexpr size_t kHashesMax = 63;
constexpr char kSizeType[] = "text/x.tlog.size";
constexpr char kTextType[] = "text/plain; charset=utf-8";

Error bad_request(const char* why) {
  return {ErrorCode::invalid, std::string("not an add-checkpoint request: ") + why};
}

WitnessAnswer refuse(int status, const std::string& why) { return {status, why + "\n", kTextType, std::nullopt}; }

WitnessAnswer conflict(const Witnessed& known) {
  return {409, std::to_string(known.size) + "\n", kSizeType, std::nullopt};
}

}  // namespace

std::string print(const AddCheckpoint& request) {
  std::string out = "old " + std::to_string(request.old_size) + '\n';
  for (const auto& hash : request.proof) out += hash_text(hash) + '\n';
  return out + '\n' + request.checkpoint;
}

Result<AddCheckpoint> parse_add_checkpoint(std::string_view body) {
  AddCheckpoint out;
  auto line = take_line(body);
  if (!line || !line->starts_with("old ")) return bad_request("it does not begin with the old size");
  const auto size = parse_decimal(line->substr(4));
  if (!size) return bad_request("its old size is no decimal number");
  out.old_size = *size;
  for (line = take_line(body); line && !line->empty(); line = take_line(body)) {
    const auto hash = parse_hash(*line);
    if (!hash) return bad_request("a hash is not 32 octets in base64");
    if (out.proof.size() == kHashesMax) return bad_request("it has more than 63 hashes");
    out.proof.push_back(*hash);
  }
  if (!line) return bad_request("no empty line parts the proof from the checkpoint");
  out.checkpoint = body;
  return out;
}

// In the order of the specification.
WitnessAnswer answer_add_checkpoint(std::string_view body, std::span<const NoteKey> logs,
                                    const std::function<Witnessed(const std::string& origin)>& last,
                                    const NoteKey& witness, const SigningKey& private_key, uint64_t time_s) {
  const auto request = parse_add_checkpoint(body);
  if (!request) return refuse(400, request.error().text);
  auto note = parse_note(request->checkpoint);
  if (!note) return refuse(400, note.error().text);
  const auto checkpoint = parse_checkpoint(note->text);
  if (!checkpoint) return refuse(400, checkpoint.error().text);

  std::vector<NoteKey> keys;
  std::copy_if(logs.begin(), logs.end(), std::back_inserter(keys),
               [&](const NoteKey& key) { return key.name() == checkpoint->origin; });
  if (keys.empty()) return refuse(404, "this witness does not know the log");
  if (const auto signers = verify_note(*note, keys); !signers) return refuse(403, signers.error().text);
  if (request->old_size > checkpoint->size) return refuse(400, "the old size is above that of the checkpoint");

  const Witnessed known = last(checkpoint->origin);
  if (request->old_size != known.size) return conflict(known);
  if (checkpoint->size == known.size && checkpoint->root != known.root) return conflict(known);
  if (known.size == 0) {
    if (!request->proof.empty()) return refuse(422, "nothing was signed before, so there is nothing to prove");
  } else if (const auto extends =
                 verify_consistency(known.size, checkpoint->size, request->proof, known.root, checkpoint->root);
             !extends) {
    return refuse(422, extends.error().text);
  }

  Note signed_note{note->text, {}};
  if (auto done = sign_note(signed_note, witness, private_key, time_s); !done) return refuse(500, done.error().text);
  return {200, print(signed_note).substr(note->text.size() + 1), kTextType, *checkpoint};
}

Result<std::string> take_cosignature(const std::string& checkpoint, std::string_view answer, const NoteKey& witness) {
  auto note = parse_note(checkpoint + std::string(answer));
  if (!note) return note.error();
  const std::vector<NoteKey> keys{witness};
  if (auto signers = verify_note(*note, keys); !signers) return signers.error();
  const auto ours = std::find_if(note->signatures.begin(), note->signatures.end(), [&](const NoteSignature& one) {
    return one.name == witness.name() && one.key_id == witness.id();
  });
  const Note only{note->text, {*ours}};
  return print(only).substr(note->text.size() + 1);
}

Result<uint64_t> parse_known_size(std::string_view body) {
  const auto line = take_line(body);
  const auto size = line && body.empty() ? parse_decimal(*line) : std::nullopt;
  if (!size) return Error{ErrorCode::invalid, "the witness did not say which size it knows"};
  return *size;
}

}  // namespace signet

// Signed notes (c2sp.org/signed-note): text, an empty line, and one line "— name base64(key id || signature)" a key.
// Keys are Ed25519 only. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/signature.h"

namespace signet {

enum class NoteKeyType : uint8_t {
  ed25519 = 1,      // signs the text
  cosignature = 4,  // c2sp.org/tlog-cosignature v1: signs a time and a checkpoint's text
};

class NoteKey {  // who may sign, and how; what a vkey says
 public:
  // Invalid if the name is empty or holds white space or '+', or the key is not Ed25519.
  static Result<NoteKey> make(std::string name, NoteKeyType type, VerifyKey key);
  static Result<NoteKey> parse(std::string_view vkey);  // "name+hex(key id)+base64(type || public key)"

  std::string vkey() const;
  const std::string& name() const { return name_; }
  NoteKeyType type() const { return type_; }
  uint32_t id() const { return id_; }  // the first 32 bits of SHA-256(name || 0A || type || public key)
  const VerifyKey& key() const { return key_; }

 private:
  NoteKey(std::string name, NoteKeyType type, uint32_t id, VerifyKey key)
      : name_(std::move(name)), type_(type), id_(id), key_(std::move(key)) {}

  std::string name_;
  NoteKeyType type_;
  uint32_t id_;
  VerifyKey key_;
};

struct NoteSignature {
  std::string name;
  uint32_t key_id = 0;
  std::string octets;  // after the key id
};

struct Note {
  std::string text;  // with its last newline; not to be believed before verify_note()
  std::vector<NoteSignature> signatures;
};

constexpr size_t kNoteSizeMax = 1 << 20;
constexpr size_t kNoteSignaturesMax = 256;  // the format asks for 16 at least, a witness for 200

Result<Note> parse_note(std::string_view octets);
std::string print(const Note& note);

struct NoteSigner {
  size_t key = 0;                  // which of the keys given
  std::optional<uint64_t> time_s;  // of a cosignature: seconds since 1970-01-01 UTC
};
// The keys that signed, each once. Signatures of keys not given are ignored. Corrupt if a given key's signature does
// not verify, or none of the given keys signed.
Result<std::vector<NoteSigner>> verify_note(const Note& note, std::span<const NoteKey> keys);

// `key` is the name and type under which `private_key` signs; `time_s` counts for a cosignature only. Invalid if the
// text cannot be a note's or the keys do not belong together.
Result<void> sign_note(Note& note, const NoteKey& key, const SigningKey& private_key, uint64_t time_s = 0);

}  // namespace signet

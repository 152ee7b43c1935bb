#include "audit/note.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crypto.h"

namespace signet {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // U+2014 and a space
constexpr size_t kKeyId = 4, kTime = 8;

Error bad_note(const char* why) { return {ErrorCode::invalid, std::string("not a signed note: ") + why}; }

// The white space of Unicode (property White_Space) beyond ASCII, in UTF-8.
constexpr std::string_view kSpaces[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
                                        "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
                                        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
                                        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

bool is_key_name(std::string_view name) {
  if (name.empty() || name.size() > 255 || !is_utf8(name)) return false;
  for (const char c : name)
    if (static_cast<unsigned char>(c) <= 0x20 || c == '+' || c == 0x7f) return false;
  return std::none_of(std::begin(kSpaces), std::end(kSpaces),
                      [&](std::string_view space) { return name.find(space) != std::string_view::npos; });
}

bool is_note_text(std::string_view text) {
  if (text.empty() || text.back() != '\n' || !is_utf8(text)) return false;
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; });
}

// What a key of this type signs.
std::string signed_octets(NoteKeyType type, std::string_view text, uint64_t time_s) {
  if (type == NoteKeyType::ed25519) return std::string(text);
  return "cosignature/v1\ntime " + std::to_string(time_s) + "\n" + std::string(text);
}

}  // namespace

Result<NoteKey> NoteKey::make(std::string name, NoteKeyType type, VerifyKey key) {
  if (!is_key_name(name))
    return Error{ErrorCode::invalid, "a note's key name is empty or holds white space or '+': use host/path"};
  if (key.algorithm() != SignatureAlgorithm::ed25519)
    return Error{ErrorCode::invalid, "notes are signed with Ed25519 keys only"};
  std::string id = name + '\n' + static_cast<char>(type);
  id += key.raw();
  const auto number = static_cast<uint32_t>(read_big_endian(view(sha256(id)).substr(0, kKeyId)));
  return NoteKey(std::move(name), type, number, std::move(key));
}

Result<NoteKey> NoteKey::parse(std::string_view vkey) {
  const Error bad{ErrorCode::invalid, "not a note's key: it reads name+key id+base64"};
  const size_t first = vkey.find('+');
  if (first == std::string_view::npos || vkey.size() < first + 10 || vkey[first + 9] != '+') return bad;
  const auto octets = from_base64(vkey.substr(first + 10));
  if (!octets || octets->empty()) return bad;
  const auto type = static_cast<NoteKeyType>((*octets)[0]);
  if (type != NoteKeyType::ed25519 && type != NoteKeyType::cosignature)
    return Error{ErrorCode::invalid, "a note's key is of a type other than 1 and 4"};
  auto key = VerifyKey::from_ed25519(std::string_view(*octets).substr(1));
  if (!key) return key.error();
  auto made = make(std::string(vkey.substr(0, first)), type, std::move(*key));
  if (made && made->vkey() != vkey) return Error{ErrorCode::invalid, "a note's key id does not fit its name and key"};
  return made;
}

std::string NoteKey::vkey() const {
  std::string id, octets(1, static_cast<char>(type_));
  append_u32(id, id_);
  octets += key_.raw();
  return name_ + '+' + to_hex(id) + '+' + to_base64(octets);
}

Result<Note> parse_note(std::string_view octets) {
  if (octets.size() > kNoteSizeMax) return Error{ErrorCode::limit, "a signed note is larger than 1 MiB"};
  if (!is_note_text(octets)) return bad_note("it holds control characters or bad UTF-8, or ends without a newline");
  const size_t gap = octets.rfind("\n\n");
  if (gap == std::string_view::npos) return bad_note("it has no empty line");
  Note note;
  note.text = octets.substr(0, gap + 1);
  std::string_view rest = octets.substr(gap + 2);
  if (rest.empty()) return bad_note("it has no signature");
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    if (!line.starts_with(kDash)) return bad_note("a signature line does not begin with a dash and a space");
    line.remove_prefix(kDash.size());
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || !is_key_name(line.substr(0, space)))
      return bad_note("a signature line names no key");
    const auto signature = from_base64(line.substr(space + 1));
    if (!signature || signature->size() <= kKeyId) return bad_note("a signature is not base64 of a key id and more");
    if (note.signatures.size() == kNoteSignaturesMax)
      return Error{ErrorCode::limit, "a signed note has more than 256 signatures"};
    note.signatures.push_back({std::string(line.substr(0, space)),
                               static_cast<uint32_t>(read_big_endian(std::string_view(*signature).substr(0, kKeyId))),
                               signature->substr(kKeyId)});
  }
  return note;
}

std::string print(const Note& note) {
  std::string out = note.text + '\n';
  for (const auto& signature : note.signatures) {
    std::string octets;
    append_u32(octets, signature.key_id);
    octets += signature.octets;
    out += kDash;
    out += signature.name + ' ' + to_base64(octets) + '\n';
  }
  return out;
}

Result<std::vector<NoteSigner>> verify_note(const Note& note, std::span<const NoteKey> keys) {
  std::vector<NoteSigner> signers;
  for (const auto& signature : note.signatures) {
    for (size_t i = 0; i < keys.size(); i++) {
      const NoteKey& key = keys[i];
      if (key.name() != signature.name || key.id() != signature.key_id) continue;
      std::string_view octets = signature.octets;
      NoteSigner signer{i, std::nullopt};
      if (key.type() == NoteKeyType::cosignature && octets.size() > kTime) {
        signer.time_s = read_big_endian(octets.substr(0, kTime));
        octets.remove_prefix(kTime);
      }
      if (!key.key().verify(signed_octets(key.type(), note.text, signer.time_s.value_or(0)), octets))
        return Error{ErrorCode::corrupt, "the note's signature by " + key.name() + " does not verify"};
      if (std::none_of(signers.begin(), signers.end(), [&](const NoteSigner& other) { return other.key == i; }))
        signers.push_back(signer);
    }
  }
  if (signers.empty()) return Error{ErrorCode::corrupt, "the note is not signed by a known key"};
  return signers;
}

Result<void> sign_note(Note& note, const NoteKey& key, const SigningKey& private_key, uint64_t time_s) {
  if (!is_note_text(note.text)) return bad_note("it holds control characters or bad UTF-8, or ends without a newline");
  if (private_key.public_key().spki() != key.key().spki())
    return Error{ErrorCode::invalid, "the note's key is not that of its signer"};
  auto signature = private_key.sign(signed_octets(key.type(), note.text, time_s));
  if (!signature) return signature.error();
  std::string octets;
  if (key.type() == NoteKeyType::cosignature) append_u64(octets, time_s);
  note.signatures.push_back({key.name(), key.id(), octets + *signature});
  return {};
}

}  // namespace signet

#include "daemon/intake/jwe.h"

#include <cjose/cjose.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "base/bytes.h"

namespace signet {
namespace {

using Json = nlohmann::ordered_json;
using Jwk = std::unique_ptr<cjose_jwk_t, void (*)(cjose_jwk_t*)>;
using Jwe = std::unique_ptr<cjose_jwe_t, void (*)(cjose_jwe_t*)>;

// cjose 0.6 forgets the octets that it makes of an empty key, once an envelope: what this thread lets it allocate while
// a Sweep lives is freed with it at the latest.
class Sweep {
 public:
  Sweep() {
    static const bool is_set = [] {
      cjose_set_alloc_funcs(allocate, reallocate, release);
      return true;
    }();
    (void)is_set;
    held_ = &blocks_;
  }
  ~Sweep() {
    held_ = nullptr;
    for (void* block : blocks_) std::free(block);
  }
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;

 private:
  static void* allocate(size_t size) { return held(std::malloc(size)); }
  static void* reallocate(void* block, size_t size) {
    let_go(block);
    return held(std::realloc(block, size));
  }
  static void release(void* block) {
    let_go(block);
    std::free(block);
  }
  static void* held(void* block) {
    if (held_ != nullptr && block != nullptr) held_->insert(block);
    return block;
  }
  static void let_go(void* block) {
    if (held_ != nullptr) held_->erase(block);
  }

  static thread_local std::unordered_set<void*>* held_;
  std::unordered_set<void*> blocks_;
};
thread_local std::unordered_set<void*>* Sweep::held_ = nullptr;

constexpr size_t kParts = 5;
constexpr size_t kNonceOctets = 12, kTagOctets = 16, kDirectOctets = 32;
constexpr char kEncryption[] = "A256GCM";

Error refused(const char* reason) { return {ErrorCode::invalid, reason}; }

Error unusable(const std::string& what) {
  return {ErrorCode::invalid, what + ": `signetd keygen` makes one where the file is missing"};
}

// A text member; empty if it is not there or no text.
std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Jwk import(const Secret& jwk) {
  cjose_err error{};
  return {cjose_jwk_import(jwk.octets().data(), jwk.octets().size(), &error),
          [](cjose_jwk_t* key) { cjose_jwk_release(key); }};
}

// cjose makes the public half from the private one: what the file says of it may be another's.
bool is_same_point(const cjose_jwk_t* jwk, const Json& said) {
  cjose_err error{};
  const std::unique_ptr<char, void (*)(void*)> text(cjose_jwk_to_json(jwk, false, &error), cjose_get_dealloc());
  const Json made = text ? Json::parse(text.get(), nullptr, false) : Json();
  return made.is_object() && text_of(made, "x") == text_of(said, "x") && text_of(made, "y") == text_of(said, "y");
}

// The five parts of a compact JWE; none if it has another form.
std::optional<std::array<std::string_view, kParts>> parts_of(std::string_view compact) {
  std::array<std::string_view, kParts> parts;
  for (size_t i = 0; i < kParts; i++) {
    const size_t end = compact.find('.');
    if ((end == std::string_view::npos) != (i + 1 == kParts)) return std::nullopt;
    parts[i] = compact.substr(0, end);
    if (end != std::string_view::npos) compact.remove_prefix(end + 1);
  }
  const bool is_base64url = std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
  });
  if (!is_base64url || parts[0].empty()) return std::nullopt;
  return parts;
}

bool has_octets(std::string_view part, size_t count) {
  const auto octets = from_base64url(part);
  return octets && octets->size() == count;
}

}  // namespace

Result<IntakeKey> IntakeKey::parse(const Secret& jwk) {
  const Json key = Json::parse(jwk.octets(), nullptr, false);
  if (!key.is_object()) return unusable("is no JWK");
  IntakeKey out;
  out.jwk_ = jwk;
  out.key_id_ = text_of(key, "kid");
  if (text_of(key, "kty") == "EC") {
    if (text_of(key, "crv") != "P-256" || text_of(key, "d").empty()) return unusable("is no private key on P-256");
    out.algorithm_ = "ECDH-ES";
    Json others = Json::object();
    for (const char* member : {"kty", "crv", "use", "alg", "kid", "x", "y"})
      if (key.contains(member)) others[member] = key[member];
    out.public_jwk_ = others.dump();
  } else if (text_of(key, "kty") == "oct") {
    if (!has_octets(text_of(key, "k"), kDirectOctets)) return unusable("is no key of 32 octets");
    out.algorithm_ = "dir";
  } else {
    return unusable("is neither an EC key nor a shared one (oct)");
  }
  const Jwk read = import(jwk);
  if (!read || !is_same_point(read.get(), key)) return unusable("is no key whose halves belong together");
  return out;
}

Result<std::string> IntakeKey::open(std::string_view compact) const {
  const auto parts = parts_of(compact);
  if (!parts) return refused("CLEAR");
  const auto header = from_base64url((*parts)[0]);
  const Json said = header ? Json::parse(*header, nullptr, false) : Json();
  if (!said.is_object()) return refused("UNREADABLE");
  if (said.contains("kid") && text_of(said, "kid") != key_id_) return refused("UNKNOWN_KEY");
  if (text_of(said, "alg") != algorithm_ || text_of(said, "enc") != kEncryption || said.contains("zip") ||
      said.contains("crit"))
    return refused("ALGORITHM");
  // Checked here too: a tag that may be shorter proves nothing (CVE-2023-37464).
  if (!(*parts)[1].empty() || !has_octets((*parts)[2], kNonceOctets) || !has_octets((*parts)[4], kTagOctets))
    return refused("UNREADABLE");
  const Sweep sweep;
  cjose_err error{};
  const Jwe jwe(cjose_jwe_import(compact.data(), compact.size(), &error), cjose_jwe_release);
  // Each opening has a key of its own: cjose counts its users without a lock.
  const Jwk key = import(jwk_);
  if (!jwe || !key) return refused("UNREADABLE");
  size_t size = 0;
  const std::unique_ptr<uint8_t, void (*)(void*)> plain(cjose_jwe_decrypt(jwe.get(), key.get(), &size, &error),
                                                        cjose_get_dealloc());
  if (!plain) return refused("UNREADABLE");
  return std::string(reinterpret_cast<const char*>(plain.get()), size);
}

}  // namespace signet

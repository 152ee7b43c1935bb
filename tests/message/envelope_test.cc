#include "message/envelope.h"

#include <catch2/catch.hpp>

#include "base/bytes.h"
#include "base/canonical_json.h"

namespace signet {
namespace {

const std::string kSalt(32, '\x07');

Envelope sample() {
  Envelope e;
  e.kind = Kind::email;
  e.recipient = "Ann@example.org";
  e.subject = "Your \"results\"";
  e.body = "LVEF 55 %\nπ ≈ 3";
  e.attachments = {sha256("a"), sha256("b")};
  return e;
}

std::vector<Envelope> variants() {
  std::vector<Envelope> out(6, sample());
  out[0].kind = Kind::letter;
  out[1].recipient = "ann@example.org";
  out[2].subject += ' ';
  out[3].body = "LVEF 65 %\nπ ≈ 3";
  out[4].attachments.pop_back();
  std::swap(out[5].attachments[0], out[5].attachments[1]);
  return out;
}

TEST_CASE("the canonical form is written to the letter") {
  Envelope e;
  e.recipient = "+61412345678";
  e.body = "Hi";
  CHECK(canonical(e) == R"({"attachments":[],"body":"Hi","kind":"sms","recipient":"+61412345678","subject":""})");
}

TEST_CASE("the canonical form is that of RFC 8785") {
  auto all = variants();
  all.push_back(sample());
  for (const auto& e : all) {
    const auto again = canonicalize(canonical(e));
    REQUIRE(again.ok());
    CHECK(*again == canonical(e));
  }
}

TEST_CASE("a commitment is the HMAC under the salt") {
  Envelope e;
  e.recipient = "+61412345678";
  e.body = "Hi";
  CHECK(envelope_commit(kSalt, e) == hmac_sha256(kSalt, canonical(e)));
  CHECK(envelope_commit(std::string(32, '\x08'), e) != envelope_commit(kSalt, e));
}

TEST_CASE("whatever changes in an envelope changes its commitment") {
  const auto before = envelope_commit(kSalt, sample());
  for (const auto& e : variants()) CHECK(envelope_commit(kSalt, e) != before);
}

TEST_CASE("a MAC covers message, version, commitment and policy") {
  const std::string key(32, 'k');
  Uuid id, other;
  id.bytes[15] = 1;
  other.bytes[15] = 2;
  const auto commit = envelope_commit(kSalt, sample());
  auto changed = commit;
  changed[31] ^= 1;
  const auto mac = approval_mac(key, id, 1, commit, "signet-1");
  CHECK(mac == approval_mac(key, id, 1, commit, "signet-1"));
  CHECK(mac != approval_mac(key, other, 1, commit, "signet-1"));
  CHECK(mac != approval_mac(key, id, 2, commit, "signet-1"));
  CHECK(mac != approval_mac(key, id, 1, changed, "signet-1"));
  CHECK(mac != approval_mac(key, id, 1, commit, "signet-2"));
  CHECK(mac != approval_mac(std::string(32, 'l'), id, 1, commit, "signet-1"));
}

TEST_CASE("index keys of a recipient and of an equal text differ") {
  const std::string key(32, 'i');
  CHECK(recipient_key(key, "same") != content_key(key, "same"));
  CHECK(recipient_key(key, "same") == recipient_key(key, "same"));
}

TEST_CASE("what was packed comes out again") {
  auto all = variants();
  all.push_back(sample());
  all.emplace_back();
  for (const auto& e : all) {
    const auto out = unpack(pack(kSalt, e));
    REQUIRE(out.ok());
    CHECK(out->salt == kSalt);
    CHECK(out->envelope == e);
  }
}

TEST_CASE("a truncated or lengthened pack is refused") {
  const std::string packed = pack(kSalt, sample());
  for (size_t size = 0; size < packed.size(); ++size) CHECK_FALSE(unpack(packed.substr(0, size)).ok());
  CHECK_FALSE(unpack(packed + '\0').ok());
  CHECK_FALSE(unpack(packed + packed).ok());
}

TEST_CASE("each changed byte of a pack is refused or gives another envelope") {
  const std::string packed = pack(kSalt, sample());
  for (size_t i = 0; i < packed.size(); ++i)
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bad = packed;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      const auto out = unpack(bad);
      if (out.ok()) CHECK_FALSE((out->salt == kSalt && out->envelope == sample()));
    }
}

TEST_CASE("a count of attachments without attachments is refused at once") {
  std::string packed = pack(kSalt, Envelope{});
  for (size_t i = packed.size() - 4; i < packed.size(); ++i) packed[i] = '\xff';
  CHECK_FALSE(unpack(packed).ok());
}

TEST_CASE("a seal's binding is canonical and differs by table, row, version and field") {
  Uuid id, other;
  other.bytes[0] = 1;
  const auto binding = seal_binding("content", id, 1, "sealed");
  CHECK(binding == R"({"field":"sealed","row":"00000000-0000-0000-0000-000000000000","table":"content","version":1})");
  CHECK(*canonicalize(binding) == binding);
  CHECK(binding != seal_binding("approval", id, 1, "sealed"));
  CHECK(binding != seal_binding("content", other, 1, "sealed"));
  CHECK(binding != seal_binding("content", id, 2, "sealed"));
  CHECK(binding != seal_binding("content", id, 1, "details"));
}

}  // namespace
}  // namespace signet

#include "base/crypto.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

std::string hex(const Digest& digest) { return to_hex(view(digest)); }
std::string octets(const char* hexadecimal) { return from_hex(hexadecimal).value(); }

class Zeros : public Random {  // the nonce of the published vector
 public:
  void fill(void* to, size_t bytes) override { std::memset(to, 0, bytes); }
};

}  // namespace

TEST_CASE("SHA-256 gives the vectors of FIPS 180-4") {
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hex(sha256(std::string(1'000'000, 'a'))) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a digest is viewed and rebuilt") {
  const Digest digest = sha256("abc");
  CHECK(digest_from(view(digest)) == digest);
}

TEST_CASE("HMAC-SHA-256 gives the vectors of RFC 4231") {
  CHECK(hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd'))) ==
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  CHECK(hex(hmac_sha256(octets("0102030405060708090a0b0c0d0e0f10111213141516171819"), std::string(50, '\xcd'))) ==
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
  CHECK(hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(hex(hmac_sha256(std::string(131, '\xaa'),
                        "This is a test using a larger than block-size key and a larger than block-size data. The key "
                        "needs to be hashed before being used by the HMAC algorithm.")) ==
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST_CASE("HMAC-SHA-1 gives the vectors of RFC 2202") {
  CHECK(to_hex(hmac_sha1(std::string(20, '\x0b'), "Hi There")) == "b617318655057264e28bc0b6fb378c8ef146be00");
  CHECK(to_hex(hmac_sha1("Jefe", "what do ya want for nothing?")) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  CHECK(to_hex(hmac_sha1(std::string(80, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "aa4ae5e15272d00e95705637ce8a3b55ed402112");
}

TEST_CASE("AES-256-GCM gives case 14 of its specification") {
  Zeros nonce;
  const std::string sealed = seal(std::string(32, '\0'), "", std::string(16, '\0'), nonce);
  CHECK(to_hex(sealed) == "000000000000000000000000cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST_CASE("AES-256-GCM opens case 16 of its specification") {
  const std::string key = octets("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const std::string aad = octets("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const std::string sealed = octets(
      "cafebabefacedbaddecaf888"
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
      "bcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b");
  CHECK(
      to_hex(unseal(key, aad, sealed).value()) ==
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
      "ba637b39");
}

TEST_CASE("what was sealed opens with the same key and the same bound data only") {
  SeededRandom random(1);
  const std::string key(32, 'k');
  for (const size_t size : {0, 1, 15, 16, 17, 1000, 100'000}) {
    const std::string plain(size, 'p');
    const std::string sealed = seal(key, "row 1", plain, random);
    CHECK(sealed.size() == size + kSealOverhead);
    CHECK(unseal(key, "row 1", sealed).value() == plain);
    CHECK(unseal(key, "row 2", sealed).error().code == ErrorCode::corrupt);
    CHECK(unseal(std::string(32, 'l'), "row 1", sealed).error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("every changed bit and every cut of what was sealed is refused") {
  SeededRandom random(2);
  const std::string key(32, 'k');
  const std::string sealed = seal(key, "aad", "take two a day", random);
  for (size_t i = 0; i < sealed.size(); i++) {
    std::string changed = sealed;
    changed[i] ^= static_cast<char>(1 << (i % 8));
    CHECK(unseal(key, "aad", changed).error().code == ErrorCode::corrupt);
    CHECK(unseal(key, "aad", std::string_view(sealed).substr(0, i)).error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("the same text sealed twice differs") {
  SystemRandom random;
  const std::string key(32, 'k');
  CHECK(seal(key, "", "x", random) != seal(key, "", "x", random));
}

// A log in memory that grows by one leaf after the other and asks a witness.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "audit/tile.h"
#include "audit/witness.h"

namespace signet {

struct SmallLog {  // up to 256 leaves
  SigningKey key;
  NoteKey name;
  std::vector<Digest> leaves;

  SmallLog(NoteKey log_name, SigningKey log_key, int size) : key(std::move(log_key)), name(std::move(log_name)) {
    for (int i = 0; i < size; i++) leaves.push_back(sha256(std::to_string(i)));
  }
  static SmallLog make(int size) {
    auto key = SigningKey::generate(SignatureAlgorithm::ed25519).value();
    auto name = NoteKey::make("small/log", NoteKeyType::ed25519, key.public_key()).value();
    return {std::move(name), std::move(key), size};
  }
  std::string checkpoint(uint64_t size) const {
    return sign_checkpoint({name.name(), size, root_of(std::span(leaves).first(size))}, name, key).value();
  }
  std::vector<Digest> proof(uint64_t from, uint64_t to) const {
    const TileReader tiles = [this](int, uint64_t, int width) -> Result<std::vector<Digest>> {
      return std::vector<Digest>(leaves.begin(), leaves.begin() + width);
    };
    return from == 0 ? std::vector<Digest>() : ProofBuilder(tiles, to).consistency(from).value();
  }
  std::string request(uint64_t from, uint64_t to) const { return print({from, proof(from, to), checkpoint(to)}); }
};

}  // namespace signet

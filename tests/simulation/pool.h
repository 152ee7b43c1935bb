// Approved messages with their seals, made once: sealing is what costs most. The same in every process.
#pragma once

#include <vector>

#include "store/keyring.h"
#include "store/memory_store.h"
#include "tests/fakes/random.h"

namespace signet::test {

class MessagePool {
 public:
  MessagePool();
  const Keyring& keys() const { return keys_; }
  const std::vector<MemoryStore::Message>& messages() const { return messages_; }

 private:
  SeededRandom random_{4711};
  Keyring keys_;
  std::vector<MemoryStore::Message> messages_;
};

}  // namespace signet::test

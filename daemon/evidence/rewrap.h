// After a change of the key-encryption key: wraps anew, batch by batch, what an older key wrapped (docs/operations.md,
// "Changing the key-encryption key"). Each row names its key, so that it can stop anywhere and go on; content is not
// touched. One daemon of all does it. One thread.
#pragma once

#include <set>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "daemon/metrics.h"
#include "store/key_rotation.h"
#include "store/keyring.h"
#include "store/place.h"

namespace signet {

class Rewrap {
 public:
  // `postgres` is the login signet_app's; `keys` outlives this.
  Rewrap(PgOptions postgres, const Keyring& keys, std::string instance, const Clock& clock, IdSource& ids, Log& log,
         Metrics& metrics, int batch = 500)
      : place_(std::move(postgres), Elected::rewrap, clock),
        keys_(keys),
        instance_(std::move(instance)),
        clock_(clock),
        ids_(ids),
        log_(log),
        metrics_(metrics),
        batch_(batch) {}

  // One batch. True: there is more to do at once. Without previous keys it does nothing, at no cost.
  bool pass();

 private:
  Result<bool> turn();
  Result<int64_t> wrap_batch(const std::string& from, const WrappedTable& table);
  Result<void> end(const std::string& from);

  Place place_;
  const Keyring& keys_;
  const std::string instance_;
  const Clock& clock_;
  IdSource& ids_;
  Log& log_;
  Metrics& metrics_;
  const int batch_;
  size_t key_ = 0, table_ = 0;  // what comes next
  std::string after_;
  std::set<std::string> free_;  // keys of which it was said that they can go
  std::string told_;
};

}  // namespace signet

// Asks a provider what became of an attempt, by our own reference.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/ids.h"
#include "providers/http_call.h"
#include "providers/provider.h"
#include "store/engine_store.h"
#include "store/keyring.h"

namespace signet {

struct DoubtProvider {  // what settling a doubt needs of a configured provider
  std::shared_ptr<const Provider> provider;
  DoubtRules rules;
  std::string ca_file;  // of its settings
};

class LookUps {  // one thread
 public:
  using Ask = std::function<Result<HttpReply>(const HttpCall&)>;
  LookUps(EngineStore& store, const Keyring& keys, const Clock& clock, IdSource& ids, Ask ask)
      : store_(store), keys_(keys), clock_(clock), ids_(ids), ask_(std::move(ask)) {}

  // An answer that settles it is kept in the ledger of callbacks, sealed: it is the evidence, and applied as one.
  Result<Found> ask(const DoubtProvider& provider, const Doubt& doubt);

 private:
  Result<void> keep(const Doubt& doubt, const LookUp& answer, const std::string& body);

  EngineStore& store_;
  const Keyring& keys_;
  const Clock& clock_;
  IdSource& ids_;
  const Ask ask_;
};

}  // namespace signet

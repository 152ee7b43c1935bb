// The people of a simulated world: who approves, cancels, decides on doubts and requeues. Each step is one transaction
// through the same store that the background work uses.
#pragma once

#include <vector>

#include "store/memory_engine_store.h"
#include "tests/fakes/random.h"
#include "tests/simulation/sim_provider.h"
#include "tests/simulation/sim_time.h"
#include "tests/simulation/trace.h"

namespace signet::test {

inline constexpr const char* kPerson = "anna";  // who acts

class People {
 public:
  People(const SimTime& time, MemoryStore& store, Judge& judge, Trace& trace, SeededRandom& chance)
      : store_(store), engine_(store), judge_(judge), trace_(trace), chance_(chance), clock_(time) {}

  void accept(const MemoryStore::Message& message);  // the COMMIT of an approval
  void act();                                        // something, to some message
  void pause_or_resume();                            // a priority, or a provider
  void go_home();                                    // and leave nothing paused
  const std::vector<Uuid>& accepted() const { return accepted_; }

 private:
  void cancel(const Uuid& id);
  void resolve(const Uuid& id);
  void requeue(const Uuid& id);
  StatusChange change_of(const MessageRow& row, Status status, const char* action);

  MemoryStore& store_;
  MemoryEngineStore engine_;
  Judge& judge_;
  Trace& trace_;
  SeededRandom& chance_;
  SimClock clock_;
  IdSource ids_{clock_, chance_};
  std::vector<Uuid> accepted_;
  bool is_home_ = false;
};

}  // namespace signet::test

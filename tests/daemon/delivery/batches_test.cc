#include "daemon/delivery/batches.h"

#include <catch2/catch.hpp>

#include "tests/fakes/clock.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

struct Fixture {
  ManualClock clock;
  SeededRandom random{3};
  IdSource ids{clock, random};
  Batches batches;
  PermitRequest request(Priority priority) {
    PermitRequest out;
    out.id = ids.next();
    out.priority = priority;
    return out;
  }
  ResultRow result() {
    ResultRow out;
    out.id = ids.next();
    return out;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a batch takes the urgent first, and of each kind no more than it may") {
  for (const Priority priority : {Priority::bulk, Priority::normal, Priority::critical, Priority::high})
    for (int i = 0; i < 2; i++) batches.add(request(priority));
  for (int i = 0; i < 4; i++) batches.add(result());
  const Batch first = batches.take(3);
  CHECK(first.results.size() == 3);
  REQUIRE(first.permits.size() == 3);
  CHECK(first.permits[0].priority == Priority::critical);
  CHECK(first.permits[1].priority == Priority::critical);
  CHECK(first.permits[2].priority == Priority::high);
  CHECK(batches.size() == 6);
}

TEST_CASE_METHOD(Fixture, "what is urgent goes alone, critical first, and no more than it may") {
  CHECK_FALSE(batches.has_urgent());
  for (const Priority priority : {Priority::bulk, Priority::normal, Priority::high, Priority::critical})
    for (int i = 0; i < 2; i++) batches.add(request(priority));
  batches.add(result());
  REQUIRE(batches.has_urgent());
  const Batch first = batches.take_urgent(3);
  CHECK(first.size() == 3);
  REQUIRE(first.permits.size() == 3);
  CHECK(first.permits[1].priority == Priority::critical);
  CHECK(first.permits[2].priority == Priority::high);
  CHECK(batches.take_urgent(3).permits.size() == 1);
  CHECK_FALSE(batches.has_urgent());
  CHECK(batches.size() == 5);
}

TEST_CASE_METHOD(Fixture, "a batch waits for others while sends are under way") {
  CHECK_FALSE(batches.is_worth_writing(1, false));
  batches.add(request(Priority::normal));
  CHECK_FALSE(batches.is_worth_writing(2, true));
  CHECK(batches.is_worth_writing(2, false));
  CHECK(batches.is_worth_writing(1, true));
}

TEST_CASE_METHOD(Fixture, "what is put back comes again in its order") {
  for (int i = 0; i < 5; i++) batches.add(request(Priority::normal));
  for (int i = 0; i < 5; i++) batches.add(result());
  const Batch taken = batches.take(3);
  batches.put_back(taken);
  const Batch again = batches.take(3);
  for (size_t i = 0; i < 3; i++) {
    CHECK(again.permits[i].id == taken.permits[i].id);
    CHECK(again.results[i].id == taken.results[i].id);
  }
}

TEST_CASE_METHOD(Fixture, "a refused batch comes down to its bad row in few steps, and the good ones are written") {
  std::vector<Uuid> made;
  for (int i = 0; i < 100; i++) {
    batches.add(result());
    batches.add(request(Priority::normal));
  }
  const Batch whole = batches.take(100);
  const size_t at = GENERATE(0u, 57u, 99u);
  const Uuid bad = at == 99 ? whole.permits[at].id : whole.results[at].id;
  batches.split(whole);
  size_t writes = 0, written = 0;
  while (batches.size() > 0) {
    const Batch batch = batches.take(100);
    writes++;
    bool is_bad = false;
    for (const auto& row : batch.results) is_bad = is_bad || row.id == bad;
    for (const auto& row : batch.permits) is_bad = is_bad || row.id == bad;
    if (!is_bad)
      written += batch.size();
    else if (batch.size() > 1)
      batches.split(batch);
  }
  CHECK(written == 199);
  CHECK(writes <= 2 * 8);
}

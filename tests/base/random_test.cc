#include "base/random.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <set>
#include <string>

#include "base/check.h"
#include "tests/fakes/random.h"

using namespace signet;

namespace {

class Scripted : public Random {  // gives the same word for ever, then the next one
 public:
  explicit Scripted(std::array<uint64_t, 2> words) : words_(words) {}
  void fill(void* to, size_t bytes) override {
    SIGNET_CHECK(bytes == sizeof(uint64_t));
    std::memcpy(to, &words_[used_ == 0 ? 0 : 1], bytes);
    used_++;
  }
  int used() const { return used_; }

 private:
  std::array<uint64_t, 2> words_;
  int used_ = 0;
};

}  // namespace

TEST_CASE("a unit lies in [0, 1) at the ends of the generator") {
  Scripted ends({0, UINT64_MAX});
  CHECK(ends.unit() == 0.0);
  const double most = ends.unit();
  CHECK(most < 1.0);
  CHECK(most > 0.999999999);
}

TEST_CASE("below draws again rather than favour small values") {
  Scripted random({UINT64_MAX, 5});
  CHECK(random.below(3) == 2);
  CHECK(random.used() == 2);
}

TEST_CASE("below reaches each value about as often") {
  SeededRandom random(1);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70'000; i++) seen[random.below(seen.size())]++;
  for (const int count : seen) {
    CHECK(count > 9'500);
    CHECK(count < 10'500);
  }
  CHECK(random.below(1) == 0);
}

TEST_CASE("the system's generator does not repeat itself") {
  SystemRandom random;
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; i++) seen.insert(random.next());
  CHECK(seen.size() == 1000);
  random.fill(nullptr, 0);
}

TEST_CASE("a seed repeats and another seed differs") {
  SeededRandom one(7), again(7), other(8);
  for (int i = 0; i < 100; i++) {
    const uint64_t value = one.next();
    CHECK(value == again.next());
    CHECK(value != other.next());
  }
}

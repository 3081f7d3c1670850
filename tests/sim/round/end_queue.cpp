// Does the queue return ends in their total order for any times and any order of pushes and pops?

#include "sim/round/end_queue.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "sim/random.hpp"

namespace shoal {
namespace {

using Times = std::function<std::int64_t(RandomStream&, std::int64_t now)>;

std::int64_t below(RandomStream& random, std::int64_t n) { return random.below(n); }

ParticipationEnd draw(RandomStream& random, std::int64_t time) {
  return {Ticks{time}, below(random, 2) == 0 ? EndKind::arrival : EndKind::dropout, ClientId{below(random, 5)},
          ParticipationId{below(random, 1000)}};
}

// Compares the queue with a sorted set: starts with `initial` ends, in each step pushes an end with probability
// `pushes` or else pops one, and finally empties both.
void compare(const Times& times, std::int64_t initial, std::int64_t steps, double pushes) {
  RandomStream random(random_key(3, "planner/selection"), initial, steps);
  std::vector<ParticipationEnd> ends;
  for (std::int64_t i = 0; i < initial; ++i) ends.push_back(draw(random, times(random, 0)));
  std::multiset<ParticipationEnd> expected(ends.begin(), ends.end());
  EndQueue queue(std::move(ends));
  std::int64_t now = 0;
  for (std::int64_t step = 0; step < steps || !expected.empty(); ++step) {
    ASSERT_EQ(queue.size(), std::ssize(expected));
    ASSERT_EQ(queue.empty(), expected.empty());
    if (expected.empty() || (step < steps && random.uniform() < pushes)) {
      const ParticipationEnd end = draw(random, times(random, now));
      queue.push(end);
      expected.insert(end);
    } else {
      ASSERT_EQ(queue.next(), *expected.begin()) << "step " << step;
      now = value(queue.next().time);
      ASSERT_EQ(queue.pop(), *expected.begin()) << "step " << step;
      expected.erase(expected.begin());
    }
  }
}

void compare_all(const Times& times) {
  for (const std::int64_t initial : {0, 1, 31, 1024, 1025, 20'000}) {
    for (const double pushes : {0.3, 0.5, 0.7}) compare(times, initial, 20'000, pushes);
  }
}

TEST(EndQueue, ExponentialDurations) {
  compare_all([](RandomStream& random, std::int64_t now) {
    const std::int64_t duration = -6e7 * std::log(1 - random.uniform());
    return now + duration;
  });
}

TEST(EndQueue, EqualTimes) {
  compare_all([](RandomStream&, std::int64_t) { return 7; });
  compare_all([](RandomStream& random, std::int64_t) { return below(random, 3); });
  // Half of all ends are at one instant, the others around it.
  compare_all([](RandomStream& random, std::int64_t now) {
    return now + (random.uniform() < 0.5 ? 1000 : below(random, 2000));
  });
}

TEST(EndQueue, TimesThatDecrease) {
  std::int64_t next = 1'000'000'000;
  compare_all([&](RandomStream&, std::int64_t) { return next -= 3; });
}

TEST(EndQueue, TimesThatIncrease) {
  std::int64_t next = 0;
  compare_all([&](RandomStream&, std::int64_t) { return next += 3; });
}

// Times may lie before the last end that was popped; the queue allows that.
TEST(EndQueue, AnyTimes) {
  compare_all([](RandomStream& random, std::int64_t) { return below(random, 1'000'000); });
}

TEST(EndQueue, FarFuture) {
  constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  compare_all([](RandomStream& random, std::int64_t now) {
    const double kind = random.uniform();
    if (kind < 0.1) return never - below(random, 2);
    if (kind < 0.2) return std::int64_t{0};
    return kind < 0.3 ? std::max(now, never / 2) : now / 2 + below(random, 1'000'000);
  });
  // More than an eighth of the ends are at the last possible time.
  compare_all([](RandomStream& random, std::int64_t) { return random.uniform() < 0.5 ? never : below(random, 100); });
  compare_all([](RandomStream& random, std::int64_t) {
    return random.uniform() < 0.5 ? std::numeric_limits<std::int64_t>::min() : never;
  });
}

TEST(EndQueue, AMillion) {
  RandomStream random(random_key(4, "planner/selection"), 0);
  std::vector<ParticipationEnd> ends;
  for (int i = 0; i < 1'000'000; ++i) ends.push_back(draw(random, below(random, 100'000'000)));
  EndQueue queue(ends);
  std::ranges::sort(ends);
  for (const ParticipationEnd& end : ends) ASSERT_EQ(queue.pop(), end);
  EXPECT_TRUE(queue.empty());
}

TEST(EndQueue, RefusesToPopWhenItIsEmpty) {
  EndQueue queue;
  EXPECT_THROW(queue.pop(), BrokenInvariant);
  queue.push({Ticks{5}});
  EXPECT_EQ(queue.pop().time, Ticks{5});
  EXPECT_THROW(queue.pop(), BrokenInvariant);
}

}  // namespace
}  // namespace shoal

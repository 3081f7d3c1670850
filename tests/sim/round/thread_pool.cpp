#include "sim/round/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace shoal {
namespace {

TEST(ThreadPool, DoesEveryPieceOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (const std::size_t count : {0, 1, 2, 257}) {
      std::vector<int> times(count);
      pool.for_each(count, [&](int, std::size_t i) { ++times[i]; });
      EXPECT_EQ(times, std::vector<int>(count, 1)) << threads << " threads, " << count << " pieces";
    }
  }
}

TEST(ThreadPool, ShowsTheCallerWhatWorkersWrote) {
  ThreadPool pool(4);
  std::vector<std::int64_t> values(1000);
  for (std::int64_t round = 1; round <= 200; ++round) {  // plain memory: the pool alone orders these accesses
    pool.for_each(values.size(), [&](int, std::size_t i) { values[i] += round; });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), std::int64_t{0}), 1000 * round * (round + 1) / 2);
  }
}

TEST(ThreadPool, GivesOneWorkerOnePieceAtATime) {
  ThreadPool pool(4);
  std::vector<int> busy(pool.size());  // not atomic: a worker's number belongs to one thread
  pool.for_each(2000, [&](int worker, std::size_t) {
    ASSERT_GE(worker, 0);
    ASSERT_LT(worker, 4);
    ASSERT_EQ(++busy[worker], 1);
    --busy[worker];
  });
}

TEST(ThreadPool, StartsEveryThreadOnce) {
  std::mutex mutex;
  std::multiset<std::thread::id> started;
  {
    ThreadPool pool(3, [&] {
      const std::lock_guard lock(mutex);
      started.insert(std::this_thread::get_id());
    });
    pool.for_each(1, [](int, std::size_t) {});
  }
  EXPECT_EQ(started.size(), 3);
  EXPECT_EQ(started.count(std::this_thread::get_id()), 1);
}

TEST(ThreadPool, RethrowsAFailureAndStaysUsable) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    std::atomic<int> done = 0;
    const auto fails = [&](int, std::size_t i) {
      if (i == 5) throw std::runtime_error("piece 5");
      ++done;
    };
    EXPECT_THROW(pool.for_each(100, fails), std::runtime_error);
    EXPECT_LT(done, 100);
    if (threads == 1) {
      EXPECT_EQ(done, 5);  // nothing is begun after the failure
    }
    done = 0;
    pool.for_each(100, [&](int, std::size_t) { ++done; });
    EXPECT_EQ(done, 100);
  }
}

}  // namespace
}  // namespace shoal

#include "sim/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace shoal;

const RandomKey key = random_key(20240, "task/shuffle");

std::vector<std::uint32_t> first_words(RandomKey of, std::int64_t client, std::int64_t participation) {
  RandomStream random(of, client, participation);
  std::vector<std::uint32_t> words(9);  // three blocks
  for (auto& word : words) word = random.bits();
  return words;
}

struct Moments {
  double mean, variance;
};

template <class Draw>
Moments moments(int n, const Draw& draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double mean = sum / n;
  return {mean, squares / n - mean * mean};
}

struct KnownKey {
  const char* purpose;
  std::uint32_t word0, word1;
};

// The first two words of Philox4x32-10 under the key (0x6c6b6579, 0x76310000) for the counter (seed, number,
// 0x5368616f), computed independently in Python; the numbers are 1 to 11, 40 to 51, 60 to 65 and 80 to 90 in this
// order.
const std::uint64_t known_seed = (std::uint64_t{5} << 32) + 20240;
const KnownKey known_keys[] = {
    {"model/initial_parameters", 0x7cb174a5, 0xdb63654b},
    {"partition", 0x06647389, 0x98c3205a},
    {"task/holdout", 0xcde4c67a, 0x074b49bc},
    {"planner/selection", 0xb32cd93d, 0x359c203d},
    {"clients/dropout", 0xfc74ef27, 0x0ee96bed},
    {"clients/speed", 0x9c202c20, 0x79f02c05},
    {"task/shuffle", 0x450e3e61, 0x3d1727ec},
    {"source/synthetic", 0x23d91e02, 0x54613773},
    {"task/quadratic", 0xed5de1b4, 0xa6e0e0c0},
    {"stage/noise", 0x15195dfc, 0x6a6780be},
    {"round/personal_evaluation", 0x35763af3, 0xf36a904c},
    {"clients/availability", 0xac183633, 0x9ec86e03},
    {"clients/traced_device", 0x717ce679, 0xf62ce2fb},
    {"clients/region", 0x3dafe53b, 0x34f6fc68},
    {"clients/outage", 0x2fab586c, 0x2dbd9f59},
    {"clients/consent", 0x1699e7cb, 0x145ed0bc},
    {"clients/charging", 0x77b2567f, 0x9d53b12e},
    {"clients/sleep", 0x7f0fcc01, 0xffd3aca2},
    {"clients/at_home", 0x4a75cb06, 0xe586e2d2},
    {"clients/in_use", 0x944f2571, 0x2e02c531},
    {"clients/hotspot", 0xc57fa9c7, 0xad77b9ac},
    {"planner/stragglers", 0x4b5ec44d, 0xaee943b6},
    {"planner/ranking", 0x84f58a5c, 0x7d07734b},
    {"clients/battery", 0xeaa261df, 0xeaebcd12},
    {"clients/check_in", 0xc6de5a92, 0xa96d5e27},
    {"clients/partial_work", 0x89d06bfc, 0x422a7592},
    {"clients/bandwidth", 0x56a92bf3, 0x43d6537e},
    {"clients/unmetered", 0x15e0e3dc, 0xa3b86abc},
    {"clients/tier", 0x47f697d1, 0x63133612},
    {"agents/world", 0x471bfe1f, 0xb7b7901c},
    {"agents/judge", 0x881ee322, 0x9162af7c},
    {"agents/hint_gain", 0x83b9d32e, 0x4510a520},
    {"agents/pretraining", 0x492c6ce7, 0x0db7ff10},
    {"agents/users", 0xd2c00cc6, 0x5db36740},
    {"agents/serving", 0xf6eb2311, 0xfdb56fe1},
    {"agents/judging", 0x7a44891c, 0x109107b8},
    {"agents/training", 0x3d9bb85e, 0x9e774850},
    {"agents/population", 0x6f9e8fcf, 0x68c83ec3},
    {"agents/rollout", 0xdba6bae7, 0x7bf2316e},
    {"agents/evaluation", 0xd1d7f865, 0x5dffb990},
};

TEST(RandomKey, ListedPurposesKeepTheirKeys) {
  for (const KnownKey& known : known_keys) {
    const RandomKey found = random_key(known_seed, known.purpose);
    EXPECT_EQ(found.word0, known.word0) << known.purpose;
    EXPECT_EQ(found.word1, known.word1) << known.purpose;
  }
}

TEST(RandomKey, OtherPurposesAreHashed) {
  // FNV-1a of "foobar" is 0x85944171f73967e8: the published test vector (isthe.com/chongo/src/fnv/test_fnv.c).
  const PhiloxBlock expected = philox({{20240, 5, 0xf73967e8, 0x85944171}}, {{0x6c6b6579, 0x76310000}});
  const RandomKey found = random_key(known_seed, "foobar");
  EXPECT_EQ(found.word0, expected[0]);
  EXPECT_EQ(found.word1, expected[1]);
}

TEST(RandomKey, PurposesDoNotCoincide) {
  std::vector<std::string> purposes = {
      "", "a", "b", "ab", "ba", "planner", "planner/", "planner/Ranking", "stage/noise2"};
  for (const KnownKey& known : known_keys) purposes.emplace_back(known.purpose);
  for (const char* room : {"planner/", "stage/", "codec/", "clients/", ""}) {
    for (int i = 0; i < 10'000; ++i) purposes.push_back(room + std::to_string(i));
  }
  std::set<std::pair<std::uint32_t, std::uint32_t>> keys;
  for (const std::string& purpose : purposes) {
    const RandomKey found = random_key(1, purpose);
    keys.emplace(found.word0, found.word1);
  }
  EXPECT_EQ(keys.size(), purposes.size());
}

TEST(RandomStream, HasTheSameValuesWhereverMade) {
  EXPECT_EQ(first_words(key, 5, 2), first_words(random_key(20240, "task/shuffle"), 5, 2));
  RandomStream a(key, 5, 2), b(key, 6, 2), again(key, 5, 2);
  for (int i = 0; i < 10; ++i) {
    const double x = a.normal();
    b.gamma(0.3);  // other streams in between change nothing
    EXPECT_EQ(x, again.normal());
  }
}

TEST(RandomStream, DiffersInEveryCoordinate) {
  std::set<std::vector<std::uint32_t>> seen;
  std::size_t streams = 0;
  const std::int64_t clients[] = {0, 1, 2, 1'000'000, std::int64_t{1} << 32, std::int64_t{5} << 40};
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
    for (const char* purpose : {"partition", "task/holdout", "planner/selection", "clients/dropout", "clients/speed",
                                "task/shuffle", "one", "other", "another", "others"}) {
      for (const std::int64_t client : clients) {
        for (const std::int64_t participation : {std::int64_t{0}, std::int64_t{1}, std::int64_t{0xffffffff}}) {
          seen.insert(first_words(random_key(seed, purpose), client, participation));
          ++streams;
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), streams);
}

TEST(RandomStream, RefusesParticipationsBeyond32Bits) {
  EXPECT_NO_THROW(RandomStream(key, 0, 0xffffffffLL));
  EXPECT_THROW(RandomStream(key, 0, 0x100000000LL), UserError);
  EXPECT_THROW(RandomStream(key, 0, -1), UserError);
}

TEST(RandomStream, UniformStaysBelowOne) {
  RandomStream random(key, 1);
  const int n = 200'000;
  double least = 1, most = 0;
  const Moments m = moments(n, [&] {
    const double x = random.uniform();
    least = std::min(least, x);
    most = std::max(most, x);
    return x;
  });
  EXPECT_GE(least, 0);
  EXPECT_LT(most, 1);
  EXPECT_NEAR(m.mean, 0.5, 4 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(m.variance, 1.0 / 12, 4 * std::sqrt(1.0 / 180 / n));  // fourth central moment 1/80, minus 1/144
}

TEST(RandomStream, BelowIsUnbiased) {
  RandomStream random(key, 2);
  for (const std::uint64_t n : {2u, 3u, 7u, 10u, 100u}) {
    const std::uint64_t draws = 5000 * n;
    std::vector<double> counts(n);
    for (std::uint64_t i = 0; i < draws; ++i) {
      const std::uint64_t x = random.below(n);
      ASSERT_LT(x, n);
      ++counts[x];
    }
    double chi_square = 0;
    for (const double count : counts) chi_square += (count - 5000) * (count - 5000) / 5000;
    // Mean n - 1, variance 2 (n - 1); the constant covers the skew at few degrees of freedom.
    const double freedom = n - 1;
    EXPECT_LT(chi_square, freedom + 4 * std::sqrt(2 * freedom) + 6) << n;
  }
  EXPECT_EQ(random.below(1), 0u);
}

TEST(RandomStream, BelowRejectsTheBiasedRemainder) {
  // With n = 3 * 2^62 a plain multiply-shift would give every third value twice as often.
  RandomStream random(key, 3);
  const std::uint64_t n = std::uint64_t{3} << 62;
  std::vector<int> by_rest(3);
  for (int i = 0; i < 60'000; ++i) {
    const std::uint64_t x = random.below(n);
    ASSERT_LT(x, n);
    ++by_rest[x % 3];
  }
  for (const int count : by_rest) EXPECT_NEAR(count, 20'000, 4 * std::sqrt(60'000 * 2.0 / 9));
}

TEST(RandomStream, NormalMoments) {
  RandomStream random(key, 4);
  const int n = 400'000;
  double cubes = 0;
  int beyond = 0;
  const Moments m = moments(n, [&] {
    const double x = random.normal();
    cubes += x * x * x;
    beyond += std::fabs(x) > 1.959963984540054;
    return x;
  });
  EXPECT_NEAR(m.mean, 0, 4 / std::sqrt(n));
  EXPECT_NEAR(m.variance, 1, 4 * std::sqrt(2.0 / n));
  EXPECT_NEAR(cubes / n, 0, 4 * std::sqrt(15.0 / n));
  EXPECT_NEAR(beyond, 0.05 * n, 4 * std::sqrt(0.05 * 0.95 * n));
}

TEST(RandomStream, GammaMoments) {
  RandomStream random(key, 5);
  const int n = 400'000;
  for (const double shape : {0.1, 0.5, 1.0, 2.5, 30.0}) {
    const Moments m = moments(n, [&] {
      const double x = random.gamma(shape);
      EXPECT_GE(x, 0);
      return x;
    });
    EXPECT_NEAR(m.mean, shape, 4 * std::sqrt(shape / n)) << shape;
    const double fourth = 3 * shape * shape + 6 * shape;  // central moment of Gamma(shape, 1)
    EXPECT_NEAR(m.variance, shape, 4 * std::sqrt((fourth - shape * shape) / n)) << shape;
  }
}

TEST(Shuffle, KeepsTheItemsAndReachesEveryOrder) {
  RandomStream random(key, 6);
  std::vector<int> counts(6);
  for (int i = 0; i < 12'000; ++i) {
    std::vector<int> items = {0, 1, 2};
    shuffle(std::span<int>(items), random);
    ASSERT_TRUE(std::is_permutation(items.begin(), items.end(), std::vector<int>{0, 1, 2}.begin()));
    ++counts[items[0] * 2 + (items[1] > items[2])];
  }
  for (const int count : counts) EXPECT_NEAR(count, 2000, 4 * std::sqrt(12'000 * 5.0 / 36));
}

TEST(KeyedPermutation, IsABijection) {
  for (const std::uint64_t n : {1u, 2u, 3u, 10u, 1000u, 4097u}) {
    for (const std::uint64_t round : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 40}) {
      const KeyedPermutation permutation(key, round, n);
      std::vector<bool> hit(n, false);
      for (std::uint64_t i = 0; i < n; ++i) {
        const std::uint64_t x = permutation(i);
        ASSERT_LT(x, n);
        ASSERT_FALSE(hit[x]) << n;
        hit[x] = true;
      }
    }
  }
}

TEST(KeyedPermutation, FillGivesTheSingleValues) {
  const RandomKey key = random_key(5, "planner/selection");
  for (const std::uint64_t n :
       {std::uint64_t{1}, std::uint64_t{31}, std::uint64_t{1000}, std::uint64_t{10'000'000}, std::uint64_t{1} << 45}) {
    const KeyedPermutation permutation(key, (std::uint64_t{7} << 32) + 3, n);
    for (const std::uint64_t size : {0, 1, 7, 8, 9, 31, 257}) {
      if (size > n) continue;
      std::vector<std::uint64_t> values(size);
      const std::uint64_t first = (n - size) / 2;
      permutation.fill(first, values);
      for (std::uint64_t i = 0; i < size; ++i) ASSERT_EQ(values[i], permutation(first + i)) << n << ", " << size;
    }
    std::vector<std::uint64_t> beyond(2);
    EXPECT_THROW(permutation.fill(n - 1, beyond), BrokenInvariant);
  }
}

TEST(KeyedPermutation, DependsOnKeyAndRoundOnly) {
  const auto first = [](RandomKey of, std::uint64_t round) {
    std::vector<std::uint64_t> values;
    for (std::uint64_t i = 0; i < 20; ++i) values.push_back(KeyedPermutation(of, round, 1'000'000)(i));
    return values;
  };
  EXPECT_EQ(first(key, 3), first(key, 3));
  EXPECT_NE(first(key, 3), first(key, 4));
  EXPECT_NE(first(key, 3), first(key, 3 + (std::uint64_t{1} << 32)));
  EXPECT_NE(first(key, 3), first(random_key(20241, "task/shuffle"), 3));
}

TEST(KeyedPermutation, ChoosesEveryClientEquallyOften) {
  // A cohort is the first m values; over many rounds every client must be in it equally often.
  const std::uint64_t n = 50, m = 5, rounds = 20'000;
  std::vector<double> counts(n);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const KeyedPermutation permutation(key, round, n);
    for (std::uint64_t i = 0; i < m; ++i) ++counts[permutation(i)];
  }
  const double expected = 1.0 * rounds * m / n;
  for (const double count : counts) EXPECT_NEAR(count, expected, 4.5 * std::sqrt(expected * 0.9));
}

TEST(KeyedPermutation, ServesLargePopulations) {
  const std::uint64_t n = std::uint64_t{1} << 61;
  const KeyedPermutation permutation(key, 0, n);
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 1000; ++i) seen.insert(permutation(i));
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_LT(*seen.rbegin(), n);
  EXPECT_THROW(permutation(n), BrokenInvariant);
}

}  // namespace

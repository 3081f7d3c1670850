// Does every partition deal each example to exactly one client, in the proportions it promises?

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <set>

#include "sim/task/data.hpp"
#include "sim/task/dense_store.hpp"

namespace shoal {
namespace {

std::unique_ptr<Partition> partition(const std::string& name, const std::string& toml) {
  Settings settings = Settings::parse(toml, "test.toml");
  auto made = find_part<Partition>("partition", name).make(settings);
  settings.finish();
  return made;
}

// Examples with labels alone: most partitions look at nothing else.
Examples labelled(std::vector<std::int32_t> labels, std::int64_t classes) {
  Examples examples;
  examples.form = {.shape = {0, 1, 1}, .classes = classes};
  examples.labels = std::move(labels);
  return examples;
}

// `n` examples with classes in turn, from 60 groups one after the other.
Examples in_turn(std::int64_t n, std::int64_t classes) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(i % classes);
  Examples examples = labelled(std::move(labels), classes);
  for (std::int64_t i = 0; i < n; ++i) examples.groups.push_back(i * 60 / n);
  return examples;
}

std::vector<std::int32_t> held(const ClientExamples& clients, std::int64_t client) {
  std::vector<std::int32_t> indices(clients.count(ClientId{client}));
  clients.indices(ClientId{client}, indices);
  return indices;
}

std::vector<std::vector<std::int32_t>> all_held(const ClientExamples& clients) {
  std::vector<std::vector<std::int32_t>> all;
  for (std::int64_t c = 0; c < clients.clients(); ++c) all.push_back(held(clients, c));
  return all;
}

void expect_exact_cover(const ClientExamples& clients, std::int64_t examples) {
  std::vector<int> owners(examples);
  for (const auto& indices : all_held(clients)) {
    EXPECT_TRUE(std::is_sorted(indices.begin(), indices.end()));
    for (const std::int32_t i : indices) ++owners.at(i);
  }
  for (std::size_t i = 0; i < owners.size(); ++i) ASSERT_EQ(owners[i], 1) << "example " << i;
}

std::string user_error_of(const std::string& name, const std::string& toml, const Examples& train) {
  try {
    partition(name, toml)->deal(DenseStore(train), 1);
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << name << " with " << toml << " gave no error";
  return {};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Partitions, DealEachExampleOnceBySeed) {
  for (const auto& part : parts<Partition>()) {
    for (const std::int64_t n : {100, 1797, 3823}) {
      for (const std::int64_t clients : {1, 7, 50}) {
        SCOPED_TRACE(fmt::format("{}, {} examples, {} clients", part.name, n, clients));
        const Examples train = in_turn(n, 10);
        const auto dealer = partition(std::string(part.name), fmt::format("clients = {}", clients));
        const auto dealt = dealer->deal(DenseStore(train), 3);
        EXPECT_EQ(dealt->clients(), clients);
        expect_exact_cover(*dealt, n);
        EXPECT_EQ(all_held(*dealt), all_held(*dealer->deal(DenseStore(train), 3)));
        if (clients > 1) {
          EXPECT_NE(all_held(*dealt), all_held(*dealer->deal(DenseStore(train), 4)));
        }
      }
    }
  }
}

TEST(Partitions, ExplainTheirSettings) {
  for (const auto& part : parts<Partition>()) {
    Settings none;
    EXPECT_NE(part.make(none), nullptr) << part.name;
    EXPECT_FALSE(none.declared().empty()) << part.name;
    EXPECT_TRUE(contains(std::string(part.about), "arXiv")) << part.name;
  }
}

TEST(Partitions, RefuseClientsThatDoNotExist) {
  const auto clients = partition("iid", "clients = 3")->deal(DenseStore(in_turn(9, 3)), 1);
  std::vector<std::int32_t> buffer(3);
  EXPECT_THROW(clients->count(ClientId{3}), BrokenInvariant);
  EXPECT_THROW(clients->count(ClientId{-1}), BrokenInvariant);
  EXPECT_THROW(clients->indices(ClientId{0}, std::span(buffer).first(2)), BrokenInvariant);
}

TEST(Iid, SizesDifferByOneAtMost) {
  for (const std::int64_t clients : {3, 500, 3823, 5000}) {
    const auto dealt = partition("iid", fmt::format("clients = {}", clients))->deal(DenseStore(in_turn(3823, 10)), 1);
    expect_exact_cover(*dealt, 3823);
    for (std::int64_t c = 0; c < clients; ++c) {
      EXPECT_GE(dealt->count(ClientId{c}), 3823 / clients);
      EXPECT_LE(dealt->count(ClientId{c}), (3823 + clients - 1) / clients);
    }
  }
}

TEST(Iid, SpreadsEveryClass) {
  // 100 clients of 100 examples: the number of class 0 is hypergeometric, mean 10, variance 9 * 99 / 99.99.
  const Examples train = in_turn(10000, 10);
  double sum = 0, squares = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto dealt = partition("iid", "clients = 100")->deal(DenseStore(train), seed);
    for (std::int64_t c = 0; c < 100; ++c) {
      double zeros = 0;
      for (const std::int32_t i : held(*dealt, c)) zeros += train.labels[i] == 0;
      sum += zeros;
      squares += (zeros - 10) * (zeros - 10);
    }
  }
  EXPECT_DOUBLE_EQ(sum / 2000, 10);
  EXPECT_NEAR(squares / 2000, 9 * 9900.0 / 9999, 1);  // standard error .3
}

TEST(Shards, GiveFewLabelsPerClient) {
  // 6000 examples, 10 classes of 600; 200 shards of 30, none across two classes.
  const Examples train = in_turn(6000, 10);
  const auto dealt = partition("shards", "clients = 100")->deal(DenseStore(train), 1);
  expect_exact_cover(*dealt, 6000);
  int with_two = 0;
  for (std::int64_t c = 0; c < 100; ++c) {
    EXPECT_EQ(dealt->count(ClientId{c}), 60);
    std::set<std::int32_t> labels;
    for (const std::int32_t i : held(*dealt, c)) labels.insert(train.labels[i]);
    EXPECT_LE(labels.size(), 2U);
    with_two += labels.size() == 2;
  }
  EXPECT_NEAR(with_two, 100 * 180.0 / 199, 12);  // two shards of one class: 19 / 199; standard deviation 2.9
}

TEST(Shards, CoverUnequalClasses) {
  std::vector<std::int32_t> labels(1003, 0);
  std::fill(labels.begin() + 3, labels.begin() + 20, 2);  // class 1 has none
  const auto dealt =
      partition("shards", "clients = 11\nshards_per_client = 3")->deal(DenseStore(labelled(labels, 3)), 5);
  expect_exact_cover(*dealt, 1003);
  for (std::int64_t c = 0; c < 11; ++c) EXPECT_NEAR(dealt->count(ClientId{c}), 1003.0 / 11, 3);
}

TEST(Shards, RefuseMoreShardsThanExamples) {
  const std::string text = user_error_of("shards", "clients = 60", in_turn(100, 10));
  EXPECT_TRUE(contains(text, "60 clients with 2 shards each need 120 training examples or more (the data set has 100)"))
      << text;
  EXPECT_TRUE(contains(text, "Lower 'clients' or 'shards_per_client' (test.toml")) << text;
}

// The share of a class that a client holds is Beta(alpha, (n - 1) alpha): mean 1 / n, variance
// (1 / n)(1 - 1 / n) / (n alpha + 1). Rounding to whole examples adds at most 1 / (4 total^2) to the variance.
TEST(Dirichlet, SharesHaveTheStatedMeanAndVariance) {
  for (const double alpha : {0.05, 0.3, 1.0, 5.0}) {
    const std::int64_t n = 10, classes = 20, total = 5000;
    const Examples train = in_turn(classes * total, classes);
    const auto dealer = partition("dirichlet", fmt::format("clients = {}\nalpha = {}", n, alpha));
    const double variance = (1.0 / n) * (1 - 1.0 / n) / (n * alpha + 1);
    double squares = 0, first = 0, last = 0;
    const int seeds = 40;
    for (int seed = 0; seed < seeds; ++seed) {
      const auto dealt = dealer->deal(DenseStore(train), seed);
      for (std::int64_t c = 0; c < n; ++c) {
        std::vector<double> share(classes);
        for (const std::int32_t i : held(*dealt, c)) share[i % classes] += 1.0 / total;
        for (const double s : share) squares += (s - 1.0 / n) * (s - 1.0 / n);
        const double mean = std::accumulate(share.begin(), share.end(), 0.0) / classes / seeds;
        if (c == 0) first += mean;
        if (c == n - 1) last += mean;
      }
    }
    const double draws = seeds * classes;  // 800 independent draws of ten shares
    EXPECT_NEAR(squares / (draws * n), variance, 0.1 * variance) << alpha;
    EXPECT_NEAR(first, 1.0 / n, 4 * std::sqrt(variance / draws)) << alpha;
    EXPECT_NEAR(last, 1.0 / n, 4 * std::sqrt(variance / draws)) << alpha;
  }
}

TEST(Dirichlet, FavoursNoneOfManySmallClients) {
  // The size of a usual experiment: 3823 examples over 500 clients. Rounding favours no position.
  const Examples train = in_turn(3823, 10);
  const auto dealer = partition("dirichlet", "clients = 500\nalpha = 0.3");
  double first = 0, last = 0;
  const int seeds = 400;
  for (int seed = 0; seed < seeds; ++seed) {
    const auto dealt = dealer->deal(DenseStore(train), seed);
    if (seed < 5) expect_exact_cover(*dealt, 3823);
    first += 1.0 * dealt->count(ClientId{0}) / seeds;
    last += 1.0 * dealt->count(ClientId{499}) / seeds;
  }
  // Variance of a client's size: 10 * 382^2 * variance of a share, plus rounding.
  const double deviation =
      std::sqrt((10 * 382.3 * 382.3 * (1 / 500.0) * (1 - 1 / 500.0) / (500 * 0.3 + 1) + 2.5) / seeds);
  EXPECT_NEAR(first, 7.646, 4 * deviation);
  EXPECT_NEAR(last, 7.646, 4 * deviation);
}

TEST(Dirichlet, TakesExtremeConcentrations) {
  const Examples train = in_turn(1000, 10);
  // So small that every class goes to one client; naive gamma draws would all be zero.
  const auto few = partition("dirichlet", "clients = 20\nalpha = 1e-6")->deal(DenseStore(train), 1);
  expect_exact_cover(*few, 1000);
  for (std::int64_t c = 0; c < 20; ++c) EXPECT_EQ(few->count(ClientId{c}) % 100, 0);
  const auto even = partition("dirichlet", "clients = 20\nalpha = 1e6")->deal(DenseStore(train), 1);
  expect_exact_cover(*even, 1000);
  for (std::int64_t c = 0; c < 20; ++c) EXPECT_NEAR(even->count(ClientId{c}), 50, 10);
}

TEST(Dirichlet, KeepsTheMinimum) {
  const Examples train = in_turn(3000, 10);
  const auto dealt = partition("dirichlet", "clients = 30\nalpha = 0.5\nminimum = 10")->deal(DenseStore(train), 1);
  expect_exact_cover(*dealt, 3000);
  for (std::int64_t c = 0; c < 30; ++c) EXPECT_GE(dealt->count(ClientId{c}), 10);
}

TEST(Dirichlet, RefusesAnImpossibleMinimum) {
  const std::string never = user_error_of("dirichlet", "clients = 30\nminimum = 40", in_turn(1000, 10));
  EXPECT_TRUE(contains(never, "30 clients with 40 examples or more each need 1200 (the data set has 1000")) << never;
  const std::string hardly = user_error_of("dirichlet", "clients = 30\nalpha = 0.01\nminimum = 30", in_turn(1000, 10));
  EXPECT_TRUE(contains(hardly, "no draw in 1000 gave every client 30 examples")) << hardly;
  EXPECT_TRUE(contains(hardly, "alpha 0.01). Lower 'minimum' or 'clients', or raise 'alpha'.")) << hardly;
  EXPECT_TRUE(hardly.starts_with("test.toml")) << hardly;
}

// Examples with classes in turn and these groups.
Examples grouped(std::vector<std::int32_t> groups) {
  Examples examples = in_turn(std::ssize(groups), 2);
  examples.groups = std::move(groups);
  return examples;
}

TEST(Natural, MakesEachGroupAClient) {
  // Groups have any numbers; clients are in the order of the numbers.
  const auto dealt = partition("natural", "")->deal(DenseStore(grouped({7, -3, 7, 2000, -3, 7})), 1);
  EXPECT_EQ(all_held(*dealt), (std::vector<std::vector<std::int32_t>>{{1, 4}, {0, 2, 5}, {3}}));
}

TEST(Natural, DealsGroupsWholeAndEvenly) {
  std::vector<std::int32_t> groups;
  for (std::int32_t i = 0; i < 1000; ++i) groups.push_back(i * i % 103);  // 52 squares modulo 103
  const Examples train = grouped(groups);
  const auto dealt = partition("natural", "clients = 5")->deal(DenseStore(train), 1);
  expect_exact_cover(*dealt, 1000);
  std::set<std::int32_t> seen;
  for (std::int64_t c = 0; c < 5; ++c) {
    std::set<std::int32_t> own;
    for (const std::int32_t i : held(*dealt, c)) own.insert(groups[i]);
    EXPECT_GE(own.size(), 10U);
    EXPECT_LE(own.size(), 11U);
    for (const std::int32_t group : own) EXPECT_TRUE(seen.insert(group).second) << group;
  }
  EXPECT_EQ(seen.size(), 52U);
}

TEST(Natural, RefusesTooFewGroups) {
  const std::string none = user_error_of("natural", "", labelled({0, 1}, 2));
  EXPECT_TRUE(contains(none, "test.toml: the data set does not say who its examples are from")) << none;
  const std::string many = user_error_of("natural", "clients = 4", grouped({1, 1, 2, 3}));
  EXPECT_TRUE(contains(many, "4 clients (the data set has 3 groups)")) << many;
}

// 539 people wrote MNIST's training images: from 19 to 131 each, with a median of 116.
TEST(Natural, DealsMnistByWriter) {
  if (std::getenv("SHOAL_DATA") == nullptr) GTEST_SKIP() << "SHOAL_DATA is not set";
  Settings none;
  const Dataset data = find_part<Source>("source", "qmnist").make(none)->load();
  const auto dealt = partition("natural", "")->deal(*data.train, 1);
  expect_exact_cover(*dealt, 60000);
  ASSERT_EQ(dealt->clients(), 539);
  std::vector<std::int64_t> sizes;
  for (std::int64_t c = 0; c < 539; ++c) sizes.push_back(dealt->count(ClientId{c}));
  std::ranges::sort(sizes);
  EXPECT_EQ(sizes.front(), 19);
  EXPECT_EQ(sizes[269], 116);
  EXPECT_EQ(sizes.back(), 131);
}

// A client's share is Beta(beta, (n - 1) beta), as in Dirichlet above, and its labels are a random draw.
TEST(Quantity, SharesHaveTheStatedMeanAndVariance) {
  for (const double beta : {0.1, 0.5, 2.0}) {
    const std::int64_t n = 10, total = 5000;
    const Examples train = in_turn(total, 2);
    const auto dealer = partition("quantity", fmt::format("clients = {}\nbeta = {}", n, beta));
    const double variance = (1.0 / n) * (1 - 1.0 / n) / (n * beta + 1);
    double squares = 0, last = 0, label_squares = 0, parted = 0;
    const int seeds = 800;
    for (int seed = 0; seed < seeds; ++seed) {
      const auto dealt = dealer->deal(DenseStore(train), seed);
      for (std::int64_t c = 0; c < n; ++c) {
        const std::vector<std::int32_t> own = held(*dealt, c);
        const double size = own.size(), share = size / total;
        squares += (share - 1.0 / n) * (share - 1.0 / n) / (seeds * n);
        if (c == n - 1) last += share / seeds;
        const auto ones = std::ranges::count_if(own, [](std::int32_t i) { return i % 2 == 1; });
        // Hypergeometric: variance size / 4 (total - size) / (total - 1).
        if (size > 0 && size < total) {
          const double excess = ones - size / 2;
          label_squares += excess * excess / (size / 4 * (total - size) / (total - 1));
          ++parted;
        }
      }
    }
    EXPECT_NEAR(squares, variance, 0.1 * variance) << beta;
    EXPECT_NEAR(last, 1.0 / n, 4 * std::sqrt(variance / seeds)) << beta;
    EXPECT_NEAR(label_squares / parted, 1, 0.1) << beta;
  }
}

TEST(Quantity, KeepsTheMinimum) {
  const auto dealt = partition("quantity", "clients = 10\nminimum = 10")->deal(DenseStore(in_turn(3823, 10)), 1);
  expect_exact_cover(*dealt, 3823);
  for (std::int64_t c = 0; c < 10; ++c) EXPECT_GE(dealt->count(ClientId{c}), 10);
  const std::string never = user_error_of("quantity", "clients = 30\nminimum = 40", in_turn(1000, 10));
  EXPECT_TRUE(contains(never, "each need 1200 (the data set has 1000")) << never;
  const std::string hardly = user_error_of("quantity", "clients = 30\nbeta = 0.01\nminimum = 30", in_turn(1000, 10));
  EXPECT_TRUE(contains(hardly, "no draw in 1000 gave every client 30 examples")) << hardly;
  EXPECT_TRUE(contains(hardly, "raise 'beta'.")) << hardly;
}

TEST(Partitions, RefuseImpossibleSettings) {
  const Examples train = in_turn(100, 10);
  for (const std::string toml :
       {"clients = 0", "clients = -5", "clients = 1.5", "clients = 1_000_000_000_000", "client = 5"}) {
    for (const auto& part : parts<Partition>()) {
      if (part.name == "natural" && toml == "clients = 0") continue;  // as many as there are groups
      user_error_of(std::string(part.name), toml, train);
    }
  }
  for (const std::string toml : {"alpha = 0", "alpha = -1", "alpha = nan", "alpha = inf", "minimum = -1"}) {
    user_error_of("dirichlet", toml, train);
  }
  user_error_of("shards", "shards_per_client = 0", train);
  user_error_of("quantity", "beta = 0", train);
}

}  // namespace
}  // namespace shoal

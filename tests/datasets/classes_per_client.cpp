// Does every client get exactly its number of classes, and is each class divided evenly among the clients that hold it?

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "datasets/partitions/shared/class_holders.hpp"
#include "sim/task/data.hpp"
#include "sim/task/dense_store.hpp"

namespace shoal {
namespace {

using ::testing::HasSubstr;
using Dealt = std::vector<std::vector<std::int32_t>>;  // the examples of each client

/// `sizes[k]` examples of each class k, in an order that mixes the classes.
Examples classes_of(const std::vector<std::int64_t>& sizes) {
  Examples examples;
  examples.form = {.shape = {0, 1, 1}, .classes = std::ssize(sizes)};
  for (std::size_t k = 0; k < sizes.size(); ++k) examples.labels.insert(examples.labels.end(), sizes[k], k);
  RandomStream random(random_key(1, "test/labels"), 0);
  shuffle(std::span(examples.labels), random);
  return examples;
}

Dealt deal(const std::string& toml, const Examples& train, std::uint64_t seed = 1) {
  Settings settings = Settings::parse(toml, "test.toml");
  const auto partition = find_part<Partition>("partition", "classes_per_client").make(settings);
  settings.finish();
  const auto clients = partition->deal(DenseStore(train), seed);
  Dealt dealt;
  for (std::int64_t c = 0; c < clients->clients(); ++c) {
    dealt.emplace_back(clients->count(ClientId{c}));
    clients->indices(ClientId{c}, dealt.back());
  }
  return dealt;
}

std::string error_of(const std::string& toml, const Examples& train) {
  try {
    deal(toml, train);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

std::map<std::int32_t, std::int64_t> examples_by_class(const std::vector<std::int32_t>& own, const Examples& train) {
  std::map<std::int32_t, std::int64_t> count;
  for (const std::int32_t i : own) ++count[train.labels.at(i)];
  return count;
}

// The definition: k labels each; the examples of a label are divided equally among the clients that own it; and no
// example is dealt twice or left out.
void expect_definition(const Dealt& dealt, const Examples& train, std::size_t k) {
  std::vector<int> owners(train.labels.size());
  std::map<std::int32_t, std::vector<std::int64_t>> parts;  // sizes by class, a client each
  for (const auto& own : dealt) {
    for (const std::int32_t i : own) ++owners.at(i);
    const auto count = examples_by_class(own, train);
    EXPECT_EQ(count.size(), k);
    for (const auto& [label, examples] : count) parts[label].push_back(examples);
  }
  EXPECT_TRUE(std::ranges::all_of(owners, [](int count) { return count == 1; }));
  EXPECT_EQ(parts.size(), std::set(train.labels.begin(), train.labels.end()).size());
  std::vector<std::size_t> holders;
  for (const auto& [label, sizes] : parts) {
    holders.push_back(sizes.size());
    EXPECT_LE(std::ranges::max(sizes) - std::ranges::min(sizes), 1) << "class " << label;
  }
  EXPECT_LE(std::ranges::max(holders) - std::ranges::min(holders), 1U);
}

TEST(ClassesPerClient, FollowsTheDefinition) {
  const std::vector<std::vector<std::int64_t>> data = {
      std::vector<std::int64_t>(10, 600), {389, 380, 376, 387, 382, 376, 377, 387, 389, 380}, {60, 91, 300, 60}};
  for (const auto& sizes : data) {
    const Examples train = classes_of(sizes);
    for (std::size_t k = 1; k <= sizes.size(); ++k) {
      for (const std::int64_t clients : {1, 3, 10, 37, 60}) {
        if (clients * k < sizes.size()) continue;
        for (const std::uint64_t seed : {1, 2, 3}) {
          SCOPED_TRACE(fmt::format("{} classes, {} each, {} clients, seed {}", sizes.size(), k, clients, seed));
          const Dealt dealt = deal(fmt::format("clients = {}\nclasses = {}", clients, k), train, seed);
          EXPECT_EQ(std::ssize(dealt), clients);
          expect_definition(dealt, train, k);
        }
      }
    }
  }
}

// 10 clients of one class each: every client is given a whole class.
TEST(ClassesPerClient, GivesWholeClassesToAsManyClients) {
  const Examples train = classes_of(std::vector<std::int64_t>(10, 5));
  std::set<std::int32_t> seen;
  for (const auto& own : deal("clients = 10\nclasses = 1", train)) {
    EXPECT_EQ(own.size(), 5U);
    EXPECT_TRUE(seen.insert(train.labels.at(own.front())).second);
  }
}

TEST(ClassesPerClient, IsSettledByTheSeed) {
  const Examples train = classes_of(std::vector<std::int64_t>(10, 60));
  for (const char* toml : {"clients = 20", "clients = 10\nclasses = 1", "clients = 4\nclasses = 10"}) {
    EXPECT_EQ(deal(toml, train, 3), deal(toml, train, 3)) << toml;
    EXPECT_NE(deal(toml, train, 3), deal(toml, train, 4)) << toml;
  }
}

// Two of five classes at random: each of the 10 pairs with probability 1/10, for the first client as for the last.
TEST(ClassesPerClient, DrawsAllPairsOfClassesAlike) {
  const Examples train = classes_of(std::vector<std::int64_t>(5, 20));
  std::map<std::vector<std::int32_t>, int> first, last;
  const int seeds = 4000;
  for (int seed = 0; seed < seeds; ++seed) {
    const Dealt dealt = deal("clients = 7\nclasses = 2", train, seed);
    const auto pair = [&](const std::vector<std::int32_t>& own) {
      std::set<std::int32_t> labels;
      for (const std::int32_t i : own) labels.insert(train.labels.at(i));
      return std::vector(labels.begin(), labels.end());
    };
    ++first[pair(dealt.front())];
    ++last[pair(dealt.back())];
  }
  for (const auto& count : {first, last}) {
    EXPECT_EQ(count.size(), 10U);
    for (const auto& [labels, times] : count) EXPECT_NEAR(times, 400, 95);  // five deviations of 19
  }
}

// 7 examples of a class with 3 holders: one of them gets 3, each as often as the others.
TEST(ClassesPerClient, FavoursNoClientByRounding) {
  const Examples train = classes_of({7});
  std::vector<int> larger(3);
  for (int seed = 0; seed < 3000; ++seed) {
    const Dealt dealt = deal("clients = 3\nclasses = 1", train, seed);
    for (std::size_t c = 0; c < larger.size(); ++c) larger[c] += dealt[c].size() == 3;
  }
  for (const int times : larger) EXPECT_NEAR(times, 1000, 130);  // five deviations of 26
}

TEST(ClassesPerClient, LeavesOutClassesWithoutExamples) {
  const Examples train = classes_of({0, 30, 0, 30, 30});
  expect_definition(deal("clients = 6\nclasses = 3", train), train, 3);
  EXPECT_THAT(error_of("clients = 6\nclasses = 4", train), HasSubstr("(the training examples have 3)"));
}

// By default two classes each, or more where the clients are too few for that, or one where there is no other.
TEST(ClassesPerClient, GivesEveryClassAClientByDefault) {
  const Examples ten = classes_of(std::vector<std::int64_t>(10, 60)), one = classes_of({60});
  expect_definition(deal("clients = 30", ten), ten, 2);
  expect_definition(deal("clients = 5", ten), ten, 2);
  expect_definition(deal("clients = 4", ten), ten, 3);
  expect_definition(deal("clients = 1", ten), ten, 10);
  expect_definition(deal("clients = 7", one), one, 1);
}

TEST(ClassesPerClient, RefusesWhatCannotBeDealt) {
  const Examples train = classes_of({40, 40, 9, 40});
  EXPECT_EQ(error_of("clients = 5\nclasses = 5", train),
            "test.toml: 5 classes per client (the training examples have 4). Lower 'classes'.");
  EXPECT_EQ(error_of("clients = 3\nclasses = 1", train),
            "test.toml: 3 clients with 1 classes each hold at most 3 (the training examples have 4). Raise 'clients' "
            "or 'classes'.");
  EXPECT_EQ(error_of("clients = 20\nclasses = 2", train),
            "test.toml: 20 clients with 2 classes each need up to 10 training examples of every class (class 2 has 9). "
            "Lower 'clients' or 'classes'.");
  EXPECT_EQ(error_of("clients = 18\nclasses = 2", train), "no error");
  EXPECT_THAT(error_of("clients = 100_000_000\nclasses = 4", train), HasSubstr("100000000 training examples"));
  for (const char* toml : {"classes = -1", "classes = 1.5", "classes = 1e9", "class = 2"}) {
    EXPECT_NE(error_of(toml, train), "no error") << toml;
  }
}

TEST(ClassHolders, AreDifferentAndBalanced) {
  for (const std::int64_t per_client : {1, 2, 3, 6, 7}) {
    RandomStream random(random_key(5, "test/holders"), per_client);
    const auto holders = class_holders(11, per_client, 7, random);
    ASSERT_EQ(holders.size(), 7U);
    std::vector<std::int64_t> held(11);
    for (const auto& of_class : holders) {
      EXPECT_EQ(std::set(of_class.begin(), of_class.end()).size(), of_class.size());
      EXPECT_GE(std::ssize(of_class), 11 * per_client / 7);
      EXPECT_LE(std::ssize(of_class), (11 * per_client + 6) / 7);
      for (const std::int32_t client : of_class) ++held.at(client);
    }
    EXPECT_EQ(held, std::vector<std::int64_t>(11, per_client));
  }
  RandomStream random(random_key(5, "test/holders"), 0);
  EXPECT_THROW(class_holders(11, 8, 7, random), BrokenInvariant);
  EXPECT_THROW(class_holders(11, 0, 7, random), BrokenInvariant);
}

}  // namespace
}  // namespace shoal

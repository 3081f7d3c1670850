// Do blocks depend on the plan alone, and are they spread over the ranks by the longest-first rule?

#include "sim/round/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

#include "tests/sim/task/unequal_task.hpp"

namespace shoal {
namespace {

using test::UnequalTask;

std::vector<double> loads(const std::vector<double>& costs, int ranks) {
  const std::vector<int> owners = place(costs, ranks);
  EXPECT_EQ(owners.size(), costs.size());
  std::vector<double> load(ranks, 0);
  for (std::size_t i = 0; i < owners.size(); ++i) load.at(owners[i]) += costs[i];
  return load;
}

double makespan(const std::vector<double>& costs, int ranks) { return std::ranges::max(loads(costs, ranks)); }

// Both cases reach the bound 4/3 - 1/(3 ranks) times the optimum (6 and 9): Graham, SIAM J. Appl. Math. 17, 1969.
TEST(Placement, ReachesGrahamsBoundWhereLongestFirstDoes) {
  EXPECT_EQ(makespan({3, 3, 2, 2, 2}, 2), 7);
  EXPECT_EQ(makespan({2, 3, 2, 3, 2}, 2), 7);
  EXPECT_EQ(makespan({5, 5, 4, 4, 3, 3, 3}, 3), 11);
  EXPECT_EQ(makespan({3, 4, 5, 3, 4, 5, 3}, 3), 11);
}

TEST(Placement, BreaksTiesByIndexAndRank) {
  EXPECT_EQ(place(std::vector<double>{1, 1, 1, 1, 1}, 3), (std::vector<int>{0, 1, 2, 0, 1}));
  EXPECT_EQ(place(std::vector<double>{1, 2, 2, 1}, 2), (std::vector<int>{0, 0, 1, 1}));
  EXPECT_EQ(place(std::vector<double>{0, 0, 0}, 2), (std::vector<int>{0, 0, 0}));  // nothing to balance
}

TEST(Placement, TakesAnyNumberOfRanks) {
  EXPECT_TRUE(place({}, 3).empty());
  EXPECT_EQ(place(std::vector<double>{4, 1, 3}, 1), (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(place(std::vector<double>{4, 1, 3}, 8), (std::vector<int>{0, 2, 1}));
}

// Compares with the best of all 3^10 placements of ten costs.
TEST(Placement, StaysWithinGrahamsBound) {
  RandomStream random(random_key(1, "planner/selection"), 0);
  for (int trial = 0; trial < 5; ++trial) {
    std::vector<double> costs(10);
    for (double& cost : costs) cost = 1 + random.below(100);
    double best = std::accumulate(costs.begin(), costs.end(), 0.0);
    for (int code = 0; code < 59049; ++code) {
      double load[3] = {};
      for (int i = 0, rest = code; i < 10; ++i, rest /= 3) load[rest % 3] += costs[i];
      best = std::min(best, *std::max_element(load, load + 3));
    }
    EXPECT_LE(makespan(costs, 3), best * (4.0 / 3 - 1.0 / 9) + 1e-9);
    EXPECT_GE(makespan(costs, 3), best);
  }
}

// A thousand clients whose work differs up to tenfold load sixteen ranks evenly.
TEST(Placement, BalancesAThousandClients) {
  RandomStream random(random_key(2, "planner/selection"), 0);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<double> costs(1000);
    for (double& cost : costs) cost = std::pow(10, random.uniform());
    const double mean = std::accumulate(costs.begin(), costs.end(), 0.0) / 16;
    EXPECT_LT(makespan(costs, 16) / mean, 1.05);
  }
  // The same through blocks of four clients each.
  std::vector<std::int64_t> examples;
  std::vector<Participation> plan;
  for (std::int64_t c = 0; c < 1000; ++c) {
    examples.push_back(1000 + random.below(9001));
    plan.push_back({.id = ParticipationId{c}, .client = ClientId{c}});
  }
  LocalSettings local;
  local.block = 4;
  std::vector<double> costs;
  for (const TrainingBlock& block : compose_blocks(plan, UnequalTask(examples), local)) costs.push_back(block.cost);
  EXPECT_EQ(costs.size(), 250U);
  EXPECT_LT(makespan(costs, 16) * 16 / std::accumulate(costs.begin(), costs.end(), 0.0), 1.05);
}

std::vector<Participation> mixed_plan() {
  std::vector<Participation> plan;
  for (std::int64_t i = 0; i < 23; ++i) {
    plan.push_back({.id = ParticipationId{100 + i},
                    .client = ClientId{(i * 7) % 23},
                    .version = Version{i % 3},
                    .fraction = i % 4 == 0 ? 0.5 : 1});
  }
  return plan;
}

LocalSettings with_block(std::int64_t block) {
  LocalSettings local;
  local.epochs = 2;
  local.batch = 3;
  local.block = block;
  return local;
}

// By hand: two epochs of ceil(n / 3) steps, times the fraction, rounded, at least one; each step sees up to 3 examples.
double expected_cost(const UnequalTask& task, const Participation& p) {
  const std::int64_t n = task.work(p.client).examples;
  const std::int64_t whole = 2 * ((n + 2) / 3);
  std::int64_t steps = std::max(1.0, std::round(whole * p.fraction));
  std::int64_t visited = 0;  // examples in batches of 3, and in a smaller one at an epoch's end
  for (std::int64_t left = n; steps > 0; --steps) {
    const std::int64_t batch = std::min<std::int64_t>(3, left);
    visited += batch;
    left = left == batch ? n : left - batch;
  }
  return task.work(p.client).flops_per_example * visited;
}

UnequalTask unequal_task() {
  std::vector<std::int64_t> sizes;
  for (std::int64_t c = 0; c < 23; ++c) sizes.push_back(1 + (c * c) % 17);
  return UnequalTask(std::move(sizes));
}

TEST(Blocks, CoverEveryParticipationOnce) {
  const UnequalTask task = unequal_task();
  const std::vector<Participation> plan = mixed_plan();
  for (const std::int64_t size : {1, 2, 4, 7, 100}) {
    const std::vector<TrainingBlock> blocks = compose_blocks(plan, task, with_block(size));
    std::set<std::size_t> seen;
    for (const TrainingBlock& block : blocks) {
      ASSERT_EQ(block.positions.size(), block.participations.size());
      EXPECT_GE(block.positions.size(), 1U);
      EXPECT_LE(std::ssize(block.positions), size);
      double cost = 0;
      for (std::size_t k = 0; k < block.positions.size(); ++k) {
        EXPECT_TRUE(seen.insert(block.positions[k]).second);
        EXPECT_EQ(block.participations[k].id, plan.at(block.positions[k]).id);
        EXPECT_EQ(block.participations[k].version, block.participations[0].version);
        cost += expected_cost(task, block.participations[k]);
      }
      EXPECT_DOUBLE_EQ(block.cost, cost);
    }
    EXPECT_EQ(seen.size(), plan.size());
    // There are no more blocks than the three versions need.
    const std::int64_t per_version[3] = {8, 8, 7};
    std::int64_t needed = 0;
    for (const std::int64_t n : per_version) needed += (n + size - 1) / size;
    EXPECT_EQ(std::ssize(blocks), needed) << "blocks of " << size;
  }
  EXPECT_TRUE(compose_blocks({}, task, with_block(4)).empty());
}

// Clients of a block have similar work: within a version, work decreases from block to block.
TEST(Blocks, GroupClientsWithSimilarWork) {
  const UnequalTask task = unequal_task();
  const std::vector<TrainingBlock> blocks = compose_blocks(mixed_plan(), task, with_block(4));
  std::vector<std::tuple<Version, double, ClientId>> order;
  for (const TrainingBlock& block : blocks) {
    for (const Participation& p : block.participations) {
      order.emplace_back(p.version, -expected_cost(task, p), p.client);
    }
  }
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

// The order in which a planner lists its commits does not change the blocks.
TEST(Blocks, DependOnTheParticipationsOnly) {
  const UnequalTask task = unequal_task();
  std::vector<Participation> plan = mixed_plan();
  const auto ids = [&] {
    std::vector<std::vector<ParticipationId>> all;
    for (const TrainingBlock& block : compose_blocks(plan, task, with_block(4))) {
      all.emplace_back();
      for (const Participation& p : block.participations) all.back().push_back(p.id);
    }
    return all;
  };
  const auto before = ids();
  std::ranges::reverse(plan);
  EXPECT_EQ(ids(), before);
  std::ranges::rotate(plan, plan.begin() + 5);
  EXPECT_EQ(ids(), before);
}

}  // namespace
}  // namespace shoal

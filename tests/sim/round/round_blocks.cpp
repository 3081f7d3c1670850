// Does a round train the right blocks on the right ranks?

#include "sim/round/round_blocks.hpp"

#include <gtest/gtest.h>

#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

Participation flying(std::int64_t id, std::int64_t finish) {
  return {.id = ParticipationId{id}, .client = ClientId{id}, .finish = Ticks{finish}};
}

TrainingBlock block_of(std::int64_t id, double cost) {
  return {.participations = {flying(id, 1)}, .positions = {0}, .cost = cost};
}

// Participations 0 to 4 of five clients, of which `commits` are committed. They finish in the order 4, 3, ..., 0.
struct Flights {
  Federation parts = scripted(std::make_shared<UnequalTask>(5, 1), std::make_shared<Scripted>());
  FederationState state{parts, 1, 0};

  std::vector<std::int64_t> blocks(std::vector<std::int64_t> commits, int lanes, std::int64_t block = 1) {
    PlannedRound round{.local = parts.local->at(1), .world = make_world(parts, state, parts.local->at(1))};
    round.local.block = block;
    for (std::int64_t id = 0; id < 5; ++id) state.in_flight[ParticipationId{id}] = flying(id, 10 - id);
    for (const std::int64_t id : commits) {
      round.plan.commits.push_back({ParticipationId{id}});
      round.committed.push_back(state.in_flight.at(ParticipationId{id}));
    }
    std::vector<std::int64_t> ids;
    for (const TrainingBlock& one : blocks_of_round(round, state, *parts.task, lanes)) {
      EXPECT_EQ(one.positions.empty(), ids.size() >= commits.size());
      for (const Participation& p : one.participations) ids.push_back(value(p.id));
    }
    return ids;
  }
};

using Ids = std::vector<std::int64_t>;

TEST(RoundBlocks, TrainAheadOnIdleLanes) {
  Flights flights;
  EXPECT_EQ(flights.blocks({1}, 3), (Ids{1, 4, 3}));
  EXPECT_EQ(flights.blocks({1}, 1), Ids{1});
  EXPECT_EQ(flights.blocks({1}, 0), Ids{1});
  EXPECT_EQ(flights.blocks({1, 2}, 100), (Ids{1, 2, 4, 3, 0}));
  EXPECT_EQ(flights.blocks({1, 2}, 100, 2), (Ids{1, 2}));  // blocks of two clients: nothing is trained ahead
  flights.state.ahead.owner[ParticipationId{4}] = 0;
  EXPECT_EQ(flights.blocks({1}, 3), (Ids{1, 3, 2}));
  EXPECT_EQ(flights.blocks({4}, 3), Ids{4});  // all commits are trained already
}

// Two groups with two variants each: four kinds of participations, ordered by group and then by variant.
TEST(RoundBlocks, MixNeitherGroupsNorVariants) {
  const Federation parts = scripted(std::make_shared<UnequalTask>(8, 1), std::make_shared<Scripted>());
  FederationState state(parts, 1, 0);
  PlannedRound round{.local = parts.local->at(1), .world = make_world(parts, state, parts.local->at(1))};
  round.local.block = 100;
  for (std::int32_t id = 0; id < 8; ++id) {
    Participation& p = round.committed.emplace_back(flying(id, 1));
    p.group = id % 2;
    p.variant = id / 2 % 2;
  }
  std::vector<Ids> found;
  for (const TrainingBlock& block : blocks_of_round(round, state, *parts.task, 1)) {
    found.emplace_back();
    for (const Participation& p : block.participations) found.back().push_back(value(p.id));
  }
  EXPECT_EQ(found, (std::vector<Ids>{{0, 4}, {2, 6}, {1, 5}, {3, 7}}));
}

TEST(RoundBlocks, BelongToTheRankThatHasTrainedThem) {
  const std::vector<TrainingBlock> blocks = {block_of(0, 5), block_of(1, 9), block_of(2, 3), block_of(3, 4)};
  Ahead ahead;
  ahead.owner[ParticipationId{1}] = 2;
  const std::vector<Assignment> where = assign(blocks, ahead, 2);
  // The others are placed longest first: 5 on rank 0, 4 on rank 1, 3 on rank 1.
  const std::vector<int> ranks = {0, 2, 1, 1};
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    EXPECT_EQ(where[b].rank, ranks[b]);
    EXPECT_EQ(where[b].is_trained, b == 1);
  }
}

}  // namespace
}  // namespace shoal

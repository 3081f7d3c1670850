// Does planning a round leave the clock, the participations and the versions as a run needs them?

#include "sim/round/plan_round.hpp"

#include <gtest/gtest.h>

#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

std::vector<Probe> none(const std::vector<ClientId>&) { return {}; }

std::vector<std::int64_t> ids(const std::vector<Participation>& participations) {
  std::vector<std::int64_t> all;
  all.reserve(participations.size());
  for (const Participation& p : participations) all.push_back(value(p.id));
  return all;
}

TEST(PlanRound, ShowsThePlannerTheWorld) {
  // The model has 3 parameters in float64; clients return two channels of that size.
  const auto strategy = std::make_shared<Scripted>();
  strategy->declared = {{.name = "a"}, {.name = "b"}};
  const Federation parts = scripted(std::make_shared<UnequalTask>(5, 3), strategy);
  FederationState state(parts, 1, 0);
  state.round = 7;
  state.now = Ticks{90};
  LocalSettings local;
  local.steps = 11;
  const World world = make_world(parts, state, local);
  EXPECT_EQ(world.round, 7);
  EXPECT_EQ(world.now, Ticks{90});
  EXPECT_EQ(world.version, Version{0});
  EXPECT_EQ(world.local.steps, 11);
  EXPECT_EQ(world.message_bytes, 3 * 8);
  EXPECT_EQ(world.bytes_up, 2 * 3 * 8);
  EXPECT_EQ(&world.in_flight, &state.in_flight);
  EXPECT_TRUE(state.messages.contains(Version{0}));
}

// Clients 0, 1 and 2 start at 0 and finish at 1. Client 1 is committed at 5. Then, at 5, the planner drops client 0,
// which it tells to stop, and client 2; that step is at 9.
TEST(PlanRound, MovesParticipationsThroughAFlight) {
  const Planned::Plan plan = [](State& state, const World& world) {
    if (world.round == 1) {
      RoundPlan first{.time = Ticks{5}};
      for (const std::int64_t client : {0, 1, 2}) first.starts.push_back(start(client, state, world));
      first.commits = {{ParticipationId{1}}};
      return first;
    }
    return RoundPlan{.verdict = Verdict::abandoned,
                     .time = Ticks{9},
                     .dropouts = {ParticipationId{0}, ParticipationId{2}},
                     .stops = {ParticipationId{0}}};
  };
  const Federation parts = scripted(std::make_shared<UnequalTask>(3, 1), std::make_shared<Scripted>(), plan);
  FederationState state(parts, 1, 0);

  const PlannedRound first = plan_round(parts, state, none);
  EXPECT_EQ(state.round, 1);
  EXPECT_EQ(state.now, Ticks{5});
  EXPECT_EQ(state.in_flight.size(), 3U);
  EXPECT_EQ(ids(first.committed), std::vector<std::int64_t>{1});
  EXPECT_TRUE(first.dropouts.empty());
  end_participations(first.plan, state);
  EXPECT_EQ(state.in_flight.size(), 2U);
  EXPECT_FALSE(state.in_flight.contains(ParticipationId{1}));
  state.version = Version{1};

  const PlannedRound second = plan_round(parts, state, none);
  EXPECT_EQ(second.world.now, Ticks{5});
  EXPECT_EQ(state.now, Ticks{9});
  EXPECT_EQ(state.messages.size(), 2U);  // version 0, which participations in flight still need, and version 1
  EXPECT_TRUE(second.committed.empty());
  EXPECT_EQ(ids(second.dropouts), (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(second.dropouts[0].outcome, Outcome::stopped);
  EXPECT_EQ(second.dropouts[0].finish, Ticks{5});
  EXPECT_EQ(second.dropouts[1].outcome, Outcome::completes);
  EXPECT_EQ(second.dropouts[1].finish, Ticks{1});
  end_participations(second.plan, state);
  EXPECT_TRUE(state.in_flight.empty());
  EXPECT_TRUE(state.messages.empty());
}

}  // namespace
}  // namespace shoal

// Does a checkpoint bring back the participations in flight?

#include "sim/round/pack_state.hpp"

#include <gtest/gtest.h>

#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

TEST(PackState, KeepsParticipationsInFlight) {
  const Federation parts = scripted(std::make_shared<UnequalTask>(5, 1), std::make_shared<Scripted>());
  FederationState state(parts, 1, 0), found(parts, 1, 0);
  state.in_flight[ParticipationId{1}] = {.id = ParticipationId{1},
                                         .client = ClientId{2},
                                         .version = Version{3},
                                         .round = 4,
                                         .start = Ticks{5},
                                         .finish = Ticks{6},
                                         .fraction = 0.75,
                                         .outcome = Outcome::late,
                                         .task = TaskId{7},
                                         .group = 8,
                                         .variant = 9};
  state.in_flight[ParticipationId{10}] = {.id = ParticipationId{10}};
  Packer packer;
  pack(packer, state);
  Unpacker unpacker(packer.bytes(), "test");
  unpack(unpacker, found);
  unpacker.finish();
  ASSERT_EQ(found.in_flight.size(), 2U);
  const Participation& p = found.in_flight.at(ParticipationId{1});
  EXPECT_EQ(p.id, ParticipationId{1});
  EXPECT_EQ(p.client, ClientId{2});
  EXPECT_EQ(p.version, Version{3});
  EXPECT_EQ(p.round, 4);
  EXPECT_EQ(p.start, Ticks{5});
  EXPECT_EQ(p.finish, Ticks{6});
  EXPECT_EQ(p.fraction, 0.75);
  EXPECT_EQ(p.outcome, Outcome::late);
  EXPECT_EQ(p.task, TaskId{7});
  EXPECT_EQ(p.group, 8);
  EXPECT_EQ(p.variant, 9);
  EXPECT_EQ(found.in_flight.at(ParticipationId{10}).task, TaskId{0});
}

}  // namespace
}  // namespace shoal

// Do participations carry their client's variant of the model, and are experiments refused that cannot train them?
#include <gtest/gtest.h>

#include "experiments/tasks/shared/population.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/round/placement.hpp"
#include "sim/round/world.hpp"
#include "tests/composed.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

Network dense(std::int64_t width) {
  Network net({4, 1, 1});
  net.add(layers::linear(width)).add(layers::relu()).add(layers::linear(3));
  return net;
}

SupervisedTask task_of(std::vector<std::int32_t> variants) {
  auto data = std::make_shared<Dataset>();
  data->train = data->test = stored(test::random_examples({4, 1, 1}, 3, 60, 1));
  Network whole = dense(8);
  whole.vary(dense(4));
  return {data,
          std::make_unique<test::Consecutive>(std::vector<std::int64_t>(6, 10)),
          std::move(whole),
          {},
          1,
          {.variants = std::move(variants)}};
}

TEST(VariantsInRounds, ParticipationsCarryThem) {
  const std::vector<std::int32_t> variants{0, 1, 1, 0, 1, 0};
  const SupervisedTask task = task_of(variants);
  const Population population = make_population(Settings(), 1, task.clients());
  const std::map<ParticipationId, Participation> none;
  World world{.task = task, .population = population, .in_flight = none};
  std::vector<Participation> started;
  for (std::int64_t c = 0; c < 6; ++c) {
    started.push_back(world.start(ParticipationId{c}, ClientId{c}));
    EXPECT_EQ(started.back().variant, variants[c]);
  }
  // The smaller variant trains as much faster as its products are smaller: 10 examples at 1e9 operations a second are
  // too few to see it, so its device is slow.
  const double whole = 2 * 2 * 4 * 8 + 3 * 2 * 8 * 3, half = 2 * 2 * 4 * 4 + 3 * 2 * 4 * 3;
  Device slow;
  slow.flops_per_second = 1000;
  const auto training = [&](std::int64_t c) {
    const PhaseEnds ends = world.phases(slow, ClientId{c}, 1);
    return seconds(ends.training() - ends.download());
  };
  EXPECT_NEAR(training(0), 10 * whole / 1000, 1e-5);
  EXPECT_NEAR(training(1), 10 * half / 1000, 1e-5);

  LocalSettings local;
  local.block = 4;
  for (const TrainingBlock& block : compose_blocks(started, task, local)) {
    for (const Participation& p : block.participations) {
      EXPECT_EQ(p.variant, block.participations.front().variant);
      EXPECT_EQ(p.variant, task.variant(p.client));
    }
  }
}

std::string message_of(const std::string& toml) {
  try {
    Datasets datasets;
    compose(Settings::parse(toml, "test.toml"), datasets);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(VariantsInRounds, OneGroupCannotTrainThem) {
  const std::string three = "[model]\nname = \"mlp\"\nwidths = [8]\nshrink = [1, 0.5, 0.25]\n";
  EXPECT_EQ(message_of("[model]\nname = \"mlp\"\nwidths = [8]\nshrink = [1]\n"), "");
  EXPECT_NE(message_of(three).find("3 variants of its model"), std::string::npos) << message_of(three);
  const std::string gossip = message_of("topology = \"ring\"\npeer = \"d_psgd\"\n" + three);
  EXPECT_NE(gossip.find("3 variants of its model"), std::string::npos) << gossip;
}

TEST(VariantsInRounds, OtherModelsRefuseThem) {
  const std::string refused = message_of("[model]\nname = \"logistic_regression\"\nshrink = [1, 0.5]\n");
  EXPECT_NE(refused.find("logistic_regression"), std::string::npos) << refused;
  EXPECT_NE(refused.find("'shrink'"), std::string::npos) << refused;
  const std::string shares = message_of("[task]\nname = \"supervised\"\nvariant_shares = [1, 1]\n");
  EXPECT_NE(shares.find("'shrink'"), std::string::npos) << shares;
}

}  // namespace
}  // namespace shoal

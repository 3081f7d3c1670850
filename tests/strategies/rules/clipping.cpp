// Do centered clipping and the norm bound follow their papers' definitions, computed here directly on the rows?
#include <gtest/gtest.h>

#include <cmath>

#include "tests/strategies/rules/apply_rules.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

at::Tensor direct_clipping(const at::Tensor& rows, at::Tensor centre, double radius, int iterations) {
  for (int l = 0; l < iterations; ++l) {
    const at::Tensor away = rows - centre;
    centre = centre + (away * at::clamp_max(radius / away.norm(2, 1, true), 1)).mean(0);
  }
  return centre;
}

std::string clipping(double radius, int iterations) {
  return fmt::format("[{{name = \"centered_clipping\", radius = {}, iterations = {}}}]", radius, iterations);
}

// Results of the library byzfl.
TEST(CenteredClipping, AgreesWithByzflOnElevenRows) {
  const auto clip = [&](int iterations) { return aggregate(clipping(5, iterations), eleven_rows()); };
  const at::Tensor once = row_of({0.2765440880, 0.8997671212, -0.1262912663, 1.6323012918, -0.0905547190});
  EXPECT_LT(difference(clip(1), once), 1e-10);
  const at::Tensor five = row_of({0.3045028121, 1.8896844514, -0.4503677389, 2.9067136721, -0.1498613343});
  EXPECT_LT(difference(clip(5), five), 1e-10);
}

// Each round begins at the aggregate of the round before.
TEST(CenteredClipping, FollowsItsDefinitionForThreeRounds) {
  const at::Tensor rows = normal_rows(9, 2500) + 0.5;
  for (const double radius : {10.0, 45.0, 60.0}) {
    const at::Tensor found = aggregate(clipping(radius, 3), rows, {.ranks = 2}, 3);
    at::Tensor centre = at::zeros({2500}, at::kDouble);
    for (int round = 0; round < 3; ++round) {
      centre = direct_clipping(rows, centre, radius, 3);
      EXPECT_LT(difference(found[round], centre), 1e-13) << radius << " in round " << round + 1;
    }
  }
}

TEST(CenteredClipping, FollowsItsDefinitionOnMixedRows) {
  const at::Tensor rows = normal_rows(6, 400);
  const at::Tensor mean = rows.mean(0).unsqueeze(0).expand({6, 400});
  const at::Tensor found = aggregate("[{name = \"nnm\", f = 0}, {name = \"centered_clipping\", radius = 3}]", rows);
  EXPECT_LT(difference(found[0], direct_clipping(mean, at::zeros({400}, at::kDouble), 3, 3)), 1e-14);
}

TEST(CenteredClipping, IsTheMeanForALargeRadius) {
  const at::Tensor rows = normal_rows(9, 100);
  EXPECT_LT(difference(aggregate(clipping(1e6, 1), rows)[0], rows.mean(0)), 1e-15);
}

// One client moves the aggregate by at most radius / n in an iteration, however far away it is.
TEST(CenteredClipping, LimitsTheHarmOfOneClient) {
  at::Tensor rows = at::zeros({10, 20}, at::kDouble);
  rows[4].fill_(1e6);
  EXPECT_NEAR(aggregate(clipping(2, 1), rows).norm().item<double>(), 0.2, 1e-12);
}

TEST(NormBound, ScalesLongRowsDown) {
  const at::Tensor rows = normal_rows(6, 3000) * at::tensor({0.1, 1.0, 3.0, 0.01, 0.5, 20.0}, at::kDouble).unsqueeze(1);
  const at::Tensor norms = rows.norm(2, 1, true);
  const at::Tensor bounded = rows * at::clamp_max(30 / norms, 1);
  const Arrival arrival{.ranks = 3, .weights = {{1, 2, 3, 4, 5, 6}}};
  const at::Tensor found = aggregate("[{name = \"norm_bound\", bound = 30}]", rows, arrival);
  const at::Tensor weights = at::tensor({1, 2, 3, 4, 5, 6}, at::kDouble).unsqueeze(1);
  EXPECT_LT(difference(found[0], (bounded * weights).sum(0) / 21), 1e-15);  // clients keep their weights
}

TEST(NormBound, LeavesShortRowsAlone) {
  const at::Tensor rows = normal_rows(4, 300, at::kFloat);
  with_rows(rows, {.ranks = 2}, [&](RowSet& set, Communicator&) {
    State state;
    rules_of("[{name = \"norm_bound\", bound = 100}]")[0]->apply(set, state, {});
    for (std::int64_t i = 0; i < 4; ++i) EXPECT_TRUE(at::equal(set.row(i), rows[i]));
    EXPECT_EQ(set.clients().size(), 4U);
    return at::zeros({1});
  });
}

TEST(NormBound, MayFollowMixing) {
  at::Tensor rows = normal_rows(5, 300);
  const at::Tensor mean = rows.mean(0);
  const at::Tensor found = aggregate("[{name = \"nnm\", f = 0}, {name = \"norm_bound\", bound = 2}]", rows);
  EXPECT_LT(difference(found[0], mean * 2 / mean.norm()), 1e-14);
}

}  // namespace
}  // namespace shoal

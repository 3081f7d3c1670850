// The local update of a block: steps computed by hand, and the rows that it reads and changes.

#include "sim/task/local_update.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/error.hpp"
#include "sim/task/quadratic.hpp"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

at::Tensor column(std::initializer_list<double> values, at::ScalarType type = at::kFloat) {
  return at::tensor(std::vector<double>(values), type).unsqueeze(1);
}

TEST(LocalSteps, FollowFromExamplesAndFraction) {
  const Quadratic task(Settings::parse("clients = 3\nexamples = 10\n", "test.toml"), 1);
  LocalSettings local;
  local.batch = 4;
  local.epochs = 2;
  const std::vector<Participation> block{
      {.client = ClientId{0}}, {.client = ClientId{1}, .fraction = 0.5}, {.client = ClientId{2}, .fraction = 0.01}};
  const std::vector<ClientFigures> figures = planned_figures(task, block, local);
  EXPECT_EQ(figures.size(), 3U);
  EXPECT_EQ(figures[0].steps, 6);
  EXPECT_EQ(figures[1].steps, 3);
  EXPECT_EQ(figures[2].steps, 1);
}

TEST(LocalSteps, ClientsThatAreDoneAreNotActive) {
  const std::vector<ClientFigures> clients{{.steps = 3}, {.steps = 1}, {.steps = 2}};
  EXPECT_THAT(active_clients(clients, 0), ElementsAre(0, 1, 2));
  EXPECT_THAT(active_clients(clients, 1), ElementsAre(0, 2));
  EXPECT_THAT(active_clients(clients, 2), ElementsAre(0));
  EXPECT_THAT(active_clients(clients, 3), IsEmpty());
}

// Gradient 2 at y = 1 with pull 2 to 0.5, shift 1 and decay 0.5: 2 + 2 0.5 + 1 + 0.5 = 4.5.
LocalSettings with_decay(double momentum = 0, bool nesterov = false) {
  return {.rate = 0.1, .momentum = momentum, .nesterov = nesterov, .weight_decay = 0.5};
}
Correction pull_and_shift(at::ScalarType type = at::kFloat) {
  return {.pull = 2, .anchor = at::full({1}, 0.5, type), .shift = at::full({1}, 1.0, type)};
}

TEST(LocalUpdate, DescendsAlongTheCorrectedGradient) {
  const at::Tensor y = column({1}, at::kDouble), g = column({2}, at::kDouble);
  LocalUpdate<double>({y, g, {}}, with_decay(), pull_and_shift(at::kDouble)).run(std::vector<std::int64_t>{0});
  EXPECT_NEAR(y.item<double>(), 1 - 0.1 * 4.5, 1e-12);
}

TEST(LocalUpdate, StartsItsMomentumAnew) {
  const at::Tensor y = column({1}), g = column({2}), momentum = column({100});
  const LocalSettings local = with_decay(0.5);
  LocalUpdate<float> update({y, g, momentum}, local, pull_and_shift());
  update.change(0);
  EXPECT_NEAR(y.item<double>(), 0.55, 1e-6);
  update.change(0);  // 2 + 2 0.05 + 1 + 0.5 0.55 = 3.375, and 0.5 4.5 + 3.375 = 5.625
  EXPECT_NEAR(y.item<double>(), 0.55 - 0.5625, 1e-6);
}

TEST(LocalUpdate, ComputesNesterovMomentum) {
  const at::Tensor y = column({1}), g = column({2}), momentum = column({0});
  LocalUpdate<float>({y, g, momentum}, with_decay(0.5, true), pull_and_shift()).change(0);
  EXPECT_NEAR(y.item<double>(), 1 - 0.1 * (4.5 + 0.5 * 4.5), 1e-6);
}

TEST(LocalUpdate, ChangesActiveClientsAlone) {
  const at::Tensor y = column({1, 2, 3}), g = column({1, 1, 1});
  LocalUpdate<float>({y, g, {}}, {.rate = 1}, {}).run(std::vector<std::int64_t>{0, 2});
  EXPECT_TRUE(at::equal(y, column({0, 2, 2})));
}

TEST(LocalUpdate, ReadsTheRowOfEachClientOrTheSharedOne) {
  for (const bool shared : {false, true}) {
    const at::Tensor y = column({0, 0}), g = column({0, 0});
    const at::Tensor shift = shared ? column({5}) : column({1, 2});
    LocalUpdate<float>({y, g, {}}, {.rate = 1}, {.shift = shift}).run(std::vector<std::int64_t>{0, 1});
    EXPECT_TRUE(at::equal(y, shared ? column({-5, -5}) : column({-1, -2})));
  }
}

TEST(LocalUpdate, LeavesThePaddingOfRowsAlone) {
  const at::Tensor rows = at::ones({2, 4}), g = at::full({2, 2}, 0.25);
  LocalUpdate<float>({rows.narrow(1, 0, 2), g, {}}, {.rate = 1}, {}).run(std::vector<std::int64_t>{0, 1});
  EXPECT_TRUE(at::equal(rows[1], at::tensor({0.75F, 0.75F, 1.0F, 1.0F})));
}

TEST(TrainedRanges, AreThoseOfTheMaskWithoutBuffers) {
  ParameterLayout layout;
  layout.add("a", {4});
  layout.add("mean", {2}, Role::buffer);
  layout.add("b", {3});
  const auto ranges = [&](std::vector<float> mask) { return trained_ranges(layout, at::tensor(mask)); };
  EXPECT_EQ(trained_ranges(layout, {}), (std::vector<Range>{{0, 4}, {6, 3}}));
  EXPECT_EQ(ranges({1, 1, 1, 1, 1, 1, 1, 1, 1}), (std::vector<Range>{{0, 4}, {6, 3}}));
  EXPECT_EQ(ranges({0, 1, 1, 0, 1, 1, 1, 0, 1}), (std::vector<Range>{{1, 2}, {6, 1}, {8, 1}}));
  EXPECT_EQ(ranges(std::vector<float>(9, 0)), (std::vector<Range>{{0, 0}}));
  EXPECT_THROW(ranges({1, 1}), BrokenInvariant);
}

TEST(LocalUpdate, LeavesAloneWhatIsNotTrainable) {
  const at::Tensor y = at::tensor({1.0F, 2.0F, 3.0F}).unsqueeze(0), g = at::ones({1, 3});
  LocalUpdate<float>({y, g, {}}, {.rate = 1}, {}, {{1, 1}}).change(0);
  EXPECT_TRUE(at::equal(y[0], at::tensor({1.0F, 1.0F, 3.0F})));
  LocalUpdate<float>({y, g, {}}, {.rate = 1}, {}, {{0, 0}}).change(0);
  EXPECT_TRUE(at::equal(y[0], at::tensor({1.0F, 1.0F, 3.0F})));
}

TEST(IsFree, FollowsHandlesAndViews) {
  at::Tensor buffer;
  EXPECT_FALSE(is_free(buffer));
  buffer = at::ones({2, 3});
  EXPECT_TRUE(is_free(buffer));
  at::Tensor held = buffer;
  EXPECT_FALSE(is_free(buffer));
  held = buffer.select(0, 1);
  EXPECT_FALSE(is_free(buffer));
  held = at::Tensor();
  EXPECT_TRUE(is_free(buffer));
}

TEST(LocalUpdate, RefusesCorrectionsThatDoNotFit) {
  const at::Tensor y = column({1}), g = column({1});
  EXPECT_THROW((LocalUpdate<float>({y, g, {}}, {}, {.pull = 1})), BrokenInvariant);
  EXPECT_THROW(LocalUpdate<float>({y, g, {}}, {}, {.shift = column({1}, at::kDouble)}).change(0), BrokenInvariant);
}

TEST(RowOrShared, GivesAClientsOwnRowWhereThereIsOne) {
  EXPECT_TRUE(at::equal(row_or_shared(column({1, 2}), 1), at::tensor({2.0F})));
  EXPECT_TRUE(at::equal(row_or_shared(at::tensor({7.0F}), 1), at::tensor({7.0F})));
}

}  // namespace
}  // namespace shoal

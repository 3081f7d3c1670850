// Can a strategy train a block several times, with settings of its own, and keep the results?
#include "sim/round/client_block.hpp"

#include <gtest/gtest.h>

#include "sim/error.hpp"
#include "sim/nn/layers/flatten.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/task/quadratic.hpp"
#include "tests/sim/task/plain_steps.hpp"

namespace shoal {
namespace {

using test::Batches;
using test::Parameters;
using test::participation;

const std::vector<Participation> clients{participation(1, 4), participation(0, 9), participation(2, 2)};

// A block of these clients, for a strategy that keeps nothing.
struct Desk {
  explicit Desk(const Task& task, const LocalSettings& local)
      : settings(local),
        trainer(task.trainer()),
        block(clients, settings, task, *trainer, {}, std::vector<ClientRecord>(clients.size()), "strategy/test") {}
  LocalSettings settings;
  std::unique_ptr<Trainer> trainer;
  ClientBlock block;
};

SupervisedTask small_task() {
  auto data = std::make_shared<Dataset>();
  data->train = stored(test::random_examples({1, 3, 3}, 4, 30, 1));
  Network network({1, 3, 3});
  network.add(layers::flatten()).add(layers::linear(4));
  return {data, std::make_unique<test::Consecutive>(std::vector<std::int64_t>{12, 8, 10}), network, {}, 7};
}

LocalSettings settings(std::int64_t steps) {
  LocalSettings local;
  local.steps = steps;
  local.batch = 3;
  return local;
}

at::Tensor start_of(const Task& task) { return task.initial_parameters(random_key(1, "model/initial_parameters")); }

at::Tensor plain(const SupervisedTask& task, std::size_t k, std::int64_t steps, std::string_view purpose) {
  const LocalSettings local = settings(steps);
  const Batches batches = test::batches_of(task, clients[k], local, steps, purpose);
  at::Tensor y = start_of(task);
  for (std::int64_t s = 0; s < steps; ++s) {
    y = y - local.rate * test::plain_gradient(task, y, batches[s],
                                              [](const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
                                                return at::cross_entropy_loss(test::dense_scores(p, 0, x), labels);
                                              })
                             .gradient;
  }
  return y - start_of(task);
}

TEST(ClientBlock, TrainsAgainOnOtherBatches) {
  const SupervisedTask task = small_task();
  Desk desk(task, settings(5));
  const LocalResult first = desk.block.train(start_of(task)), again = desk.block.train(start_of(task));
  const LocalResult second = desk.block.train(start_of(task), {}, nullptr, 1);
  const LocalResult third = desk.block.train(start_of(task), {}, nullptr, 2);
  const LocalResult last = desk.block.train(start_of(task));
  EXPECT_TRUE(at::equal(first.delta.dense(), again.delta.dense()));
  EXPECT_TRUE(at::equal(first.delta.dense(), last.delta.dense()));
  for (std::size_t k = 0; k < clients.size(); ++k) {
    EXPECT_LT(test::distance(first.delta.dense()[k], plain(task, k, 5, "task/shuffle")), 1e-5);
    EXPECT_LT(test::distance(second.delta.dense()[k], plain(task, k, 5, "task/shuffle/1")), 1e-5);
    EXPECT_GT(test::distance(second.delta.dense()[k], first.delta.dense()[k]), 1e-2);
    EXPECT_GT(test::distance(third.delta.dense()[k], second.delta.dense()[k]), 1e-2);
  }
}

TEST(ClientBlock, TrainsWithSettingsOfItsOwn) {
  const SupervisedTask task = small_task();
  Desk desk(task, settings(5)), other(task, settings(2));
  const LocalResult before = desk.block.train(start_of(task));
  const LocalSettings own = settings(2);
  const LocalResult with_own = desk.block.train(start_of(task), {}, &own);
  EXPECT_EQ(desk.block.last().figures[0].steps, 2);
  EXPECT_TRUE(at::equal(with_own.delta.dense(), other.block.train(start_of(task)).delta.dense()));
  EXPECT_TRUE(at::equal(desk.block.train(start_of(task)).delta.dense(), before.delta.dense()));
  EXPECT_EQ(desk.block.last().figures[0].steps, 5);
}

TEST(ClientBlock, GivesResultsThatLast) {
  const SupervisedTask task = small_task();
  Desk desk(task, settings(2));
  const LocalResult first = desk.block.train(start_of(task));
  const at::Tensor copy = first.delta.dense().clone();
  const LocalResult gradient = desk.block.gradient(start_of(task));
  const at::Tensor row = gradient.delta.dense()[1], of_row = row.clone();
  desk.block.train(start_of(task) + 1);
  desk.block.gradient(start_of(task) + 1);
  EXPECT_TRUE(at::equal(first.delta.dense(), copy));
  EXPECT_TRUE(at::equal(row, of_row));
}

TEST(ClientBlock, CountsLabels) {
  const SupervisedTask task = small_task();
  Desk desk(task, settings(1));
  const at::Tensor counts = desk.block.label_counts();
  ASSERT_EQ(counts.sizes(), at::IntArrayRef({3, 4}));
  for (std::size_t k = 0; k < clients.size(); ++k) {
    std::vector<std::int64_t> want(4, 0);
    for (const std::int32_t i : task.holdout().indices(clients[k].client, "train")) ++want[task.train().labels()[i]];
    EXPECT_TRUE(at::equal(counts[k], at::tensor(want, at::kLong)));
  }
  const Quadratic quadratic(Settings::parse("clients = 3\n", "test.toml"), 1);
  EXPECT_THROW(Desk(quadratic, settings(1)).block.label_counts(), UserError);
}

}  // namespace
}  // namespace shoal

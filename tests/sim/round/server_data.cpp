// Does what the server computes on its own examples equal a direct computation, with the same bits on any ranks?
#include "sim/round/server_data.hpp"

#include <gmock/gmock.h>

#include "sim/nn/layers/batch_norm.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t held = 150;

SupervisedTask task_of(bool batch_norm = false) {
  auto data = std::make_shared<Dataset>();
  data->train = stored(random_examples({6, 1, 1}, 4, 100 + held, 1));
  data->test = stored(random_examples({6, 1, 1}, 4, 300, 2));
  Network network({6, 1, 1});
  network.add(layers::linear(9));
  if (batch_norm) network.add(layers::batch_norm());
  network.add(layers::relu()).add(layers::linear(4));
  std::vector<std::int32_t> server(held);  // the last ones, backwards: an example's number is not its position
  for (std::int64_t i = 0; i < held; ++i) server[i] = 100 + held - 1 - i;
  return {data, std::make_unique<Consecutive>(std::vector<std::int64_t>{60, 40}), network, {}, 7, {.server = server}};
}

at::Tensor model_of(const SupervisedTask& task) {
  return 2 * task.initial_parameters(random_key(5, "model/initial_parameters"));
}

std::vector<std::int32_t> in_data(const std::vector<std::int32_t>& numbers) {
  std::vector<std::int32_t> positions;
  for (const std::int32_t i : numbers) positions.push_back(100 + held - 1 - i);
  return positions;
}

// Calls use(data) on each rank.
void on_ranks(const SupervisedTask& task, int ranks, int threads, const std::function<void(const ServerData&)>& use) {
  run_on_threads(ranks, [&](Communicator& comm) {
    Trainers trainers(task, threads);
    use(*server_data(task, comm, trainers));
  });
}

std::vector<std::int32_t> numbers(std::int64_t count) {
  std::vector<std::int32_t> all(count);
  for (std::int64_t i = 0; i < count; ++i) all[i] = (7 * i) % held;
  return all;
}

TEST(ServerData, GivesTheGradientOfTheMeanLoss) {
  const SupervisedTask task = task_of();
  const at::Tensor model = model_of(task);
  for (const std::int64_t count : {1, 63, 64, 150, 400}) {  // with 400, examples are named several times
    const std::vector<std::int32_t> which = numbers(count);
    Parameters p = leaves(task.layout(), model);
    const at::Tensor x = features(task.train(), in_data(which)), y = labels(task.train(), in_data(which));
    at::cross_entropy_loss(dense_scores(p, 0, x), y).backward();
    Parameters gradients;
    for (const at::Tensor& one : p) gradients.push_back(one.grad());
    on_ranks(task, 1, 1, [&](const ServerData& data) {
      EXPECT_EQ(data.count(), held);
      EXPECT_LT(distance(data.gradient(model, which), flat(gradients)), 1e-5) << count;
    });
  }
}

TEST(ServerData, GivesScoresAndFeatures) {
  const SupervisedTask task = task_of();
  const at::Tensor model = model_of(task);
  const std::vector<std::int32_t> which = numbers(200);
  const Parameters p = leaves(task.layout(), model);
  const at::Tensor x = features(task.train(), in_data(which)).flatten(1);
  on_ranks(task, 3, 1, [&](const ServerData& data) {
    const ExampleOutputs seen = data.outputs(model, which);
    EXPECT_EQ(seen.counts, std::vector<std::int64_t>{200});
    EXPECT_LT(distance(seen.scores[0], dense_scores(p, 0, x).detach()), 1e-5);
    EXPECT_LT(distance(seen.features[0], at::relu(at::linear(x, p[0], p[1])).detach()), 1e-5);
    EXPECT_TRUE(at::equal(seen.targets[0], labels(task.train(), in_data(which))));
    EXPECT_EQ(data.outputs(model, {}).scores.sizes(), (std::vector<std::int64_t>{1, 0, 4}));
  });
}

TEST(ServerData, EvaluatesItsOwnAndOtherSets) {
  const SupervisedTask task = task_of();
  const at::Tensor model = model_of(task);
  const Parameters p = leaves(task.layout(), model);
  const auto directly = [&](const at::Tensor& x, const at::Tensor& y) {
    return at::cross_entropy_loss(dense_scores(p, 0, x), y).item<double>();
  };
  const std::vector<std::int32_t> own = in_data(numbers(held));
  std::vector<std::int32_t> all(300);
  std::iota(all.begin(), all.end(), 0);
  const Examples tests = random_examples({6, 1, 1}, 4, 300, 2);
  on_ranks(task, 2, 1, [&](const ServerData& data) {
    EXPECT_EQ(data.evaluate(model).examples, held);
    EXPECT_NEAR(data.evaluate(model).mean_loss(), directly(features(task.train(), own), labels(task.train(), own)),
                1e-5);
    EXPECT_NEAR(data.evaluate(model, "test").mean_loss(), directly(features(tests, all), labels(tests, all)), 1e-5);
  });
}

TEST(ServerData, HasTheSameBitsOnAnyRanks) {
  for (const bool batch_norm : {false, true}) {
    const SupervisedTask task = task_of(batch_norm);
    const at::Tensor model = model_of(task);
    std::set<std::string> seen;
    std::mutex mutex;
    for (const auto& [ranks, threads] : {std::pair{1, 1}, {1, 2}, {2, 1}, {3, 2}, {5, 1}}) {
      on_ranks(task, ranks, threads, [&](const ServerData& data) {
        const std::vector<std::int32_t> which = numbers(331);
        const ExampleOutputs outputs = data.outputs(model, which);
        const at::Tensor gradient = data.gradient(model, which);
        for (const Range& buffer : task.layout().ranges(Role::buffer)) {
          EXPECT_FALSE(gradient.narrow(0, buffer.first, buffer.size).any().item<bool>());
        }
        Digest all;
        for (const at::Tensor& t : {gradient, outputs.scores, outputs.features, outputs.targets}) all.add(digest(t));
        all.add(data.evaluate(model).loss);
        const std::lock_guard lock(mutex);
        seen.insert(all.hex());
      });
    }
    EXPECT_EQ(seen.size(), 1U);
  }
}

TEST(ServerData, PassesOnThatAModelDiverged) {
  const SupervisedTask task = task_of();
  const at::Tensor bad = at::full({task.layout().size}, std::nan(""));
  on_ranks(task, 2, 1, [&](const ServerData& data) {
    EXPECT_TRUE(data.gradient(bad, numbers(100)).isnan().all().item<bool>());
    EXPECT_THROW(data.gradient(bad, std::vector<std::int32_t>{held}), BrokenInvariant);
    EXPECT_FALSE(data.gradient(bad, {}).any().item<bool>());
  });
}

TEST(ServerData, IsAbsentWhereTheServerHasNone) {
  const Federation with = federation("data = {name = \"optdigits\", server = 30}\n");
  const Federation without = federation("data = \"optdigits\"\n"), other = federation("task = \"quadratic\"\n");
  run_on_threads(1, [&](Communicator& comm) {
    for (const Federation* parts : {&with, &without, &other}) {
      Trainers trainers(*parts->task, 1);
      EXPECT_EQ(server_data(*parts->task, comm, trainers).has_value(), parts == &with);
    }
  });
}

}  // namespace
}  // namespace shoal

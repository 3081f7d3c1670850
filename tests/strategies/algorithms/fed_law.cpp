// Are the weights and the shrinking those that autograd and LibTorch's Adam learn on the server's examples?
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <set>

#include "sim/digest.hpp"
#include "sim/nn/layers/linear.hpp"
#include "sim/nn/layers/relu.hpp"
#include "sim/round/server_data.hpp"
#include "sim/round/server_rows.hpp"
#include "sim/round/strategy.hpp"
#include "strategies/algorithms/shared/mixture.hpp"
#include "tests/sim/round/row_sets.hpp"
#include "tests/sim/round/small_federation.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// The models 1.18098 and 1.07776 of two clients, L = (x - 0.8)^2 / 2, one step of gradient descent with rate 0.1.
TEST(Mixture, TakesTheStepByHand) {
  const std::vector<double> models = {1.18098, 1.07776}, weights = {0.5, 0.5};
  algorithms::Mixture mixture(weights);
  const auto x = [&] {
    const std::vector<double> lambda = mixture.lambda();
    return mixture.shrink() * (lambda[0] * models[0] + lambda[1] * models[1]);
  };
  const double slope = x() - 0.8;
  const std::vector<double> products = {slope * models[0], slope * models[1]};
  std::vector<double> step = mixture.gradient(products, slope * x());
  for (double& value : step) value *= -0.1;
  mixture.add(step);
  EXPECT_NEAR(mixture.lambda()[0], 0.49957503046, 1e-11);
  EXPECT_NEAR(mixture.lambda()[1], 0.50042496954, 1e-11);
  EXPECT_NEAR(mixture.shrink(), 0.96348528885, 1e-11);
  EXPECT_NEAR(x(), 1.08808911705, 1e-11);
}

constexpr std::int64_t clients = 5, held = 90;

// The server holds all examples but the first.
SupervisedTask server_task() {
  auto data = std::make_shared<Dataset>();
  data->train = stored(random_examples({6, 1, 1}, 4, 1 + held, 1));
  Network network({6, 1, 1});
  network.add(layers::linear(5)).add(layers::relu()).add(layers::linear(4));
  std::vector<std::int32_t> server(held);
  std::iota(server.begin(), server.end(), 1);
  return {data, std::make_unique<Consecutive>(std::vector<std::int64_t>{1}), network, {}, 7, {.server = server}};
}

// A round of the server: five clients' changes of a model, some of which lower the loss on the server's examples.
struct Scene {
  SupervisedTask task = server_task();
  at::Tensor model = 2 * task.initial_parameters(random_key(3, "model/initial_parameters"));
  at::Tensor changes = 0.3 * normal_rows(clients, task.layout().size, at::kFloat);
  std::vector<double> weights = {10, 40, 7, 23, 20};

  struct Step {
    at::Tensor model;
    double shrink;
  };

  Step by_strategy(const std::string& settings, Arrival arrival = {}) const {
    Settings toml = Settings::parse(settings, "test.toml");
    const auto strategy = find_part<Strategy>("strategy", "fed_law").make(toml);
    arrival.weights = {weights};
    std::mutex mutex;
    double shrink = 0;
    const at::Tensor next = with_rows(changes, arrival, [&](RowSet& rows, Communicator& comm) {
      ClientMemory memory({}, comm.size(), comm.rank());
      ServerRows given({rows}, memory, "strategy/1/fed_law");
      Trainers trainers(task, arrival.threads);
      const ServerData data(task, comm, trainers);
      Board board;
      const ServerContext context{.layout = task.layout(),
                                  .population = clients,
                                  .clients = clients,
                                  .round = 1,
                                  .key = random_key(9, "strategy/1/fed_law/round 1"),
                                  .board = board,
                                  .server = &data,
                                  .rows = &given};
      State state;
      state.put("params", model.clone());
      strategy->init(state, context);
      const Aggregate group{.means = {rows.mean()}, .weights = {100}, .clients = clients};
      strategy->server_update(state, {&group, 1}, context);
      const std::lock_guard lock(mutex);
      shrink = state.tensor("shrink").item<double>();
      return state.params();
    });
    return {next, shrink};
  }

  // a and g are leaves of autograd.
  Step by_autograd(int epochs, double rate, int halve) const {
    const at::Tensor p = at::tensor(weights).to(at::kFloat), models = model + changes;
    at::Tensor a = (p / p.sum()).log().requires_grad_(), g = at::zeros({1}).requires_grad_();
    std::vector<std::int32_t> own(held);
    std::iota(own.begin(), own.end(), 1);
    const at::Tensor x = features(task.train(), own), y = labels(task.train(), own);
    torch::optim::Adam adam({a, g}, torch::optim::AdamOptions(rate).betas({0.5, 0.999}));
    const auto mixed = [&] { return g.exp() * a.softmax(0).unsqueeze(0).mm(models).squeeze(0); };
    for (int epoch = 0; epoch < epochs; ++epoch) {
      for (auto& group : adam.param_groups()) group.options().set_lr(rate * std::pow(0.5, epoch / halve));
      adam.zero_grad();
      const at::Tensor whole = mixed();
      Parameters parts;
      for (const Parameter& one : task.layout().parameters) {
        parts.push_back(whole.narrow(0, one.offset, one.size).view(one.shape));
      }
      at::cross_entropy_loss(dense_scores(parts, 0, x), y).backward();
      adam.step();
    }
    const at::NoGradGuard no_grad;
    return {mixed(), g.exp().item<double>()};
  }
};

TEST(FedLaw, LearnsWhatAutogradLearns) {
  const Scene scene;
  const Scene::Step found = scene.by_strategy("epochs = 40\nrate = 0.05\nhalve_every = 15\n");
  const Scene::Step want = scene.by_autograd(40, 0.05, 15);
  EXPECT_LT(distance(found.model, want.model), 2e-4);
  EXPECT_NEAR(found.shrink, want.shrink, 2e-4);
  EXPECT_GT(std::abs(want.shrink - 1), 0.05);  // otherwise little was learned
  EXPECT_GT(distance(want.model, scene.by_autograd(0, 0.05, 15).model), 0.05);
}

TEST(FedLaw, TakesBatchesInTurn) {
  const Scene scene;
  const Scene::Step all = scene.by_strategy("epochs = 10\n"), named = scene.by_strategy("epochs = 10\nbatch = 90\n");
  EXPECT_LT(distance(named.model, all.model), 1e-5);
  EXPECT_GT(distance(scene.by_strategy("epochs = 10\nbatch = 30\n").model, all.model), 1e-3);
}

TEST(FedLaw, WithoutEpochsAddsTheMean) {
  const Scene scene;
  const at::Tensor p = at::tensor(scene.weights) / 100;
  const at::Tensor mean = p.unsqueeze(0).mm(scene.changes.to(at::kDouble)).squeeze(0);
  EXPECT_LT(distance(scene.by_strategy("epochs = 0\n").model.to(at::kDouble), scene.model + mean), 1e-6);
}

TEST(FedLaw, HasTheSameBitsWhereverRowsArrive) {
  const Scene scene;
  std::set<std::string> seen;
  for (const auto& [ranks, threads] : {std::pair{1, 1}, {1, 3}, {2, 1}, {3, 2}, {5, 1}}) {
    for (const std::int64_t stride : {7, 4}) {
      Arrival arrival;
      arrival.ranks = ranks;
      arrival.threads = threads;
      arrival.stride = stride;
      const at::Tensor model = scene.by_strategy("epochs = 3\nbatch = 40\n", arrival).model.contiguous();
      seen.insert(Digest().add({static_cast<const std::byte*>(model.const_data_ptr()), model.nbytes()}).hex());
    }
  }
  EXPECT_EQ(seen.size(), 1U);
}

}  // namespace
}  // namespace shoal

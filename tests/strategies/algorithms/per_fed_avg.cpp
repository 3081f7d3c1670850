// Does Per-FedAvg descend the loss after one adapting step, and evaluate the adapted models?
#include <torch/torch.h>

#include "sim/round/personal.hpp"
#include "tests/strategies/algorithms/plain_round.hpp"

namespace shoal::test {
namespace {

at::Tensor loss_of(const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
  return at::cross_entropy_loss(digit_scores(p, x), labels);
}

// The loss after the step is h (1 - alpha h)^2 (y - b)^2 / 2; the first-order form has one factor 1 - alpha h less in
// its gradient.
TEST(PerFedAvg, FollowsTheClosedForms) {
  for (const bool whole : {false, true}) {
    for (const double alpha : {0.1, 0.2}) {
      double x = 2;
      std::vector<double> rounds;
      for (int round = 0; round < 3; ++round) {
        double mean = 0;
        for (const auto& [h, b] : {std::pair{1.0, 0.0}, {4.0, 1.0}}) {
          const double slope = h * (1 - alpha * h) * (whole ? 1 - alpha * h : 1);
          mean += (b + std::pow(1 - 0.1 * slope, 5) * (x - b)) / 2;
        }
        rounds.push_back(x = mean);
      }
      expect_quadratic(fmt::format("{{name = \"per_fed_avg\", alpha = {}, form = \"{}\"}}", alpha,
                                   whole ? "hessian_free" : "first_order"),
                       rounds, whole ? 1e-10 : 1e-12);  // a difference of two gradients
    }
  }
  expect_quadratic("{name = \"per_fed_avg\", alpha = 0.1}", {1.2508084139, 0.9220688837155, 0.7778204955715});
  expect_quadratic("{name = \"per_fed_avg\", alpha = 0.1, form = \"hessian_free\"}",
                   {1.385301412378, 1.04257760163, 0.8514927141425}, 1e-10);
}

TEST(PerFedAvg, WithoutAdaptingIsFedAvg) {
  const std::string base =
      "task = {name = \"quadratic\", clients = 30, dimension = 7}\nlocal = {steps = 4}\nstrategy = ";
  EXPECT_EQ(digest(play(federation(base + "{name = \"per_fed_avg\", alpha = 0}"), 3).last()),
            digest(play(federation(base + "\"fed_avg\""), 3).last()));  // all clients have equal weights there
}

at::Tensor first_order(const at::Tensor& y, const Gradient& gradient) {
  return gradient(y - 0.5 * gradient(y, Which::this_batch), Which::next_batch);
}

TEST(PerFedAvg, FollowsAutogradInTheFirstOrderForm) {
  for (const char* block : {"", "block = 5\nform = \"stacked\"\n"}) {
    expect_round(digits("{name = \"per_fed_avg\", alpha = 0.5}", block), 2e-5, true,
                 [](const auto& task, const auto& who, const auto& local, const auto& start) {
                   return plain_change(task, who, local, start, loss_of, first_order);
                 });
  }
}

// The derivative of the loss on the next batch after a step on this one, by autograd through both.
at::Tensor change_through_the_step(const SupervisedTask& task, const Participation& who, const LocalSettings& local,
                                   const at::Tensor& start) {
  const std::int64_t steps = local.local_steps(task.work(who.client).examples, who.fraction);
  const Batches batches = batches_of(task, who, local, steps + 1);
  at::Tensor y = start;
  for (std::int64_t s = 0; s < steps; ++s) {
    const auto loss = [&](const Parameters& p, const std::vector<std::int32_t>& batch) {
      return loss_of(p, features(task.train(), batch), labels(task.train(), batch));
    };
    const Parameters p = leaves(task.layout(), y);
    const Parameters inner = torch::autograd::grad({loss(p, batches[s])}, p, {}, true, /*create_graph=*/true);
    Parameters adapted;
    for (std::size_t i = 0; i < p.size(); ++i) adapted.push_back(p[i] - 0.05 * inner[i]);
    y = y - local.rate * flat(torch::autograd::grad({loss(adapted, batches[s + 1])}, p));
  }
  return y - start;
}

// Without a kink in the model, where a difference of gradients is no derivative.
TEST(PerFedAvg, FollowsAutogradThroughTheAdaptingStep) {
  const auto toml = [](const char* form) {
    std::string all = digits(fmt::format("{{name = \"per_fed_avg\", alpha = 0.05, form = \"{}\"}}", form));
    const std::string network = "{name = \"mlp\", widths = [8]}";
    return all.replace(all.find(network), network.size(), "\"logistic_regression\"");
  };
  constexpr double tolerance = 2e-4;  // a difference of gradients in single precision
  expect_round(toml("hessian_free"), tolerance, true, change_through_the_step);
  // The test tells the forms apart.
  const at::Tensor one = play(federation(toml("first_order")), 1).last();
  const at::Tensor other = play(federation(toml("hessian_free")), 1).last();
  EXPECT_GT(distance(one - other, other), 20 * tolerance);
}

// After a step of alpha, each client's loss is h (1 - alpha h)^2 (x - b)^2 / 2.
TEST(PerFedAvg, EvaluatesTheAdaptedModels) {
  const Federation parts = federation(two_quadratics("{name = \"per_fed_avg\", alpha = 0.1}"));
  run_on_threads(2, [&](Communicator& comm) {
    FederationState state(parts, comm.size(), comm.rank());
    Trainers trainers(*parts.task, 1);
    run_round(parts, state, comm, trainers);
    const double x = state.strategy().params().item<double>();
    const PersonalEvaluation seen = evaluate_personal(parts, state, "test", 100, comm, trainers);
    EXPECT_EQ(seen.clients, 2);
    const double first = 0.5 * std::pow(0.9 * x, 2), second = 0.5 * 4 * std::pow(0.6 * (x - 1), 2);
    EXPECT_NEAR(seen.loss, (first + second) / 2, 1e-8);
  });
}

TEST(PerFedAvg, HasTheSameBitsOnAnyRanks) {
  expect_same_bits(digits("{name = \"per_fed_avg\", form = \"hessian_free\"}"));
}

}  // namespace
}  // namespace shoal::test

// Does AFL take the steps of its paper, computed here from the task's gradients and losses and an independent
// projection?

#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

constexpr std::int64_t clients = 5;

Federation afl(double mixing_rate, std::int64_t cohort = clients) {
  return federation(fmt::format(
      "[task]\nname = \"quadratic\"\nclients = {}\ndimension = 2\nprecision = \"float64\"\n[planner]\ncohort = {}\n"
      "[strategy]\nname = \"afl\"\nrate = 0.05\nmixing_rate = {}\n",
      clients, cohort, mixing_rate));
}

// The projection onto the simplex as max(0, v - s) with s found by bisection.
std::vector<double> projected(std::vector<double> values) {
  double low = -10, high = 10;
  for (int i = 0; i < 200; ++i) {
    const double shift = (low + high) / 2;
    double sum = 0;
    for (const double v : values) sum += std::max(0.0, v - shift);
    (sum > 1 ? low : high) = shift;
  }
  for (double& v : values) v = std::max(0.0, v - low);
  return values;
}

TEST(Afl, TakesTheStepsOfItsPaper) {
  for (const double mixing_rate : {0.01, 0.5}) {
    const Federation parts = afl(mixing_rate);
    const std::unique_ptr<Trainer> trainer = parts.task->trainer();
    const LocalSettings local = parts.local->at(1);
    at::Tensor x = parts.task->initial_parameters(random_key(parts.seed, "model/initial_parameters"));
    std::vector<double> lambda(clients, 1.0 / clients);
    double least = 1;
    run(parts, 8, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
      std::vector<double> next = lambda;
      at::Tensor step = at::zeros_like(x);
      for (std::int64_t c = 0; c < clients; ++c) {
        const Participation p{.client = ClientId{c}};
        trainer->open(std::span(&p, 1), local);
        const LocalResult own = trainer->gradient(x);
        step += lambda[c] * own.delta.dense()[0];
        next[c] += mixing_rate * own.figures[0].loss;
      }
      x = x - 0.05 * step;
      lambda = projected(next);
      least = std::min(least, *std::ranges::min_element(lambda));
      EXPECT_LT((state.strategy().params() - x).abs().max().item<double>(), 1e-6);  // weights: 2^-24
      const Table& mixture = record.tables.at("afl.mixture");
      ASSERT_EQ(mixture.rows(), clients);
      for (std::int64_t c = 0; c < clients; ++c) {
        EXPECT_EQ(mixture.integer(c, 0), c);
        EXPECT_NEAR(mixture.real(c, 1), lambda[c], 1e-6);
        EXPECT_NEAR(state.board.score(Board::weight, ClientId{c}), lambda[c] * clients, 1e-5);
      }
    });
    if (mixing_rate == 0.5) {
      EXPECT_EQ(least, 0);  // the projection has cut a client off
    }
  }
}

TEST(Afl, EstimatesTheWeightedSumFromACohort) {
  // One client of five: the step is rate * 5 lambda_k times its gradient.
  const Federation parts = afl(0.3, 1);
  const std::unique_ptr<Trainer> trainer = parts.task->trainer();
  const LocalSettings local = parts.local->at(1);
  at::Tensor x = parts.task->initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  std::vector<double> lambda(clients, 1.0 / clients);
  run(parts, 6, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    const Participation p = record.clients.at(0).participation;
    trainer->open(std::span(&p, 1), local);
    const LocalResult own = trainer->gradient(x);
    std::vector<double> next = lambda;
    next[value(p.client)] += 0.3 * clients * own.figures[0].loss;
    x = x - 0.05 * clients * lambda[value(p.client)] * own.delta.dense()[0];
    lambda = projected(next);
    EXPECT_LT((state.strategy().params() - x).abs().max().item<double>(), 1e-5);  // weights: 2^-24
  });
}

TEST(Afl, GivesTheSameBitsOnAnyRanks) {
  const Federation parts = afl(0.1, 3);
  const std::string one = run(parts, 8);
  for (const int ranks : {2, 3, 5}) EXPECT_EQ(run(parts, 8, ranks, 2), one) << ranks;
}

TEST(Afl, WithoutMixingIsFedSgd) {
  // With gamma = 0 and equal clients, the mixture stays uniform.
  const auto model = [](const Federation& parts) {
    at::Tensor last;
    run(parts, 5, 1, 1, [&](const RoundRecord&, const FederationState& state, Communicator&, Trainers&) {
      last = state.strategy().params().clone();
    });
    return last;
  };
  const Federation plain = federation(
      "[task]\nname = \"quadratic\"\nclients = 5\ndimension = 2\nprecision = \"float64\"\n[planner]\ncohort = 5\n"
      "[strategy]\nname = \"fed_sgd\"\nrate = 0.05\n[aggregator]\nweights = \"uniform\"\n");
  EXPECT_LT((model(afl(0)) - model(plain)).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace shoal

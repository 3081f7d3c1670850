// Does FedNova remove the bias of FedAvg when clients do unequal numbers of local steps, by the paper's formulas?
// Mostly with two clients of quadratic objectives, F_i = h_i (x - b_i)^2 / 2 with h = (1, 4) and b = (0, 1), of which
// the first does 2 of 10 local steps. A client goes the share c_i = 1 - (1 - rate h_i)^steps of the way to its optimum.
// So rounds converge to where sum p_i c_i (x - b_i) = 0 with FedAvg, and sum p_i c_i / a_i (x - b_i) = 0 with FedNova.

#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <functional>
#include <set>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/round/scripted.hpp"

namespace shoal {
namespace {

using namespace shoal::test;
using ::testing::HasSubstr;

constexpr std::array<double, 2> curvatures = {1, 4}, optima = {0, 1};

struct TwoClients {
  std::string strategy = "fed_nova", settings{};
  std::string local = "steps = 10\nrate = 0.1";
  std::string aggregator = "exact_sum";
  std::array<double, 2> fractions = {0.2, 1};  // shares of the local steps
  std::vector<double> weights = {1, 1};
  double start = 2;
};

Federation two_clients(const TwoClients& s) {
  const Settings task = Settings::parse(
      fmt::format("curvatures = [1, 4]\noptima = [0, 1]\nstart = {}\nprecision = \"float64\"", s.start), "test.toml");
  const Planned::Plan whole = all_clients(s.weights);
  Federation parts = scripted(std::make_shared<Quadratic>(task, 1), part<Strategy>("strategy", s.strategy, s.settings),
                              [whole, fractions = s.fractions](State& state, World& world) {
                                RoundPlan plan = whole(state, world);
                                for (Participation& p : plan.starts) p.fraction = fractions.at(value(p.client));
                                return plan;
                              });
  parts.local = std::make_shared<LocalTraining>(Settings::parse(s.local, "test.toml"));
  parts.aggregator = part<Aggregator>("aggregator", s.aggregator);
  return parts;
}

/// The mean of the two optima, weighted by `weights` times `pulls`.
double mixed(const std::array<double, 2>& pulls, const std::vector<double>& weights = {1, 1}) {
  const double first = weights[0] * pulls[0], second = weights[1] * pulls[1];
  return (first * optima[0] + second * optima[1]) / (first + second);
}

/// c_i for these steps of plain SGD.
std::array<double, 2> pulls(double rate, const std::array<double, 2>& steps) {
  return {1 - std::pow(1 - rate * curvatures[0], steps[0]), 1 - std::pow(1 - rate * curvatures[1], steps[1])};
}

// In high precision from the update rule.
TEST(FedNova, GivesTheRulesNumbers) {
  const std::vector<double> rounds = {1.13181398528, 0.7699419125202, 0.6191085717116};
  for (const auto& [aggregator, ranks, tolerance] :
       {std::tuple("float_sum", 1, 1e-12), std::tuple("exact_sum", 1, 1e-9), std::tuple("exact_sum", 3, 1e-9)}) {
    const Played played = play(two_clients({.aggregator = aggregator}), 200, {ranks, 1});
    for (std::size_t r = 0; r < rounds.size(); ++r) expect_close(played.params[r], {rounds[r]}, tolerance, aggregator);
    expect_close(played.last(), {0.5113051534049}, tolerance, "limit");
  }
  expect_close(play(two_clients({.strategy = "fed_avg"}), 200).last(), {0.8395207084802}, 1e-9, "limit of FedAvg");
}

// The weighted objective is least at sum p h b / sum p h. As the rate falls, FedNova ends ever closer to that, while
// FedAvg ends near where the objective with weights p times steps is least (theorem 1 of the paper).
TEST(FedNova, ReachesTheOptimumWhereFedAvgDoesNot) {
  for (const std::vector<double>& weights : {std::vector{1.0, 1.0}, {3.0, 1.0}}) {
    const double optimum = mixed(curvatures, weights), inconsistent = mixed({2 * 1, 10 * 4}, weights);
    double gap = 1;
    for (const double rate : {0.04, 0.01, 0.0025}) {
      const auto limit = [&](const std::string& strategy) {
        const std::string local = fmt::format("steps = 10\nrate = {}", rate);
        const Federation parts = two_clients({.strategy = strategy, .local = local, .weights = weights});
        return numbers(play(parts, std::lround(6 / rate)).last())[0];
      };
      const double nova = limit("fed_nova"), average = limit("fed_avg");
      const std::array<double, 2> c = pulls(rate, {2, 10});
      EXPECT_NEAR(nova, mixed({c[0] / 2, c[1] / 10}, weights), 1e-7);
      EXPECT_NEAR(average, mixed(c, weights), 1e-7);
      EXPECT_LT(std::abs(nova - optimum), 0.5 * gap) << rate;
      gap = std::abs(nova - optimum);
      EXPECT_LT(std::abs(average - inconsistent), 5 * rate);
    }
    EXPECT_LT(gap, 0.02);
    EXPECT_GT(inconsistent - optimum, 0.1);
  }
}

// The paper's closed forms of ||a||_1, and one round of local training and of the server's rule, written out here.
TEST(FedNova, DividesByThePapersEffectiveSteps) {
  struct Case {
    const char* what;
    double rate, momentum, mu;
    bool nesterov;
    std::function<double(double steps)> effective;
  };
  const auto of_momentum = [](double r, double steps) {
    return (steps - r * (1 - std::pow(r, steps)) / (1 - r)) / (1 - r);
  };
  const auto of_pull = [](double share, double steps) { return (1 - std::pow(1 - share, steps)) / share; };
  const std::vector<Case> cases = {
      {"plain", 0.1, 0, 0, false, [](double steps) { return steps; }},
      {"momentum", 0.05, 0.9, 0, false, [&](double steps) { return of_momentum(0.9, steps); }},
      // A gradient counts at once as well as through the momentum: steps + momentum times the form above.
      {"Nesterov", 0.05, 0.5, 0, true, [&](double steps) { return steps + 0.5 * of_momentum(0.5, steps); }},
      {"proximal", 0.1, 0, 2, false, [&](double steps) { return of_pull(0.1 * 2, steps); }}};
  for (const Case& c : cases) {
    const std::array<double, 2> steps = {2, 10}, p = {0.75, 0.25};
    const double x = 2;
    double tau = 0, mean = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      double y = x, buffer = 0;
      for (int step = 0; step < steps[i]; ++step) {
        const double gradient = curvatures[i] * (y - optima[i]) + c.mu * (y - x);
        buffer = c.momentum * buffer + gradient;
        y -= c.rate * (c.nesterov ? gradient + c.momentum * buffer : buffer);
      }
      tau += p[i] * c.effective(steps[i]);
      mean += p[i] * (y - x) / c.effective(steps[i]);
    }
    const TwoClients clients{
        .settings = fmt::format("mu = {}\nrate = 0.5", c.mu),
        .local = fmt::format("steps = 10\nrate = {}\nmomentum = {}\nnesterov = {}", c.rate, c.momentum, c.nesterov),
        .aggregator = "float_sum",
        .weights = {3, 1}};
    expect_close(play(two_clients(clients), 1).last(), {x + 0.5 * tau * mean}, 1e-12, c.what);
  }
}

// Clients with the same number of steps: any solver's effective steps cancel, and a planner that scales stale updates
// down scales both alike.
TEST(FedNova, EqualsFedAvgWhenStepsAreEqual) {
  for (const char* planner : {"{cohort = 8}", "{name = \"fed_buff\", concurrency = 12, buffer = 4}"}) {
    for (const char* local : {"momentum = 0", "momentum = 0.9", "momentum = 0.5, nesterov = true"}) {
      for (const auto& [aggregator, tolerance] : {std::pair("float_sum", 1e-13), std::pair("exact_sum", 1e-9)}) {
        const auto params = [&](const std::string& strategy) {
          return play(federation(fmt::format("strategy = {}\naggregator = \"{}\"\nplanner = {}\n"
                                             "population = {{speed_sigma = 1}}\n"
                                             "local = {{steps = 7, rate = 0.1, {}}}\ntask = {{name = \"quadratic\", "
                                             "clients = 20, dimension = 9, precision = \"float64\"}}\n",
                                             strategy, aggregator, planner, local)),
                      5)
              .params;
        };
        const auto same = [&](const std::string& nova, const std::string& other) {
          const std::vector<at::Tensor> a = params(nova), b = params(other);
          for (std::size_t r = 0; r < b.size(); ++r) expect_close(a[r], numbers(b[r]), tolerance, local);
        };
        same("\"fed_nova\"", "\"fed_avg\"");
        same("{name = \"fed_nova\", rate = 0.5}", "{name = \"fed_avg\", rate = 0.5}");
        same("{name = \"fed_nova\", mu = 0.5}", "{name = \"fed_prox\", mu = 0.5}");
      }
    }
  }
}

// Clients of unequal sizes do unequal numbers of steps in an epoch and have unequal weights, p_i = n_i / n. The
// clients' changes are those of the trainer alone.
TEST(FedNova, WeighsByExamplesAsThePaperDoes) {
  const Federation parts = federation(
      "strategy = \"fed_nova\"\nmodel = \"logistic_regression\"\nlocal = {epochs = 2, batch = 5, rate = 0.2}\n"
      "data = {name = \"synthetic\", examples = 400, test_examples = 10, features = 6, classes = 3}\n"
      "partition = {name = \"quantity\", clients = 6, minimum = 3}\nplanner = {cohort = 6}\n");
  const Played played = play(parts, 2, {2, 1});
  const auto trainer = parts.task->trainer();
  at::Tensor x = parts.task->initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  std::set<std::int64_t> different;
  for (std::size_t r = 0; r < 2; ++r) {
    at::Tensor mean = at::zeros_like(x, at::kDouble);
    double tau = 0, examples = 0;
    for (const ParticipationRow& row : round_rows(played.records[r]).participations) {
      const Participation p{.id = ParticipationId{row.participation}, .client = ClientId{row.client}};
      trainer->open({&p, 1}, parts.local->at(r + 1));
      const LocalResult fit = trainer->fit(x, {});
      const double steps = fit.figures[0].steps, n = parts.task->work(p.client).examples;
      mean += n * fit.delta.dense()[0].to(at::kDouble) / steps;
      tau += n * steps;
      examples += n;
      different.insert(fit.figures[0].steps);
    }
    EXPECT_EQ(examples, 400);
    x = (x.to(at::kDouble) + tau / examples * mean / examples).to(at::kFloat);
    expect_close(played.params[r], numbers(x), 1e-6, fmt::format("round {}", r + 1));
  }
  EXPECT_GT(different.size(), 3U);  // else this would be FedAvg
}

// Effective steps that are not whole, and weights that are not, on clients that drop out and do part of their work.
TEST(FedNova, GivesTheSameBitsOnAnyRanks) {
  const std::string toml =
      "strategy = {name = \"fed_nova\", mu = 0.3}\nlocal = {steps = 9, rate = 0.1, momentum = 0.7}\n"
      "task = {name = \"quadratic\", clients = 60, dimension = 17}\n"
      "population = {speed_sigma = 1, partial = {share = 0.6}}\n";
  for (const char* planner : {"planner = {cohort = 15, dropout = 0.2}\n",
                              "planner = {name = \"fed_buff\", concurrency = 12, buffer = 4}\n"}) {
    const Federation parts = federation(planner + toml);
    const Played one = play(parts, 5);
    EXPECT_TRUE(std::isfinite(numbers(one.last())[0]));
    for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(parts, 5, hands).bits, one.bits) << hands.ranks << " ranks, " << planner;
    }
  }
}

// More than the 256 that other values are bounded by, and a client beyond what is exact in float32.
TEST(FedNova, CountsManyStepsAndRejectsTooMany) {
  const TwoClients many{.local = "steps = 5000\nrate = 0.01"};
  EXPECT_EQ(play(two_clients(many), 1).records[0].rejected, 0);
  // With a momentum of 1 they are steps (steps + 1) / 2: 1.8e7 and, of a fifth of the steps, 7.2e5.
  const TwoClients too_many{.local = "steps = 6000\nrate = 1e-9\nmomentum = 1"};
  EXPECT_EQ(play(two_clients(too_many), 1).records[0].rejected, 1);
}

const std::string quadratic = "task = {name = \"quadratic\", clients = 20, dimension = 4}\n";

TEST(FedNova, RefusesAPullThatOvershoots) {
  EXPECT_THAT(refusal("strategy = {name = \"fed_nova\", mu = 5}\nlocal = {rate = 0.5}\n" + quadratic),
              HasSubstr("[strategy]: mu of 5 with a learning rate of 0.5 (a local step would overshoot the server "
                        "model). Lower 'mu' to 2 or less."));
  EXPECT_EQ(refusal("strategy = {name = \"fed_nova\", mu = 2}\nlocal = {rate = 0.5}\n" + quadratic), "accepted");
}

TEST(FedNova, RefusesAggregatorsWithoutMeans) {
  EXPECT_THAT(refusal("strategy = \"fed_nova\"\naggregator = \"median\"\n" + quadratic), HasSubstr("effective_steps"));
}

}  // namespace
}  // namespace shoal

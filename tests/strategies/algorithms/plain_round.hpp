#pragma once
// One round of a supervised federation without the engine: each client by a loop of plain autograd, then their mean.

#include <functional>

#include "tests/sim/round/rounds.hpp"
#include "tests/sim/task/plain_steps.hpp"

namespace shoal::test {

/// Twelve clients hold few of the ten digits each; five of them train a small network.
inline std::string digits(const std::string& strategy, const std::string& local = "") {
  return "data = \"optdigits\"\npartition = {name = \"dirichlet\", clients = 12, alpha = 0.3, minimum = 1}\n"
         "model = {name = \"mlp\", widths = [8]}\nplanner = {cohort = 5}\nstrategy = " +
         strategy + "\n[local]\nsteps = 4\nbatch = 7\nrate = 0.2\n" + local;
}

inline at::Tensor digit_scores(const Parameters& p, const at::Tensor& x) { return dense_scores(p, 0, x); }

/// The gradient of one local step of a client at `y`: of the step's batch, or of the next one.
using Gradient = std::function<at::Tensor(const at::Tensor& y, Which which)>;
using PlainStep = std::function<at::Tensor(const at::Tensor& y, const Gradient&)>;

/// A client's change by `steps` plain steps, each of which returns the direction to descend.
inline at::Tensor plain_change(const SupervisedTask& task, const Participation& who, const LocalSettings& local,
                               const at::Tensor& start, const PlainLoss& loss, const PlainStep& step) {
  const std::int64_t steps = local.local_steps(task.work(who.client).examples, who.fraction);
  const Batches batches = batches_of(task, who, local, steps + 1);
  at::Tensor y = start;
  for (std::int64_t s = 0; s < steps; ++s) {
    y = y - local.rate * step(y, [&](const at::Tensor& at, Which which) {
              return plain_gradient(task, at, batches[which == Which::this_batch ? s : s + 1], loss).gradient;
            });
  }
  return y - start;
}

/// Plays one round and compares the model with the mean of the changes, weighted by examples or uniformly.
inline void expect_round(const std::string& toml, double tolerance, bool uniform,
                         const std::function<at::Tensor(const SupervisedTask&, const Participation&,
                                                        const LocalSettings&, const at::Tensor& start)>& change) {
  const Federation parts = federation(toml);
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  const Played played = play(parts, 1);
  const at::Tensor start = task.initial_parameters(random_key(parts.seed, "model/initial_parameters"));
  at::Tensor sum = at::zeros_like(start);
  double weights = 0;
  ASSERT_EQ(played.records[0].clients.size(), 5U);
  for (const ClientRow& row : played.records[0].clients) {
    const double weight = uniform ? 1.0 : 1.0 * task.work(row.participation.client).examples;
    sum += weight * change(task, row.participation, parts.local->at(1), start);
    weights += weight;
  }
  EXPECT_LT(distance(played.last() - start, sum / weights), tolerance) << toml;
}

/// The run has the same bits on any number of ranks and threads, alone and in stacks.
inline void expect_same_bits(const std::string& toml) {
  for (const char* block : {"block = 1\n", "block = 3\nform = \"stacked\"\n"}) {
    const Federation parts = federation(toml + block);
    const std::string bits = play(parts, 3).bits;
    for (const Hands hands : {Hands{1, 2}, Hands{2, 1}, Hands{3, 2}, Hands{5, 1}}) {
      EXPECT_EQ(play(parts, 3, hands).bits, bits)
          << hands.ranks << " ranks, " << hands.threads << " threads, " << block;
    }
  }
}

/// Two clients with F = h (x - b)^2 / 2, h = (1, 4), b = (0, 1), which take five steps of 0.1 from x = 2.
inline std::string two_quadratics(const std::string& strategy) {
  return "aggregator = \"float_sum\"\nplanner = {cohort = 2}\nlocal = {steps = 5, batch = 0, rate = 0.1}\n"
         "task = {name = \"quadratic\", curvatures = [1, 4], optima = [0, 1], start = 2, precision = \"float64\"}\n"
         "strategy = " +
         strategy + "\n";
}

/// The server model after rounds 1, 2 and 3.
inline void expect_quadratic(const std::string& strategy, const std::vector<double>& rounds, double tolerance = 1e-12) {
  const Played played = play(federation(two_quadratics(strategy)), static_cast<int>(rounds.size()));
  for (std::size_t r = 0; r < rounds.size(); ++r) expect_close(played.params[r], {rounds[r]}, tolerance, strategy);
}

}  // namespace shoal::test

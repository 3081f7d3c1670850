// Does FedLC train on calibrated logits, with the label counts of each client?
#include "tests/strategies/algorithms/plain_round.hpp"

namespace shoal::test {
namespace {

// -log of e^(s_y) / sum_c e^(s_c) with s = scores - tau n^(-1/4), counted example by example.
at::Tensor calibrated(const at::Tensor& scores, const at::Tensor& labels, const std::vector<double>& counts,
                      double tau) {
  std::vector<double> margins;
  for (const double n : counts) margins.push_back(tau / std::pow(std::max(n, 1e-8), 0.25));
  const at::Tensor s = scores - at::tensor(margins).to(scores.scalar_type());
  return (s.exp().sum(1).log() - s.gather(1, labels.unsqueeze(1)).squeeze(1)).mean();
}

std::vector<double> counts_of(const SupervisedTask& task, ClientId client) {
  std::vector<double> counts(10, 0);
  for (const std::int32_t i : task.holdout().indices(client, "train")) ++counts[task.train().labels()[i]];
  return counts;
}

// Scores of 0 with 1 and 16 examples: margins 1 and 1/2.
TEST(FedLc, HasAReferenceWithTheHandComputedLoss) {
  const at::Tensor zero = at::zeros({1, 2}, at::kDouble);
  EXPECT_NEAR(calibrated(zero, at::tensor({std::int64_t{0}}), {1, 16}, 1).item<double>(), 0.97407698418, 1e-11);
  EXPECT_NEAR(calibrated(zero, at::tensor({std::int64_t{1}}), {1, 16}, 1).item<double>(), 0.47407698418, 1e-11);
}

TEST(FedLc, FollowsAutograd) {
  for (const char* block : {"", "block = 5\nform = \"stacked\"\n"}) {
    bool has_missing = false;
    expect_round(digits("{name = \"fed_lc\", tau = 0.5}", block), 2e-5, false,
                 [&](const auto& task, const auto& who, const auto& local, const auto& start) {
                   const std::vector<double> counts = counts_of(task, who.client);
                   has_missing |= std::ranges::count(counts, 0) > 0;
                   const PlainLoss loss = [&](const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
                     return calibrated(digit_scores(p, x), labels, counts, 0.5);
                   };
                   return plain_change(task, who, local, start, loss,
                                       [](const at::Tensor& y, const Gradient& g) { return g(y, Which::this_batch); });
                 });
    EXPECT_TRUE(has_missing);
  }
}

TEST(FedLc, WithoutCalibrationIsFedAvg) {
  const at::Tensor found = play(federation(digits("{name = \"fed_lc\", tau = 0}")), 3).last();
  expect_close(found, numbers(play(federation(digits("\"fed_avg\"")), 3).last()), 1e-5, "params");
}

TEST(FedLc, RefusesTasksWithoutLabels) {
  EXPECT_THROW(federation("task = \"quadratic\"\nstrategy = \"fed_lc\"\n"), UserError);
  EXPECT_THROW(federation("task = \"agents\"\nstrategy = \"fed_lc\"\n"), UserError);
}

TEST(FedLc, HasTheSameBitsOnAnyRanks) { expect_same_bits(digits("\"fed_lc\"")); }

}  // namespace
}  // namespace shoal::test

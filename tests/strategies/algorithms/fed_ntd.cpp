// Does FedNTD distil from the received model over the labels that are not true?
#include "tests/strategies/algorithms/plain_round.hpp"

namespace shoal::test {
namespace {

// tau^2 KL(p || q) of one example, where p and q are the softmax of scores without that of `label`.
at::Tensor distilled(const at::Tensor& scores, const at::Tensor& of_server, std::int64_t label, double tau) {
  const auto others = [&](const at::Tensor& all) {
    const at::Tensor rest = at::cat({all.slice(0, 0, label), all.slice(0, label + 1)}) / tau;
    return rest.exp() / rest.exp().sum();
  };
  const at::Tensor p = others(of_server), q = others(scores);
  return tau * tau * (p * (p / q).log()).sum();
}

TEST(FedNtd, HasAReferenceWithTheHandComputedLoss) {
  const at::Tensor zero = at::zeros({3}, at::kDouble), server = at::tensor({0.0, 1.0, 0.0});
  EXPECT_NEAR(distilled(zero, server, 0, 1).item<double>(), 0.11094407167173, 1e-13);
  EXPECT_NEAR(distilled(zero, server, 0, 3).item<double>(), 0.12328507222177, 1e-13);
}

TEST(FedNtd, FollowsAutograd) {
  constexpr double beta = 3, tau = 2;
  const std::string strategy = fmt::format("{{name = \"fed_ntd\", beta = {}, tau = {}}}", beta, tau);
  for (const char* block : {"", "block = 5\nform = \"stacked\"\n"}) {
    expect_round(digits(strategy, block), 2e-5, false,
                 [](const auto& task, const auto& who, const auto& local, const auto& start) {
                   const Parameters server = leaves(task.layout(), start);
                   const PlainLoss loss = [&](const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
                     const at::Tensor scores = digit_scores(p, x), of_server = digit_scores(server, x).detach();
                     at::Tensor sum = at::zeros({});
                     for (std::int64_t i = 0; i < labels.size(0); ++i) {
                       sum = sum + distilled(scores[i], of_server[i], labels[i].item<std::int64_t>(), tau);
                     }
                     return at::cross_entropy_loss(scores, labels) + beta * sum / labels.size(0);
                   };
                   return plain_change(task, who, local, start, loss,
                                       [](const at::Tensor& y, const Gradient& g) { return g(y, Which::this_batch); });
                 });
  }
}

TEST(FedNtd, WithoutDistillationIsFedAvg) {
  const at::Tensor found = play(federation(digits("{name = \"fed_ntd\", beta = 0}")), 3).last();
  expect_close(found, numbers(play(federation(digits("\"fed_avg\"")), 3).last()), 1e-5, "params");
}

// The received model is where the distillation has its least value, 0: one step from there is FedAvg's.
TEST(FedNtd, BeginsWithAStepOfFedAvg) {
  const auto first = [&](const std::string& strategy) {
    std::string toml = digits(strategy);
    return play(federation(toml.replace(toml.find("steps = 4"), 9, "steps = 1")), 1).last();
  };
  const at::Tensor found = first("{name = \"fed_ntd\", beta = 100}");
  expect_close(found, numbers(first("\"fed_avg\"")), 1e-5, "params");
}

TEST(FedNtd, RefusesTasksWithoutOutputs) {
  EXPECT_THROW(federation("task = \"quadratic\"\nstrategy = \"fed_ntd\"\n"), UserError);
  EXPECT_THROW(federation("task = \"agents\"\nstrategy = \"fed_ntd\"\n"), UserError);
}

TEST(FedNtd, HasTheSameBitsOnAnyRanks) { expect_same_bits(digits("\"fed_ntd\"")); }

}  // namespace
}  // namespace shoal::test

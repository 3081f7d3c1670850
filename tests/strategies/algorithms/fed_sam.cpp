// Are the local steps of FedSAM those of its algorithm, in closed form and by plain autograd?
#include "tests/strategies/algorithms/plain_round.hpp"

namespace shoal::test {
namespace {

at::Tensor loss_of(const Parameters& p, const at::Tensor& x, const at::Tensor& labels) {
  return at::cross_entropy_loss(digit_scores(p, x), labels);
}

// In one dimension g / |g| is a sign: y <- y - 0.1 h (y + rho sign(y - b) - b).
TEST(FedSam, FollowsTheClosedForm) {
  expect_quadratic("{name = \"fed_sam\", rho = 0.05}", {1.09607625, 0.8060527270312, 0.7232606174193});
  double x = 2;
  std::vector<double> rounds;
  for (int round = 0; round < 3; ++round) {
    double mean = 0;
    for (const auto& [h, b] : {std::pair{1.0, 0.0}, {4.0, 1.0}}) {
      double y = x;
      for (int step = 0; step < 5; ++step) y -= 0.1 * h * (y + 0.3 * (y > b ? 1 : -1) - b);
      mean += y / 2;
    }
    rounds.push_back(x = mean);
  }
  expect_quadratic("{name = \"fed_sam\", rho = 0.3}", rounds);
}

TEST(FedSam, WithoutADistanceIsFedAvg) {
  const std::string base =
      "task = {name = \"quadratic\", clients = 30, dimension = 7}\nlocal = {steps = 4, momentum = 0.5}\nstrategy = ";
  EXPECT_EQ(digest(play(federation(base + "{name = \"fed_sam\", rho = 0}"), 3).last()),
            digest(play(federation(base + "\"fed_avg\""), 3).last()));
}

TEST(FedSam, FollowsAutograd) {
  for (const char* block : {"", "block = 5\nform = \"stacked\"\n"}) {
    expect_round(digits("{name = \"fed_sam\", rho = 0.4}", block), 2e-5, false,
                 [](const auto& task, const auto& who, const auto& local, const auto& start) {
                   return plain_change(task, who, local, start, loss_of, [](const at::Tensor& y, const Gradient& g) {
                     const at::Tensor here = g(y, Which::this_batch);
                     return g(y + 0.4 * here / here.norm(), Which::this_batch);
                   });
                 });
  }
}

TEST(FedSam, HasTheSameBitsOnAnyRanks) { expect_same_bits(digits("\"fed_sam\"")); }

}  // namespace
}  // namespace shoal::test

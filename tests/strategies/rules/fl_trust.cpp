// Does FLTrust weigh and scale rows as the paper says, and does it withstand many attackers?
#include <gtest/gtest.h>

#include <cmath>

#include "tests/strategies/federations.hpp"
#include "tests/strategies/rules/apply_rules.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// The aggregate of the rows with this reference.
at::Tensor trusted(const at::Tensor& rows, const at::Tensor& reference, const Arrival& arrival = {},
                   std::vector<double>* evidence = nullptr) {
  return with_rows(rows, arrival, [&](RowSet& set, Communicator&) {
    State state;
    std::vector<double> own(set.count());
    rules_of("[\"fl_trust\"]")[0]->apply(set, state, {.reference = &reference, .evidence = own});
    if (evidence != nullptr) *evidence = std::move(own);
    return set.mean();
  });
}

// From the paper's formulas, row by row.
at::Tensor direct(const at::Tensor& rows, const at::Tensor& reference) {
  at::Tensor sum = at::zeros_like(reference);
  double total = 0;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const at::Tensor g = rows[i];
    const double cosine = (g.dot(reference) / (g.norm() * reference.norm())).item<double>();
    const double score = std::max(0.0, cosine);
    sum += score * (reference.norm() / g.norm()) * g;
    total += score;
  }
  return sum / total;
}

TEST(FlTrust, ByHand) {
  // Cosines 1, 0, 0.8 and -1 with (3, 4); every row is scaled to the length 5.
  const at::Tensor rows = at::tensor({6.0, 8.0, 4.0, -3.0, 0.0, 0.5, -3.0, -4.0}, at::kDouble).view({4, 2});
  std::vector<double> evidence;
  const at::Tensor found = trusted(rows, at::tensor({3.0, 4.0}, at::kDouble), {}, &evidence);
  EXPECT_LT(difference(found, at::tensor({3 / 1.8, 8 / 1.8}, at::kDouble)), 1e-14);
  const std::vector<double> expected = {1, 0, 0.8, 0};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(evidence[i], expected[i], 1e-14) << i;
}

TEST(FlTrust, EqualsTheDirectForm) {
  for (const std::int64_t d : {5, 4500}) {
    const at::Tensor rows = normal_rows(9, d), reference = normal_rows(1, d, at::kDouble, 5)[0];
    EXPECT_LT(difference(trusted(rows, reference, {.ranks = 2}), direct(rows, reference)), 1e-12) << d;
  }
  const at::Tensor eleven = eleven_rows();
  EXPECT_LT(difference(trusted(eleven, eleven[6]), direct(eleven, eleven[6])), 1e-12);
}

TEST(FlTrust, IgnoresTheLengthsOfRows) {
  const at::Tensor rows = normal_rows(6, 300), reference = normal_rows(1, 300, at::kDouble, 5)[0];
  at::Tensor longer = rows.clone();
  longer[2].mul_(1000);
  longer[3].mul_(1e-3);
  EXPECT_LT(difference(trusted(longer, reference), trusted(rows, reference)), 1e-12);
}

TEST(FlTrust, IsZeroWithoutTrust) {
  const at::Tensor reference = normal_rows(1, 30)[0];
  const at::Tensor against = at::stack({-reference, -3 * reference, at::zeros({30}, at::kDouble)});
  EXPECT_EQ(trusted(against, reference).abs().max().item<double>(), 0);
  EXPECT_EQ(trusted(normal_rows(3, 30), at::zeros({30}, at::kDouble)).abs().max().item<double>(), 0);
}

// With 60 % of the clients against it, a median is lost as well as a mean.
double accuracy(const std::string& rules_and_attack) {
  const Composed parts =
      composed(rules_and_attack +
               "seed = 3\ndata = {name = \"optdigits\", server = 100}\nmodel = \"logistic_regression\"\n"
               "partition = {name = \"dirichlet\", clients = 20, alpha = 1, minimum = 10}\n"
               "planner = {cohort = 20}\nlocal = {epochs = 1, batch = 10, rate = 0.05}\n");
  double found = 0;
  run(parts.federation, 40, 1, 1,
      [&](const RoundRecord&, const FederationState& state, Communicator& comm, Trainers& trainers) {
        found = evaluate(state.strategy().params(), "test", *parts.federation.task, comm, trainers).accuracy();
      });
  return found;
}

TEST(FlTrust, WithstandsAMajorityOfAttackers) {
  const std::string attack = "attack = {name = \"sign_flip\", malicious = 12, scale = 3}\n";
  const double honest = accuracy("");
  const double trusting = accuracy("rules = [\"fl_trust\"]\n" + attack);
  EXPECT_GT(honest, 0.85);
  EXPECT_GT(trusting, honest - 0.08);
  EXPECT_LT(accuracy("rules = [\"median\"]\n" + attack), trusting - 0.3);
}

TEST(FlTrust, HasTheSameBitsOnAnyRanks) {
  const Federation parts = federation(
      "rules = [\"fl_trust\"]\nattack = {name = \"alie\", malicious = 4}\nstages = [\"clip\"]\n"
      "data = {name = \"optdigits\", server = 40}\nmodel = {name = \"mlp\", widths = [40]}\n"
      "partition = {clients = 20}\nplanner = {name = \"fed_buff\", concurrency = 9, buffer = 4}\n"
      "local = {steps = 2, batch = 5, block = 2}\n");
  const std::string one = run(parts, 5);
  for (const auto& [ranks, threads] : {std::pair{1, 2}, {2, 1}, {3, 2}, {5, 1}}) {
    EXPECT_EQ(run(parts, 5, ranks, threads), one) << ranks << " ranks";
  }
}

}  // namespace
}  // namespace shoal

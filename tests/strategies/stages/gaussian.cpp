// Does the Gaussian mechanism clip all private channels together, divide by the expected cohort, add the promised noise
// and step without clients?

#include <gmock/gmock.h>

#include <cmath>

#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

Federation noisy(const std::string& stage, const std::string& strategy = "fed_avg", double cohort = 4) {
  return federation(fmt::format(
      "[task]\nname = \"quadratic\"\nclients = 8\ndimension = 3\nprecision = \"float64\"\n[strategy]\nname = \"{}\"\n"
      "[planner]\nname = \"poisson\"\ncohort = {}\n[[stages]]\nname = \"gaussian\"\n{}",
      strategy, cohort, stage));
}

// The models after each round.
std::vector<at::Tensor> models(const Federation& parts, int rounds) {
  std::vector<at::Tensor> found;
  run(parts, rounds, 1, 1, [&](const RoundRecord&, const FederationState& state, Communicator&, Trainers&) {
    found.push_back(state.strategy().params().clone());
  });
  return found;
}

TEST(Gaussian, DividesTheSumByTheExpectedCohort) {
  // Without noise, the model moves by the clipped sum over 2, whatever the cohort that was drawn: by exactly 0.01 / 2
  // where one client took part, whose update is longer than the bound.
  const Federation parts = noisy("bound = 0.01\nnoise_multiplier = 0\n", "fed_avg", 2);
  at::Tensor before;
  std::set<std::int64_t> cohorts;
  int alone = 0;
  run(parts, 40, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    const at::Tensor after = state.strategy().params().clone();
    cohorts.insert(record.committed);
    if (before.defined()) {
      const double step = (after - before).norm().item<double>();
      EXPECT_LE(step, record.committed * 0.01 / 2 * (1 + 1e-6));
      if (record.committed == 1) {
        ++alone;
        EXPECT_NEAR(step, 0.01 / 2, 1e-8);
      }
    }
    before = after;
  });
  EXPECT_GT(cohorts.size(), 2U);
  EXPECT_GT(alone, 3);
}

TEST(Gaussian, ClipsAllPrivateChannelsTogether) {
  // SCAFFOLD sends the change of the model and that of the control variate. Of one client, the sum of both squared
  // norms is at most bound^2; the server's control moves by the mean of the second times the share of the clients.
  const Federation parts = noisy("bound = 0.5\nnoise_multiplier = 0\n", "scaffold", 1);
  at::Tensor model, control;
  int alone = 0;
  run(parts, 40, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    const at::Tensor new_model = state.strategy().params().clone();
    const at::Tensor new_control = state.strategy().tensor("control").clone();
    if (model.defined() && record.committed == 1) {
      ++alone;
      const double a = (new_model - model).norm().item<double>();
      const double b = (new_control - control).norm().item<double>() * 8;
      EXPECT_LE(a * a + b * b, 0.25 * (1 + 1e-6));
      if (a > 0.01) {
        EXPECT_GT(b, 0);
      }
    }
    model = new_model;
    control = new_control;
  });
  EXPECT_GT(alone, 5);
}

TEST(Gaussian, AddsTheNoiseItPromises) {
  // The updates are clipped to nothing, so each step is noise with a standard deviation of 3 * bound / 4. Over 600
  // draws the mean square is within 15 % of its expectation (more than 2.5 standard errors of 5.8 %).
  constexpr double bound = 1e-6;
  const std::vector<at::Tensor> path = models(noisy(fmt::format("bound = {}\nnoise_multiplier = 3e6\n", bound)), 201);
  const double deviation = 3e6 * bound / 4;
  double squares = 0, sum = 0, count = 0;
  for (std::size_t r = 1; r < path.size(); ++r) {
    const at::Tensor step = path[r] - path[r - 1];
    for (std::int64_t j = 0; j < 3; ++j) {
      const double z = step[j].item<double>() / deviation;
      squares += z * z;
      sum += z;
      ++count;
    }
  }
  EXPECT_NEAR(squares / count, 1, 0.15);
  EXPECT_NEAR(sum / count, 0, 3 / std::sqrt(count));
}

TEST(Gaussian, MovesTheModelWithoutClients) {
  const Federation parts = noisy("", "fed_avg", 1e-6);
  at::Tensor before;
  run(parts, 5, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    EXPECT_EQ(record.verdict, Verdict::commit);
    EXPECT_EQ(record.committed, 0);
    const at::Tensor after = state.strategy().params().clone();
    EXPECT_TRUE(at::isfinite(after).all().item<bool>());
    if (before.defined()) {
      EXPECT_GT((after - before).norm().item<double>(), 0);
    }
    before = after;
  });
}

TEST(Gaussian, GivesTheSameBitsOnAnyRanks) {
  const Federation parts = noisy("bound = 0.1\n", "scaffold");
  const std::string one = run(parts, 6);
  for (const int ranks : {2, 3, 5}) EXPECT_EQ(run(parts, 6, ranks, 2), one) << ranks;
}

TEST(Gaussian, RefusesPlannersWithoutAnExpectation) {
  const std::string task = "[task]\nname = \"quadratic\"\nclients = 8\n", stage = "[[stages]]\nname = \"gaussian\"\n";
  EXPECT_THAT(user_error_of([&] {
                federation(task + "[planner]\nname = \"power_of_choice\"\ncohort = 2\ncandidates = 4\n" + stage);
              }),
              testing::HasSubstr("does not say how many clients it expects"));
  EXPECT_EQ(user_error_of([&] { federation(task + "[planner]\ncohort = 2\n" + stage); }), "");
}

TEST(Gaussian, RefusesWeightsThatDependOnReports) {
  EXPECT_THAT(user_error_of([&] { noisy("", "afl").check(); }), testing::HasSubstr("by what they report"));
}

TEST(Gaussian, RefusesAnAggregateThatIsNoMean) {
  EXPECT_THAT(user_error_of([&] {
                Federation parts = noisy("");
                parts.aggregator = federation("task = \"quadratic\"\naggregator = \"median\"\n").aggregator;
                parts.check();
              }),
              testing::HasSubstr("the noise is that of a mean"));
}

TEST(Gaussian, HidesWhetherAnybodyCame) {
  // SCAFFOLD's control variate has noise in an empty round too.
  const Federation parts = noisy("", "scaffold", 1e-6);
  at::Tensor before;
  run(parts, 3, 1, 1, [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
    EXPECT_EQ(record.committed, 0);
    const at::Tensor after = state.strategy().tensor("control").clone();
    EXPECT_GT(after.norm().item<double>(), 0);
    if (before.defined()) {
      EXPECT_GT((after - before).norm().item<double>(), 0);
    }
    before = after;
  });
}

TEST(Gaussian, RefusesChannelsThatItDoesNotProtect) {
  for (const std::string strategy : {"fed_nova", "fed_async"}) {
    EXPECT_THAT(user_error_of([&] { noisy("", strategy).check(); }), testing::HasSubstr("but not to the channel"));
  }
}

TEST(Gaussian, DescribesItsMechanism) {
  const Federation parts = noisy("bound = 0.5\nnoise_multiplier = 1.25\n");
  parts.with_composition([&](const Composition& all) {
    const std::vector<Mechanism> found = parts.stages[0]->mechanisms(all);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].noise_multiplier, 1.25);
    EXPECT_EQ(found[0].sensitivity, 0.5);
    EXPECT_EQ(found[0].channels, std::vector<std::string>{"delta"});
    const Sampling sampling = parts.planner->sampling(all);
    EXPECT_EQ(sampling.kind, Sampling::Kind::poisson);
    EXPECT_EQ(sampling.rate, 0.5);
  });
  EXPECT_THAT(parts.notes(), testing::ElementsAre(testing::HasSubstr("Poisson sampling at rate 0.5")));
}

TEST(Gaussian, ClaimsNoAmplificationUnderAvailability) {
  const Federation parts = federation(
      "[task]\nname = \"quadratic\"\nclients = 8\n[planner]\nname = \"poisson\"\ncohort = 4\n"
      "[population.availability]\nname = \"bernoulli\"\n[[stages]]\nname = \"gaussian\"\n");
  EXPECT_THAT(parts.notes(), testing::ElementsAre(testing::HasSubstr("no amplification")));
}

}  // namespace
}  // namespace shoal

// Do clients get the personal models of the paper, and does their evaluation equal that of each client alone?
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "experiments/program/table.hpp"
#include "tests/sim/round/small_federation.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

// Two clients with F = h (x - b)^2 / 2, h = (1, 4), b = (0, 1).
std::string two_clients(const std::string& ditto, const std::string& local, double start) {
  return fmt::format(
      "[task]\nname = \"quadratic\"\ncurvatures = [1, 4]\noptima = [0, 1]\nprecision = \"float64\"\nstart = {}\n"
      "[planner]\ncohort = 2\n[local]\n{}\n[strategy]\nname = \"ditto\"\n{}\n",
      start, local, ditto);
}

std::vector<double> personal_models(const Federation& parts, int rounds) {
  std::vector<double> found;
  run(parts, rounds, 1, 1, [&](const RoundRecord&, const FederationState& state, Communicator&, Trainers&) {
    found.clear();
    for (const auto& [client, record] : state.memory.records()) found.push_back(record[0].item<double>());
  });
  return found;
}

// argmin F_i(v) + lambda / 2 (v - x)^2 = (h b + lambda x) / (h + lambda): 0.25 and 0.9 for lambda = 1 and x = 1/2.
TEST(Ditto, ReachesTheExactPersonalModels) {
  const std::vector<double> found =
      personal_models(federation(two_clients("lambda = 1", "steps = 2000\nrate = 0.01", 0.5)), 1);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NEAR(found[0], (0 + 1 * 0.5) / 2, 1e-6);
  EXPECT_NEAR(found[1], (4 + 1 * 0.5) / 5, 1e-6);
}

TEST(Ditto, WithoutPullIsLocalTraining) {
  const int rounds = 4, steps = 3;
  const std::vector<double> found =
      personal_models(federation(two_clients("lambda = 0", "steps = 3\nrate = 0.05", 2)), rounds);
  EXPECT_NEAR(found[0], 0 + std::pow(1 - 0.05 * 1, rounds * steps) * (2 - 0), 1e-12);
  EXPECT_NEAR(found[1], 1 + std::pow(1 - 0.05 * 4, rounds * steps) * (2 - 1), 1e-12);
}

TEST(Ditto, LeavesTheServerModelToFedAvg) {
  const std::string base =
      "[task]\nname = \"quadratic\"\nclients = 30\ndimension = 7\n[local]\nsteps = 4\nblock = 2\n[strategy]\nname = ";
  const auto rows = [](const std::string& toml) {
    Digest all;
    run(federation(toml), 10, 1, 1,
        [&](const RoundRecord& record, const FederationState& state, Communicator&, Trainers&) {
          const RoundRow row = round_rows(record).round;
          all.add(std::as_bytes(std::span(&row, 1))).add(digest(state.strategy().params()));
        });
    return all.hex();
  };
  EXPECT_EQ(rows(base + "\"ditto\"\n"), rows(base + "\"fed_avg\"\n"));
}

// The personal loss of the two clients by hand; clients without memory use the server's model.
TEST(PersonalEvaluation, IsTheMeanLossOfQuadratics) {
  const Federation parts = federation(two_clients("lambda = 1", "steps = 3\nrate = 0.05", 2));
  const auto at_start = [&] {
    PersonalEvaluation seen;
    run_on_threads(1, [&](Communicator& comm) {
      FederationState state(parts, 1, 0);
      Trainers trainers(*parts.task, 1);
      seen = evaluate_personal(parts, state, "test", 1000, comm, trainers);
    });
    return seen;
  }();
  EXPECT_EQ(at_start.clients, 2);
  EXPECT_NEAR(at_start.loss, (0.5 * 1 * 4 + 0.5 * 4 * 1) / 2, 1e-8);
  EXPECT_TRUE(std::isnan(at_start.accuracy));
  const Table each = personal_table(at_start, 7);
  ASSERT_EQ(each.rows(), 2);
  for (std::int64_t row = 0; row < 2; ++row) {
    const std::int64_t client = each.integer(row, 1);
    EXPECT_EQ(each.integer(row, 0), 7);
    EXPECT_TRUE(std::isnan(each.real(row, 3)));
    EXPECT_NEAR(each.real(row, 4), client == 0 ? 0.5 * 1 * 4 : 0.5 * 4 * 1, 1e-8);
  }

  run(parts, 3, 1, 1, [&](const RoundRecord&, const FederationState& state, Communicator& comm, Trainers& trainers) {
    const double v = state.memory.records().at(ClientId{0})[0].item<double>();
    const double w = state.memory.records().at(ClientId{1})[0].item<double>();
    const PersonalEvaluation seen = evaluate_personal(parts, state, "test", 1000, comm, trainers);
    EXPECT_NEAR(seen.loss, (0.5 * v * v + 0.5 * 4 * (w - 1) * (w - 1)) / 2, 1e-8);
    EXPECT_EQ(evaluate_personal(parts, state, "validation", 1000, comm, trainers).clients, 0);
    EXPECT_EQ(evaluate_personal(parts, state, "test", 1, comm, trainers).clients, 1);
  });
}

constexpr const char* supervised = R"(
[data]
name = "optdigits"
test = 0.3
[partition]
name = "dirichlet"
clients = 60
alpha = 0.2
[model]
name = "mlp"
widths = [16]
[planner]
cohort = 10
[strategy]
name = "ditto"
)";

TEST(PersonalEvaluation, IsThatOfEachClientAlone) {
  const Federation parts = federation(supervised);
  const auto& task = dynamic_cast<const SupervisedTask&>(*parts.task);
  run(parts, 3, 1, 1,
      [&](const RoundRecord& record, const FederationState& state, Communicator& comm, Trainers& trainers) {
        if (record.round < 3) return;
        const PersonalEvaluation seen = evaluate_personal(parts, state, "test", 1000, comm, trainers);
        std::vector<double> accuracies;
        double loss = 0;
        int without_memory = 0;
        for (std::int64_t c = 0; c < task.clients(); ++c) {
          const std::vector<std::int32_t> own = task.holdout().indices(ClientId{c}, "test");
          if (own.empty()) continue;
          const auto kept = state.memory.records().find(ClientId{c});
          without_memory += kept == state.memory.records().end() ? 1 : 0;
          const at::Tensor model = kept == state.memory.records().end() ? state.strategy().params() : kept->second[0];
          const at::Tensor scores = dense_scores(leaves(task.layout(), model), 0, features(task.train(), own));
          accuracies.push_back(
              at::eq(scores.argmax(1), labels(task.train(), own)).to(at::kDouble).mean().item<double>());
          loss += at::cross_entropy_loss(scores, labels(task.train(), own)).item<double>();
        }
        ASSERT_GT(without_memory, 10);
        ASSERT_EQ(seen.clients, std::ssize(accuracies));
        double sum = 0;
        for (const double a : accuracies) sum += a;
        EXPECT_NEAR(seen.accuracy, sum / accuracies.size(), 1e-12);
        EXPECT_NEAR(seen.loss, loss / accuracies.size(), 1e-5);
        std::ranges::sort(accuracies);
        EXPECT_NEAR(seen.accuracy_p10, accuracies[std::ceil(0.1 * accuracies.size()) - 1], 1e-12);
      });
}

TEST(PersonalEvaluation, HasTheSameBitsOnAnyRanks) {
  for (const std::string block : {"1", "4"}) {
    const Federation parts = federation(supervised + ("[local]\nblock = " + block));
    std::set<std::string> hashes;
    std::set<std::tuple<std::int64_t, double, double, double>> results;
    std::mutex mutex;
    for (const auto& [ranks, threads] : {std::pair{1, 1}, {1, 2}, {2, 1}, {3, 2}, {5, 1}}) {
      hashes.insert(
          run(parts, 3, ranks, threads,
              [&](const RoundRecord& record, const FederationState& state, Communicator& comm, Trainers& trainers) {
                const PersonalEvaluation p = evaluate_personal(parts, state, "test", 40, comm, trainers);
                const std::lock_guard lock(mutex);
                if (record.round == 3) results.emplace(p.clients, p.accuracy, p.accuracy_p10, p.loss);
              }));
    }
    EXPECT_EQ(hashes.size(), 1U);
    EXPECT_EQ(results.size(), 1U);
  }
}

TEST(PersonalEvaluation, IsOnByDefaultForPersonalModels) {
  EXPECT_EQ(composed(supervised).settings.personal_clients, 1000);
  EXPECT_EQ(composed(supervised + std::string("[evaluate]\npersonal = false")).settings.personal_clients, 0);
  EXPECT_EQ(composed(supervised + std::string("[evaluate]\npersonal_clients = 7")).settings.personal_clients, 7);
  const std::string shared = "[data]\nname = \"optdigits\"\n[strategy]\n";  // clients hold out no examples
  EXPECT_EQ(composed(shared + "name = \"ditto\"").settings.personal_clients, 0);
  EXPECT_THAT(user_error_of([&] { composed(shared + "name = \"ditto\"\n[evaluate]\npersonal = true"); }),
              testing::HasSubstr("clients have no examples of their own"));
  const std::string own = "[data]\nname = \"optdigits\"\ntest = 0.2\n";
  EXPECT_EQ(composed(own).settings.personal_clients, 0);
  // Each client then evaluates the server's model.
  EXPECT_EQ(composed(own + "[evaluate]\npersonal = true").settings.personal_clients, 1000);
}

TEST(PersonalEvaluation, AddsItsColumnsToTheTable) {
  CellContents cell;
  cell.header.label = "ditto";
  cell.result = CellResult{.status = "finished"};
  cell.rounds.resize(3);
  const auto table = [&] { return comparison_table(std::span(&cell, 1)); };
  EXPECT_THAT(table(), testing::Not(testing::HasSubstr("personal")));
  cell.rounds[1].personal_loss = 0.5;
  EXPECT_THAT(table(), testing::AllOf(testing::HasSubstr("personal loss"), testing::HasSubstr("0.5")));
  cell.rounds[0].personal_accuracy = 0.25;
  cell.rounds[1].personal_accuracy = 0.75;
  cell.rounds[1].personal_accuracy_p10 = 0.125;
  EXPECT_THAT(table(), testing::AllOf(testing::HasSubstr("personal accuracy"), testing::HasSubstr("75.00 %"),
                                      testing::HasSubstr("10th percentile"), testing::HasSubstr("12.50 %"),
                                      testing::Not(testing::HasSubstr("personal loss"))));
}

}  // namespace
}  // namespace shoal

// Every aggregator gives the same means for sparse rows and words as for the dense rows of the same values.
#include <gtest/gtest.h>

#include "sim/round/aggregator.hpp"
#include "tests/sim/nn/rows_of.hpp"
#include "tests/strategies/federations.hpp"

namespace shoal {
namespace {

// The mean of three clients, of which the second is rejected.
at::Tensor mean_of(const std::string& name, const Rows& rows, double weight_unit) {
  Settings settings;
  const auto aggregator = find_part<Aggregator>("aggregator", name).make(settings);
  AggregationPlan plan{.type = at::kFloat};
  plan.wires.push_back(plain_wire({.name = "values", .size = rows.width()}, at::kFloat));
  plan.scales.push_back({.exponent = 30, .weight_unit = weight_unit});
  const Contribution contribution{.channels = {rows},
                                  .weights = {{3, 1, 5}},
                                  .shares = {{3, 1, 5}},
                                  .accepted = {true, false, true},
                                  .block = {{.client = ClientId{0}}, {.client = ClientId{1}}, {.client = ClientId{2}}}};
  at::Tensor mean;
  run_on_threads(1, [&](Communicator& comm) {
    const auto collector = aggregator->open(plan);
    collector->add(contribution);
    ThreadPool pool(1);
    State state;
    Intake intake = collector->finish(comm, pool, state);
    mean = intake.rows ? intake.rows->mean() : intake.sums[0].means[0];
  });
  return mean;
}

TEST(RowForms, GiveTheMeansOfTheirDenseForm) {
  SparseRows sparse = test::sparse_at({{0, 3, 9}, {4}, {3, 7}}, 10);
  sparse.values[3] = NAN;  // the rejected client's
  const Rows words = Rows(test::normal({3, 10})).words({.exponent = 12, .bits = 16}, std::vector<std::int64_t>(3, 1));
  for (const Rows& rows : {Rows(sparse), words}) {
    const Rows dense(rows.dense().to(at::kFloat));
    for (const double unit : {1.0, 0x1p-24}) {
      for (const std::string name : {"exact_sum", "float_sum", "kept_rows", "median"}) {
        const at::Tensor mean = mean_of(name, rows, unit);
        EXPECT_TRUE(at::equal(mean, mean_of(name, dense, unit))) << name;
        EXPECT_GT(mean.abs().max().item<double>(), 0) << name;
      }
    }
  }
}

TEST(RowForms, AverageFactoredRows) {
  const Rows rows = test::factored();
  for (const std::string name : {"exact_sum", "float_sum", "kept_rows", "median"}) {
    const at::Tensor difference = mean_of(name, rows, 1) - mean_of(name, Rows(rows.dense()), 1);
    EXPECT_LT(difference.abs().max().item<double>(), 1e-6) << name;
  }
}

}  // namespace
}  // namespace shoal

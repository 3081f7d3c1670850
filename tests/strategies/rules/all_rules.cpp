// Does every rule keep its promises? The same bits on any ranks and threads and for rows that arrive in any order, a
// value for any number of rows, and evidence about every row or none. Then the median by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/strategies/rules/apply_rules.hpp"

namespace shoal {
namespace {

using namespace shoal::test;

class AllRules : public testing::TestWithParam<std::string_view> {
 protected:
  std::string list() const { return "[\"" + std::string(GetParam()) + "\"]"; }
};

// Honest clients, and three far from them.
at::Tensor some_rows(std::int64_t n, at::ScalarType type) {
  at::Tensor rows = normal_rows(n, 4500, type);
  for (std::int64_t i = 0; i < std::min<std::int64_t>(n, 3); ++i) rows[i].mul_(20).add_(3);
  return rows;
}

TEST_P(AllRules, GiveTheSameBitsOnAnyRanks) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor rows = some_rows(13, type);
    for (const std::string& rules : {list(), "[\"nnm\", \"" + std::string(GetParam()) + "\"]"}) {
      const at::Tensor one = aggregate(rules, rows, {}, 2);
      for (const auto& [ranks, threads] : {std::pair{1, 3}, {2, 1}, {3, 2}, {5, 1}}) {
        for (const std::int64_t stride : {7, 4}) {
          const Arrival arrival{.ranks = ranks, .threads = threads, .stride = stride};
          EXPECT_TRUE(at::equal(aggregate(rules, rows, arrival, 2), one)) << rules << " on " << ranks << " ranks";
        }
      }
    }
  }
}

// Other numbers for the same clients change the order of sums only.
TEST_P(AllRules, DoNotDependOnClientNumbers) {
  const at::Tensor rows = some_rows(9, at::kDouble);
  const Arrival renamed{.clients = {8, 3, 5, 0, 7, 1, 6, 2, 4}};
  EXPECT_LT(difference(aggregate(list(), rows, renamed), aggregate(list(), rows)), 1e-12);
}

TEST_P(AllRules, WorkOnFewRows) {
  for (const std::int64_t n : {1, 2, 3}) {
    const at::Tensor found = aggregate(list(), normal_rows(n, 40) * 1e-3, {.ranks = 2});
    EXPECT_TRUE(at::isfinite(found).all().item<bool>()) << n;
  }
  const at::Tensor only = normal_rows(1, 40) * 1e-3;
  EXPECT_LT(difference(aggregate(list(), only)[0], only[0]), 1e-15);
}

// Equal rows: whatever a rule chooses or averages is their value.
TEST_P(AllRules, KeepWhatAllClientsSend) {
  const at::Tensor rows = (normal_rows(1, 30) * 1e-2).expand({6, 30}).contiguous();
  EXPECT_LT(difference(aggregate(list(), rows)[0], rows[0]), 1e-15);
}

TEST_P(AllRules, GiveEvidenceOfEveryRowOrNone) {
  with_rows(some_rows(7, at::kDouble), {.ranks = 2}, [&](RowSet& rows, Communicator&) {
    State state;
    std::vector<double> evidence(7, std::nan(""));
    const auto rule = std::move(rules_of(list())[0]);
    const at::Tensor reference = rows.mean();
    RuleContext context = context_of(*rule, reference);
    context.evidence = evidence;
    rule->apply(rows, state, context);
    const auto given = std::ranges::count_if(evidence, [](double value) { return std::isfinite(value); });
    EXPECT_TRUE(given == 0 || given == 7) << given;
    return at::zeros({1});
  });
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> all;
  for (const Part<Rule>& part : parts<Rule>()) all.push_back(part.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Rules, AllRules, testing::ValuesIn(names()),
                         [](const auto& info) { return std::string(info.param); });

// The expected values are those of the library byzfl.
TEST(MedianRule, AgreesWithByzflOnElevenRows) {
  EXPECT_TRUE(at::equal(aggregate("[\"median\"]", eleven_rows()), row_of({1.125, 2.625, -0.375, 4.25, -0.75})));
  const at::Tensor even = eleven_rows().narrow(0, 0, 4);
  const at::Tensor sorted = std::get<0>(even.sort(0));
  EXPECT_TRUE(at::equal(aggregate("[\"median\"]", even)[0], (sorted[1] + sorted[2]) / 2));
}

}  // namespace
}  // namespace shoal
